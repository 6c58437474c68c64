"""Adapters for segmentation models that somebody else runs: any callable, and pipelines of ``transformers``.

No weights are part of edgewise. A model is given as a callable ``(rgb) -> (masks, labels)`` or
``(masks, labels, scores)``; :class:`TransformersMasks` makes one of a pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from edgewise.core.errors import BadInput, MissingExtra
from edgewise.scene.perception.noise import SensorNoise, sense
from edgewise.scene.types import ROBOT, Detection, Observation, Segmentation

Image = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


class SegmentationModel(Protocol):
    """A model: masks (n, h, w), their labels (an empty one if the model gives none) and, if it has them, scores."""

    def __call__(self, rgb: Image) -> tuple[Any, ...]:
        """Masks and labels, or masks, labels and scores, of an image (h, w, 3)."""
        ...


@dataclass(frozen=True)
class ModelSegmenter:
    """Perception by a segmentation model.

    Where masks overlap, a pixel goes to the one with the greater score, then to the smaller one.

    Attributes:
        model: See :class:`SegmentationModel`.
        namer: Names a mask that the model gave no label; an empty name drops it. ``ClassicalSegmenter().name`` goes by
            colour and size.
        robot: Labels that stand for the robot itself.
        ignore: Labels that stand for nothing of interest.
        threshold: Masks with a lower score are dropped.
        smallest: Masks of fewer pixels are dropped.
        noise: Errors of depth to add; None where the camera is a real one.
    """

    model: SegmentationModel
    namer: Callable[[Observation, Mask], str] | None = None
    robot: frozenset[str] = frozenset({"robot", "robot arm", "gripper"})
    ignore: frozenset[str] = frozenset({"table", "background", "floor", "wall"})
    threshold: float = 0.0
    smallest: int = 10
    noise: SensorNoise | None = None

    def __call__(self, observation: Observation, rng: Generator) -> tuple[Observation, Segmentation]:
        """The observation and what the model sees in it.

        Raises:
            BadInput: The model's masks do not fit the image or its labels, or nothing names them.
        """
        if self.noise is not None:
            observation = sense(observation, self.noise, rng)
        shape = observation.rgb.shape[:2]
        masks, labels, scores = _checked(self.model(observation.rgb), shape)
        order = sorted(range(len(masks)), key=lambda k: (scores[k], -int(masks[k].sum())))
        regions = np.zeros(shape, dtype=np.int16)
        named: list[Detection | None] = [None] * len(masks)
        for k in order:
            label = labels[k].strip().lower() or self._name(observation, masks[k])
            if not label or label in self.ignore or scores[k] < self.threshold or masks[k].sum() < self.smallest:
                continue
            if label in self.robot:
                regions[masks[k]] = ROBOT
            else:
                named[k] = Detection(label, min(1.0, max(0.0, scores[k])))
                regions[masks[k]] = k + 1
        number = np.zeros(len(masks) + 2, dtype=np.int16)
        kept = np.array([detection is not None for detection in named], dtype=bool)
        number[1:-1] = np.where(kept, np.cumsum(kept), 0)
        number[-1] = ROBOT
        return observation, Segmentation(number[regions], tuple(d for d in named if d is not None))

    def _name(self, observation: Observation, mask: Mask) -> str:
        if self.namer is None:
            raise BadInput(
                "the model gives a mask without a label", field="namer", fix="namer=ClassicalSegmenter().name"
            )
        return self.namer(observation, mask)


@dataclass
class TransformersMasks:
    """A pipeline of ``transformers`` as a :class:`SegmentationModel`.

    ``mask-generation`` (SAM) gives masks without labels; ``image-segmentation`` masks with labels;
    ``zero-shot-object-detection`` (Grounding DINO, OWL) boxes for ``labels``, which ``refine`` turns into masks.

    Attributes:
        task: Of the pipeline.
        model: A name or a folder, as ``transformers.pipeline`` takes it. Loaded when first used.
        labels: What to look for, for detection in an open vocabulary: ``("red cube", "grey cup")``.
        refine: Masks (n, h, w) for boxes (n, 4) of x0, y0, x1, y1 in pixels; :class:`SamBoxes` is one.
        options: Further arguments of each call of the pipeline.
        pipeline: A pipeline that was made elsewhere; then ``model`` is not used.
    """

    task: str
    model: str | None = None
    labels: tuple[str, ...] = ()
    refine: Callable[[Image, npt.NDArray[np.float64]], Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    pipeline: Callable[..., Any] | None = None

    def __call__(self, rgb: Image) -> tuple[Any, ...]:
        """Masks, labels and scores.

        Raises:
            BadInput: The pipeline gives boxes and there is no ``refine``, or gives something else altogether.
            MissingExtra: ``transformers`` is not installed.
        """
        from PIL import Image as Pillow

        if self.pipeline is None:
            self.pipeline = _transformers().pipeline(self.task, model=self.model)
        options = dict(self.options)
        if self.labels:
            options["candidate_labels"] = list(self.labels)
        output = self.pipeline(Pillow.fromarray(rgb), **options)
        if isinstance(output, dict) and "masks" in output:
            masks = [np.asarray(mask) > 0 for mask in output["masks"]]
            return masks, [""] * len(masks), [float(score) for score in output.get("scores", [1.0] * len(masks))]
        if not isinstance(output, list) or not all(isinstance(entry, dict) for entry in output):
            raise BadInput(
                f"a pipeline for {self.task!r} gave {type(output).__name__}, not masks or boxes", field="task"
            )
        labels = [str(entry.get("label", "")) for entry in output]
        scores = [1.0 if entry.get("score") is None else float(entry["score"]) for entry in output]
        if all("mask" in entry for entry in output):
            return [np.asarray(entry["mask"]) > 0 for entry in output], labels, scores
        if self.refine is None:
            raise BadInput("the pipeline gives boxes, not masks", field="refine", fix="refine=SamBoxes(model)")
        boxes = [[entry["box"][side] for side in ("xmin", "ymin", "xmax", "ymax")] for entry in output]
        return self.refine(rgb, np.array(boxes, dtype=np.float64)), labels, scores


@dataclass
class SamBoxes:
    """Masks within boxes by a SAM of ``transformers``.

    Attributes:
        model: A name or a folder. Loaded when first used.
        loaded: A pair (model, processor) that was made elsewhere; then ``model`` is not used.
    """

    model: str | None = None
    loaded: tuple[Any, Any] | None = None

    def __call__(self, rgb: Image, boxes: npt.NDArray[np.float64]) -> Any:
        """Masks (n, h, w) for boxes (n, 4).

        Raises:
            MissingExtra: ``transformers`` is not installed.
        """
        import torch

        if self.loaded is None:
            library = _transformers()
            self.loaded = (
                library.SamModel.from_pretrained(self.model).eval(),
                library.SamProcessor.from_pretrained(self.model),
            )
        model, processor = self.loaded
        inputs = processor(rgb, input_boxes=[boxes.tolist()], return_tensors="pt")
        with torch.inference_mode():
            outputs = model(**inputs, multimask_output=False)
        sizes = inputs["original_sizes"], inputs["reshaped_input_sizes"]
        return processor.image_processor.post_process_masks(outputs.pred_masks, *sizes)[0][:, 0].numpy()


def _checked(output: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[list[Mask], Sequence[str], list[float]]:
    """A model's output as masks, labels and scores of one length."""
    if len(output) not in (2, 3):
        raise BadInput(f"a model gives masks and labels, and maybe scores; this one gave {len(output)} values")
    masks, labels = [np.asarray(mask).astype(bool) for mask in output[0]], output[1]
    scores = [float(score) for score in output[2]] if len(output) == 3 else [1.0] * len(masks)
    if not len(masks) == len(labels) == len(scores):
        raise BadInput(f"the model gave {len(masks)} masks, {len(labels)} labels and {len(scores)} scores")
    for mask in masks:
        if mask.shape != shape:
            raise BadInput(f"a mask is of shape {mask.shape}, the image of {shape}", field="masks")
    return masks, labels, scores


def _transformers() -> Any:
    try:
        import transformers
    except ImportError:
        raise MissingExtra("transformers", "local") from None
    return transformers
