"""Agreement between raters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Measure, NotMeasured
from edgewise.stats.checks import Floats, Labels, check_choice, check_level, codes, make_measure
from edgewise.stats.intervals import wilson
from edgewise.stats.resampling import BootstrapResult, bootstrap

Metric = Literal["nominal", "ordinal", "interval", "ratio"]
_FEW = 10  # units with disagreement from which the bootstrap may be trusted (docs/statistics.md has the simulation)


def krippendorff_alpha(
    ratings: npt.ArrayLike,
    metric: Metric = "nominal",
    *,
    rng: np.random.Generator | None = None,
    level: float = 0.95,
    replicates: int = 2000,
) -> Measure:
    """Krippendorff's alpha (Krippendorff 2011), percentile bootstrap interval over units (Zapf et al. 2016).

    Where fewer than ten units show any disagreement the bootstrap knows little of how much there is (with none, it says
    that there is none). There the interval reaches down at least to 1 - w / d: w is Wilson's upper end for the share of
    units with disagreement, d the share of all pairs of ratings that differ, so that 1 / d is how much a unit whose
    ratings differ disagrees, relative to chance. Ours.

    Args:
        ratings: Shape (raters, units); NaN where a rater did not rate a unit. Units with fewer than two ratings say
            nothing about agreement and are left out.
        metric: How far two ratings are apart. ``ratio`` needs ratings that are not negative.
        rng: For the bootstrap; a fixed one where it is not given.
        level: Coverage of the interval.
        replicates: Bootstrap replicates.

    Returns:
        The estimate, ``n`` being the number of units with at least two ratings; ``NotMeasured`` where there is none or
        all ratings are equal.

    Raises:
        BadInput: Another shape, an infinite or (``ratio``) negative rating, an option out of range.
    """
    check_level(level)
    check_choice("metric", metric, Metric)
    matrix = np.asarray(ratings, dtype=np.float64)
    if matrix.ndim != 2:
        raise BadInput(f"must have shape (raters, units), has {matrix.shape}", field="ratings")
    if np.isinf(matrix).any():
        raise BadInput("a rating is infinite", field="ratings")
    if metric == "ratio" and np.any(matrix < 0):
        raise BadInput("ratings on a ratio scale are not negative", field="ratings")
    given = ~np.isnan(matrix)
    paired = given.sum(axis=0) >= 2
    if not paired.any():
        return NotMeasured(reason="no unit has two ratings")
    matrix, given = matrix[:, paired], given[:, paired]
    values, place = np.unique(matrix[given], return_inverse=True)
    if values.size == 1:
        return NotMeasured(reason="all ratings are equal: there is no variation to agree on")
    units = matrix.shape[1]
    cell = np.nonzero(given)[1] * values.size + place
    counts = np.bincount(cell, minlength=units * values.size).reshape(units, values.size).astype(np.float64)
    result = bootstrap(
        _resampled_alpha(counts, values, metric),
        np.arange(units),
        rng=rng if rng is not None else np.random.default_rng(0),
        replicates=replicates,
        level=level,
        method="percentile",
        vectorized=True,
    )
    marginal = counts.sum(axis=0)
    differ = 1 - np.sum(marginal * (marginal - 1)) / (marginal.sum() * (marginal.sum() - 1))
    return _with_few_disagreements(result, int(np.sum((counts > 0).sum(axis=1) > 1)), float(differ))


def _with_few_disagreements(result: BootstrapResult, disagreeing: int, differ: float) -> Measure:
    """The estimate, its lower end as ``krippendorff_alpha`` says where few units show disagreement."""
    if disagreeing >= _FEW:
        return result.estimate()
    low = 1 - float(wilson(disagreeing, result.n, result.level)[1]) / differ
    low, high = min(low, result.low, result.value), max(result.high, result.value)
    return make_measure(
        result.value, low, high, result.n, f"{result.method}, wilson for few disagreements", result.level
    )


def _resampled_alpha(counts: Floats, values: Floats, metric: Metric) -> Callable[[npt.NDArray[np.intp]], Floats]:
    """Alpha as a function of drawn units, shape (k, units), from how often each unit (row) got each value (column).

    Alpha is 1 - observed / expected disagreement. Both are sums over units, so that a sample needs only how often each
    unit was drawn, not its coincidence matrix.
    """
    units = counts.shape[0]
    ratings = counts.sum(axis=1)[:, None]

    def alpha(picked: npt.NDArray[np.intp]) -> Floats:
        k = picked.shape[0]
        drawn = np.bincount((picked + units * np.arange(k)[:, None]).ravel(), minlength=k * units)
        weight = drawn.reshape(k, units).astype(np.float64)
        marginal = weight @ counts
        total = marginal.sum(axis=1)
        if metric in ("nominal", "ratio"):
            distance = _distance(values, metric)
            observed = weight @ (((counts @ distance) * counts / (ratings - 1)).sum(axis=1))
            expected = ((marginal @ distance) * marginal).sum(axis=1)
        else:
            score = _scores(values, marginal, metric)
            score = score - (score * marginal).sum(axis=1, keepdims=True) / total[:, None]  # against cancellation
            # Σ (s - t)² over ordered pairs of m scores is 2 (m Σ s² - (Σ s)²).
            spread = 2 * (ratings * (counts @ (score**2).T) - (counts @ score.T) ** 2)
            observed = np.sum(weight.T * spread / (ratings - 1), axis=0)
            expected = 2 * total * (marginal * score**2).sum(axis=1)
        varied = (marginal > 0).sum(axis=1) > 1  # a sample without variation has no alpha
        relative = np.divide((total - 1) * observed, expected, out=np.full(k, np.nan), where=varied)
        return np.asarray(1 - relative)

    return alpha


def _scores(values: Floats, marginal: Floats, metric: Metric) -> Floats:
    """What differences are taken of, shape (..., values)."""
    if metric == "ordinal":  # ratings below, and half of the equal ones: differences count the ratings in between
        return np.asarray(np.cumsum(marginal, axis=-1) - marginal / 2)
    return np.broadcast_to(values, marginal.shape)


def _distance(values: Floats, metric: Metric) -> Floats:
    """Squared differences between values, shape (values, values)."""
    if metric == "nominal":
        return 1.0 - np.eye(values.size)
    difference, total = np.subtract.outer(values, values), np.add.outer(values, values)
    return np.divide(difference, total, out=np.zeros_like(difference), where=total != 0) ** 2


def cohen_kappa(
    first: Labels,
    second: Labels,
    *,
    rng: np.random.Generator | None = None,
    level: float = 0.95,
    replicates: int = 2000,
) -> Measure:
    """Cohen's kappa of two raters (Cohen 1960), with a percentile bootstrap interval over items.

    Few disagreements are treated as in ``krippendorff_alpha``.

    Args:
        first: Label of each item by the first rater, shape (n,).
        second: Labels by the second.
        rng: For the bootstrap; a fixed one where it is not given.
        level: Coverage of the interval.
        replicates: Bootstrap replicates.

    Returns:
        The estimate; ``NotMeasured`` where there are no items or both raters only ever used one and the same label.

    Raises:
        BadInput: Shapes differ, a label is missing, a level outside (0, 1).
    """
    check_level(level)
    a, b = np.asarray(first), np.asarray(second)
    if a.shape != b.shape or a.ndim != 1:
        raise BadInput(f"shapes differ: {a.shape} and {b.shape}", field="second")
    n = a.size
    if n == 0:
        return NotMeasured(reason="no items")
    labels = codes("first", np.concatenate([a, b]), 2 * n)
    one, two = labels[:n], labels[n:]
    k = int(labels.max()) + 1
    if k == 1:
        return NotMeasured(reason="only one label was used: there is no variation to agree on")

    def kappa(samples: npt.NDArray[np.intp]) -> Floats:
        """Kappa of each sample of pairs of labels, shape (samples, n, 2)."""
        count = samples.shape[0]
        shifted = samples + k * np.arange(count)[:, None, None]
        used = [np.bincount(shifted[..., i].ravel(), minlength=count * k).reshape(count, k) / n for i in (0, 1)]
        chance = np.sum(used[0] * used[1], axis=1)
        excess = np.mean(samples[..., 0] == samples[..., 1], axis=1) - chance
        return np.asarray(np.divide(excess, 1 - chance, out=np.full(count, np.nan), where=chance < 1 - 1e-12))

    result = bootstrap(
        kappa,
        np.column_stack([one, two]),
        rng=rng if rng is not None else np.random.default_rng(0),
        replicates=replicates,
        level=level,
        method="percentile",
        vectorized=True,
    )
    chance = np.bincount(one, minlength=k) @ np.bincount(two, minlength=k) / n**2
    return _with_few_disagreements(result, int(np.sum(one != two)), float(1 - chance))
