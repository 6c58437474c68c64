"""Paired tests, multiple testing and rank correlations against scipy and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate, NotMeasured
from edgewise.stats import (
    benjamini_hochberg,
    holm,
    kendall,
    mcnemar_exact,
    paired_difference,
    permutation_test,
    spearman,
)

RNG = np.random.default_rng(17)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40))
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
    assert isinstance(paired_difference([1.0, 1.0], [0.0, 0.0], rng=RNG), NotMeasured)
    with pytest.raises(BadInput, match="lengths differ"):
        paired_difference([1.0], [1.0, 2.0], rng=RNG)


@given(st.lists(st.floats(0, 1), max_size=25))
def test_adjusted_p_values_are_those_of_statsmodels(p: list[float]) -> None:
    if not p:
        assert holm(p).shape == benjamini_hochberg(p).shape == (0,)
        return
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-12)
    np.testing.assert_allclose(benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1], atol=1e-12)


def test_benjamini_and_hochbergs_own_example() -> None:
    """Their 1995 paper, section 4.1: 15 p-values, four rejections at 0.05 where Holm has three."""
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1.0,
    ]
    assert np.sum(benjamini_hochberg(p) <= 0.05) == 4
    assert np.sum(holm(p) <= 0.05) == 3


def test_rank_correlations_are_scipys() -> None:
    x = RNG.normal(size=40)
    y = np.round(x + RNG.normal(size=40), 1)
    for ours, theirs in ((kendall, stats.kendalltau), (spearman, stats.spearmanr)):
        measure = ours(x, y)
        assert isinstance(measure, Estimate) and measure.value == pytest.approx(theirs(x, y).statistic)
        assert -1 <= measure.low < measure.value < measure.high <= 1 and measure.n == 40
        turned = ours(x, -y)
        assert (turned.low, turned.high) == pytest.approx((-measure.high, -measure.low))


def test_perfect_and_undefined_correlations() -> None:
    for ours in (kendall, spearman):
        perfect = ours(range(10), range(10))
        assert isinstance(perfect, Estimate) and perfect.value == perfect.high == 1 and perfect.low < 0.99
        reversed_ = ours(range(10), range(10, 0, -1))
        assert isinstance(reversed_, Estimate) and reversed_.value == reversed_.low == -1
        assert isinstance(ours([1] * 9, range(9)), NotMeasured) and isinstance(ours([1, 2], [1, 2]), NotMeasured)


@pytest.mark.slow
@pytest.mark.parametrize(("ours", "truth"), [(kendall, 1 / 3), (spearman, 6 / np.pi * np.arcsin(0.25))])
def test_coverage_of_correlations(ours: object, truth: float) -> None:
    """Bivariate normal with r = 0.5: tau = 2/π asin r, rho = 6/π asin(r/2) (Kendall)."""
    rng = np.random.default_rng(23)
    hits = 0
    for _ in range(2000):
        x = rng.normal(size=50)
        y = 0.5 * x + np.sqrt(0.75) * rng.normal(size=50)
        measure = ours(x, y)  # type: ignore[operator]
        hits += measure.low <= truth <= measure.high
    assert 0.93 <= hits / 2000 <= 0.97
