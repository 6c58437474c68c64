"""Split conformal prediction against its exact law."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from edgewise.core.errors import BadInput
from edgewise.stats import conformal_intervals, conformal_quantile, conformal_sets


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


def test_thresholds_are_checked_and_infinite_ones_admit_everything() -> None:
    with pytest.raises(BadInput, match="threshold"):
        conformal_sets([[0.5, 0.5]], math.nan)
    with pytest.raises(BadInput, match="threshold"):
        conformal_intervals([1.0], -0.1)
    with pytest.raises(BadInput, match="scores"):
        conformal_quantile([1.0, math.nan], 0.1)
    threshold = conformal_quantile([], 0.1)
    assert conformal_sets([[0.0, 1.0]], threshold).all()
    low, high = conformal_intervals([1.0], threshold)
    assert (low[0], high[0]) == (-math.inf, math.inf)
