"""Intervals against statsmodels, published values and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate
from edgewise.stats import clopper_pearson, mean_estimate, proportion, wilson

CASES = [(0, 10), (1, 10), (5, 10), (10, 10), (81, 263), (15, 148), (1, 29), (0, 1), (1, 1), (3, 100_000)]


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_and_clopper_pearson_are_those_of_statsmodels(level: float) -> None:
    x, n = np.array(CASES).T
    for ours, name in ((wilson, "wilson"), (clopper_pearson, "beta")):
        low, high = ours(x, n, level)
        expected = np.array([proportion_confint(a, b, 1 - level, method=name) for a, b in CASES])
        np.testing.assert_allclose(low, expected[:, 0], atol=1e-12)
        np.testing.assert_allclose(high, expected[:, 1], atol=1e-12)


def test_published_values() -> None:
    """Newcombe 1998 (Stat. Med. 17:857), table I: 81/263, 15/148, 0/20, 1/29."""
    low, high = wilson([81, 15, 0, 1], [263, 148, 20, 29])
    np.testing.assert_allclose(low, [0.2553, 0.0624, 0.0, 0.0061], atol=5e-5)
    np.testing.assert_allclose(high, [0.3662, 0.1605, 0.1611, 0.1718], atol=5e-5)
    low, high = clopper_pearson([81, 15, 0, 1], [263, 148, 20, 29])
    np.testing.assert_allclose(low, [0.2527, 0.0578, 0.0, 0.0009], atol=5e-5)
    np.testing.assert_allclose(high, [0.3676, 0.1617, 0.1684, 0.1776], atol=5e-5)


@given(st.integers(0, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_they_contain_the_proportion_and_mirror(case: tuple[int, int], level: float) -> None:
    x, n = case
    for interval in (wilson, clopper_pearson):
        low, high = interval(x, n, level)
        assert 0 <= low <= high <= 1
        if n:
            assert low <= x / n <= high
        mirrored = interval(n - x, n, level)
        assert float(low) == pytest.approx(1 - float(mirrored[1]), abs=1e-9)


def test_clopper_pearson_covers_exactly() -> None:
    """Coverage by summing the binomial law: never below the level."""
    from scipy.stats import binom

    n = 15
    low, high = clopper_pearson(np.arange(n + 1), np.full(n + 1, n))
    for rate in np.linspace(0.01, 0.99, 25):
        inside = (low <= rate) & (rate <= high)
        assert binom.pmf(np.arange(n + 1), n, rate)[inside].sum() >= 0.95 - 1e-12


def test_bad_counts() -> None:
    for bad in [(-1, 5), (6, 5), (float("nan"), 5)]:
        with pytest.raises(BadInput):
            wilson(*bad)
    with pytest.raises(BadInput, match="whole"):
        clopper_pearson(0.5, 3)
    with pytest.raises(BadInput, match="level"):
        wilson(1, 2, 95)


def test_proportion() -> None:
    assert str(proportion(0, 0)).startswith("not measured")
    measure = proportion(3, 4)
    assert isinstance(measure, Estimate) and (measure.value, measure.n, measure.method) == (0.75, 4, "wilson")


def test_mean_of_right_and_wrong_is_a_proportion() -> None:
    assert mean_estimate([1, 0, 1, 1]) == proportion(3, 4)
    assert mean_estimate([]) == proportion(0, 0)


def test_constant_and_few_scores_do_not_get_a_zero_width() -> None:
    for values, clusters in [([0.5] * 30, None), ([1.0] * 12, list("aabbccddeeff")), ([0.2, 0.9], None)]:
        measure = mean_estimate(values, clusters)
        assert isinstance(measure, Estimate) and measure.high - measure.low > 0.1


def test_clusters_widen_the_interval_and_count_as_units() -> None:
    rng = np.random.default_rng(5)
    means = rng.random(40)
    values = np.repeat(means, 25)
    clusters = np.repeat(np.arange(40), 25)
    alone, together = mean_estimate(values), mean_estimate(values, clusters)
    assert isinstance(alone, Estimate) and isinstance(together, Estimate)
    assert (alone.n, together.n) == (1000, 40)
    assert together.high - together.low == pytest.approx(5 * (alone.high - alone.low), rel=0.15)
    assert mean_estimate(values, clusters) == together  # no hidden randomness


def test_bad_scores_are_named() -> None:
    with pytest.raises(BadInput, match="row 2"):
        mean_estimate([0.5, 1.5])
    with pytest.raises(BadInput, match="clusters"):
        mean_estimate([0.5, 0.5], ["a"])


@pytest.mark.slow
def test_coverage_of_the_mean_of_scores() -> None:
    """Beta-distributed scores in clusters: 95 % intervals cover in 93 to 97 % of 1500 samples."""
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(1500):
        centre = rng.beta(2, 1, size=30)
        values = np.clip(centre[:, None] + rng.normal(0, 0.05, (30, 3)), 0, 1)
        measure = mean_estimate(values.ravel(), np.repeat(np.arange(30), 3), rng=rng, replicates=500)
        hits += measure.low <= 2 / 3 - 0.0025 <= measure.high  # clipping lowers the mean a little
    assert 0.925 <= hits / 1500 <= 0.97
