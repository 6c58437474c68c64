"""Two systems on the same items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Measure, NotMeasured
from edgewise.stats.checks import Floats, Numbers, codes, same_length, vector

Alternative = Literal["two-sided", "greater", "less"]
_EXACT = 16  # differences up to which all sign patterns are tried


def mcnemar_exact(first: Numbers, second: Numbers) -> float:
    """Exact two-sided McNemar test that two systems are right equally often (McNemar 1947, binomial form).

    Args:
        first: Whether the first system was right, by item; 0 or 1, shape (n,).
        second: The same for the second.

    Returns:
        The p-value; 1 where they never differ.
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
    clusters: Sequence[object] | npt.NDArray[np.generic] | None = None,
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
    """
    d = vector("differences", differences, least=1)
    if clusters is not None:
        d = np.bincount(codes("clusters", clusters, d.size), weights=d).astype(np.float64)
    d = d[d != 0]
    if d.size == 0:
        return 1.0
    observed = float(d.sum())
    if d.size <= _EXACT:
        signs = ((np.arange(2**d.size)[:, None] >> np.arange(d.size)) & 1) * 2.0 - 1
        return float(np.mean(_as_extreme(signs @ d, observed, alternative)))
    hits = 0
    for start in range(0, replicates, 1000):
        flips = rng.integers(0, 2, size=(min(1000, replicates - start), d.size)) * 2.0 - 1.0
        hits += int(np.sum(_as_extreme(flips @ d, observed, alternative)))
    return (hits + 1) / (replicates + 1)


def _as_extreme(sums: Floats, observed: float, alternative: Alternative) -> npt.NDArray[np.bool_]:
    slack = 1e-9 * max(1.0, abs(observed))  # sums that are equal but for rounding count as equal
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
    clusters: Sequence[object] | npt.NDArray[np.generic] | None = None,
    level: float = 0.95,
    replicates: int = 2000,
) -> Measure:
    """Mean of first minus second over items, with a BCa bootstrap interval over items (or clusters)."""
    from edgewise.stats.resampling import bootstrap

    a, b = vector("first", first), vector("second", second)
    same_length(first=a, second=b)
    if a.size == 0:
        return NotMeasured(reason="no paired observations")
    if np.ptp(a - b) == 0:
        return NotMeasured(reason=f"all {a.size} differences are equal: their uncertainty is unknown")
    return bootstrap(
        lambda sample: sample.mean(axis=-1),
        a - b,
        rng=rng,
        replicates=replicates,
        level=level,
        clusters=clusters,
        vectorized=True,
    ).estimate()
