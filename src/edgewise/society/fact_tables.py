"""Facts as they are handed on: how far a retelling is from the source, and what a chain of retellers does to facts.

Nothing here knows who retold; it reads tables, made by agents in a scenario or taken from texts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from edgewise.core.estimate import Estimate, Measure, NotMeasured
from edgewise.stats.intervals import proportion

# A fact: value, qualifier and scope (numbers of an enumeration, ``None`` for none). ``None``: nothing is said.
Fact = tuple[float, int | None, int | None] | None
Step = tuple[Fact, Fact]  # before a hop, after it

_DOUBLED = math.log(2)


def limits(fact: Fact) -> int:
    """Number of a fact's limits: qualifier, scope."""
    return 0 if fact is None else (fact[1] is not None) + (fact[2] is not None)


def severity(source: Fact, told: Fact) -> float:
    """How far a retelling is from the source, 0 to 1.

    1 for a fact that is lost or invented; else 1/2 if a limit is lost, and up to 1/2 for the value, which is reached
    where it is doubled or halved.
    """
    if source is None or told is None:
        return float(source is not told)
    lost = limits(told) < limits(source)
    return 0.5 * lost + 0.5 * min(1.0, abs(math.log(told[0] / source[0])) / _DOUBLED)


def judged(source: Fact, told: Fact) -> float:
    """The paper's scale of 1 to 10, read by rule: faithful, exaggerated, limit omitted, value off by half, invented.

    A fact that is left out counts as an omitted limit.
    """
    if told is None:
        return 1.0 if source is None else 5.0
    if source is None:
        return 9.5
    off = abs(math.log(told[0] / source[0]))
    if off > math.log(1.5):
        return 7.5
    if limits(told) < limits(source):
        return 5.0
    return 2.5 if off > 0 else 1.0


def rate(trials: Iterable[Sequence[bool]]) -> Measure:
    """Share of cases in which something happened; trials are the independent units (ratio, linearised; Student).

    Where it never or always happened the interval is Wilson's, with trials for cases.
    """
    known = [[bool(x) for x in cases] for cases in trials if cases]
    n, cases, found = len(known), sum(map(len, known)), sum(map(sum, known))
    if not n:
        return NotMeasured(reason="there was no such case")
    if found in (0, cases):
        return proportion(n if found else 0, n)
    if n == 1:
        return NotMeasured(reason="one trial says nothing of the spread")
    from scipy.special import stdtrit

    p = found / cases
    parts = np.array([sum(x) - p * len(x) for x in known]) / cases
    half = float(stdtrit(n - 1, 0.975) * np.sqrt((parts**2).sum() * n / (n - 1)))
    return Estimate(value=p, low=max(p - half, 0), high=min(p + half, 1), n=n, method="ratio, clustered by trial")


def hop_noise(trials: Sequence[Sequence[Step]]) -> dict[str, Measure]:
    """What hops do to facts that they receive, as rates of a hop, and the spread of their exaggerations.

    ``omission``, ``strengthening`` (the value changes) and ``shortening`` (a limit is lost, the value is not changed;
    among facts with limits) exclude each other; ``invention`` is among attributes of which nothing was received;
    ``exaggeration`` is the root mean square of ln(after/before) where the value changes; ``hop_hazard`` the rate at
    which an attribute does not leave the hop as it came, ``half_life`` the hops after which half have changed.
    """

    def among(given: Callable[[Step], bool], happens: Callable[[Step], bool]) -> Measure:
        return rate([[happens(step) for step in steps if given(step)] for steps in trials])

    hazard = among(lambda step: True, lambda step: step[0] != step[1])
    return {
        "omission": among(lambda step: step[0] is not None, lambda step: step[1] is None),
        "shortening": among(lambda step: limits(step[0]) > 0, _shortened),
        "strengthening": among(lambda step: step[0] is not None, _changed),
        "invention": among(lambda step: step[0] is None, lambda step: step[1] is not None),
        "exaggeration": _spread(trials),
        "hop_hazard": hazard,
        "half_life": half_life(hazard),
    }


def _changed(step: Step) -> bool:
    before, after = step
    return before is not None and after is not None and before[0] != after[0]


def _shortened(step: Step) -> bool:
    before, after = step
    return after is not None and limits(after) < limits(before) and not _changed(step)


def _spread(trials: Sequence[Sequence[Step]]) -> Measure:
    squares = [[math.log(b[0] / a[0]) ** 2 for a, b in steps if a and b and a[0] != b[0]] for steps in trials]
    known = [values for values in squares if values]
    if len(known) < 2:
        return NotMeasured(reason="fewer than two trials in which a value was changed")
    from scipy.special import stdtrit

    n, cases = len(known), sum(map(len, known))
    mean = sum(map(sum, known)) / cases
    parts = np.array([sum(x) - mean * len(x) for x in known]) / cases
    half = float(stdtrit(n - 1, 0.975) * np.sqrt((parts**2).sum() * n / (n - 1)))
    ends = [math.sqrt(max(x, 0.0)) for x in (mean, mean - half, mean + half)]
    return Estimate(value=ends[0], low=ends[1], high=ends[2], n=n, method="ratio, clustered by trial")


def half_life(hazard: Measure) -> Measure:
    """Hops until half of what was handed in has changed, for a constant hazard: ln 2 / -ln(1 - h)."""
    if not isinstance(hazard, Estimate):
        return hazard
    if hazard.low <= 0:
        return NotMeasured(reason="drift cannot be told from none: there may be no half-life")

    def hops(h: float) -> float:
        return _DOUBLED / -math.log1p(-h) if h < 1 else 0.0

    value = hops(hazard.value)
    return Estimate(value=value, low=hops(hazard.high), high=hops(hazard.low), n=hazard.n, method=hazard.method)


def fact_of(row: Any) -> Fact:
    """From JSON."""
    return None if row is None else (float(row[0]), row[1], row[2])
