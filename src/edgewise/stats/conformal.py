"""Split conformal prediction: sets and intervals that cover at a chosen rate, whatever the model."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import BadInput
from edgewise.stats.checks import Floats, Numbers, vector


def conformal_quantile(scores: Numbers, alpha: float) -> float:
    """Threshold on nonconformity scores with coverage at least 1 - alpha (Vovk et al. 2005; Lei et al. 2018).

    It is the ⌈(n + 1)(1 - alpha)⌉-th smallest calibration score, infinite where n is too small for any guarantee. For
    exchangeable data without ties the coverage given the calibration set is Beta(k, n + 1 - k) distributed.

    Args:
        scores: Nonconformity of the calibration examples at their true value, shape (n,).
        alpha: Rate of misses, in (0, 1).

    Raises:
        BadInput: ``alpha`` outside (0, 1), a score that is not finite.
    """
    if not 0 < alpha < 1:
        raise BadInput(f"{alpha} is not between 0 and 1", field="alpha")
    s = vector("scores", scores)
    k = math.ceil((s.size + 1) * (1 - alpha) - 1e-12)
    return math.inf if k > s.size else float(np.partition(s, k - 1)[k - 1])


def conformal_sets(probabilities: npt.ArrayLike, threshold: float) -> npt.NDArray[np.bool_]:
    """Labels whose nonconformity 1 - probability is within ``threshold``, shape (n, labels).

    Args:
        probabilities: Of each label for each example, shape (n, labels).
        threshold: ``conformal_quantile`` of 1 - probability of the true labels of other examples.

    Raises:
        BadInput: Another shape, numbers outside [0, 1], a threshold that is not a number.
    """
    _check_threshold(threshold)
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 2 or not np.all((p >= 0) & (p <= 1)):
        raise BadInput("must have shape (n, labels) and lie in [0, 1]", field="probabilities")
    return np.asarray(1 - p <= threshold)


def conformal_intervals(predictions: Numbers, threshold: float) -> tuple[Floats, Floats]:
    """Predictions minus and plus ``threshold``, shape (n,) each.

    Args:
        predictions: Shape (n,).
        threshold: ``conformal_quantile`` of the absolute residuals of other examples.

    Raises:
        BadInput: A prediction that is not finite, a threshold that is not a number or negative.
    """
    _check_threshold(threshold)
    if threshold < 0:
        raise BadInput("a quantile of absolute residuals is not negative", field="threshold")
    y = vector("predictions", predictions)
    return y - threshold, y + threshold


def _check_threshold(threshold: float) -> None:
    if math.isnan(threshold):
        raise BadInput("is not a number", field="threshold")
