"""Intervals for proportions and for means of scores in [0, 1]."""

from __future__ import annotations

from typing import Literal

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate, Measure, NotMeasured
from edgewise.stats.checks import Floats, Labels, Numbers, check_choice, check_level, codes, make_measure, vector

Counts = float | Numbers
ProportionMethod = Literal["wilson", "clopper_pearson"]
_FEWEST = 15  # units from which BCa's coverage is near its level (docs/statistics.md has the simulation)


def wilson(successes: Counts, n: Counts, level: float = 0.95) -> tuple[Floats, Floats]:
    """Wilson's score interval for a proportion (Wilson 1927).

    Args:
        successes: Number of successes; may be a fraction (a sum of scores in [0, 1]). Scalar or array.
        n: Number of trials, same shape. Where it is 0 the interval is [0, 1].
        level: Coverage.

    Returns:
        Lower and upper ends, of the shape of the arguments.

    Raises:
        BadInput: Successes outside [0, n], not finite, or a level outside (0, 1).
    """
    from scipy.special import ndtri

    x, n = _counts(successes, n, level)
    z = float(ndtri((1 + level) / 2))
    size = np.maximum(n, 1e-300)
    centre = (x + z * z / 2) / (size + z * z)
    half = z / (size + z * z) * np.sqrt(np.maximum(x * (size - x) / size, 0) + z * z / 4)
    # At the ends the formula gives 0 and 1 up to rounding.
    low = np.where((x == 0) | (n == 0), 0.0, np.maximum(centre - half, 0.0))
    high = np.where((x == n) | (n == 0), 1.0, np.minimum(centre + half, 1.0))
    return low, high


def clopper_pearson(successes: Counts, n: Counts, level: float = 0.95) -> tuple[Floats, Floats]:
    """Exact interval for a proportion (Clopper and Pearson 1934): covers at least ``level``, usually more.

    Arguments, result and errors as for ``wilson``; counts must be whole numbers.
    """
    from scipy.stats import beta

    x, n = _counts(successes, n, level)
    for name, count in (("successes", x), ("n", n)):
        if np.any(count != np.floor(count)):
            raise BadInput("must be whole numbers", field=name)
    tail = (1 - level) / 2
    low = np.where(x == 0, 0.0, beta.ppf(tail, np.maximum(x, 1), n - x + 1))
    high = np.where(x == n, 1.0, beta.ppf(1 - tail, x + 1, np.maximum(n - x, 1)))
    return low, high


def _counts(successes: Counts, n: Counts, level: float) -> tuple[Floats, Floats]:
    check_level(level)
    try:
        x, size = np.broadcast_arrays(np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64))
    except (TypeError, ValueError):
        raise BadInput("must be numbers whose shape fits that of n", field="successes") from None
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(size))):
        raise BadInput("must be finite", field="successes")
    if np.any(x < 0) or np.any(x > size):
        raise BadInput("must be between 0 and n", field="successes")
    return x, size


def proportion(successes: int, n: int, level: float = 0.95, method: ProportionMethod = "wilson") -> Measure:
    """A proportion with its interval; ``NotMeasured`` where ``n`` is 0. Errors as for ``wilson``."""
    check_choice("method", method, ProportionMethod)
    low, high = (wilson if method == "wilson" else clopper_pearson)(successes, n, level)
    return make_measure(successes / n if n else 0.0, float(low), float(high), n, method, level)


def unseen_share(n: float, level: float = 0.95) -> float:
    """Largest share of units that may be otherwise though none of ``n`` is: Wilson's upper end for 0 of ``n``.

    It bounds what a sample without any variation leaves open, where a bootstrap would say that nothing is.
    """
    return float(wilson(0, n, level)[1])


