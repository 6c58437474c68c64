"""Guarantees that hold exactly or at all times, checked against their laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from edgewise.core.errors import BadInput
from edgewise.stats import (
    confidence_sequence,
    conformal_intervals,
    conformal_quantile,
    conformal_sets,
    probability_ratio_test,
)


def test_the_quantile_is_the_right_order_statistic() -> None:
    assert conformal_quantile(np.arange(1, 10), 0.1) == 9  # ceil(10 · .9) = 9
    assert conformal_quantile(np.arange(1, 10), 0.5) == 5
    assert conformal_quantile(np.arange(1, 9), 0.1) == math.inf
    with pytest.raises(BadInput, match="alpha"):
        conformal_quantile([1.0], 1.0)


def test_coverage_given_the_calibration_set_follows_its_beta_law() -> None:
    """Scores uniform: coverage equals the threshold, which is Beta(k, n + 1 - k). Kolmogorov-Smirnov over 2000 sets."""
    rng = np.random.default_rng(0)
    coverage = [conformal_quantile(rng.random(99), 0.1) for _ in range(2000)]
    assert stats.kstest(coverage, stats.beta(90, 10).cdf).pvalue > 0.01
    assert np.mean(coverage) == pytest.approx(0.9, abs=0.002)


def test_sets_and_intervals() -> None:
    sets = conformal_sets([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25]], 0.7)
    assert sets.tolist() == [[True, False, False], [True, True, False]]
    low, high = conformal_intervals([1.0, 2.0], 0.5)
    assert low.tolist() == [0.5, 1.5] and high.tolist() == [1.5, 2.5]
    with pytest.raises(BadInput):
        conformal_sets([0.5, 0.5], 0.1)


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
