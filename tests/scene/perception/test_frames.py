"""Recorded RGB-D frames: what is written is read back, and what is wrong is refused with its file and field."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from edgewise.core.errors import BadInput
from edgewise.scene.perception import RecordedFrames, write_frames
from edgewise.scene.types import ROBOT, Detection, Observation, Segmentation
from support.boxes import Scene, look_from

SIZE = (16, 12)


def frames(count: int = 3, seed: int = 0) -> tuple[list[Observation], list[Segmentation]]:
    rng = np.random.default_rng(seed)
    observations, segmentations = [], []
    for k in range(count):
        camera = look_from((-0.25, 0.01 * k, 0.55), (0.47, 0.0, 0.03), SIZE)
        rgb = rng.integers(0, 256, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
        depth = np.where(rng.random(rgb.shape[:2]) < 0.9, rng.uniform(0.3, 4, rgb.shape[:2]), 0).astype(np.float32)
        observations.append(Observation(0.2 * k, rgb, depth, camera))
        regions = np.zeros(rgb.shape[:2], np.int16)
        regions[:3], regions[3:6], regions[6:8], regions[8:10] = 1, 2, 3, ROBOT
        names = ["red cube", "red cube", "grey cup"][:: 1 if k % 2 == 0 else -1]
        segmentations.append(Segmentation(regions, tuple(map(Detection, names))))
    return observations, segmentations


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_frames(tmp_path / "recording", *frames())
    return tmp_path / "recording"


def change_camera(folder: Path, change: Callable[[dict], object]) -> None:
    data = json.loads((folder / "camera.json").read_text())
    change(data)
    (folder / "camera.json").write_text(json.dumps(data))


def test_what_is_written_is_read_back(folder: Path) -> None:
    observations, segmentations = frames()
    recording = RecordedFrames(folder)
    assert len(recording) == 3
    for k, (before, after) in enumerate(zip(observations, recording, strict=True)):
        assert after.time == before.time
        assert np.array_equal(after.rgb, before.rgb)
        assert after.depth is not None
        assert after.depth.dtype == np.float32
        assert np.abs(after.depth - before.depth).max() <= 0.0005 + 1e-6
        assert np.allclose(after.camera.pose, before.camera.pose, atol=1e-9)
        assert (after.camera.focal, after.camera.centre) == (before.camera.focal, before.camera.centre)
        masks = recording.segmentation(k)
        assert masks is not None
        assert np.array_equal(masks.map == ROBOT, segmentations[k].map == ROBOT)
        for number, detection in enumerate(segmentations[k].detections, 1):
            values = np.unique(masks.map[segmentations[k].map == number])
            assert len(values) == 1
            assert masks.detections[values[0] - 1].label == detection.label
    assert np.array_equal(recording[-1].rgb, observations[-1].rgb)
    assert [frame.time for frame in recording[1:]] == [0.2, 0.4]


def test_a_recording_is_a_perception(folder: Path) -> None:
    recording = RecordedFrames(folder)
    rng = np.random.default_rng(0)
    observation, masks = recording(recording[1], rng)
    assert observation.time == 0.2
    assert sorted(d.label for d in masks.detections) == ["grey cup", "red cube", "red cube"]
    with pytest.raises(BadInput, match="no frame was taken at"):
        recording(replace(recording[1], time=9.0), rng)
    (folder / "mask_0001.png").unlink()
    with pytest.raises(BadInput, match=r"mask_0001\.png.*no masks"):
        recording(recording[1], rng)


def test_frames_may_lack_depth_or_masks(folder: Path) -> None:
    (folder / "depth_0001.png").unlink()
    (folder / "mask_0002.png").unlink()
    recording = RecordedFrames(folder)
    assert recording[0].depth is not None
    assert recording[1].depth is None
    assert recording.segmentation(2) is None


def test_depth_as_metres_and_colour_as_jpeg(folder: Path) -> None:
    depth = np.full((SIZE[1], SIZE[0]), 0.7, np.float64)
    depth[0, 0], depth[0, 1] = np.nan, np.inf
    (folder / "depth_0000.png").unlink()
    np.save(folder / "depth_0000.npy", depth)
    (folder / "frame_0000.png").unlink()
    Image.new("RGB", SIZE, (200, 10, 10)).save(folder / "frame_0000.jpg")
    frame = RecordedFrames(folder)[0]
    assert frame.depth is not None
    assert frame.depth[0, 0] == frame.depth[0, 1] == 0
    assert frame.depth[5, 5] == pytest.approx(0.7)
    assert frame.rgb[5, 5].astype(int) == pytest.approx((200, 10, 10), abs=6)


def test_one_pose_for_all_frames(folder: Path) -> None:
    def share(data: dict) -> None:
        data["pose"] = data["frames"][0]["pose"]
        for entry in data["frames"]:
            del entry["pose"]

    change_camera(folder, share)
    recording = RecordedFrames(folder)
    assert np.array_equal(recording[0].camera.pose, recording[2].camera.pose)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.pop("focal"), "focal"),
        (lambda d: d.update(focal=[0, 100]), "focal lengths must be positive"),
        (lambda d: d.update(width=-4), "width"),
        (lambda d: d.update(frames=[]), "frames"),
        (lambda d: d.update(lens="wide"), "lens"),
        (lambda d: d["frames"][1].pop("time"), r"frames\.1\.time"),
        (lambda d: d["frames"][1].update(index=0), "a frame's index occurs twice"),
        (lambda d: d["frames"][1].update(pose=None), "frame 1 has no pose"),
        (lambda d: d["frames"][1].update(pose=[[1, 0, 0, 0]] * 4), "pose of frame 1"),
        (lambda d: d["frames"][1]["pose"][0].__setitem__(0, 2.0), "does not rotate"),
        (lambda d: d["frames"][2].update(pose=[[1, 0, 0], [0, 1, 0], [0, 0, 1]]), r"frames\.2\.pose"),
    ],
)
def test_a_wrong_camera_file_is_refused(folder: Path, change: Callable[[dict], object], words: str) -> None:
    change_camera(folder, change)
    with pytest.raises(BadInput, match=words) as caught:
        RecordedFrames(folder)
    assert caught.value.file == folder / "camera.json"


def test_what_is_no_recording_is_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(BadInput, match=r"camera\.json"):
        RecordedFrames(tmp_path / "nowhere")
    (folder / "camera.json").write_text("{")
    with pytest.raises(BadInput, match=r"camera\.json"):
        RecordedFrames(folder)


def test_sizes_that_differ_are_refused(folder: Path) -> None:
    Image.new("RGB", (8, 8)).save(folder / "frame_0000.png")
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(folder / "depth_0001.png")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "mask_0002.png")
    recording = RecordedFrames(folder)
    for k, name in ((0, "frame_0000"), (1, "depth_0001")):
        with pytest.raises(BadInput, match=rf"{name}.*size is 8 x 8, camera\.json says 16 x 12"):
            recording[k]
    with pytest.raises(BadInput, match=r"mask_0002.*8 x 8"):
        recording.segmentation(2)
    np.save(folder / "depth_0002.npy", np.zeros((3, 4, 5), np.float32))
    (folder / "depth_0002.png").unlink()
    with pytest.raises(BadInput, match=r"depth_0002\.npy.*5 x 4 x 3"):
        recording[2]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((12, 16), np.int32), "floating-point"),
        (np.full((12, 16), -1.0), "negative"),
        (np.array([[{}]], dtype=object), "not an array that can be read"),
    ],
)
def test_wrong_depth_is_refused(folder: Path, array: np.ndarray, words: str) -> None:
    (folder / "depth_0000.png").unlink()
    np.save(folder / "depth_0000.npy", array, allow_pickle=True)
    with pytest.raises(BadInput, match=words):
        RecordedFrames(folder)[0]


@pytest.mark.parametrize("raw", [b"", b"\x93NUMPY\x01\x00junk", b"not an array"])
def test_broken_files_are_refused(folder: Path, raw: bytes) -> None:
    (folder / "depth_0000.png").unlink()
    (folder / "depth_0000.npy").write_bytes(raw)
    (folder / "frame_0001.png").write_bytes(raw)
    recording = RecordedFrames(folder)
    with pytest.raises(BadInput, match=r"depth_0000\.npy"):
        recording[0]
    with pytest.raises(BadInput, match=r"frame_0001\.png"):
        recording[1]
    (folder / "frame_0002.png").unlink()
    with pytest.raises(BadInput, match=r"frame_0002\.png.*missing"):
        recording[2]


def test_colour_depth_is_refused(folder: Path) -> None:
    Image.new("RGB", SIZE).save(folder / "depth_0000.png")
    with pytest.raises(BadInput, match=r"depth_0000.*mode RGB"):
        RecordedFrames(folder)[0]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("[]", "object of values"),
        ('{"one": "red cube"}', "object of values"),
        ('{"1": ""}', "must be words"),
        ('{"1": 5}', "must be words"),
        ('{"70000": "red cube"}', "1 to 65535"),
        ('{"1": "red cube"}', "has no label"),
    ],
)
def test_wrong_labels_are_refused(folder: Path, labels: str, words: str) -> None:
    (folder / "labels.json").write_text(labels)
    with pytest.raises(BadInput, match=words) as caught:
        RecordedFrames(folder).segmentation(0)
    assert caught.value.file == folder / "labels.json"


def test_masks_without_labels_are_refused(folder: Path) -> None:
    (folder / "labels.json").unlink()
    with pytest.raises(BadInput, match=r"labels\.json"):
        RecordedFrames(folder).segmentation(0)


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    observations, segmentations = frames()
    with pytest.raises(BadInput, match="no frames"):
        write_frames(tmp_path / "a", [])
    with pytest.raises(BadInput, match="fewer segmentations"):
        write_frames(tmp_path / "b", observations, segmentations[:1])
    other = replace(observations[1], camera=replace(observations[1].camera, focal=(50.0, 50.0)))
    with pytest.raises(BadInput, match="one size and lens"):
        write_frames(tmp_path / "c", [observations[0], other])
    deep = replace(observations[0], depth=np.full((12, 16), 70, np.float32))
    with pytest.raises(BadInput, match="65 m"):
        write_frames(tmp_path / "d", [deep])


def test_a_written_recording_can_be_segmented(tmp_path: Path) -> None:
    from edgewise.scene.perception import ClassicalSegmenter

    observation, truth = Scene().cube("red", 0.4, 0.1).pad("orange", 0.45, -0.1).frame()
    write_frames(tmp_path, [observation], [truth])
    recording = RecordedFrames(tmp_path)
    found = ClassicalSegmenter().segment(recording[0])
    assert sorted(d.label for d in found.detections) == ["orange pad", "red cube"]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_any_map_survives(tmp_path: Path, seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    observations, _ = frames(1, seed)
    names = [str(n) for n in rng.choice(["red cube", "grey cup", "hand"], count)]
    before = Segmentation(
        rng.integers(-1, count + 1, (SIZE[1], SIZE[0])).astype(np.int16), tuple(map(Detection, names))
    )
    write_frames(tmp_path / str(seed), observations, [before])
    after = RecordedFrames(tmp_path / str(seed)).segmentation(0)
    assert after is not None
    assert np.array_equal(after.map == ROBOT, before.map == ROBOT)
    for value in range(1, count + 1):
        mask = before.map == value
        if mask.any():
            (found,) = np.unique(after.map[mask])
            assert (after.map == found).sum() == mask.sum()
            assert after.detections[found - 1].label == names[value - 1]
