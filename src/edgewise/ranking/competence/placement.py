"""Where the model stands among reference respondents, on the items that it answered.

The references are a ladder: one solves nothing, one the easy items, one these and the medium ones, one all. Ranked by
the method of the house they fix what solving an item is worth; the model's score is the share of that worth which it
solved.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.core.estimate import Estimate, Measure, NotMeasured
from edgewise.questions.families import DIFFICULTIES
from edgewise.ranking.competence.types import ResponseRow
from edgewise.ranking.matrix import Floats, ResponseMatrix
from edgewise.ranking.mutual import mutual_rates
from edgewise.stats.intervals import wilson

_LEAST = 5  # items


def placement_score(rows: Sequence[ResponseRow]) -> Measure:
    """Share of the items' worth that the model solved; Wilson's interval at the effective number of items (Kish 1965).

    Args:
        rows: One model's responses. Programs are left out: their problems have no level.
    """
    answered = _answered(rows)
    if len(answered) < _LEAST:
        return NotMeasured(reason=f"fewer than {_LEAST} items with a level were answered")
    worth, _ = ladder(answered)
    right = np.array([row.right for row in answered])
    score = min(float(worth @ right / worth.sum()), 1.0)
    effective = float(worth.sum() ** 2 / (worth**2).sum())
    low, high = wilson(score * effective, effective)
    return Estimate(value=score, low=float(low), high=float(high), n=len(answered), method="wilson, weighted items")


def ladder(rows: Sequence[ResponseRow]) -> tuple[Floats, dict[str, float]]:
    """What each item is worth, shape (rows), and the score of each reference on these items.

    Args:
        rows: Responses to items that have a level.
    """
    level = np.array([DIFFICULTIES.index(row.difficulty) for row in rows])
    solved = np.array([level < rung for rung in range(len(DIFFICULTIES) + 1)]).T
    found = mutual_rates(ResponseMatrix.from_array(solved.astype(np.uint8)), shrink=False)
    names = ("nothing", "easy items", "easy and medium items", "everything")
    return found.item_weight, dict(zip(names, found.score.tolist(), strict=True))


def placement_table(rows: Sequence[ResponseRow]) -> list[tuple[str, float, float | None, float | None]] | None:
    """References and model with their scores and intervals, the best first; ``None`` with too few items."""
    answered = _answered(rows)
    model = placement_score(rows)
    if not isinstance(model, Estimate):
        return None
    lines: list[tuple[str, float, float | None, float | None]] = [
        (f"one who solves {name}", score, None, None) for name, score in ladder(answered)[1].items()
    ]
    lines.append((answered[0].model, model.value, model.low, model.high))
    return sorted(lines, key=lambda line: -line[1])


def _answered(rows: Sequence[ResponseRow]) -> list[ResponseRow]:
    return [row for row in rows if row.kind == "base" and row.score is not None and row.difficulty in DIFFICULTIES]
