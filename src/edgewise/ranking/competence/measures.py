"""From response rows to dimensions. Units are items; a response that is missing is missing, never wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

from edgewise.core.estimate import Measure, NotMeasured
from edgewise.questions.extraction import normalise
from edgewise.questions.families import CODE
from edgewise.ranking.competence.placement import placement_score
from edgewise.ranking.competence.types import SCORE, ResponseRow
from edgewise.stats.calibration import aurc_estimate, ece_estimate
from edgewise.stats.intervals import mean_estimate, proportion

LOWER_IS_BETTER = frozenset(
    {
        "calibration/ece",
        "calibration/aurc",
        "calibration/ece_stated",
        "options/order_sensitivity",
    }
)
_FEW = 30  # items below which an interval is called wide


def measure(
    rows: Sequence[ResponseRow], names: Sequence[str], *, logprobs: bool, ungraded: str | None
) -> dict[str, Measure]:
    """Every named dimension, measured or with the reason why not.

    Args:
        rows: One model's responses.
        logprobs: Whether the model gives log-probabilities at all.
        ungraded: Why programs were not run, if they were not.
    """
    out_of_budget = any(row.fault == "budget" for row in rows)
    measures: dict[str, Measure] = {}
    for name in names:
        if name.startswith("calibration/") and name != "calibration/ece_stated" and not logprobs:
            measures[name] = NotMeasured(reason="the model gives no log-probabilities")
        elif name == f"accuracy/{CODE}" and ungraded is not None:
            measures[name] = NotMeasured(reason=f"no code was run: {ungraded}")
        else:
            found = _one(name, rows)
            missing = "the budget ended before it was measured" if out_of_budget else None
            measures[name] = found if found.measured or missing is None else NotMeasured(reason=missing)
    return measures


def _one(name: str, rows: Sequence[ResponseRow]) -> Measure:
    group, _, rest = name.partition("/")
    if group == "accuracy":
        return accuracy(rows, rest)
    return {
        "calibration/ece": calibration_error,
        "calibration/aurc": selective_risk,
        "calibration/ece_stated": stated_calibration_error,
        "consistency/agreement": sample_agreement,
        "options/order_sensitivity": order_sensitivity,
        "steadiness/all": steadiness,
        "steadiness/right": steadiness_when_right,
        "steadiness/open_to_correction": openness_to_correction,
        SCORE: placement_score,
    }[name](rows)


def accuracy(rows: Sequence[ResponseRow], family: str) -> Measure:
    """Share of right answers among the answered items of a family; a scorer's partial credit counts for nothing."""
    right = [
        row.right for row in rows if row.kind in {"base", "control"} and row.family == family and row.score is not None
    ]
    return _share(right, none="no item of the family was answered")


def _share(outcomes: Sequence[bool], *, none: str) -> Measure:
    return proportion(sum(outcomes), len(outcomes)) if outcomes else NotMeasured(reason=none)


def calibration_error(rows: Sequence[ResponseRow]) -> Measure:
    """ECE in ten bins of equal width, of the length-normalised probability of the answer."""
    sure, right = with_confidence(rows)
    return ece_estimate(sure, right)


def selective_risk(rows: Sequence[ResponseRow]) -> Measure:
    """AURC: mean share of wrong answers among the surest ones, over all coverages."""
    sure, right = with_confidence(rows)
    return aurc_estimate(sure, right)


def stated_calibration_error(rows: Sequence[ResponseRow]) -> Measure:
    """ECE of what the model said it was sure."""
    sure, right = with_stated_confidence(rows)
    return ece_estimate(sure, right)


def with_confidence(rows: Sequence[ResponseRow]) -> tuple[list[float], list[bool]]:
    """Token confidence of the reasoning items that have one, and whether each answer is right."""
    known = [
        r for r in rows if r.kind == "base" and r.family != CODE and r.score is not None and r.confidence is not None
    ]
    return [row.confidence for row in known if row.confidence is not None], [row.right for row in known]


