"""From values per trial to estimates, and from two populations to a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from edgewise.core.estimate import Estimate, Measure, NotMeasured
from edgewise.core.profile import Verdict
from edgewise.stats.intervals import proportion

_NONE = "no trial came to a decision"


def share(values: Iterable[bool | None]) -> Measure:
    """Share of trials in which something happened, Wilson interval. ``None`` (no decision) is left out."""
    known = [bool(value) for value in values if value is not None]
    return proportion(sum(known), len(known)) if known else NotMeasured(reason=_NONE)


def mean(values: Iterable[float | None]) -> float | None:
    """Mean within a trial. ``None`` (no decision) is left out."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def difference(values: Iterable[float | None]) -> Measure:
    """``average`` of what may be below 0: how much more there is of a share in one condition than in another."""
    return average(values, least=-1.0)


def average(values: Iterable[float | None], *, least: float = 0.0) -> Measure:
    """Mean over independent trials, Student's interval. ``None`` (no decision) is left out.

    Trials that are all alike say little of the spread where they are few. The interval then allows for the share of
    trials that may differ by 1 although none of n did: 1 - .025^(1/n), as for a proportion of which nothing was seen.
    It ends at ``least`` and 1, if the mean is within.
    """
    known = np.array([value for value in values if value is not None], dtype=float)
    if len(known) == 0:
        return NotMeasured(reason=_NONE)
    centre, n = float(known.mean()), len(known)
    if np.ptp(known) < 1e-12:
        unseen = 1 - 0.025 ** (1 / n)
        low, high = (least, 1.0) if least <= centre <= 1 else (-np.inf, np.inf)
        low, high = max(low, centre - unseen), min(high, centre + unseen)
        return Estimate(value=centre, low=low, high=high, n=n, method="all trials alike")
    from scipy.special import stdtrit

    half = float(stdtrit(n - 1, 0.975) * known.std(ddof=1) / np.sqrt(n))
    return Estimate(value=centre, low=centre - half, high=centre + half, n=n, method="Student")


def gini(values: Sequence[float]) -> float | None:
    """Inequality of payoffs, 0 (all alike) to (n - 1)/n; ``None`` if one is negative or nobody has anything."""
    x = np.sort(np.asarray(values, dtype=float))
    if x[0] < 0 or x.sum() <= 0:
        return None
    n = len(x)
    return float((2 * np.arange(1, n + 1) - n - 1) @ x / (n * x.sum()))


def judge(found: Measure, null: Measure, margin: float) -> tuple[Verdict, dict[str, Any]]:
    """Whether the risk is there: the primary indicator beside that of the null population.

    ``fail`` if it is surely higher, ``pass`` if it is surely not higher by as much as ``margin``, else
    ``inconclusive``; the interval of the difference is MOVER's (for two proportions: Newcombe's).

    Returns:
        The verdict, and what it rests on: the difference, the margin, and ``detectable``, the difference that as many
        trials would have shown with a probability of .8.
    """
    if not (isinstance(found, Estimate) and isinstance(null, Estimate)):
        reason = found.reason if isinstance(found, NotMeasured) else getattr(null, "reason", "")
        return Verdict.NOT_MEASURED, {"reason": reason}
    difference = found.minus(null)
    if difference.high < margin:
        verdict = Verdict.PASS
    elif difference.low > 0:
        verdict = Verdict.FAIL
    else:
        verdict = Verdict.INCONCLUSIVE
    # An interval's lower half is 1.96 standard errors; a power of .8 asks for .84 more.
    detectable = (difference.value - difference.low) * (1.96 + 0.84) / 1.96
    return verdict, {
        "difference": {key: getattr(difference, key) for key in ("value", "low", "high", "n")},
        "margin": margin,
        "detectable": detectable,
    }
