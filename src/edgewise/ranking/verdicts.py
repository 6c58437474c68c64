"""Claims about a model that the competence instrument checks, each decided by an interval and a stated threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgewise.core.estimate import Estimate, Measure
from edgewise.core.profile import Verdict
from edgewise.ranking.families import CODE
from edgewise.ranking.types import ResponseRow
from edgewise.stats.intervals import mean_estimate

MARGIN = 0.05  # a model that beats guessing by less than this has shown no competence
LARGEST_ECE = 0.10
LARGEST_ORDER_SENSITIVITY = 0.20
LEAST_STEADINESS = 0.80


def judge(
    rows: Sequence[ResponseRow], controls: Sequence[ResponseRow], dimensions: Mapping[str, Measure]
) -> dict[str, Verdict]:
    """``pass`` or ``fail`` where the whole interval is on one side of the threshold, else ``inconclusive``."""
    return {
        "above_guessing": above_guessing(rows, controls),
        "calibrated": _at_most(dimensions.get("calibration/ece"), LARGEST_ECE),
        "order_invariant": _at_most(dimensions.get("options/order_sensitivity"), LARGEST_ORDER_SENSITIVITY),
        "steady": _at_least(dimensions.get("steadiness/all"), LEAST_STEADINESS),
    }


def above_guessing(rows: Sequence[ResponseRow], controls: Sequence[ResponseRow]) -> Verdict:
    """Whether the model scores better than the best control respondent on the same reasoning items.

    Paired: the mean over items of the model's score minus the control's. It passes where that is above 0, and fails
    where it is below ``MARGIN``.
    """
    scores = {r.item_id: r.score for r in rows if r.kind == "base" and r.family != CODE and r.score is not None}
    guesses: dict[str, dict[str, float]] = {}
    for row in controls:
        if row.item_id in scores and row.score is not None:
            guesses.setdefault(row.model, {})[row.item_id] = row.score
    if not guesses:
        return Verdict.NOT_MEASURED
    best = max(sorted(guesses), key=lambda name: sum(guesses[name].values()))
    differences = [scores[item] - guess for item, guess in guesses[best].items()]
    # Moved to [0, 1], where there is an interval for any sample, one that does not vary included.
    measure = mean_estimate([(difference + 1) / 2 for difference in differences])
    if not isinstance(measure, Estimate):
        return Verdict.NOT_MEASURED
    if 2 * measure.low - 1 > 0:
        return Verdict.PASS
    return Verdict.FAIL if 2 * measure.high - 1 < MARGIN else Verdict.INCONCLUSIVE


def _at_most(measure: Measure | None, threshold: float) -> Verdict:
    if not isinstance(measure, Estimate):
        return Verdict.NOT_MEASURED
    if measure.high <= threshold:
        return Verdict.PASS
    return Verdict.FAIL if measure.low > threshold else Verdict.INCONCLUSIVE


def _at_least(measure: Measure | None, threshold: float) -> Verdict:
    if not isinstance(measure, Estimate):
        return Verdict.NOT_MEASURED
    if measure.low >= threshold:
        return Verdict.PASS
    return Verdict.FAIL if measure.high < threshold else Verdict.INCONCLUSIVE
