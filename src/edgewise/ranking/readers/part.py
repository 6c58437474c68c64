"""What one file gives, and how files are joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.ranking.matrix import Floats, ResponseMatrix, Tally

Repeats = Literal["error", "mean"]


@dataclass(frozen=True, eq=False)
class Part:
    """Responses of one file.

    Args:
        matrix: Mean scores.
        count: Answers behind each cell, shape (items, models); ``None`` if one behind each.
        source: The file, for errors.
    """

    matrix: ResponseMatrix
    count: Floats | None
    source: str

    @classmethod
    def of(cls, tally: Tally, source: str) -> Part:
        """From a tally of single responses."""
        matrix = ResponseMatrix.from_array(tally.mean, items=tally.items, models=tally.models)
        return cls(matrix, None if tally.count.max(initial=0) <= 1 else tally.count, source)


def join(parts: Sequence[Part], repeats: Repeats) -> ResponseMatrix:
    """One matrix over all items and models.

    Args:
        parts: At least one.
        repeats: What a cell that two files have is: an error, or samples whose mean counts, each answer alike.

    Raises:
        BadInput: Two files have a score of the same model on the same item; names both.
    """
    if len(parts) == 1:
        return parts[0].matrix
    items = sorted({item for part in parts for item in part.matrix.items})
    models = sorted({model for part in parts for model in part.matrix.models})
    row = {item: i for i, item in enumerate(items)}
    column = {model: j for j, model in enumerate(models)}
    total = np.zeros((len(items), len(models)))
    count = np.zeros_like(total)
    for part in parts:
        place = np.ix_([row[item] for item in part.matrix.items], [column[model] for model in part.matrix.models])
        scored = part.matrix.observed()
        answers = scored.astype(np.float64) if part.count is None else part.count
        twice = np.argwhere(scored & (count[place] > 0))
        if repeats == "error" and twice.size:
            item, model = part.matrix.items[twice[0][0]], part.matrix.models[twice[0][1]]
            raise BadInput(
                f"model {model!r} has a score on item {item!r} in {_holder(parts, item, model)} already",
                file=part.source,
                fix="--repeats mean takes them as samples of one answer",
            )
        total[place] += np.where(scored, part.matrix.dense(), 0.0) * answers
        count[place] += answers
    mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return ResponseMatrix.from_array(mean, items=items, models=models)


def _holder(parts: Sequence[Part], item: str, model: str) -> str:
    """The first file with a score of a model on an item."""
    for part in parts:
        matrix = part.matrix
        if item in matrix.items and model in matrix.models:
            cell = matrix.items.index(item), matrix.models.index(model)
            if matrix.observed()[cell]:
                return part.source
    raise AssertionError("a cell that is there twice is there once")
