"""Change-points: false alarms at the stated rate, delays, and estimates over seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate, NotMeasured
from edgewise.loopholes.study.emergence import cusum_threshold, emergence, steps_to
from edgewise.loopholes.study.estimates import over_seeds, ratio_over_seeds


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_false_alarms_come_at_the_stated_rate(alpha: float, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    curves = 0.3 + rng.normal(0, 0.2, (2_000, 300)) / math.sqrt(16)
    monkeypatch.setattr("edgewise.loopholes.study.emergence._RISE", -1.0)  # the alarms alone
    share = np.mean([emergence(curve, 0.3, 0.2, 16, alpha=alpha) is not None for curve in curves])
    assert share == pytest.approx(alpha, abs=0.02)


def test_a_change_is_found_where_it_is() -> None:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(200):
        curve = np.where(np.arange(200) < 80, 0.05, 0.25) + rng.normal(0, 0.3, 200) / math.sqrt(16)
        change = emergence(curve, 0.05, 0.3, 16)
        assert change is not None and change.change <= change.alarm
        found.append(change.change)
    assert abs(np.median(found) - 80) <= 2 and np.mean(np.abs(np.array(found) - 80) <= 10) > 0.9


def test_what_falls_or_stays_does_not_emerge() -> None:
    assert emergence(np.linspace(0.3, 0, 100), 0.3, 0.3, 16) is None
    assert emergence(np.zeros(100), 0.0, 0.0, 16) is None
    passing = np.where((np.arange(200) > 50) & (np.arange(200) < 70), 0.4, 0.1)
    assert emergence(passing, 0.1, 0.3, 16) is None
    assert cusum_threshold(300, 0.01) > cusum_threshold(300, 0.1) > cusum_threshold(30, 0.1)


@pytest.mark.parametrize(("alpha", "n"), [(0.0, 4), (1.0, 4), (0.1, 0)])
def test_impossible_settings(alpha: float, n: int) -> None:
    with pytest.raises(BadInput):
        emergence(np.zeros(5), 0, 1, n, alpha=alpha)


def test_steps_to_a_level() -> None:
    curve = np.array([0, 0, 1, 1, 1, 1.0])
    assert steps_to(curve, 0.5, window=1) == 3 and steps_to(curve, 0.5, window=2) == 4
    assert steps_to(curve, 2) == math.inf and steps_to(curve[:2], 0.5, window=5) == math.inf


def test_intervals_over_seeds() -> None:
    spread = over_seeds(np.array([0.9, 0.95, 1.0, 0.85]), 0, 1)
    assert isinstance(spread, Estimate) and spread.high <= 1 and spread.n == 4
    same = over_seeds(np.ones(20), -1, 1)
    assert isinstance(same, Estimate) and same.value == same.high == 1 and 0.5 < same.low < 1
    assert isinstance(over_seeds(np.full(3, 2.0)), NotMeasured)
    assert isinstance(over_seeds(np.array([np.nan, np.inf])), NotMeasured)


def test_ratios_over_seeds() -> None:
    rng = np.random.default_rng(0)
    found = ratio_over_seeds(np.array([10.0, 20, 40, np.inf]), np.array([20.0, 40, 80, 5]), rng)
    assert isinstance(found, NotMeasured)  # the same in all seeds: the spread is unknown
    found = ratio_over_seeds(np.array([10.0, 20, 50]), np.array([20.0, 40, 80]), rng)
    assert isinstance(found, Estimate) and found.value == pytest.approx((0.5 * 0.5 * 0.625) ** (1 / 3)) and found.n == 3
    assert isinstance(ratio_over_seeds(np.array([np.inf, 1]), np.array([1.0, 1]), rng), NotMeasured)
