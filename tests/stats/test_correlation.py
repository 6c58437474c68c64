"""Rank correlations against scipy, brute force and simulation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate, NotMeasured
from edgewise.stats import kendall, spearman

RNG = np.random.default_rng(17)


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


@pytest.mark.parametrize(("ours", "theirs"), [(kendall, stats.kendalltau), (spearman, stats.spearmanr)])
def test_the_jackknife_leaves_out_one_pair_at_a_time(ours: Callable, theirs: Callable) -> None:
    """Against scipy on each sample less one pair, with ties; then Fisher's z and Student's t by hand."""
    x, y = RNG.integers(0, 5, 30), RNG.integers(0, 5, 30)
    measure, n = ours(x, y), 30
    left_out = np.array([theirs(np.delete(x, i), np.delete(y, i)).statistic for i in range(n)])
    deviation = np.sqrt((n - 1) ** 2 / n * left_out.var() * n / (n - 1)) / (1 - measure.value**2)
    half = stats.t.ppf(0.975, n - 2) * deviation
    expected = np.tanh(np.arctanh(measure.value) + np.array([-half, half]))
    assert (measure.low, measure.high) == pytest.approx(tuple(expected), rel=1e-9)


@example([(0, 1), (1, 0), (1, 1), (1, 2), (2, 1)])  # leaving out any one pair changes nothing
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=5, max_size=25))
@settings(deadline=None)
def test_intervals_have_width_and_do_not_depend_on_order_or_scale(pairs: list[tuple[int, int]]) -> None:
    x, y = np.array(pairs, dtype=float).T
    for ours in (kendall, spearman):
        measure = ours(x, y)
        if isinstance(measure, NotMeasured):
            continue
        assert -1 <= measure.low <= measure.value <= measure.high <= 1 and measure.low < measure.high
        other = ours(np.exp(y[::-1]), 3 * x[::-1])
        assert (other.value, other.low, other.high) == pytest.approx((measure.value, measure.low, measure.high))


def test_bad_input_and_hopeless_data() -> None:
    for ours in (kendall, spearman):
        with pytest.raises(BadInput, match="lengths differ"):
            ours([1, 2], [1])
        with pytest.raises(BadInput, match="row 2, field 'y'"):
            ours([1, 2, 3], [1, np.nan, 3])
        assert isinstance(ours([0] * 9 + [1], range(10)), NotMeasured)
        assert ours(range(20), RNG.random(20), level=0.5).level == 0.5


@pytest.mark.slow
@pytest.mark.parametrize("cuts", [None, [-1, 0, 0.5, 1.2], [0.3]], ids=["continuous", "five values", "two values"])
@pytest.mark.parametrize("n", [15, 50])
def test_coverage_of_correlations(n: int, cuts: list[float] | None, fewest_hits: Callable[[int, float], float]) -> None:
    """Bivariate normal with r = 0.6, cut into ordered values; truth from 400 000 pairs."""
    rng = np.random.default_rng(23)

    def draw(size: int) -> np.ndarray:
        z = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=size).T
        return z if cuts is None else np.digitize(z, cuts)

    big = draw(400_000)
    truth = [stats.kendalltau(*big).statistic, stats.spearmanr(*big).statistic]
    if cuts is None:
        assert truth == pytest.approx([2 / np.pi * np.arcsin(0.6), 6 / np.pi * np.arcsin(0.3)], abs=0.005)
    hits = np.zeros(2)
    for _ in range(1000):
        x, y = draw(n)
        for i, ours in enumerate((kendall, spearman)):
            measure = ours(x, y)
            hits[i] += not measure.measured or measure.low <= truth[i] <= measure.high
    assert np.all(hits >= fewest_hits(1000, 0.94))
