"""Adapters for segmentation models: stubs in their place, and a real but tiny SAM with random weights."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from edgewise.core.errors import BadInput, MissingExtra
from edgewise.scene.perception import (
    ClassicalSegmenter,
    ModelSegmenter,
    SamBoxes,
    SensorNoise,
    TransformersMasks,
)
from edgewise.scene.types import ROBOT
from support.boxes import Scene

OBSERVATION, TRUTH = Scene().cube("red", 0.4, 0.1).box("brown", 0.55, -0.1).gripper(0.45, 0.0, 0.2).frame()
RED, BROWN, ARM = TRUTH.map == 1, TRUTH.map == 2, TRUTH.map == ROBOT
RNG = np.random.default_rng(0)


def test_masks_and_labels_become_regions() -> None:
    segmenter = ModelSegmenter(lambda rgb: ([RED, BROWN, ARM], ["Red cube ", "brown box", "robot arm"], [0.9, 0.8, 1]))
    observation, found = segmenter(OBSERVATION, RNG)
    assert observation is OBSERVATION
    assert [(d.label, d.score) for d in found.detections] == [("red cube", 0.9), ("brown box", 0.8)]
    assert np.array_equal(found.map, TRUTH.map)
    assert found.map.dtype == np.int16


def test_overlaps_go_to_the_surer_then_to_the_smaller() -> None:
    everything = np.ones_like(RED)
    for scores, red in (([1, 1], True), ([0.9, 0.5], False), ([0.5, 0.9], True)):
        segmenter = ModelSegmenter(lambda rgb, s=scores: ([everything, RED], ["mat", "red cube"], s))  # type: ignore[misc]
        _, found = segmenter(OBSERVATION, RNG)
        assert found.detections[found.map[RED][0] - 1].label == ("red cube" if red else "mat")


def test_what_is_small_unsure_or_ignored_is_left_out() -> None:
    speck = np.zeros_like(RED)
    speck[0, :5] = True
    masks = [RED, speck, BROWN, ~(RED | BROWN)]
    labels = ["red cube", "fly", "brown box", "table"]
    _, found = ModelSegmenter(lambda rgb: (masks, labels, [0.9, 0.9, 0.1, 0.9]), threshold=0.3)(OBSERVATION, RNG)
    assert [d.label for d in found.detections] == ["red cube"]
    assert set(np.unique(found.map)) == {0, 1}


def test_masks_without_labels_are_named_by_colour_and_size() -> None:
    background = ~(RED | BROWN | ARM)
    masks = np.stack([RED, background, BROWN, ARM])
    segmenter = ModelSegmenter(lambda rgb: (masks, [""] * 4), namer=ClassicalSegmenter().name)
    _, found = segmenter(OBSERVATION, RNG)
    assert [d.label for d in found.detections] == ["red cube", "brown box"]
    assert np.array_equal(found.map, TRUTH.map)
    with pytest.raises(BadInput, match="without a label"):
        ModelSegmenter(lambda rgb: (masks, [""] * 4))(OBSERVATION, RNG)


def test_depth_noise_is_passed_on() -> None:
    observation, _ = ModelSegmenter(lambda rgb: ([], []), noise=SensorNoise())(OBSERVATION, np.random.default_rng(0))
    assert observation.depth is not None
    assert not np.array_equal(observation.depth, OBSERVATION.depth)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (([RED],), "gave 1 values"),
        (([RED], ["a", "b"]), "1 masks, 2 labels"),
        (([RED], ["a"], []), "0 scores"),
        (([RED[:-1]], ["a"]), "the image of"),
    ],
)
def test_models_that_contradict_themselves_are_refused(output: Any, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        ModelSegmenter(lambda rgb: output)(OBSERVATION, RNG)


def test_an_empty_output_is_an_empty_frame() -> None:
    _, found = ModelSegmenter(lambda rgb: ([], []))(OBSERVATION, RNG)
    assert found.detections == ()
    assert not found.map.any()


class Pipeline:
    """What a pipeline of ``transformers`` is for us: called with a picture, it returns ``output``."""

    def __init__(self, output: Any) -> None:
        self.output, self.calls = output, []

    def __call__(self, image: Any, **options: Any) -> Any:
        self.calls.append((image.size, options))
        return self.output


def test_mask_generation() -> None:
    pipeline = Pipeline({"masks": [RED, BROWN], "scores": np.array([0.9, 0.7])})
    masks, labels, scores = TransformersMasks("mask-generation", pipeline=pipeline)(OBSERVATION.rgb)
    assert np.array_equal(masks[0], RED)
    assert (labels, scores) == (["", ""], [0.9, 0.7])
    assert pipeline.calls == [((320, 240), {})]


def test_image_segmentation() -> None:
    from PIL import Image

    picture = Image.fromarray((RED * 255).astype(np.uint8))
    pipeline = Pipeline([{"mask": picture, "label": "red cube", "score": None}])
    model = TransformersMasks("image-segmentation", pipeline=pipeline, options={"threshold": 0.5})
    _, found = ModelSegmenter(model)(OBSERVATION, RNG)
    assert [(d.label, d.score) for d in found.detections] == [("red cube", 1.0)]
    assert np.array_equal(found.map == 1, RED)
    assert pipeline.calls[0][1] == {"threshold": 0.5}


def test_detection_by_words_needs_something_that_makes_masks() -> None:
    rows, columns = np.nonzero(RED)
    box = {"xmin": columns.min(), "ymin": rows.min(), "xmax": columns.max() + 1, "ymax": rows.max() + 1}
    pipeline = Pipeline([{"box": box, "label": "red cube", "score": 0.6}])
    with pytest.raises(BadInput, match="boxes, not masks"):
        TransformersMasks("zero-shot-object-detection", labels=("red cube",), pipeline=pipeline)(OBSERVATION.rgb)
    asked: list[np.ndarray] = []

    def refine(rgb: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        asked.append(boxes)
        return RED[None]

    model = TransformersMasks("zero-shot-object-detection", labels=("red cube",), refine=refine, pipeline=pipeline)
    _, found = ModelSegmenter(model)(OBSERVATION, RNG)
    assert found.detections[0].score == 0.6
    assert asked[0].shape == (1, 4)
    assert pipeline.calls[-1][1] == {"candidate_labels": ["red cube"]}


@pytest.mark.parametrize("output", ["text", ["text"], {"scores": []}])
def test_other_pipelines_are_refused(output: Any) -> None:
    with pytest.raises(BadInput, match="not masks or boxes"):
        TransformersMasks("text-generation", pipeline=Pipeline(output))(OBSERVATION.rgb)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match="transformers"):
        TransformersMasks("mask-generation")(OBSERVATION.rgb)


@pytest.mark.slow
def test_the_real_interface_of_sam() -> None:
    """Random weights: what comes back is no use, but its form is that of the real thing."""
    library = pytest.importorskip("transformers")
    pytest.importorskip("torch")
    vision = library.SamVisionConfig(
        hidden_size=16, output_channels=16, num_hidden_layers=1, num_attention_heads=2, image_size=64, patch_size=16,
        global_attn_indexes=[0], mlp_dim=16, window_size=2, num_pos_feats=8,
    )  # fmt: skip
    prompt = library.SamPromptEncoderConfig(hidden_size=16, image_size=64, patch_size=16, mask_input_channels=4)
    decoder = library.SamMaskDecoderConfig(
        hidden_size=16, mlp_dim=16, num_hidden_layers=1, num_attention_heads=2, iou_head_depth=1, iou_head_hidden_dim=16
    )
    config = library.SamConfig(
        vision_config=vision.to_dict(), prompt_encoder_config=prompt.to_dict(), mask_decoder_config=decoder.to_dict()
    )
    processor = library.SamProcessor(
        library.SamImageProcessor(
            size={"longest_edge": 64},
            pad_size={"height": 64, "width": 64},
            mask_size={"longest_edge": 16},
            mask_pad_size={"height": 16, "width": 16},
        )
    )
    masks = SamBoxes(loaded=(library.SamModel(config).eval(), processor))(
        OBSERVATION.rgb, np.array([[10.0, 10, 40, 40], [100, 50, 200, 120]])
    )
    assert masks.shape == (2, 240, 320)
    assert masks.dtype == bool
