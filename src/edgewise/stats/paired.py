"""Two systems on the same items."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Measure, NotMeasured
from edgewise.stats.checks import (
    Floats,
    Labels,
    Numbers,
    check_choice,
    check_level,
    codes,
    make_measure,
    same_length,
    vector,
)
from edgewise.stats.intervals import mean_estimate
from edgewise.stats.resampling import bootstrap, chunk_sizes

Alternative = Literal["two-sided", "greater", "less"]
_EXACT = 16  # differences up to which all sign patterns are tried


def mcnemar_exact(first: Numbers, second: Numbers) -> float:
    """Exact two-sided McNemar test that two systems are right equally often (McNemar 1947, binomial form).

    Args:
        first: Whether the first system was right, by item; 0 or 1, shape (n,).
        second: The same for the second.

    Returns:
        The p-value; 1 where they never differ.

    Raises:
        BadInput: Values other than 0 and 1, or different lengths.
    """
    from scipy.stats import binom

    a, b = vector("first", first), vector("second", second)
    same_length(first=a, second=b)
    for name, x in (("first", a), ("second", b)):
        if not np.all((x == 0) | (x == 1)):
            raise BadInput("must be 0 or 1", field=name)
    only_first, only_second = int(np.sum(a > b)), int(np.sum(b > a))
    differing = only_first + only_second
    if differing == 0:
        return 1.0
    return float(min(1.0, 2 * binom.cdf(min(only_first, only_second), differing, 0.5)))


def permutation_test(
    differences: Numbers,
    *,
    rng: np.random.Generator,
    replicates: int = 10_000,
    alternative: Alternative = "two-sided",
    clusters: Labels | None = None,
) -> float:
    """Sign-flip test that paired differences are symmetric about zero; the statistic is their sum.

    All sign patterns are tried where there are at most 16 differences (or clusters); otherwise ``replicates`` are drawn
    and the observed one is counted with them, so the p-value is valid (Phipson and Smyth 2010). The two-sided p-value
    counts sums at least as far from zero.

    Args:
        differences: First minus second, by item, shape (n,).
        rng: Where randomness comes from.
        replicates: Random sign patterns.
        alternative: ``greater``: the first is larger.
        clusters: Differences with one label flip together, shape (n,).

    Returns:
        The p-value; 1 where all differences are 0.

    Raises:
        BadInput: No differences, one that is not finite, labels that do not fit, or an option out of range.
    """
    check_choice("alternative", alternative, Alternative)
    if replicates < 1:
        raise BadInput("at least one replicate is needed", field="replicates")
    d = vector("differences", differences, least=1)
    if clusters is not None:
        d = np.bincount(codes("clusters", clusters, d.size), weights=d).astype(np.float64)
    d = d[d != 0]
    if d.size == 0:
        return 1.0
    d = d / np.abs(d).max()  # so that what counts as rounding does not depend on the unit of measurement
    observed = float(d.sum())
    if d.size <= _EXACT:
        signs = ((np.arange(2**d.size)[:, None] >> np.arange(d.size)) & 1) * 2.0 - 1
        return float(np.mean(_as_extreme(signs @ d, observed, alternative)))
    hits = 0
    for k in chunk_sizes(replicates, d.size):
        flips = rng.integers(0, 2, size=(k, d.size)) * 2.0 - 1.0
        hits += int(np.sum(_as_extreme(flips @ d, observed, alternative)))
    return (hits + 1) / (replicates + 1)


def _as_extreme(sums: Floats, observed: float, alternative: Alternative) -> npt.NDArray[np.bool_]:
    slack = 1e-9  # of the largest difference: sums that are equal but for rounding count as equal
    if alternative == "greater":
        return sums >= observed - slack
    if alternative == "less":
        return sums <= observed + slack
    return np.abs(sums) >= abs(observed) - slack


def paired_difference(
    first: Numbers,
    second: Numbers,
    *,
    rng: np.random.Generator,
    clusters: Labels | None = None,
    level: float = 0.95,
    replicates: int = 2000,
) -> Measure:
    """Mean of first minus second over items, with an interval over items (or clusters).

    - Scores that are all 0 or 1, without clusters: the adjusted Wald interval for paired proportions (Bonett and Price
      2012). Systems often differ on a few items only, too few for a bootstrap.
    - Other scores in [0, 1]: as ``mean_estimate``, whose rules for few units and for equal differences hold here, too,
      on a scale from -1 to 1.
    - Other numbers: BCa bootstrap, and ``NotMeasured`` where it knows nothing of its uncertainty.

    Args:
        first: Score of the first system, by item, shape (n,).
        second: Score of the second, in the same order.
        rng: For the bootstrap.
        clusters: Items with one label belong together, shape (n,). The reported ``n`` is the number of clusters.
        level: Coverage.
        replicates: Bootstrap replicates.

    Raises:
        BadInput: Different lengths, a number that is not finite, labels that do not fit, a level outside (0, 1).
    """
    check_level(level)
    a, b = vector("first", first), vector("second", second)
    same_length(first=a, second=b)
    if a.size == 0:
        return NotMeasured(reason="no paired observations")
    if clusters is None and np.all((a == 0) | (a == 1)) and np.all((b == 0) | (b == 1)):
        return _difference_of_proportions(int(np.sum(a > b)), int(np.sum(b > a)), a.size, level)
    if min(a.min(), b.min()) >= 0 and max(a.max(), b.max()) <= 1:
        half = mean_estimate((1 + a - b) / 2, clusters, level=level, rng=rng, replicates=replicates)
        assert half.measured
        return _difference(float(np.mean(a - b)), 2 * half.low - 1, 2 * half.high - 1, half.n, half.method, level)
    groups = np.arange(a.size) if clusters is None else codes("clusters", clusters, a.size)
    sums = np.column_stack([np.bincount(groups, weights=a - b), np.bincount(groups)])
    return bootstrap(
        lambda sample: sample[..., 0].sum(axis=-1) / sample[..., 1].sum(axis=-1),
        sums,
        rng=rng,
        replicates=replicates,
        level=level,
        vectorized=True,
    ).estimate()


def _difference_of_proportions(only_first: int, only_second: int, n: int, level: float) -> Measure:
    from scipy.special import ndtri

    first, second = (only_first + 1) / (n + 2), (only_second + 1) / (n + 2)
    half = float(ndtri((1 + level) / 2)) * np.sqrt((first + second - (first - second) ** 2) / (n + 2))
    value, centre = (only_first - only_second) / n, first - second
    return _difference(value, centre - half, centre + half, n, "adjusted Wald, paired", level)


def _difference(value: float, low: float, high: float, n: int, method: str, level: float) -> Measure:
    """A difference of scores in [0, 1], its interval within -1 and 1 and around the value."""
    return make_measure(value, min(max(low, -1.0), value), max(min(high, 1.0), value), n, method, level)