def mean_estimate(
    values: Numbers,
    clusters: Labels | None = None,
    *,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
    replicates: int = 2000,
) -> Measure:
    """Mean of scores in [0, 1], with an interval that respects clusters.

    Units are clusters (single scores without any); their mean scores decide how the interval is made:

    - All 0 or 1, and clusters equally large: Wilson.
    - All equal, at some c: a bootstrap would give zero width. A share u of units may be otherwise though none seen is
      (``unseen_share``), by anything up to the ends of the scale: from c (1 - u) to c + u (1 - c). At c = 0 and c = 1
      that is Wilson's.
    - Fewer than 15 units: Wilson for as many trials as there are units, which is too wide rather than too narrow,
      since a variable in [0, 1] varies at most as much as a coin with the same mean.
    - Otherwise: BCa bootstrap over units.

    Where clusters differ in size, the second and third count (Σ size)² / Σ size² units (Kish 1965): a mean that one
    large cluster dominates rests on little more than that cluster.

    Args:
        values: Scores in [0, 1], shape (n,).
        clusters: What belongs together (an item asked several times), shape (n,). The mean is over all values; the
            reported ``n`` is the number of clusters.
        level: Coverage.
        rng: For the bootstrap; a fixed one where it is not given.
        replicates: Bootstrap replicates.

    Returns:
        The estimate; ``NotMeasured`` where there are no values.

    Raises:
        BadInput: Scores outside [0, 1] or not finite, labels that do not fit, a level outside (0, 1).
    """
    check_level(level)
    scores = vector("values", values, low=0, high=1)
    groups = np.arange(scores.size) if clusters is None else codes("clusters", clusters, scores.size)
    if scores.size == 0:
        return make_measure(0.0, 0.0, 1.0, 0, "wilson", level)
    size = np.bincount(groups)
    sums = np.bincount(groups, weights=scores)
    units, mean = size.size, float(scores.mean())
    effective = float(size.sum() ** 2 / np.sum(size**2))
    if np.ptp(size) == 0 and np.all((sums == 0) | (sums == size)):
        low, high = wilson(np.sum(sums == size), units, level)
        return make_measure(mean, float(low), float(high), units, "wilson", level)
    if np.ptp(sums / size) < 1e-12:
        unseen = unseen_share(effective, level)
        down, up = unseen * mean, unseen * (1 - mean)
        return make_measure(mean, mean - down, mean + up, units, "wilson for unseen variation", level)
    if effective < _FEWEST:
        low, high = wilson(min(mean, 1.0) * effective, effective, level)
        return make_measure(mean, float(low), float(high), units, "wilson, one trial per unit", level)
    from edgewise.stats.resampling import bootstrap

    result = bootstrap(
        # A ratio of sums: clusters may differ in size.
        lambda sample: sample[..., 0].sum(axis=-1) / sample[..., 1].sum(axis=-1),
        np.column_stack([sums, size]),
        rng=rng if rng is not None else np.random.default_rng(0),
        replicates=replicates,
        level=level,
        vectorized=True,
    )
    return make_measure(mean, max(0.0, result.low), min(1.0, result.high), units, result.method, level)


def clustered_mean(values: Numbers, clusters: Labels, *, level: float = 0.95) -> Measure:
    """Mean of values of any size, Student's interval with the cluster-robust standard error (Liang and Zeger 1986).

    Args:
        values: Finite, shape (n,).
        clusters: What belongs together, shape (n,); clusters are independent. The reported ``n`` is their number.
        level: Coverage.

    Returns:
        The estimate; ``NotMeasured`` where there are fewer than two clusters, which tell nothing of the spread.

    Raises:
        BadInput: Values that are not finite, labels that do not fit, a level outside (0, 1).
    """
    from scipy.special import stdtrit

    check_level(level)
    x = vector("values", values)
    groups = codes("clusters", clusters, x.size)
    units = int(groups.max()) + 1 if x.size else 0
    if units < 2:
        return NotMeasured(reason="fewer than two clusters")
    mean = float(x.mean())
    sums = np.bincount(groups, weights=x - mean)
    error = float(np.sqrt((sums**2).sum() * units / (units - 1))) / x.size
    half = float(stdtrit(units - 1, (1 + level) / 2)) * error
    return Estimate(
        value=mean, low=mean - half, high=mean + half, n=units, method="cluster-robust Student", level=level
    )
