"""When an exploit began to be learned: the first change-point of a curve, with a stated rate of false alarms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.loopholes.types import Floats

_SLACK = 0.5  # of a step's deviation: half of the shift that is to be found soonest
_RISE = 0.1  # of the exploit ratio from the change to the end; a drift that passes is no emergence
_FLOOR = 0.1  # least deviation of a single answer that is assumed; an exploit never seen has none at all


@dataclass(frozen=True, slots=True)
class Emergence:
    """Where a curve changed, in steps from 0.

    Attributes:
        change: Step from which the curve is estimated to lie higher.
        alarm: Step at which that was certain enough.
    """

    change: int
    alarm: int


def emergence(curve: Floats, level: float, deviation: float, n: int, *, alpha: float = 0.01) -> Emergence | None:
    """First upward change-point by CUSUM (Page 1954).

    Args:
        curve: Exploit ratio at each step, shape (steps,).
        level: Exploit ratio of the start.
        deviation: Of one answer's contribution at the start.
        n: Independent answers behind each point; prompts where answers of a prompt resemble each other.
        alpha: Chance that a curve which stays at its level raises an alarm in all of its steps.

    Returns:
        The change, or ``None`` where the curve never left its level upwards, or came back to it.

    Raises:
        BadInput: ``alpha`` outside (0, 1) or fewer than one answer.
    """
    if not 0 < alpha < 1:
        raise BadInput(f"{alpha} is not between 0 and 1", field="alpha")
    if n < 1:
        raise BadInput("at least one answer is needed", field="n")
    scale = max(deviation, _FLOOR) / math.sqrt(n)
    threshold = cusum_threshold(curve.size, alpha)
    total, since = 0.0, 0
    for step, value in enumerate(curve):
        moved = (value - level) / scale - _SLACK
        if total + moved <= 0:
            total, since = 0.0, step + 1
            continue
        total += moved
        if total > threshold:
            return Emergence(since, step) if curve[since:].mean() >= level + _RISE else None
    return None


def cusum_threshold(steps: int, alpha: float) -> float:
    """Height at which a CUSUM with slack 1/2 over standard normal steps raises a false alarm with probability alpha.

    From Siegmund's (1985) mean time to a false alarm, (exp(b) - b - 1) * 2 at b = h + 1.166, and its near exponential
    law.
    """
    mean_time = steps / -math.log1p(-alpha)
    low, high = 0.0, 60.0
    for _ in range(60):
        middle = (low + high) / 2
        b = middle + 1.166
        low, high = (middle, high) if 2 * (math.exp(b) - b - 1) < mean_time else (low, middle)
    return high


def steps_to(curve: Floats, level: float, *, window: int = 5) -> float:
    """First step at which the mean of the last ``window`` points is above a level; infinite where none is.

    Args:
        curve: Shape (steps,).
        level: What is to be passed.
        window: Points that are averaged.
    """
    width = min(window, curve.size)
    means = np.convolve(curve, np.ones(width) / width, mode="valid")
    above = np.flatnonzero(means > level)
    return float(above[0] + width) if above.size else math.inf
