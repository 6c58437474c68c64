"""Paired tests against statsmodels and scipy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate, NotMeasured
from edgewise.stats import mcnemar_exact, paired_difference, permutation_test

RNG = np.random.default_rng(17)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40))
@settings(deadline=None)
def test_mcnemar_is_that_of_statsmodels(pairs: list[tuple[bool, bool]]) -> None:
    table = np.zeros((2, 2))
    for a, b in pairs:
        table[int(a), int(b)] += 1
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    assert mcnemar_exact(first, second) == pytest.approx(min(1.0, mcnemar(table, exact=True).pvalue))


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("n", [3, 8, 12])
def test_exact_permutation_is_scipys(n: int, alternative: str) -> None:
    d = RNG.normal(0.4, 1, n)
    peer = stats.permutation_test((d,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative=alternative)
    ours = permutation_test(d, rng=RNG, alternative=alternative)
    # scipy doubles the smaller tail; for sign flips, which are symmetric, that is the same.
    assert ours == pytest.approx(peer.pvalue, abs=1e-12)


def test_random_permutation_is_near_the_exact_one() -> None:
    d = RNG.normal(0.5, 1, 20)
    exact = np.mean([abs(np.array(s) @ d) >= abs(d.sum()) for s in RNG.choice([-1, 1], size=(200_000, 20))])
    assert permutation_test(d, rng=RNG, replicates=50_000) == pytest.approx(exact, abs=0.01)


def test_permutation_p_values_are_valid_under_the_null() -> None:
    rng = np.random.default_rng(2)
    p = np.array([permutation_test(rng.normal(size=25), rng=rng, replicates=199) for _ in range(800)])
    for threshold in (0.05, 0.2, 0.5):
        assert np.mean(p <= threshold) <= threshold + 3 * np.sqrt(threshold * (1 - threshold) / 800)


def test_clusters_flip_together_and_ties_do_not_matter() -> None:
    d = np.repeat([1.0, 1.0, 1.0], 10)
    assert permutation_test(d, rng=RNG, clusters=np.repeat([0, 1, 2], 10)) == 0.25
    assert permutation_test([0.0, 0.0], rng=RNG) == 1.0
    with pytest.raises(BadInput):
        permutation_test([], rng=RNG)


def test_paired_difference() -> None:
    rng = np.random.default_rng(8)
    a = rng.random(50)
    b = a - 0.1 + rng.normal(0, 0.02, 50)
    measure = paired_difference(a, b, rng=np.random.default_rng(0))
    assert isinstance(measure, Estimate) and measure.low < 0.1 < measure.high and measure.high - measure.low < 0.02
    assert isinstance(paired_difference([], [], rng=RNG), NotMeasured)
    with pytest.raises(BadInput, match="lengths differ"):
        paired_difference([1.0], [1.0, 2.0], rng=RNG)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("n", [8, 30])
def test_the_unit_of_measurement_does_not_matter(n: int, scale: float) -> None:
    d = np.arange(1, n + 1) * np.where(np.arange(n) % 4, 1.0, -1.0)
    p = permutation_test(d * scale, rng=np.random.default_rng(0), replicates=999)
    assert p == permutation_test(d, rng=np.random.default_rng(0), replicates=999) < 0.2


def test_bad_options_are_named() -> None:
    with pytest.raises(BadInput, match="alternative"):
        permutation_test([1.0], rng=RNG, alternative="two_sided")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="replicates"):
        permutation_test([1.0], rng=RNG, replicates=0)
    with pytest.raises(BadInput, match="second"):
        mcnemar_exact([1, 0], [1, 0.5])


def test_identical_systems_differ_by_little_not_by_nothing() -> None:
    """Bonett and Price 2012: with no discordant pair of 100 the variance is 2 / 102 / 102."""
    right = np.arange(100) % 2
    measure = paired_difference(right, right, rng=RNG)
    assert isinstance(measure, Estimate) and measure.value == 0
    expected = stats.norm.ppf(0.975) * np.sqrt(2 / 102 / 102)
    assert (measure.low, measure.high) == pytest.approx((-expected, expected))
    scores = paired_difference([0.5] * 100, [0.5] * 100, rng=RNG, level=0.9)
    assert isinstance(scores, Estimate) and scores.low < 0 < scores.high and scores.level == 0.9


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30))
@settings(deadline=None, max_examples=40)
def test_swapping_the_systems_turns_the_difference_round(pairs: list[tuple[float, float]]) -> None:
    first, second = map(list, zip(*pairs, strict=True))
    one = paired_difference(first, second, rng=np.random.default_rng(0), replicates=200)
    other = paired_difference(second, first, rng=np.random.default_rng(0), replicates=200)
    assert isinstance(one, Estimate) and isinstance(other, Estimate)
    assert one.value == pytest.approx(-other.value, abs=1e-12)
    assert -1 <= one.low <= one.value <= one.high <= 1 and one.low < one.high
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=0.05)  # quantiles fall between draws


def test_numbers_beyond_scores_and_clusters_of_any_size() -> None:
    rng = np.random.default_rng(4)
    clusters = np.repeat(np.arange(40), rng.integers(1, 6, 40))
    effect = rng.normal(3, 1, 40)[clusters]
    measure = paired_difference(effect, np.zeros(clusters.size), rng=rng, clusters=clusters)
    assert isinstance(measure, Estimate) and measure.n == 40 and measure.low < 3 < measure.high
    assert measure.value == pytest.approx(effect.mean())
    assert isinstance(paired_difference([5.0, 5.0], [2.0, 2.0], rng=RNG), NotMeasured)


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 100])
def test_coverage_where_systems_seldom_differ(n: int, fewest_hits: Callable[[int, float], float]) -> None:
    """One item in ten is discordant: BCa covered 78 % at n = 20 here."""
    rng, hits = np.random.default_rng(5), 0
    for _ in range(1000):
        first = rng.random(n) < 0.6
        second = np.where(rng.random(n) < 0.8, first, rng.random(n) < 0.4)
        measure = paired_difference(first, second, rng=rng)
        hits += measure.low <= 0.04 <= measure.high
    assert hits >= fewest_hits(1000, 0.95)
