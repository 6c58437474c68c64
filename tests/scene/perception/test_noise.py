"""A sensor's and a segmenter's errors: their size, where they are, and that they come from the generator alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edgewise.scene.perception import SensorNoise, SimulatorMasks
from edgewise.scene.perception.noise import disturb, sense
from edgewise.scene.types import ROBOT, Camera, Detection, Observation, Segmentation

LABELS = ("red cube", "blue cube", "grey cup")


def flat(depth: float, size: tuple[int, int] = (200, 200)) -> Observation:
    camera = Camera(size[1], size[0], (200.0, 200.0), (size[1] / 2, size[0] / 2), np.eye(4))
    return Observation(0.0, np.zeros((*size, 3), np.uint8), np.full(size, depth, np.float32), camera)


def three_things() -> Segmentation:
    regions = np.zeros((60, 80), np.int16)
    regions[10:30, 10:30], regions[10:30, 30:50], regions[35:55, 20:60], regions[:8, 60:] = 1, 2, 3, ROBOT
    return Segmentation(regions, tuple(Detection(label) for label in LABELS))


@pytest.mark.parametrize(("distance", "expected"), [(0.9, 0.002), (1.8, 0.008), (0.45, 0.0005)])
def test_depth_error_grows_with_the_square_of_distance(distance: float, expected: float) -> None:
    seen = sense(flat(distance), SensorNoise(dropout=0), np.random.default_rng(0)).depth
    assert seen is not None
    assert np.std(seen) == pytest.approx(expected, rel=0.03)
    assert np.mean(seen) == pytest.approx(distance, abs=expected / 20)


def test_readings_are_missing_at_edges_more_than_elsewhere() -> None:
    observation = flat(1.0)
    assert observation.depth is not None
    observation.depth[:, 100:] = 0.8
    seen = sense(observation, SensorNoise(dropout=0.01, edge_dropout=0.5), np.random.default_rng(1)).depth
    assert seen is not None
    missing = seen == 0
    assert missing[:, 99:101].mean() == pytest.approx(0.5, abs=0.08)
    missing[:, 99:101] = False
    assert missing.mean() == pytest.approx(0.01, abs=0.002)


def test_what_was_missing_stays_missing_and_no_depth_stays_none() -> None:
    observation = flat(1.0)
    assert observation.depth is not None
    observation.depth[:50] = 0
    seen = sense(observation, SensorNoise(), np.random.default_rng(0)).depth
    assert seen is not None
    assert not seen[:50].any()
    assert (seen >= 0).all()
    blind = Observation(0.0, observation.rgb, None, observation.camera)
    assert sense(blind, SensorNoise(), np.random.default_rng(0)) is blind


def test_without_noise_nothing_changes_and_nothing_is_drawn() -> None:
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    observation, segmentation = flat(1.0), three_things()
    assert sense(observation, SensorNoise.none(), rng) is observation
    same = disturb(segmentation, SensorNoise.none(), rng)
    assert np.array_equal(same.map, segmentation.map)
    assert same.detections == segmentation.detections
    assert rng.bit_generator.state == before


def test_the_same_generator_gives_the_same_noise() -> None:
    noise = SensorNoise(missed=0.3, confusion=0.3)
    seen = [SimulatorMasks(three_things, noise)(flat(1.0), np.random.default_rng(7)) for _ in range(2)]
    assert np.array_equal(seen[0][0].depth, seen[1][0].depth)  # type: ignore[arg-type]
    assert np.array_equal(seen[0][1].map, seen[1][1].map)
    assert seen[0][1].detections == seen[1][1].detections


@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_regions_stay_regions(seed: int, boundary: float, missed: float, confusion: float) -> None:
    before = three_things()
    noise = SensorNoise(boundary=boundary, missed=missed, confusion=confusion)
    after = disturb(before, noise, np.random.default_rng(seed))
    assert set(np.unique(after.map)) <= {ROBOT, *range(len(after.detections) + 1)}
    assert {detection.label for detection in after.detections} <= set(LABELS)
    inside = np.zeros_like(before.map, dtype=bool)
    inside[11:29, 11:29] = True
    values = np.unique(after.map[inside])
    assert len(values) == 1  # only edges fray
    assert (after.map[1:7, 61:79] == ROBOT).all()
    assert np.array_equal(before.map, three_things().map)  # the input is not touched


def test_shares_are_as_asked() -> None:
    rng = np.random.default_rng(3)
    noise = SensorNoise(boundary=0, missed=0.2, confusion=0.1)
    frames = [disturb(three_things(), noise, rng) for _ in range(2000)]
    assert sum(len(frame.detections) for frame in frames) / 6000 == pytest.approx(0.8, abs=0.02)
    cups = [frame.detections[-1].label for frame in frames if (frame.map == len(frame.detections)).sum() == 800]
    assert np.mean([label != "grey cup" for label in cups]) == pytest.approx(0.1, abs=0.03)


def test_a_missed_thing_leaves_nothing_behind() -> None:
    seen = disturb(three_things(), SensorNoise(boundary=0, missed=1, confusion=0), np.random.default_rng(0))
    assert seen.detections == ()
    assert set(np.unique(seen.map)) == {0, ROBOT}


def test_edges_fray_by_the_share_asked_for() -> None:
    before = three_things()
    after = disturb(before, SensorNoise(boundary=1, missed=0, confusion=0), np.random.default_rng(0))
    changed = (after.map != before.map).mean()
    assert 0 < changed < 0.08


def test_scaling_and_limits() -> None:
    twice = SensorNoise().scaled(2)
    assert twice.depth == 0.004
    assert SensorNoise(dropout=0.8).scaled(2).dropout == 1
    with pytest.raises(ValidationError):
        SensorNoise(missed=1.5)
    with pytest.raises(ValidationError):
        SensorNoise(depth=-1)


def test_exact_masks_without_noise() -> None:
    segmentation = three_things()
    observation = flat(1.0)
    assert SimulatorMasks(lambda: segmentation)(observation, np.random.default_rng(0)) == (observation, segmentation)
