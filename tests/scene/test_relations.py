"""Relations of boxes by hand-made cases."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.scene.config import MemoryConfig
from edgewise.scene.relations import directions, encloses, overlap_share, resting
from support.box_frames import Box, cube

CONFIG = MemoryConfig()


def related(boxes: list[Box], held: frozenset[tuple[str, int, int]] = frozenset()) -> set[tuple[str, int, int]]:
    low, high = np.array([b.low for b in boxes]), np.array([b.high for b in boxes])
    return resting(list(range(1, len(boxes) + 1)), [b.label for b in boxes], low, high, held, CONFIG)


def test_a_tower_rests_each_on_the_next() -> None:
    tower = [cube("red cube", 0.4, 0, 0.04 * k) for k in range(4)]
    assert related(tower) == {("on", 2, 1), ("on", 3, 2), ("on", 4, 3)}


def test_overlap_decides_and_hysteresis_keeps() -> None:
    base, gone = cube("red cube", 0.4, 0), cube("blue cube", 0.4, 0.031, 0.04)  # .225 of the footprint
    assert related([base, gone]) == set()
    assert related([base, gone], frozenset({("on", 2, 1)})) == {("on", 2, 1)}
    lifted = cube("blue cube", 0.4, 0, 0.0535)
    assert related([base, lifted]) == set() and related([base, lifted], frozenset({("on", 2, 1)})) == {("on", 2, 1)}


def test_containers_hold_and_support_nothing() -> None:
    bin_ = Box("blue bin", (0.4, -0.06, 0), (0.52, 0.06, 0.05))
    inside = cube("red cube", 0.46, 0.0, 0.004)
    assert related([bin_, inside]) == {("inside", 2, 1)}
    assert related([bin_, cube("red cube", 0.46, 0.0, 0.05)]) == set()


def test_a_bridge_rests_on_both_towers() -> None:
    one, other = cube("green cube", 0.4, 0.06), cube("blue cube", 0.4, -0.06)
    span = Box("purple block", (0.38, -0.08, 0.04), (0.42, 0.08, 0.06))
    assert related([one, other, span]) == {("on", 3, 1), ("on", 3, 2)}


def test_a_pad_never_rests_on_anything_and_carries() -> None:
    pad = Box("red pad", (0.36, -0.04, 0), (0.44, 0.04, 0.003))
    assert related([pad, cube("red cube", 0.4, 0, 0.003)]) == {("on", 2, 1)}


def test_overlap_is_a_share_of_the_row() -> None:
    low, high = np.array([[0.0, 0, 0], [0, 0, 0]]), np.array([[1.0, 1, 1], [2, 1, 1]])
    assert np.allclose(overlap_share(low, high), [[1, 1], [0.5, 1]])


def test_a_cover_encloses_what_is_under_it() -> None:
    cup, under = np.array([[0.36, -0.04, 0], [0.44, 0.04, 0.09]]), cube("red cube", 0.4, 0)
    assert encloses(*cup, np.array(under.low), np.array(under.high))
    beside = cube("red cube", 0.47, 0)
    assert not encloses(*cup, np.array(beside.low), np.array(beside.high))
    lifted = cup + np.array((0, 0, 0.1))
    assert not encloses(*lifted, np.array(under.low), np.array(under.high))


@pytest.mark.parametrize(
    ("by", "words"),
    (
        ((0.0, 0.2, 0), ("left",)),
        ((0.0, -0.2, 0), ("right",)),
        ((0.2, 0.0, 0), ("behind",)),
        ((-0.2, 0.05, 0), ("front",)),
        ((0.0, 0.06, 0), ("left", "near")),
        ((0.0, 0.01, 0.04), ("near",)),
    ),
)
def test_directions_as_the_camera_sees_them(by: tuple[float, float, float], words: tuple[str, ...]) -> None:
    base = cube("red cube", 0.45, 0)
    other = base.moved(*by)
    assert directions((other.low, other.high), (base.low, base.high)) == words
