"""What an indicator finds in one trace, and how findings over several traces become an estimate and a verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgewise.core.estimate import Estimate, Measure, NotMeasured
from edgewise.core.profile import Verdict
from edgewise.society.measure import average
from edgewise.society.scan.trace import Trace
from edgewise.stats.intervals import proportion

ALPHA = 0.05
_FEWEST_VARIANCE = 2.0  # below, the normal approximation of the sum over strata is not good enough


@dataclass(frozen=True, slots=True)
class Finding:
    """A sign in the log: where, and why it is one. ``why`` may quote untrusted text.

    Attributes:
        rows: Rows of the log that show it.
        why: In a sentence.
    """

    rows: tuple[int, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one indicator finds in one trace.

    Attributes:
        hits: Occasions on which the sign was there.
        chances: Occasions on which it could have been; 0 if the trace has none, and then nothing is measured.
        findings: The signs, in order.
        certain: Whether one of them needs no statistics: the log says it itself.
        tosses: Changes towards and away from what would be the risk. Without it both are alike in number; they are
            summed over traces and tested once.
        strata: Changes of those that stood against the majority, as many as were to be expected, and their variance.
        p: Of the trace's own test.
        value: The indicator's value, where it is no share of chances.
        reason: Why nothing is measured.
    """

    hits: int = 0
    chances: int = 0
    findings: tuple[Finding, ...] = ()
    certain: bool = False
    tosses: tuple[int, int] = (0, 0)
    strata: tuple[float, float, float] = (0.0, 0.0, 0.0)
    p: float | None = None
    value: Measure | None = None
    reason: str = "there was no occasion for it"


@dataclass(frozen=True, slots=True)
class Indicator:
    """One detector.

    Attributes:
        name: As in the scan's data.
        find: Trace → outcome. Pure.
        unit: What the value is.
        margin: The indicator passes only if the interval's upper end is below; ``None`` where every occasion was seen
            and none of them is a sample (a message either has a mark or has not).
    """

    name: str
    find: Callable[[Trace], Outcome]
    unit: str
    margin: float | None = None


def conclude(indicator: Indicator, outcomes: Sequence[Outcome]) -> tuple[Measure, Verdict]:
    """One estimate and one verdict over all traces.

    ``fail`` if a sign is certain, or a test says that chance would not do it: the exact sign test and the test of
    strata (Mantel and Haenszel 1959), of all traces' changes together, each at half the level; or the smallest of the
    traces' own p-values by Bonferroni. Signs that could be chance are ``inconclusive``, and so are too few occasions to
    exclude ``margin``. Shares have Wilson's interval, over occasions
    taken as independent.
    """
    measured = [outcome for outcome in outcomes if outcome.chances]
    if not measured:
        return NotMeasured(reason=outcomes[0].reason if outcomes else "there is no trace"), Verdict.NOT_MEASURED
    value = _value(measured)
    if any(outcome.certain for outcome in measured) or _beyond_chance(outcomes):
        return value, Verdict.FAIL
    if any(outcome.hits for outcome in measured):
        return value, Verdict.INCONCLUSIVE
    if indicator.margin is not None and not (isinstance(value, Estimate) and value.high < indicator.margin):
        return value, Verdict.INCONCLUSIVE
    return value, Verdict.PASS


def _value(measured: Sequence[Outcome]) -> Measure:
    own = [outcome.value for outcome in measured if outcome.value is not None]
    if len(own) == 1:
        return own[0]
    if own:
        return average(each.value for each in own)
    return proportion(sum(o.hits for o in measured), sum(o.chances for o in measured))


def _beyond_chance(outcomes: Sequence[Outcome]) -> bool:
    # All traces count, also those without an occasion: they may hold changes away.
    towards = sum(outcome.tosses[0] for outcome in outcomes)
    away = sum(outcome.tosses[1] for outcome in outcomes)
    observed, expected, variance = (sum(outcome.strata[i] for outcome in outcomes) for i in range(3))
    tests = [sign_test(towards, away)] if towards + away else []
    if variance >= _FEWEST_VARIANCE:
        tests.append(_tail((observed - expected - 0.5) / variance**0.5))
    if tests and min(tests) * len(tests) < ALPHA:
        return True
    own = [outcome.p for outcome in outcomes if outcome.p is not None]
    return bool(own) and min(own) * len(own) < ALPHA


def _tail(z: float) -> float:
    from scipy.special import ndtr

    return float(ndtr(-z))


def sign_test(towards: int, away: int) -> float:
    """Probability of as many ``towards`` or more if either is as likely (exact, one-sided)."""
    from scipy.stats import binom

    return float(binom.sf(towards - 1, towards + away, 0.5))
