"""Agreement between raters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Measure, NotMeasured
from edgewise.stats.checks import Floats, codes
from edgewise.stats.resampling import bootstrap

Metric = Literal["nominal", "ordinal", "interval", "ratio"]


def krippendorff_alpha(
    ratings: npt.ArrayLike,
    metric: Metric = "nominal",
    *,
    rng: np.random.Generator | None = None,
    level: float = 0.95,
    replicates: int = 1000,
) -> Measure:
    """Krippendorff's alpha, with a percentile bootstrap interval over units (Krippendorff 2011; Zapf et al. 2016).

    Args:
        ratings: Shape (raters, units); NaN where a rater did not rate a unit. Units with fewer than two ratings say
            nothing about agreement and are left out.
        metric: How far two ratings are apart. ``ratio`` needs ratings that are not negative.
        rng: For the bootstrap; a fixed one where it is not given.
        level: Coverage.
        replicates: Bootstrap replicates.

    Returns:
        The estimate, ``n`` being the number of units with at least two ratings; ``NotMeasured`` where there is none or
        all ratings are equal.
    """
    matrix = np.asarray(ratings, dtype=np.float64)
    if matrix.ndim != 2:
        raise BadInput(f"must have shape (raters, units), has {matrix.shape}", field="ratings")
    if metric == "ratio" and np.nanmin(matrix, initial=0.0) < 0:
        raise BadInput("ratings on a ratio scale are not negative", field="ratings")
    given = np.isfinite(matrix)
    paired = given.sum(axis=0) >= 2
    if not paired.any():
        return NotMeasured(reason="no unit has two ratings")
    matrix, given = matrix[:, paired], given[:, paired]
    values, place = np.unique(matrix[given], return_inverse=True)
    if values.size == 1:
        return NotMeasured(reason="all ratings are equal: there is no variation to agree on")
    counts = np.zeros((matrix.shape[1], values.size))
    np.add.at(counts, (np.nonzero(given)[1], place), 1)
    return bootstrap(
        lambda sample: _alpha(sample, values, metric),
        counts,
        rng=rng if rng is not None else np.random.default_rng(0),
        replicates=replicates,
        level=level,
        method="percentile",
    ).estimate()


def _alpha(counts: Floats, values: Floats, metric: Metric) -> float:
    """Alpha from how often each unit (row) got each value (column)."""
    ratings = counts.sum(axis=1)
    weighted = counts / (ratings - 1)[:, None]
    coincidences = weighted.T @ counts - np.diag(weighted.sum(axis=0))
    marginal = coincidences.sum(axis=1)
    total = marginal.sum()
    distance = _distance(values, marginal, metric)
    expected = marginal @ distance @ marginal / (total - 1)
    if expected == 0:
        return np.nan
    return float(1 - np.sum(coincidences * distance) / expected)


def _distance(values: Floats, marginal: Floats, metric: Metric) -> Floats:
    """Squared differences between values, shape (values, values)."""
    if metric == "nominal":
        return 1.0 - np.eye(values.size)
    if metric == "ordinal":  # ratings between the two, each end counting half
        ranks = np.cumsum(marginal) - marginal / 2
        return np.subtract.outer(ranks, ranks) ** 2
    difference = np.subtract.outer(values, values)
    if metric == "interval":
        return difference**2
    total = np.add.outer(values, values)
    return np.divide(difference, total, out=np.zeros_like(difference), where=total != 0) ** 2


def cohen_kappa(
    first: Sequence[object] | npt.NDArray[np.generic],
    second: Sequence[object] | npt.NDArray[np.generic],
    *,
    rng: np.random.Generator | None = None,
    level: float = 0.95,
    replicates: int = 1000,
) -> Measure:
    """Cohen's kappa of two raters (Cohen 1960), with a percentile bootstrap interval over items.

    ``NotMeasured`` where there are no items or both raters only ever used one and the same label.
    """
    a, b = np.asarray(first), np.asarray(second)
    if a.shape != b.shape or a.ndim != 1:
        raise BadInput(f"shapes differ: {a.shape} and {b.shape}", field="second")
    if a.size == 0:
        return NotMeasured(reason="no items")
    labels = codes("first", np.concatenate([a, b]), 2 * a.size)
    pairs = np.column_stack([labels[: a.size], labels[a.size :]])
    k = int(labels.max()) + 1
    if k == 1:
        return NotMeasured(reason="only one label was used: there is no variation to agree on")

    def kappa(sample: npt.NDArray[np.intp]) -> float:
        observed = np.mean(sample[:, 0] == sample[:, 1])
        one, two = (np.bincount(sample[:, i], minlength=k) / len(sample) for i in (0, 1))
        chance = float(one @ two)
        return np.nan if chance == 1 else float((observed - chance) / (1 - chance))

    source = rng if rng is not None else np.random.default_rng(0)
    return bootstrap(kappa, pairs, rng=source, replicates=replicates, level=level, method="percentile").estimate()
