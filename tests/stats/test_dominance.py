"""Hypervolume by hand, by inclusion and exclusion, by simulation, and beside moocore."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from edgewise.core.errors import BadInput
from edgewise.stats import hypervolume, non_dominated


def test_by_hand() -> None:
    assert hypervolume([[0.2]], [1.0]) == pytest.approx(0.8)
    assert hypervolume([[0.25, 0.5]], [1, 1]) == pytest.approx(0.375)
    # Two steps of a staircase: 0.9 x 0.5 + 0.4 x 0.9 less the common 0.4 x 0.5.
    assert hypervolume([[0.1, 0.5], [0.6, 0.1]], [1, 1]) == pytest.approx(0.45 + 0.36 - 0.2)
    assert hypervolume([[0.1, 0.5], [0.6, 0.1], [0.6, 0.5], [0.1, 0.5]], [1, 1]) == pytest.approx(0.61)
    assert hypervolume([[0, 0, 0.5], [0, 0.5, 0], [0.5, 0, 0]], [1, 1, 1]) == pytest.approx(7 / 8)
    assert hypervolume([[0.1, 1.0], [2.0, 0.0]], [1, 1]) == 0 == hypervolume(np.zeros((0, 3)), [1, 1, 1])


def test_by_inclusion_and_exclusion() -> None:
    rng = np.random.default_rng(0)
    for dimensions in (2, 3, 4, 5, 6):
        x = rng.random((7, dimensions))
        exact = sum(
            (-1) ** (size + 1) * np.prod(1 - x[list(chosen)].max(axis=0))
            for size in range(1, 8)
            for chosen in combinations(range(7), size)
        )
        assert hypervolume(x, np.ones(dimensions)) == pytest.approx(exact, abs=1e-12)


def test_beside_moocore() -> None:
    moocore = pytest.importorskip("moocore", reason="the package moocore is not installed")
    rng = np.random.default_rng(1)
    for dimensions in (2, 3, 4, 5, 6):
        x = rng.random((15, dimensions))
        assert hypervolume(x, np.full(dimensions, 0.9)) == pytest.approx(
            moocore.hypervolume(x, ref=np.full(dimensions, 0.9)), rel=1e-12
        )
        np.testing.assert_array_equal(non_dominated(x), moocore.is_nondominated(x))


def test_dominance_by_hand() -> None:
    points = [[1, 2], [2, 1], [2, 2], [1, 2], [3, 0]]
    assert non_dominated(points).tolist() == [True, True, False, True, True]


def test_what_is_refused() -> None:
    for points, reference in (([1.0, 2.0], [1, 1]), ([[np.nan, 1]], [1, 1]), ([[0, 0]], [1]), ([[0.0]], [np.inf])):
        with pytest.raises(BadInput):
            hypervolume(points, reference)