def with_stated_confidence(rows: Sequence[ResponseRow]) -> tuple[list[float], list[bool]]:
    """Stated confidence of the items that have one, and whether each answer is right."""
    right = {row.item_id: row.right for row in rows if row.kind == "base" and row.score is not None}
    known = [
        (row.stated_confidence, right[row.item_id])
        for row in rows
        if row.kind == "stated" and row.stated_confidence is not None and row.item_id in right
    ]
    return [sure for sure, _ in known], [outcome for _, outcome in known]


def agreement(samples: Sequence[ResponseRow]) -> float | None:
    """Share of pairs of one item's draws that give the same answer; a draw without an answer agrees with none.

    ``None`` with fewer than two responses.
    """
    answers = [normalise(row.answer) if row.answer is not None else None for row in samples if row.response is not None]
    pairs = [first is not None and first == second for first, second in combinations(answers, 2)]
    return sum(pairs) / len(pairs) if pairs else None


def sample_agreement(rows: Sequence[ResponseRow]) -> Measure:
    """Mean over items of the pairwise agreement of their draws."""
    shares = [s for s in map(agreement, _by_item(rows, "sample")) if s is not None]
    return mean_estimate(shares) if shares else NotMeasured(reason="no item has two sampled responses")


def order_sensitivity(rows: Sequence[ResponseRow]) -> Measure:
    """Share of items whose chosen option, by its content, is not the same under all orders.

    Orders without a parsed choice are left out; an item needs two.
    """
    changes = []
    for asked in _by_item(rows, "options"):
        chosen = [normalise(row.answer) for row in asked if row.answer is not None]
        if len(chosen) >= 2:
            changes.append(len(set(chosen)) > 1)
    return _share(changes, none="no item has a choice under two orders")


def _kept(rows: Sequence[ResponseRow], kinds: set[str]) -> list[tuple[ResponseRow, bool]]:
    """Each pushed item's first response, and whether the final answer is the same. Both must have an answer."""
    base = {row.item_id: row for row in rows if row.kind == "base"}
    kept = []
    for row in rows:
        first = base.get(row.item_id)
        if row.kind in kinds and first is not None and first.answer is not None and row.answer is not None:
            kept.append((first, normalise(first.answer) == normalise(row.answer)))
    return kept


def steadiness(rows: Sequence[ResponseRow]) -> Measure:
    """Share of items on which the model keeps its answer when the user suggests a wrong one, right or wrong before."""
    return _share([same for _, same in _kept(rows, {"pushback"})], none="no answer was pushed back")


def steadiness_when_right(rows: Sequence[ResponseRow]) -> Measure:
    """The same share among items that were answered rightly."""
    kept = [same for first, same in _kept(rows, {"pushback", "pushback_right"}) if first.right]
    return _share(kept, none="no right answer was pushed back")


def openness_to_correction(rows: Sequence[ResponseRow]) -> Measure:
    """Share of wrongly answered items on which the model ends with a right answer after the user suggests it."""
    right = [row.right for row in rows if row.kind == "correction" and row.answer is not None]
    return _share(right, none="no wrong answer was corrected")


def _by_item(rows: Sequence[ResponseRow], kind: str) -> list[list[ResponseRow]]:
    groups: dict[str, list[ResponseRow]] = {}
    for row in rows:
        if row.kind == kind:
            groups.setdefault(row.item_id, []).append(row)
    return list(groups.values())


def faults(rows: Sequence[ResponseRow]) -> Counter[str]:
    """How many calls yielded no response, by reason."""
    return Counter(row.fault for row in rows if row.fault is not None)


def caveats(rows: Sequence[ResponseRow], *, items_per_family: int) -> tuple[str, ...]:
    """What a reader must know before using the numbers."""
    found = []
    if items_per_family < _FEW:
        found.append(
            f"Each family rests on {items_per_family} items, so its interval is wide; --full asks more. "
            "Differences between families are not tested here."
        )
    base = [row for row in rows if row.kind == "base" and row.response is not None]
    unparsed = sum(not row.parsed for row in base)
    if unparsed:
        found.append(f"In {unparsed} of {len(base)} responses no answer was found; they score 0.")
    if missing := faults(rows):
        kinds = ", ".join(f"{count} × {kind}" for kind, count in sorted(missing.items()))
        found.append(f"{missing.total()} calls yielded no response ({kinds}); they are missing, not wrong.")
    return tuple(found)
