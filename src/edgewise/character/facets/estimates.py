"""What every estimator gives, and what they share: Newton's step, and the origin at the items' mean difficulty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewise.character.facets.types import Floats


@dataclass(frozen=True, eq=False)
class Estimates:
    """Facets of one dimension, in the order (abilities, severities, thresholds, effects).

    Attributes:
        parameters: Point estimates; abilities as they are where these items' mean difficulty is 0.
        covariance: Of the parameters.
        difficulty, difficulty_variance: Of items; they sum to 0.
        spread: Standard deviation of the items' population; NaN where there is none.
        spread_interval: 95 %; ``None`` where there is none, or where the spread is not told from 0.
        loglik: Natural logarithm, at the end.
        expected, variance, cross, pairs: Moments of ratings, averaged over the uncertain difficulties, as
            ``edgewise.character.facets.moments`` has them.
    """

    parameters: Floats
    covariance: Floats
    difficulty: Floats
    difficulty_variance: Floats
    spread: float
    spread_interval: tuple[float, float] | None
    loglik: float
    expected: Floats
    variance: Floats
    cross: Floats
    pairs: Floats


def centre(
    models: int, parameters: Floats, covariance: Floats, difficulty: Floats, variance: Floats, slope: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Move the origin to the mean difficulty of these items.

    Given the parameters b with covariance V, difficulties are independent with means e(b) and variances v. With g the
    mean of the slopes de/db, an ability's distance from the items' mean has the variance (u - g)' V (u - g) +
    sum(v) / items^2, and an item's the variance (s - g)' V (s - g) + v (1 - 2 / items) + sum(v) / items^2.

    Args:
        models: How many parameters, the first ones, are abilities.
        parameters, covariance: Of all parameters.
        difficulty, variance: e and v, (items,).
        slope: (items, parameters) de/db.

    Returns:
        Parameters, covariance, difficulties, their variances.
    """
    items, level, mean_slope = len(difficulty), float(difficulty.mean()), slope.mean(0)
    own = float(variance.sum()) / items**2
    moved = np.eye(len(covariance))
    moved[:models] -= mean_slope
    centred = moved @ covariance @ moved.T
    centred[:models, :models] += own
    from_mean = slope - mean_slope
    spread = np.einsum("ij,jk,ik->i", from_mean, covariance, from_mean) + variance * (1 - 2 / items) + own
    shifted = parameters.copy()
    shifted[:models] -= level
    return shifted, centred, difficulty - level, spread


def solve(curvature: Floats, gradient: Floats) -> Floats:
    """Newton's step; where the curvature is not positive, it is raised until the step climbs."""
    scale = float(np.abs(np.diag(curvature)).max(initial=1.0))
    for ridge in (0.0, 1e-8, 1e-5, 1e-3, 1e-1, 1.0):
        try:
            lower = np.linalg.cholesky(curvature + ridge * scale * np.eye(len(gradient)))
        except np.linalg.LinAlgError:
            continue
        return np.asarray(np.linalg.solve(lower.T, np.linalg.solve(lower, gradient)))
    return gradient / scale
