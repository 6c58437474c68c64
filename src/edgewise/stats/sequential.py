"""Tests that may be looked at after every observation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import BadInput
from edgewise.stats.checks import Floats, Numbers, check_level, vector


def confidence_sequence(outcomes: Numbers, level: float = 0.95) -> tuple[Floats, Floats]:
    """Intervals for a success rate that hold at all times at once, so that one may stop whenever one likes.

    The interval after n outcomes holds the rates at which the mixture likelihood ratio under a uniform prior has never
    reached 1 / (1 - level) (Robbins 1970; the prior-posterior ratio of Waudby-Smith and Ramdas 2020). That it holds at
    all times is Ville's inequality.

    Args:
        outcomes: 0 or 1, in the order in which they came, shape (n,).
        level: Probability that all intervals contain the rate.

    Returns:
        Lower and upper ends after 1 … n outcomes; shape (n,) each. They never widen. Where a lower end lies above the
        upper one, no single rate explains the outcomes: it changed on the way.

    Raises:
        BadInput: Outcomes other than 0 and 1, a level outside (0, 1).
    """
    from scipy.special import betaln

    check_level(level)
    y = vector("outcomes", outcomes)
    if not np.all((y == 0) | (y == 1)):
        raise BadInput("must be 0 or 1", field="outcomes")
    n = np.arange(1, y.size + 1)
    s = np.cumsum(y)
    evidence = betaln(s + 1, n - s + 1) + math.log(1 - level)  # reached where the log-likelihood is below it

    def excluded(rate: Floats) -> npt.NDArray[np.bool_]:
        with np.errstate(divide="ignore", invalid="ignore"):
            successes = np.where(s > 0, s * np.log(rate), 0.0)
            failures = np.where(n > s, (n - s) * np.log1p(-rate), 0.0)
        return np.asarray(successes + failures <= evidence)

    centre = s / n
    low = _boundary(np.zeros(y.size), centre, excluded)
    high = _boundary(np.ones(y.size), centre, excluded)
    return np.maximum.accumulate(low), np.minimum.accumulate(high)


def _boundary(outside: Floats, inside: Floats, excluded: Callable[[Floats], npt.NDArray[np.bool_]]) -> Floats:
    """Where a convex region ends between a point outside (or at its edge) and one inside, by bisection."""
    open_end = ~excluded(outside)
    out, within = outside.copy(), inside.copy()
    for _ in range(60):
        middle = (out + within) / 2
        beyond = excluded(middle)
        out, within = np.where(beyond, middle, out), np.where(beyond, within, middle)
    return np.where(open_end, outside, out)


def probability_ratio_test(
    successes: int, n: int, p0: float, p1: float, *, alpha: float = 0.05, beta: float = 0.05
) -> Literal["p0", "p1", "continue"]:
    """Wald's sequential test between two success rates (Wald 1945), to be asked after every outcome.

    Args:
        successes: Successes so far.
        n: Outcomes so far.
        p0: One rate.
        p1: The other.
        alpha: Rate of deciding for ``p1`` where ``p0`` holds.
        beta: Rate of deciding for ``p0`` where ``p1`` holds. Wald's thresholds bound the sum
            of the two; each alone may exceed its nominal rate a little, alpha by at most 1 / (1 - beta) times.

    Raises:
        BadInput: A rate outside (0, 1), equal rates, error rates that sum to 1 or more, counts that do not fit.
    """
    for name, value in (("p0", p0), ("p1", p1), ("alpha", alpha), ("beta", beta)):
        if not 0 < value < 1:
            raise BadInput(f"{value} is not between 0 and 1", field=name)
    if not 0 <= successes <= n:
        raise BadInput("must be between 0 and n", field="successes")
    if alpha + beta >= 1:
        raise BadInput("alpha and beta sum to 1 or more", field="beta")
    if p0 == p1:
        raise BadInput("the two rates are equal", field="p1")
    ratio = successes * math.log(p1 / p0) + (n - successes) * math.log((1 - p1) / (1 - p0))
    if ratio >= math.log((1 - beta) / alpha):
        return "p1"
    if ratio <= math.log(beta / (1 - alpha)):
        return "p0"
    return "continue"
