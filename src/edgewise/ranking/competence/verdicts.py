"""Claims about a model that the competence instrument checks, each decided by an interval and a stated threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgewise.core.estimate import Estimate, Measure
from edgewise.core.profile import Verdict, at_least, at_most
from edgewise.questions.families import CODE
from edgewise.ranking.competence.types import ResponseRow
from edgewise.stats.intervals import proportion
from edgewise.stats.paired import mcnemar_exact

MARGIN = 0.05  # a lead over guessing that is smaller than this is no competence
LARGEST_ECE = 0.10
LARGEST_ORDER_SENSITIVITY = 0.20
LEAST_STEADINESS = 0.80
LEAST_AGREEMENT = 0.50


def judge(
    rows: Sequence[ResponseRow], controls: Sequence[ResponseRow], dimensions: Mapping[str, Measure]
) -> dict[str, Verdict]:
    """``pass`` or ``fail`` where the whole interval is on one side of the threshold, else ``inconclusive``."""
    return {
        "above_guessing": above_guessing(rows, controls),
        "calibrated": at_most(dimensions.get("calibration/ece"), LARGEST_ECE),
        "order_invariant": at_most(dimensions.get("options/order_sensitivity"), LARGEST_ORDER_SENSITIVITY),
        "steady": at_least(dimensions.get("steadiness/all"), LEAST_STEADINESS),
        "self_consistent": at_least(dimensions.get("consistency/agreement"), LEAST_AGREEMENT),
    }


def above_guessing(rows: Sequence[ResponseRow], controls: Sequence[ResponseRow]) -> Verdict:
    """Whether the model is right more often than the best control respondent on the same reasoning items.

    Paired. It passes where McNemar's exact test finds it ahead at the 5 % level (an interval from resampling is too
    narrow where few items differ). It fails where its lead, the share of items on which only the model is right minus
    the share on which only the control is, is below ``MARGIN`` over the whole 95 % interval.
    """
    right = {r.item_id: r.right for r in rows if r.kind == "base" and r.family != CODE and r.score is not None}
    guesses: dict[str, dict[str, bool]] = {}
    for row in controls:
        if row.item_id in right:
            guesses.setdefault(row.model, {})[row.item_id] = row.right
    if not guesses:
        return Verdict.NOT_MEASURED
    best = guesses[max(sorted(guesses), key=lambda name: sum(guesses[name].values()))]
    model, control = [right[item] for item in best], list(best.values())
    ahead, behind = (sum(a > b for a, b in zip(x, y, strict=True)) for x, y in ((model, control), (control, model)))
    if ahead > behind and mcnemar_exact(model, control) <= 0.05:
        return Verdict.PASS
    gained, lost = proportion(ahead, len(model)), proportion(behind, len(model))
    assert isinstance(gained, Estimate) and isinstance(lost, Estimate)
    return Verdict.FAIL if gained.minus(lost).high < MARGIN else Verdict.INCONCLUSIVE
