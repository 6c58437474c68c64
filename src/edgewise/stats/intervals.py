"""Intervals for proportions and for means of scores in [0, 1]."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Measure, from_interval
from edgewise.stats.checks import Floats, Numbers, check_level, codes, vector

if TYPE_CHECKING:
    from collections.abc import Sequence

Counts = float | Numbers


def wilson(successes: Counts, n: Counts, level: float = 0.95) -> tuple[Floats, Floats]:
    """Wilson's score interval for a proportion (Wilson 1927).

    Args:
        successes: Number of successes; may be a fraction (a sum of scores in [0, 1]). Scalar or array.
        n: Number of trials, same shape. Where it is 0 the interval is [0, 1].
        level: Coverage.

    Returns:
        Lower and upper ends, of the shape of the arguments.
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

    Arguments and result as for ``wilson``; counts must be whole numbers.
    """
    from scipy.stats import beta

    x, n = _counts(successes, n, level)
    if np.any(x != np.floor(x)) or np.any(n != np.floor(n)):
        raise BadInput("must be whole numbers", field="successes")
    tail = (1 - level) / 2
    low = np.where(x == 0, 0.0, beta.ppf(tail, np.maximum(x, 1), n - x + 1))
    high = np.where(x == n, 1.0, beta.ppf(1 - tail, x + 1, np.maximum(n - x, 1)))
    return low, high


def _counts(successes: Counts, n: Counts, level: float) -> tuple[Floats, Floats]:
    check_level(level)
    x, size = np.broadcast_arrays(np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64))
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(size))):
        raise BadInput("must be finite", field="successes")
    if np.any(x < 0) or np.any(x > size):
        raise BadInput("must be between 0 and n", field="successes")
    return x, size


def proportion(successes: int, n: int, level: float = 0.95) -> Measure:
    """A proportion with its Wilson interval; ``NotMeasured`` where ``n`` is 0."""
    if n == 0:
        return from_interval(0.0, (0.0, 1.0), 0, "wilson")
    low, high = wilson(successes, n, level)
    return from_interval(successes / n, (float(low), float(high)), n, "wilson")


def mean_estimate(
    values: Numbers,
    clusters: Sequence[object] | npt.NDArray[np.generic] | None = None,
    *,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
    replicates: int = 2000,
) -> Measure:
    """Mean of scores in [0, 1], with an interval that respects clusters.

    Without clusters, scores that are all 0 or 1 get Wilson's interval; other scores the BCa bootstrap over clusters.
    Where a bootstrap cannot know its own uncertainty (fewer than ten clusters, or no variation between them), the
    interval is Wilson's for as many trials as there are clusters, which for scores in [0, 1] is too wide rather than
    too narrow: a variable in [0, 1] varies at most as much as a coin with the same mean.

    Args:
        values: Scores in [0, 1], shape (n,).
        clusters: What belongs together (an item asked several times), shape (n,). The mean is over all values, the
            reported ``n`` is the number of clusters.
        level: Coverage.
        rng: For the bootstrap; a fixed one where it is not given.
        replicates: Bootstrap replicates.
    """
    check_level(level)
    scores = vector("values", values, low=0, high=1)
    if scores.size == 0:
        return from_interval(0.0, (0.0, 1.0), 0, "wilson")
    groups = np.arange(scores.size) if clusters is None else codes("clusters", clusters, scores.size)
    units = int(groups.max()) + 1
    mean = float(scores.mean())
    weight = np.bincount(groups)
    means = np.bincount(groups, weights=scores) / weight
    if units == scores.size and np.all((scores == 0) | (scores == 1)):
        low, high = wilson(float(scores.sum()), units, level)
        return from_interval(mean, (float(low), float(high)), units, "wilson")
    if units < 10 or np.ptp(means) == 0:
        low, high = wilson(mean * units, units, level)
        return from_interval(mean, (float(low), float(high)), units, "wilson, one trial per cluster")
    from edgewise.stats.resampling import bootstrap

    # A ratio of sums: clusters may differ in size.
    sums = np.column_stack([means * weight, weight])
    result = bootstrap(
        lambda sample: sample[..., 0].sum(axis=-1) / sample[..., 1].sum(axis=-1),
        sums,
        rng=rng if rng is not None else np.random.default_rng(0),
        replicates=replicates,
        level=level,
        vectorized=True,
    )
    return from_interval(mean, (max(0.0, result.low), min(1.0, result.high)), units, result.method)
