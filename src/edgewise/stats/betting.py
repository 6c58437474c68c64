"""Means of bounded values by betting: evidence and bounds that may be looked at after every value.

Someone who doubts that the mean is m bets on the next value at odds that are fair if it is m. Capital that starts at 1
then reaches 1 / alpha with probability at most alpha, however long the game lasts and whenever one stops: Ville's
inequality. What the capital has refuted is outside the confidence sequence (Waudby-Smith and Ramdas 2024, sections 4.1
and 4.3). The stakes are a uniform mixture over all constant ones: Cover's universal portfolio (1991). For values of 0
and 1 the capital against a single mean is then the likelihood ratio that ``confidence_sequence`` rests on.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.stats.checks import Floats, Numbers, check_choice, check_level, vector

Hypothesis = Literal["equal", "at_least", "at_most"]
Side = Literal["both", "lower", "upper"]
_STAKES = 128  # nodes of the mixture; it is a fair game for any number, and the integral is exact up to 255 values


def betting_evidence(values: Numbers, mean: float, hypothesis: Hypothesis = "equal") -> Floats:
    """Log capital of a gambler against a hypothesis on the mean, after each value: an e-process.

    Its exponential has expectation at most 1 at every stopping time if the hypothesis holds. That needs values whose
    expectation given those before is the mean, such as independent ones; their law may change otherwise.

    Args:
        values: In [0, 1], in the order in which they came, shape (n,).
        mean: What is doubted, in [0, 1].
        hypothesis: That the mean is ``equal`` to it, ``at_least`` it or ``at_most`` it.

    Returns:
        Nats, shape (n,); above log(1 / alpha) at any time, the hypothesis is refuted at level alpha. Infinite where a
        value is impossible under it.

    Raises:
        BadInput: Values or a mean outside [0, 1].
    """
    check_choice("hypothesis", hypothesis, Hypothesis)
    if not 0 <= mean <= 1:
        raise BadInput(f"{mean} is outside [0, 1]", field="mean")
    x = vector("values", values, low=0, high=1)
    if hypothesis == "at_most":
        return betting_evidence(1 - x, 1 - mean, "at_least")
    share, weights = _stakes()
    with np.errstate(divide="ignore", invalid="ignore"):
        if hypothesis == "equal":
            # A share of the capital goes on x, which returns x / mean, and the rest on 1 - x.
            first, other = (np.where(r > 0, r / m, 0.0) for r, m in ((x, mean), (1 - x, 1 - mean)))
            factor = share * first + (1 - share) * other
        else:
            # Of the largest stake on small values that cannot lose more than everything, a share.
            factor = np.where(x == 1, 1 - share, 1 + share * (mean - x) / (1 - mean))
        capital = np.cumsum(np.log(factor), axis=1)
    return _log_mean(capital, weights)


@lru_cache(maxsize=1)
def _stakes() -> tuple[Floats, Floats]:
    """Nodes (stakes, 1) and weights (stakes,) of a uniform mixture over [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(_STAKES)
    return (nodes[:, None] + 1) / 2, weights / 2


def _log_mean(logs: Floats, weights: Floats) -> Floats:
    """Log of the weighted mean over the first axis of what ``logs`` are the logarithms of."""
    top = logs.max(axis=0)
    known = np.isfinite(top)
    shifted = np.exp(logs[:, known] - top[known])
    result: Floats = top.copy()
    result[known] += np.log(weights @ shifted)
    return result


def mean_bounds(
    values: Numbers, level: float = 0.95, side: Side = "both", *, carried: bool = True
) -> tuple[float, float]:
    """Ends of the confidence sequence of a mean after all values: whoever stopped here for whatever reason may use it.

    Carried forward they are the tightest of all so far; where the lower end then lies above the upper one, no single
    mean explains the values: it changed on the way. Otherwise they are those of the last interval alone, a little
    wider, and do not depend on the values' order.

    Args:
        values: In [0, 1], in the order in which they came, shape (n,).
        level: Probability that the mean is within all intervals, at all times.
        side: One end at this level, the other being 0 or 1; or ``both``, each with half the probability to err.
        carried: Whether ends are carried forward.

    Returns:
        Lower and upper end.

    Raises:
        BadInput: Values outside [0, 1], a level outside (0, 1).
    """
    check_level(level)
    check_choice("side", side, Side)
    x = vector("values", values, low=0, high=1)
    error = (1 - level) / (2 if side == "both" else 1)
    low = 0.0 if side == "upper" else 1 - _upper_end(1 - x, error, carried)
    return low, 1.0 if side == "lower" else _upper_end(x, error, carried)


def _upper_end(x: Floats, error: float, carried: bool) -> float:
    """Least mean that is refuted, by bisection: evidence against "at least m" grows with m."""
    kept, refuted = 0.0, 1.0
    for _ in range(50 if x.size else 0):
        middle = (kept + refuted) / 2
        evidence = betting_evidence(x, middle, "at_least")
        if (evidence.max() if carried else evidence[-1]) >= -math.log(error):
            refuted = middle
        else:
            kept = middle
    return refuted
