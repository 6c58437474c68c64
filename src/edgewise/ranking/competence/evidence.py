"""The most telling transcripts behind each dimension, chosen by rule: the same rows give the same choice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from edgewise.core.profile import Evidence, Turn
from edgewise.questions.extraction import normalise
from edgewise.ranking.competence.administer import Administration
from edgewise.ranking.competence.measures import agreement
from edgewise.ranking.competence.types import ResponseRow

_SHOWN = 4_000  # characters of one turn
PER_DIMENSION = 3


def collect_evidence(administration: Administration) -> tuple[Evidence, ...]:
    """At most three transcripts per dimension, one per family."""
    rows = administration.rows
    return (
        *_families(administration, rows),
        *_overconfident(administration, rows),
        *_flips(administration, rows),
        *_orders(administration, rows),
        *_samples(administration, rows),
    )


def _families(administration: Administration, rows: Sequence[ResponseRow]) -> Iterable[Evidence]:
    """Per family, the wrong answer of which the model was surest."""
    wrong = [row for row in rows if row.kind == "base" and row.score is not None and not row.right]
    for family, group in groupby(sorted(wrong, key=lambda row: row.family), key=lambda row: row.family):
        row = min(group, key=_surest)
        yield _shown(administration, row, f"accuracy/{family}", "A wrong answer" if row.parsed else "No answer found")


def _overconfident(administration: Administration, rows: Sequence[ResponseRow]) -> Iterable[Evidence]:
    wrong = [row for row in rows if row.kind == "base" and row.score is not None and not row.right]
    sure = sorted((row for row in wrong if row.confidence is not None and row.confidence > 0.5), key=_surest)
    for row in sure[:PER_DIMENSION]:
        yield _shown(administration, row, "calibration/ece", f"Wrong with a probability of {row.confidence:.2f}")
    scores = {row.item_id: row for row in wrong}
    stated = [row for row in rows if row.kind == "stated" and row.item_id in scores]
    said = [row for row in stated if row.stated_confidence is not None and row.stated_confidence > 0.5]
    for row in sorted(said, key=lambda row: (-(row.stated_confidence or 0), row.item_id))[:PER_DIMENSION]:
        title = f"Wrong and said to be {row.stated_confidence:.0%} sure"
        yield _shown(administration, row, "calibration/ece_stated", title)


def _flips(administration: Administration, rows: Sequence[ResponseRow]) -> Iterable[Evidence]:
    base = {row.item_id: row for row in rows if row.kind == "base"}
    flipped = []
    for row in rows:
        first = base.get(row.item_id)
        if row.kind not in {"pushback", "pushback_right"} or first is None or row.answer is None:
            continue
        if first.answer is not None and normalise(first.answer) != normalise(row.answer):
            flipped.append((not first.right, row.item_id, row))
    shown = [row for *_, row in sorted(flipped, key=lambda entry: entry[:2])]
    for row in shown[:PER_DIMENSION]:
        was_right = base[row.item_id].right
        yield _shown(
            administration,
            row,
            "steadiness/right" if was_right else "steadiness/all",
            "Gave up a right answer" if was_right else "Changed its answer without a reason",
        )
    closed = [row for row in rows if row.kind == "correction" and row.answer is not None and not row.right]
    for row in sorted(closed, key=lambda row: row.item_id)[:1]:
        yield _shown(administration, row, "steadiness/open_to_correction", "Did not take up the right answer")


def _orders(administration: Administration, rows: Sequence[ResponseRow]) -> Iterable[Evidence]:
    asked = sorted(
        (row for row in rows if row.kind == "options" and row.parsed), key=lambda row: (row.item_id, row.sample)
    )
    found = 0
    for _, group in groupby(asked, key=lambda row: row.item_id):
        answers = list(group)
        other = next(
            (row for row in answers if normalise(row.answer or "") != normalise(answers[0].answer or "")), None
        )
        if other is not None and found < PER_DIMENSION:
            found += 1
            turns = (*_turns(administration, answers[0]), *_turns(administration, other))
            yield Evidence(
                dimension="options/order_sensitivity",
                title="The same options in another order",
                turns=turns,
                item_id=other.item_id,
                score=other.score,
            )


def _samples(administration: Administration, rows: Sequence[ResponseRow]) -> Iterable[Evidence]:
    drawn = sorted((row for row in rows if row.kind == "sample"), key=lambda row: (row.item_id, row.sample))
    torn = []
    for item_id, group in groupby((row for row in drawn if row.response is not None), key=lambda row: row.item_id):
        samples = list(group)
        agreed = agreement(samples)
        if agreed is not None and agreed < 1:
            torn.append((agreed, item_id, samples))
    for agreed, item_id, samples in sorted(torn, key=lambda entry: entry[:2])[:PER_DIMENSION]:
        first = _turns(administration, samples[0])
        turns = (*first, *(_turn("assistant", row.response or "") for row in samples[1:]))
        title = f"{len(samples)} draws, agreement {agreed:.2f}"
        yield Evidence(dimension="consistency/agreement", title=title, turns=turns, item_id=item_id)


def _surest(row: ResponseRow) -> tuple[float, str]:
    return (-(row.confidence or 0.0), row.item_id)


def _shown(administration: Administration, row: ResponseRow, dimension: str, title: str) -> Evidence:
    turns = _turns(administration, row)
    return Evidence(dimension=dimension, title=title, turns=turns, item_id=row.item_id, score=row.score)


def _turns(administration: Administration, row: ResponseRow) -> tuple[Turn, ...]:
    messages = administration.asked[row.kind, row.item_id, row.sample]
    return (*(_turn(m.role, m.text) for m in messages), _turn("assistant", row.response or ""))


def _turn(role: str, text: str) -> Turn:
    if len(text) > _SHOWN:
        rest = len(text) - _SHOWN
        text = f"{text[:_SHOWN]} … ({rest} more characters; the whole is in tables/responses.parquet)"
    return Turn(role=role, text=text)
