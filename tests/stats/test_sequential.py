"""Guarantees that hold at all times, by simulation and by formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special, stats

from edgewise.core.errors import BadInput
from edgewise.stats import confidence_sequence, probability_ratio_test


@pytest.mark.slow
def test_the_confidence_sequence_holds_at_all_times() -> None:
    """Peeking after each of 1000 outcomes: at most 5 % of 600 sequences ever exclude the truth."""
    rng = np.random.default_rng(1)
    for rate in (0.1, 0.5):
        missed = 0
        for _ in range(600):
            low, high = confidence_sequence(rng.random(1000) < rate)
            missed += bool(np.any((rate < low) | (rate > high)))
        assert missed <= stats.binom.ppf(0.999, 600, 0.05)


def test_the_confidence_sequence_narrows_around_the_rate() -> None:
    low, high = confidence_sequence(np.tile([1, 0, 0, 0], 500))
    assert np.all(np.diff(low) >= 0) and np.all(np.diff(high) <= 0)
    assert low[-1] < 0.25 < high[-1] and high[-1] - low[-1] < 0.1
    low, high = confidence_sequence([1] * 20)
    assert high[-1] == 1 and low[-1] == pytest.approx((0.05 / 21) ** (1 / 20))  # 21 p^20 = alpha
    assert confidence_sequence([])[0].shape == (0,)
    with pytest.raises(BadInput):
        confidence_sequence([0.5])


def test_the_probability_ratio_test_keeps_its_error_rates() -> None:
    rng = np.random.default_rng(2)
    for truth, wrong in ((0.3, "p1"), (0.5, "p0")):
        mistakes = 0
        for _ in range(800):
            successes = n = 0
            while (decision := probability_ratio_test(successes, n, 0.3, 0.5)) == "continue":
                successes, n = successes + int(rng.random() < truth), n + 1
            mistakes += decision == wrong
        assert mistakes <= stats.binom.ppf(0.999, 800, 0.053)  # Wald's bound alpha / (1 - beta)
    for bad in [(3, 2, 0.1, 0.2), (1, 2, 0.0, 0.2), (1, 2, 0.2, 0.2)]:
        with pytest.raises(BadInput):
            probability_ratio_test(*bad)


def test_the_ends_are_where_the_likelihood_ratio_reaches_its_bound() -> None:
    """Root of p^s (1 - p)^(n - s) = alpha B(s + 1, n - s + 1), found by scipy, before ends are carried forward."""
    outcomes = np.array([0, 1, 1, 0, 1, 1, 1, 1, 0, 1] * 4)
    low, high = confidence_sequence(outcomes, 0.9)
    ends = []
    for n in range(1, outcomes.size + 1):
        s = int(outcomes[:n].sum())
        bound = np.log(0.1) + special.betaln(s + 1, n - s + 1)

        def gap(p: float, s: int = s, n: int = n, bound: float = bound) -> float:
            return special.xlogy(s, p) + special.xlog1py(n - s, -p) - bound

        ends.append((
            optimize.brentq(gap, 1e-12, s / n) if s else 0.0,
            optimize.brentq(gap, s / n, 1 - 1e-12) if s < n else 1.0,
        ))  # fmt: skip
    raw = np.array(ends)
    np.testing.assert_allclose(low, np.maximum.accumulate(raw[:, 0]), atol=1e-9)
    np.testing.assert_allclose(high, np.minimum.accumulate(raw[:, 1]), atol=1e-9)


def test_error_rates_that_leave_nothing_to_decide() -> None:
    with pytest.raises(BadInput, match="beta"):
        probability_ratio_test(1, 2, 0.1, 0.2, alpha=0.6, beta=0.5)
    assert probability_ratio_test(9, 10, 0.8, 0.2) == "p0" and probability_ratio_test(0, 0, 0.2, 0.8) == "continue"
