"""RGB-D frames on disk: one layout, read and written.

    camera.json        {"width", "height", "focal": [fx, fy], "centre": [cx, cy], "pose": 4 x 4,
                        "frames": [{"index": 0, "time": 0.0, "pose": 4 x 4}, ...]}
    frame_0000.png     colour; .jpg and .jpeg are read as well
    depth_0000.png     16 bits, millimetres, 0 where there is no reading; or depth_0000.npy, metres
    mask_0000.png      optional label map: 0 is nothing, other values are named in labels.json
    labels.json        {"1": "red cube", "2": "grey cup", "255": "robot"}

Poses take camera coordinates (x right, y down, z forward) to world coordinates, in metres. A frame without a pose of
its own has that of the whole recording. A frame without a file of depth has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from pydantic import Field, model_validator

from edgewise.core.errors import BadInput
from edgewise.core.records import Record, first_problem
from edgewise.scene.types import ROBOT, Camera, Detection, Observation, Segmentation

COLOUR_SUFFIXES = (".png", ".jpg", ".jpeg")
MILLIMETRES = 1000.0
Pose = tuple[tuple[float, float, float, float], ...]


class FrameEntry(Record):
    """One frame of ``camera.json``."""

    index: int = Field(ge=0)
    time: float
    pose: Pose | None = None


class CameraFile(Record):
    """The contents of ``camera.json``."""

    width: int = Field(gt=0)
    height: int = Field(gt=0)
    focal: tuple[float, float]
    centre: tuple[float, float]
    pose: Pose | None = None
    frames: tuple[FrameEntry, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if min(self.focal) <= 0:
            raise ValueError("focal lengths must be positive")
        indices = [entry.index for entry in self.frames]
        if len(set(indices)) < len(indices):
            raise ValueError("a frame's index occurs twice")
        for entry in self.frames:
            pose = entry.pose or self.pose
            if pose is None:
                raise ValueError(f"frame {entry.index} has no pose, nor has the recording")
            _rigid(pose, f"frame {entry.index}")
        return self


class RecordedFrames(Sequence[Observation]):
    """A folder of RGB-D frames, read one by one when asked for.

    Called as a perception it gives back the masks that were stored for an observation of its own.

    Args:
        folder: Where the files are.

    Raises:
        BadInput: ``camera.json`` or ``labels.json`` is missing or wrong; on access, a frame's file is missing, cannot
            be read or has another size. Names the file and, where there is one, the field.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.camera = _read_record(self.folder / "camera.json")
        self.labels = _read_labels(self.folder / "labels.json")

    def __len__(self) -> int:
        return len(self.camera.frames)

    def __getitem__(self, position: Any) -> Any:
        """Frames in the order of ``camera.json``, by position or slice."""
        if isinstance(position, slice):
            return [self._read(entry) for entry in self.camera.frames[position]]
        return self._read(self.camera.frames[position])

    def __iter__(self) -> Iterator[Observation]:
        return (self._read(entry) for entry in self.camera.frames)

    def segmentation(self, position: int) -> Segmentation | None:
        """The stored masks of a frame, its detections in the order of their values; None if there are none."""
        file = self.folder / f"mask_{self.camera.frames[position].index:04d}.png"
        if not file.is_file():
            return None
        if self.labels is None:
            raise BadInput("masks need names for their values", file=self.folder / "labels.json", fix="write it")
        values = self._image(file, ("L", "P", "I;16", "I"))
        present = [int(value) for value in np.unique(values) if value]
        if unknown := [value for value in present if value not in self.labels]:
            raise BadInput(f"value {unknown[0]} of {file.name} has no label", file=self.folder / "labels.json")
        regions = np.zeros(values.shape, dtype=np.int16)
        detections: list[Detection] = []
        for value in present:
            if self.labels[value] == "robot":
                regions[values == value] = ROBOT
            else:
                detections.append(Detection(self.labels[value]))
                regions[values == value] = len(detections)
        return Segmentation(regions, tuple(detections))

    def __call__(self, observation: Observation, rng: Generator) -> tuple[Observation, Segmentation]:
        """The stored masks of the frame taken at the observation's time."""
        for position, entry in enumerate(self.camera.frames):
            if entry.time == observation.time:
                found = self.segmentation(position)
                if found is None:
                    raise BadInput("no masks are stored for this frame", file=self._name("mask", entry.index, ".png"))
                return observation, found
        raise BadInput(f"no frame was taken at {observation.time} s", file=self.folder / "camera.json", field="frames")

    def _read(self, entry: FrameEntry) -> Observation:
        files = [self._name("frame", entry.index, suffix) for suffix in COLOUR_SUFFIXES]
        file = next((file for file in files if file.is_file()), None)
        if file is None:
            raise BadInput("the frame's colour is missing", file=files[0], fix="or remove it from camera.json")
        rgb = self._image(file, ("RGB", "RGBA", "L", "P"), "RGB").astype(np.uint8)
        camera = self.camera
        pose = np.array(entry.pose or camera.pose)
        return Observation(
            time=entry.time,
            rgb=rgb,
            depth=self._depth(entry.index),
            camera=Camera(camera.width, camera.height, camera.focal, camera.centre, pose),
        )

    def _depth(self, index: int) -> npt.NDArray[np.float32] | None:
        image, array = self._name("depth", index, ".png"), self._name("depth", index, ".npy")
        if image.is_file():
            return (self._image(image, ("I;16", "I")) / MILLIMETRES).astype(np.float32)
        if not array.is_file():
            return None
        try:
            stored = np.load(array, allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise BadInput(f"not an array that can be read ({error})", file=array) from None
        if not np.issubdtype(stored.dtype, np.floating):
            raise BadInput(f"depth in metres must be floating-point numbers, found {stored.dtype}", file=array)
        self._check_size(stored.shape, array)
        depth: npt.NDArray[np.float32] = np.where(np.isfinite(stored), stored, 0).astype(np.float32)
        if (depth < 0).any():
            raise BadInput("depth is negative", file=array)
        return depth

    def _image(self, file: Path, modes: tuple[str, ...], convert: str | None = None) -> npt.NDArray[Any]:
        from PIL import Image, UnidentifiedImageError

        try:
            with Image.open(file) as image:
                # Before decoding: a wrong size costs nothing, however large.
                self._check_size((image.height, image.width), file)
                if image.mode not in modes:
                    raise BadInput(f"pixels are of mode {image.mode}, expected {' or '.join(modes)}", file=file)
                return np.array(image.convert(convert) if convert else image)
        except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise BadInput(f"not an image that can be read ({error})", file=file) from None

    def _check_size(self, shape: tuple[int, ...], file: Path) -> None:
        expected = (self.camera.height, self.camera.width)
        if shape != expected:
            raise BadInput(f"size is {_size(shape)}, camera.json says {_size(expected)}", file=file)

    def _name(self, kind: str, index: int, suffix: str) -> Path:
        return self.folder / f"{kind}_{index:04d}{suffix}"


def write_frames(
    folder: Path | str, observations: Iterable[Observation], segmentations: Iterable[Segmentation] | None = None
) -> None:
    """Write frames so that :class:`RecordedFrames` reads them; depth is rounded to millimetres.

    Args:
        folder: Made if it does not exist.
        observations: Of one camera, which may move but not change its size or lens.
        segmentations: One for each observation. The k-th thing of a label has the same value in every frame; scores
            and detections without pixels are not kept.

    Raises:
        BadInput: The observations are none, are of several cameras, or the segmentations are fewer; depth over 65 m.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    entries: list[FrameEntry] = []
    values: dict[tuple[str, int], int] = {}
    first: Camera | None = None
    masks = None if segmentations is None else iter(segmentations)
    for index, observation in enumerate(observations):
        camera = observation.camera
        first = first or camera
        if _lens(camera) != _lens(first):
            raise BadInput("frames of one recording must have one size and lens", row=index + 1, field="camera")
        pose: Pose = tuple(tuple(row) for row in camera.pose.tolist())
        entries.append(FrameEntry(index=index, time=observation.time, pose=pose))
        _save(observation.rgb, folder / f"frame_{index:04d}.png")
        if observation.depth is not None:
            depth = np.rint(observation.depth.astype(np.float64) * MILLIMETRES)
            if depth.max(initial=0) > np.iinfo(np.uint16).max:
                raise BadInput("depth over 65 m does not fit the file", row=index + 1, field="depth")
            _save(depth.astype(np.uint16), folder / f"depth_{index:04d}.png")
        if masks is not None:
            segmentation = next(masks, None)
            if segmentation is None:
                raise BadInput("fewer segmentations than observations", row=index + 1)
            _save(_label_map(segmentation, values), folder / f"mask_{index:04d}.png")
    if first is None:
        raise BadInput("no frames to write", field="observations")
    lens = CameraFile(
        width=first.width, height=first.height, focal=first.focal, centre=first.centre, frames=tuple(entries)
    )
    (folder / "camera.json").write_bytes(lens.to_json())
    if masks is not None:
        import orjson

        names = {str(value): label for (label, _), value in values.items()}
        (folder / "labels.json").write_bytes(orjson.dumps(names, option=orjson.OPT_INDENT_2))


def _label_map(segmentation: Segmentation, values: dict[tuple[str, int], int]) -> npt.NDArray[np.uint16]:
    """The map with values that mean the same in every frame; new ones are added to ``values``."""
    seen: dict[str, int] = {}
    number = [0]
    for detection in segmentation.detections:
        seen[detection.label] = seen.get(detection.label, 0) + 1
        number.append(values.setdefault((detection.label, seen[detection.label]), len(values) + 1))
    number.append(values.setdefault(("robot", 1), len(values) + 1))  # ROBOT, -1, is the last
    return np.array(number, dtype=np.uint16)[segmentation.map]


def _lens(camera: Camera) -> tuple[object, ...]:
    return camera.width, camera.height, tuple(camera.focal), tuple(camera.centre)


def _save(pixels: npt.NDArray[Any], file: Path) -> None:
    from PIL import Image

    Image.fromarray(pixels).save(file, compress_level=1)


def _read_record(file: Path) -> CameraFile:
    from pydantic import ValidationError

    try:
        return CameraFile.model_validate_json(file.read_bytes())
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror})", file=file) from None
    except ValidationError as error:
        raise BadInput(first_problem(error), file=file) from None


def _read_labels(file: Path) -> dict[int, str] | None:
    import orjson

    if not file.is_file():
        return None
    try:
        data = orjson.loads(file.read_bytes())
        labels = {int(value): label for value, label in data.items()}
    except (ValueError, AttributeError):
        raise BadInput('must be an object of values and labels: {"1": "red cube"}', file=file) from None
    for value, label in labels.items():
        if not isinstance(label, str) or not label.strip():
            raise BadInput("a label must be words", file=file, field=str(value))
        if not 0 < value <= np.iinfo(np.uint16).max:
            raise BadInput("a value must lie in 1 to 65535", file=file, field=str(value))
    return labels


def _rigid(pose: Pose, where: str) -> None:
    """Refuses what is no rotation and translation."""
    matrix = np.array(pose)
    if matrix.shape != (4, 4) or not np.allclose(matrix[3], (0, 0, 0, 1), atol=1e-6):
        raise ValueError(f"the pose of {where} is no 4 x 4 transformation")
    rotation = matrix[:3, :3]
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3) or np.linalg.det(rotation) < 0:
        raise ValueError(f"the pose of {where} does not rotate: its upper left 3 x 3 block is no rotation")


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape[::-1]))
