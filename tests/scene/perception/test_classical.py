"""The classical segmenter on exact and on noisy frames of boxes: what it finds, splits, merges and leaves out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.core.errors import EdgewiseError
from edgewise.scene.perception import Catalogue, ClassicalSegmenter, Colour, Form, SensorNoise
from edgewise.scene.types import ROBOT, Observation, RobotState, Segmentation
from support.boxes import Scene, overlap

SEGMENTER = ClassicalSegmenter()
NOISY = ClassicalSegmenter(noise=SensorNoise(missed=0, confusion=0))


def labels(segmentation: Segmentation) -> list[str]:
    return sorted(detection.label for detection in segmentation.detections)


def assert_found(scene: Scene, least: float = 0.9, noisy: float = 0.85) -> None:
    """Everything is found once and under its label, exactly and at default noise."""
    observation, truth = scene.frame()
    for segmenter, bound in ((SEGMENTER, least), (NOISY, noisy)):
        _, found = segmenter(observation, np.random.default_rng(0))
        assert labels(found) == sorted(scene.labels)
        for k, label in enumerate(scene.labels):
            seen, share = overlap(truth, found, k)
            assert seen == label
            assert share >= bound, f"{label}: {share:.2f}"


def test_things_apart() -> None:
    scene = Scene().cube("red", 0.4, 0.1, yaw=0.4).cube("blue", 0.5, -0.1).pad("orange", 0.4, -0.2)
    scene.box("brown", 0.55, 0.1, yaw=0.3).bin("cyan", 0.52, -0.24)
    assert_found(scene, least=0.97)


def test_an_empty_table_shows_nothing() -> None:
    observation, _ = Scene().frame()
    for seed in range(5):
        seen, found = NOISY(observation, np.random.default_rng(seed))
        assert found.detections == ()
        assert not found.map.any()
        assert seen.depth is not None
        assert not np.array_equal(seen.depth, observation.depth)  # the depth that is passed on is the noisy one


def test_a_tower_of_many_colours() -> None:
    scene = Scene()
    for level, colour in enumerate(("red", "green", "blue", "yellow", "purple")):
        scene.cube(colour, 0.45, 0.03 * level - 0.05, 0.04 * level, yaw=0.1 * level) if level == 0 else scene.cube(
            colour, 0.45, -0.05, 0.04 * level, yaw=0.05 * level
        )
    assert_found(scene, least=0.85, noisy=0.8)


@pytest.mark.parametrize("count", [2, 3])
def test_a_tower_of_one_colour_is_taken_apart(count: int) -> None:
    scene = Scene()
    for level in range(count):
        scene.cube("red", 0.42, 0.05, 0.04 * level, yaw=0.3)
    assert_found(scene, least=0.8, noisy=0.7)


@pytest.mark.parametrize("yaw", [0.0, 0.5, 1.2])
def test_two_cubes_of_one_colour_side_by_side(yaw: float) -> None:
    step = 0.0202 * np.array([np.cos(yaw), np.sin(yaw)])
    scene = Scene().cube("green", 0.45 - step[0], -step[1], yaw=yaw).cube("green", 0.45 + step[0], step[1], yaw=yaw)
    observation, truth = scene.frame()
    found = SEGMENTER.segment(observation)
    assert labels(found) == ["green cube", "green cube"]
    for k in range(2):
        assert overlap(truth, found, k)[1] > 0.75


def test_a_cube_in_a_bin_of_its_colour() -> None:
    assert_found(Scene().bin("red", 0.5, 0.0).cube("red", 0.5, 0.0, 0.004, yaw=0.4), least=0.8, noisy=0.7)


def test_a_cube_on_a_pad_of_its_colour() -> None:
    assert_found(Scene().pad("orange", 0.45, 0.05).cube("orange", 0.46, 0.05, 0.001, yaw=0.2), least=0.8, noisy=0.75)


def test_cubes_of_other_colours_in_a_bin() -> None:
    scene = Scene().bin("yellow", 0.52, 0.1, wide=0.1).cube("red", 0.52, 0.14, 0.004).cube("blue", 0.52, 0.05, 0.004)
    assert_found(scene, least=0.85)


def test_a_lifted_box_and_what_it_uncovers() -> None:
    assert_found(Scene().cube("red", 0.5, 0.0, yaw=0.2).box("brown", 0.5, 0.0, bottom=0.13, yaw=0.2))


def test_what_stands_half_behind_another() -> None:
    assert_found(Scene().box("brown", 0.42, 0.0).cube("blue", 0.53, 0.05, yaw=0.2), least=0.85, noisy=0.8)


def test_the_gripper_is_the_robot_and_splits_nothing() -> None:
    scene = Scene().cube("blue", 0.45, 0.0).box("brown", 0.55, 0.01).gripper(0.43, 0.0, 0.09)
    observation, truth = scene.frame()
    assert ((truth.map == 2).any(axis=0).sum() > 10) and (truth.map == ROBOT).any()
    _, found = NOISY(observation, np.random.default_rng(0))
    assert labels(found) == ["blue cube", "brown box"]
    robot, seen = truth.map == ROBOT, found.map == ROBOT
    assert (robot & seen).sum() / (robot | seen).sum() > 0.85


def test_dark_pixels_away_from_the_gripper_are_not_the_robot() -> None:
    observation, truth = Scene().cube("red", 0.45, 0.2).gripper(0.5, 0.0, 0.1).frame()
    there = ClassicalSegmenter(robot=lambda: RobotState((0.5, 0.0, 0.1), 0.0, 0.08, False))
    away = ClassicalSegmenter(robot=lambda: RobotState((0.5, -0.3, 0.1), 0.0, 0.08, False))
    assert (there.segment(observation).map == ROBOT).sum() > 0.9 * (truth.map == ROBOT).sum()
    assert not (away.segment(observation).map == ROBOT).any()


def test_a_hand_is_one_detection() -> None:
    scene = Scene().cube("red", 0.4, 0.1)
    skin = (0.87, 0.62, 0.47)
    observation, truth = scene.frame()
    rgb = observation.rgb.copy()
    depth = observation.depth
    assert depth is not None
    depth = depth.copy()
    for rows in (slice(60, 90), slice(100, 110)):
        rgb[rows, 200:240], depth[rows, 200:240] = np.array(skin) * 230, 0.75
    found = SEGMENTER.segment(replace(observation, rgb=rgb, depth=depth))
    assert labels(found) == ["hand", "red cube"]
    assert (found.map == 2).sum() == 40 * 40
    assert overlap(truth, found, 0)[1] > 0.95


def test_without_depth_nothing_is_seen() -> None:
    observation, _ = Scene().cube("red", 0.4, 0.1).frame()
    blind = replace(observation, depth=None)
    seen, found = NOISY(blind, np.random.default_rng(0))
    assert seen.depth is None
    assert found.detections == ()
    assert not found.map.any()
    assert NOISY.name(blind, np.ones(blind.rgb.shape[:2], bool)) == ""


def test_a_frame_without_any_reading() -> None:
    observation, _ = Scene().cube("red", 0.4, 0.1).frame()
    dark = replace(observation, depth=np.zeros_like(observation.depth))
    assert SEGMENTER.segment(dark).detections == ()


def test_the_table_need_not_be_level_or_at_zero() -> None:
    observation, truth = Scene().cube("red", 0.42, 0.1).pad("orange", 0.4, -0.15).frame()
    tilt, lift = 0.03, 0.3
    turn = np.array([[np.cos(tilt), 0, np.sin(tilt)], [0, 1, 0], [-np.sin(tilt), 0, np.cos(tilt)]])
    pose = np.eye(4)
    pose[:3, :3] = turn @ observation.camera.pose[:3, :3]
    pose[:3, 3] = turn @ observation.camera.pose[:3, 3] + (0, 0, lift)
    found = SEGMENTER.segment(replace(observation, camera=replace(observation.camera, pose=pose)))
    assert labels(found) == ["orange pad", "red cube"]
    assert overlap(truth, found, 0)[1] > 0.9


def test_a_catalogue_of_ones_own() -> None:
    tall = Form.solid("brick", "cuboid", (0.082, 0.082, 0.094))
    catalogue = Catalogue(colours=(Colour(name="wooden", rgb=(0.4, 0.24, 0.1)),), forms=(tall,))
    observation, _ = Scene().box("brown", 0.5, 0.0).cube("blue", 0.4, 0.1).frame()
    found = ClassicalSegmenter(catalogue).segment(observation)
    assert [d.label for d in found.detections if d.label.startswith("wooden")] == ["wooden brick"]


def test_labels_that_do_not_occur_fit_less_well() -> None:
    standard = Catalogue.standard()
    observation, _ = Scene().cube("red", 0.45, 0.0, yaw=0.2).frame()
    only = standard.model_copy(update={"labels": ("red cylinder", "blue cube")})
    before, after = (ClassicalSegmenter(c).segment(observation).detections[0] for c in (standard, only))
    assert before.label == "red cube"
    assert after.label != "red cube" or after.score < before.score


def test_masks_are_named_by_colour_and_size() -> None:
    scene = Scene().cube("red", 0.4, 0.1).box("brown", 0.55, -0.1).gripper(0.45, 0.0, 0.2)
    observation, truth = scene.frame()
    assert SEGMENTER.name(observation, truth.map == 1) == "red cube"
    assert SEGMENTER.name(observation, truth.map == 2) == "brown box"
    assert SEGMENTER.name(observation, truth.map == ROBOT) == "robot"
    assert SEGMENTER.name(observation, truth.map == 0) == ""


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_cubes_anywhere_are_found_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scene, spots = Scene(), []
    colours = rng.permutation(["red", "green", "blue", "yellow", "purple", "cyan"])
    for colour in colours[: rng.integers(1, 6)]:
        for _ in range(50):
            spot = rng.uniform((0.34, -0.25), (0.6, 0.25))
            if all(np.linalg.norm(spot - other) > 0.1 for other in spots):
                break
        else:
            continue
        spots.append(spot)
        scene.cube(str(colour), float(spot[0]), float(spot[1]), yaw=float(rng.uniform(-1.5, 1.5)))
    observation, truth = scene.frame(ambient=float(rng.uniform(0.4, 0.7)))
    seen, found = NOISY(observation, rng)
    assert Counter(labels(found)) == Counter(scene.labels)
    for k in range(len(scene.labels)):
        assert overlap(truth, found, k)[1] > 0.75
    assert found.map.dtype == np.int16
    assert found.map.max() == len(found.detections)
    assert seen.time == observation.time


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_nonsense_does_not_crash_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    observation, _ = Scene().cube("red", 0.4, 0.1).frame()
    camera = replace(observation.camera, width=64, height=48)
    rgb = rng.integers(0, 256, (48, 64, 3)).astype(np.uint8)
    depth = np.where(rng.random((48, 64)) < 0.5, rng.uniform(0.2, 3, (48, 64)), 0).astype(np.float32)
    if rng.random() < 0.5:
        rgb[:], depth[:] = rng.integers(0, 256, 3), rng.uniform(0.1, 2)
    found = SEGMENTER.segment(Observation(0.0, rgb, depth, camera))
    assert found.map.shape == (48, 64)
    assert set(np.unique(found.map)) <= {ROBOT, *range(len(found.detections) + 1)}
    assert all(0 <= detection.score <= 1 for detection in found.detections)


def test_errors_are_ours() -> None:
    with pytest.raises((EdgewiseError, ValueError)):
        Catalogue.model_validate({"colours": (), "forms": ()})
