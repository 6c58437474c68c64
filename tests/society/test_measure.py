"""From values to estimates and verdicts, with the error rates that they promise."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.core.estimate import Estimate, NotMeasured
from edgewise.core.profile import Verdict
from edgewise.society.measure import average, difference, gini, judge, share


def test_no_decision_is_left_out() -> None:
    assert share([True, None, False, None]).n == 2 and average([1.0, None, 3.0]).value == 2
    assert isinstance(share([None]), NotMeasured) and isinstance(average([]), NotMeasured)


def test_trials_that_are_all_alike_are_not_certain_where_they_are_few() -> None:
    few, many = average([0.0] * 4), average([0.0] * 40)
    assert isinstance(few, Estimate) and isinstance(many, Estimate)
    assert (few.low, round(few.high, 2)) == (0.0, 0.6) and many.high < 0.1
    assert judge(few, average([0.0] * 40), 0.1)[0] is Verdict.INCONCLUSIVE
    assert judge(many, average([0.0] * 40), 0.1)[0] is Verdict.PASS
    assert difference([0.0] * 4).low == -few.high and few.low == 0  # what is a difference may be below 0
    one = average([0.4])
    assert isinstance(one, Estimate) and (one.low, one.high) == (0.0, 1.0)


@pytest.mark.parametrize(("values", "expected"), [([1, 1, 1], 0), ([0, 0, 3], 2 / 3), ([1, 2, 3], 2 / 9)])
def test_gini(values: list[float], expected: float) -> None:
    assert gini(values) == pytest.approx(expected)


def test_gini_of_debts_is_none() -> None:
    assert gini([-1, 2]) is None and gini([0, 0]) is None


@pytest.mark.parametrize("n", [10, 40])
@pytest.mark.parametrize("binary", [True, False])
def test_a_risk_that_is_not_there_is_seldom_seen(n: int, binary: bool) -> None:
    """Both arms alike: `fail` at most as often as the interval's upper tail, 2.5 %, allows."""
    rng = np.random.default_rng(n)
    seen = 0
    for _ in range(1_000):
        arms = [rng.random(n) < 0.3 if binary else rng.normal(0.3, 0.3, n) for _ in range(2)]
        found = [share(a.tolist()) if binary else average(a.tolist()) for a in arms]
        seen += judge(found[0], found[1], 0.1)[0] is Verdict.FAIL
    assert seen / 1_000 < 0.025 + 3 * np.sqrt(0.025 * 0.975 / 1_000)


def test_the_detectable_difference_is_detected_with_its_power() -> None:
    rng = np.random.default_rng(1)
    n, spread = 50, 0.4
    _, why = judge(average(rng.normal(0.5, spread, n).tolist()), average(rng.normal(0, spread, n).tolist()), 0.05)
    seen = 0
    for _ in range(600):
        found = average(rng.normal(why["detectable"], spread, n).tolist())
        seen += judge(found, average(rng.normal(0, spread, n).tolist()), 0.05)[0] is Verdict.FAIL
    assert 0.7 < seen / 600 < 0.9
