"""Intervals against statsmodels, published values and simulation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate
from edgewise.stats import clopper_pearson, mean_estimate, proportion, unseen_share, wilson

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
@settings(deadline=None)
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


def test_levels_and_methods_are_kept_and_checked() -> None:
    measures = [
        proportion(3, 4, 0.8), mean_estimate([0, 1, 1], level=0.8), mean_estimate([0.1, 0.2], level=0.8),
        mean_estimate([0.1] * 3, level=0.8), mean_estimate(np.linspace(0, 1, 20), level=0.8),
    ]  # fmt: skip
    assert all(isinstance(m, Estimate) and m.level == 0.8 for m in measures)
    exact = proportion(3, 4, method="clopper_pearson")
    assert isinstance(exact, Estimate) and exact.method == "clopper_pearson"
    assert (exact.low, exact.high) == tuple(map(float, clopper_pearson(3, 4)))
    with pytest.raises(BadInput, match="method"):
        proportion(3, 4, method="wald")  # type: ignore[arg-type]


def test_a_large_cluster_among_small_ones_counts_for_little_more_than_one() -> None:
    """A thousand equal answers to one item and eight items more: nine clusters, but about one that matters."""
    values, clusters = np.repeat([0.0, 1.0], [1000, 8]), np.r_[np.zeros(1000), np.arange(1, 9)]
    measure = mean_estimate(values, clusters)
    assert isinstance(measure, Estimate) and measure.n == 9 and measure.high > 0.7


@given(st.lists(st.integers(0, 1), min_size=1, max_size=30), st.integers(1, 4))
@settings(deadline=None)
def test_repeating_every_answer_adds_nothing(answers: list[int], times: int) -> None:
    clusters = np.repeat(np.arange(len(answers)), times)
    assert mean_estimate(np.repeat(answers, times), clusters) == proportion(sum(answers), len(answers))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(1, 10))
@settings(deadline=None, max_examples=60)
def test_a_mean_lies_in_its_interval_which_lies_in_the_scale(scores: list[float], groups: int) -> None:
    clusters = np.arange(len(scores)) % groups
    measure = mean_estimate(scores, clusters, replicates=100)
    assert isinstance(measure, Estimate) and measure.n == min(groups, len(scores))
    assert -1e-12 <= measure.low <= measure.value <= measure.high <= 1 + 1e-12 and measure.low < measure.high
    assert measure.value == pytest.approx(np.mean(scores))


def test_unseen_share_is_the_rule_of_three_of_wilson() -> None:
    assert unseen_share(100) == pytest.approx(1.959964**2 / (100 + 1.959964**2), rel=1e-6)
    constant = mean_estimate([0.25] * 100)
    assert isinstance(constant, Estimate)
    assert (constant.low, constant.high) == pytest.approx(
        (0.25 * (1 - unseen_share(100)), 0.25 + 0.75 * unseen_share(100))
    )


@pytest.mark.slow
@pytest.mark.parametrize("n", [5, 15, 30, 100])
@pytest.mark.parametrize("law", ["mostly 1", "skewed", "uniform"])
def test_coverage_of_the_mean(n: int, law: str, fewest_hits: Callable[[int, float], float]) -> None:
    rng, hits = np.random.default_rng(11), 0
    draw, truth = {
        "mostly 1": (lambda: np.where(rng.random(n) < 0.95, 1, rng.random(n)), 0.975),
        "skewed": (lambda: rng.beta(0.5, 2, n), 0.2),
        "uniform": (lambda: rng.random(n), 0.5),
    }[law]
    for _ in range(800):
        measure = mean_estimate(draw(), rng=rng, replicates=500)
        hits += measure.low <= truth <= measure.high
    assert hits >= fewest_hits(800, 0.93)


@pytest.mark.slow
def test_coverage_of_the_mean_of_clusters(fewest_hits: Callable[[int, float], float]) -> None:
    """Three answers to each of 30 items, whose probabilities are Beta(2, 1)."""
    rng, hits = np.random.default_rng(11), 0
    for _ in range(1500):
        values = rng.random((30, 3)) < rng.beta(2, 1, (30, 1))
        measure = mean_estimate(values.ravel(), np.repeat(np.arange(30), 3), rng=rng, replicates=500)
        hits += measure.low <= 2 / 3 <= measure.high
    assert hits >= fewest_hits(1500, 0.93)


def test_a_clustered_mean_is_students_without_clusters_and_covers_with_them() -> None:
    from scipy.stats import ttest_1samp

    from edgewise.core.estimate import Estimate, NotMeasured
    from edgewise.stats import clustered_mean

    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, size=30)
    found = clustered_mean(x, np.arange(30))
    assert isinstance(found, Estimate) and found.n == 30
    assert (found.low, found.high) == pytest.approx(tuple(ttest_1samp(x, 0).confidence_interval(0.95)))
    inside = 0
    for _ in range(400):
        groups = np.repeat(np.arange(20), rng.integers(1, 6, size=20))
        values = rng.normal(size=20)[groups] + 0.3 * rng.normal(size=len(groups))
        estimate = clustered_mean(values, groups)
        inside += estimate.low <= 0 <= estimate.high  # type: ignore[operator]
    assert inside / 400 == pytest.approx(0.95, abs=0.04)
    assert isinstance(clustered_mean([1.0, 2.0], ["a", "a"]), NotMeasured)
