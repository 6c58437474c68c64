"""STF-Tokens against closed forms: numpy's statistics, and boxes whose corners are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.scene.config import MemoryConfig
from edgewise.scene.tokens import encode, footprint_yaw
from edgewise.scene.types import Camera, Detection, Observation, Segmentation
from support.box_frames import Box, camera, cube, render

VIEW = camera()


def test_projection_and_back_projection_are_inverse() -> None:
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, 240, 50), rng.integers(0, 320, 50)
    depth = rng.uniform(0.3, 2.0, 50)
    pixels, again = VIEW.project(VIEW.back_project(rows, columns, depth))
    assert np.allclose(again, depth)
    assert np.allclose(pixels, np.stack((columns + 0.5, rows + 0.5), axis=1))


def test_statistics_are_those_of_numpy() -> None:
    """A map of three regions of random depth: median, mean, deviation and percentiles axis by axis."""
    rng = np.random.default_rng(1)
    depth = rng.uniform(1.0, 1.005, (40, 60)).astype(np.float32)
    labels = np.zeros((40, 60), np.int16)
    labels[2:14, 3:15], labels[20:30, 30:39], labels[33:36, 50:52] = 1, 2, 3
    view = Camera(60, 40, (80.0, 80.0), (30.0, 20.0), np.eye(4))
    observation = Observation(0.0, np.zeros((40, 60, 3), np.uint8), depth, view)
    found = encode(observation, Segmentation(labels, tuple(Detection(f"a{k}") for k in range(3))), MemoryConfig())
    assert found.labels == ("a0", "a1")  # the third has too few points once its border is eroded
    assert found.region.tolist() == [0, 1]
    for k, (rows, columns) in enumerate((((3, 13), (4, 14)), ((21, 29), (31, 38)))):
        r, c = (part.ravel() for part in np.mgrid[slice(*rows), slice(*columns)])
        points = view.back_project(r, c, depth[r, c].astype(float))
        assert np.allclose(found.centroid[k], np.median(points, axis=0))
        expected = (points.mean(0), points.std(0), *np.percentile(points, (1, 99), axis=0))
        assert np.allclose(found.shape[k], np.stack(expected, axis=1))
    assert found.pixels.tolist() == [144, 90]


@settings(max_examples=25, deadline=None)
@given(
    x=st.floats(0.35, 0.6), y=st.floats(-0.2, 0.2), z=st.floats(0.0, 0.1), seed=st.integers(0, 99),
    noise=st.sampled_from((0.0, 0.002)),
)  # fmt: skip
def test_the_box_of_a_cube_is_found_to_a_few_millimetres(x: float, y: float, z: float, seed: int, noise: float) -> None:
    box = cube("red cube", x, y, z)
    found = encode(*render([box], 0.0, VIEW, np.random.default_rng(seed), noise), MemoryConfig())
    assert np.abs(found.low[0] - box.low).max() < 0.008 and np.abs(found.high[0] - box.high).max() < 0.008
    middle = (found.low[0] + found.high[0]) / 2
    assert np.abs(middle - (np.array(box.low) + box.high) / 2).max() < 0.005


def test_one_wrong_pixel_moves_the_raw_extrema_and_not_the_percentiles() -> None:
    observation, segmentation = render([cube("red cube", 0.45, 0.0)], 0.0, VIEW)
    depth = np.array(observation.depth)
    rows, columns = np.nonzero(segmentation.map == 1)
    depth[int(np.median(rows)), int(np.median(columns))] -= 0.02
    wrong = Observation(0.0, observation.rgb, depth, VIEW)
    for extrema, moved in ((0.0, True), (1.0, False)):
        config = MemoryConfig(extrema=extrema)
        before, after = (encode(o, segmentation, config).shape[0] for o in (observation, wrong))
        assert (np.abs(before[:, 2:] - after[:, 2:]).max() > 0.003) == moved


def test_depth_edges_and_missing_depth_are_not_used() -> None:
    observation, segmentation = render([cube("red cube", 0.45, 0.0)], 0.0, VIEW)
    depth = np.array(observation.depth)
    grown = segmentation.map.copy()
    grown[:, 1:] = np.maximum(grown[:, 1:], segmentation.map[:, :-1])  # the mask bleeds over the right edge
    depth[:, ::7] = 0.0
    exact = encode(observation, segmentation, MemoryConfig())
    found = encode(
        Observation(0.0, observation.rgb, depth, VIEW), Segmentation(grown, segmentation.detections), MemoryConfig()
    )
    assert np.abs(found.centroid - exact.centroid).max() < 0.004


@pytest.mark.parametrize("degrees", (-80, -30, 0, 20, 60, 85))
def test_yaw_of_a_long_footprint(degrees: float) -> None:
    rng = np.random.default_rng(2)
    flat = rng.uniform(-1, 1, (150, 2)) * (0.1, 0.02)
    angle = np.radians(degrees)
    turned = flat @ np.array(((np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))))
    found = footprint_yaw(np.column_stack((turned, np.zeros(150))))
    assert found is not None
    assert abs((found - angle + np.pi / 2) % np.pi - np.pi / 2) < np.radians(4)


def test_a_frame_without_regions_has_no_tokens() -> None:
    observation, _ = render([Box("red cube", (5, 5, 5), (5.1, 5.1, 5.1))], 0.0, VIEW)
    assert len(encode(observation, Segmentation(np.zeros((240, 320), np.int16), ()), MemoryConfig())) == 0
