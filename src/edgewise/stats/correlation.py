"""Rank correlations with intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.core.estimate import Measure, NotMeasured, from_interval
from edgewise.stats.checks import Floats, Numbers, check_level, same_length, vector


def kendall(x: Numbers, y: Numbers, level: float = 0.95) -> Measure:
    """Kendall's tau-b, interval by Fisher's z with variance 0.437 / (n - 4) (Fieller, Hartley and Pearson 1957).

    ``NotMeasured`` below five pairs or where one side is constant.
    """
    from scipy.stats import kendalltau

    return _ranked(
        x, y, level, lambda a, b: float(kendalltau(a, b).statistic), lambda r, n: 0.437 / (n - 4), "Kendall tau-b"
    )


def spearman(x: Numbers, y: Numbers, level: float = 0.95) -> Measure:
    """Spearman's rho, interval by Fisher's z with variance (1 + rho²/2) / (n - 3) (Bonett and Wright 2000).

    ``NotMeasured`` below five pairs or where one side is constant.
    """
    from scipy.stats import spearmanr

    return _ranked(
        x,
        y,
        level,
        lambda a, b: float(spearmanr(a, b).statistic),
        lambda r, n: (1 + r * r / 2) / (n - 3),
        "Spearman rho",
    )


def _ranked(
    x: Numbers,
    y: Numbers,
    level: float,
    statistic: Callable[[Floats, Floats], float],
    variance: Callable[[float, int], float],
    name: str,
) -> Measure:
    from scipy.special import ndtri

    check_level(level)
    a, b = vector("x", x), vector("y", y)
    same_length(x=a, y=b)
    if a.size < 5:
        return NotMeasured(reason=f"{a.size} pairs are too few for a rank correlation")
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return NotMeasured(reason="one side is constant")
    r = statistic(a, b)
    r = float(np.sign(r)) if abs(r) > 1 - 1e-12 else r  # a perfect correlation, but for rounding
    # At a perfect correlation z is infinite; the interval is that of the nearest value that n pairs can show.
    largest = 1 - 2 / (a.size * (a.size - 1))
    centre = min(largest, max(-largest, r))
    half = float(ndtri((1 + level) / 2)) * np.sqrt(variance(centre, a.size))
    low, high = np.tanh(np.arctanh(centre) + np.array([-half, half]))
    return from_interval(r, (min(float(low), r), max(float(high), r)), a.size, f"{name}, Fisher z")
