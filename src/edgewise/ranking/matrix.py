"""Who answered what, and how well: the table that every ranking method reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise.core.errors import BadInput

MISSING = 255  # of a uint8 matrix; a float matrix has NaN
Floats = NDArray[np.float64]
BLOCK_CELLS = 1 << 21  # cells in work at a time: 16 MiB in float64


class Block(NamedTuple):
    """Some items of a matrix: ``right`` and ``wrong`` add up to 1 where a model answered, and are 0 where it did not.

    Args:
        rows: Which items.
        right: Scores, shape (rows, models).
        wrong: One minus the score, shape (rows, models).
    """

    rows: slice
    right: Floats
    wrong: Floats


@dataclass(frozen=True, eq=False)
class ResponseMatrix:
    """Scores of models on items. A missing cell is missing: it is never counted as wrong.

    Args:
        items: Ids of the items (questions, tasks), each once.
        models: Ids of the models (respondents), each once.
        values: Scores in [0, 1], shape (items, models): ``uint8`` of 0, 1 and ``MISSING``, or floats with NaN where
            missing.

    Raises:
        BadInput: A shape that does not fit, nothing at all, an id twice, or a score outside [0, 1]; named by its ids.
    """

    items: tuple[str, ...]
    models: tuple[str, ...]
    values: NDArray[Any]

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.items), len(self.models)):
            raise BadInput(
                f"scores have shape {self.values.shape} and ids {(len(self.items), len(self.models))}; need them alike"
            )
        if not self.items or not self.models:
            raise BadInput(f"nothing to rank: {len(self.items)} items and {len(self.models)} models")
        for what, ids in (("item", self.items), ("model", self.models)):
            if len(set(ids)) < len(ids):
                seen: set[str] = set()
                twice = next(name for name in ids if name in seen or seen.add(name))  # type: ignore[func-returns-value]
                raise BadInput(f"{what} {twice!r} is there twice", field=what)
        if self.values.dtype not in (np.uint8, np.float32, np.float64):
            raise BadInput(f"scores are {self.values.dtype}; need uint8, float32 or float64")
        step = max(1, BLOCK_CELLS // len(self.models))
        for start in range(0, len(self.items), step):
            part = self.values[start : start + step]
            bad = (part > 1) & (part != MISSING) if self.binary else ~((part >= 0) & (part <= 1) | np.isnan(part))
            if bad.any():
                row, column = np.argwhere(bad)[0]
                raise BadInput(
                    f"model {self.models[column]!r} has {part[row, column]} on item {self.items[start + row]!r}; "
                    "a score is between 0 and 1, and NaN where there is none",
                    field="score",
                )

    @classmethod
    def from_array(
        cls, values: ArrayLike, *, items: Sequence[str] | None = None, models: Sequence[str] | None = None
    ) -> ResponseMatrix:
        """A matrix of scores, shape (items, models), NaN where missing. Ids are made up where none are given.

        Scores that are all 0, 1 or missing take a byte each.
        """
        array = np.asarray(values)
        if array.ndim != 2:
            raise BadInput(f"scores have {array.ndim} dimensions; need two, items by models")
        if array.dtype != np.uint8:
            array = compact(array.astype(np.float64, copy=False) if array.dtype != np.float32 else array)
        return cls(
            tuple(items)
            if items is not None
            else tuple(f"item{i:0{len(str(array.shape[0]))}}" for i in range(array.shape[0])),
            tuple(models)
            if models is not None
            else tuple(f"model{i:0{len(str(array.shape[1]))}}" for i in range(array.shape[1])),
            array,
        )

    @classmethod
    def from_long(
        cls,
        models: Sequence[str],
        items: Sequence[str],
        scores: ArrayLike,
        *,
        repeats: Literal["error", "mean"] = "error",
        source: str = "",
    ) -> ResponseMatrix:
        """One entry per response: three sequences of the same length; NaN is a response that could not be scored.

        Args:
            models: Who answered.
            items: What.
            scores: How well, in [0, 1].
            repeats: What several responses of a model to an item are: an error, or samples whose mean counts (k of n
                right is k/n; NaN among them is left out).
            source: File named in errors.

        Raises:
            BadInput: Lengths differ, nothing is there, a pair is there twice, a score is outside [0, 1]; names the row.
        """
        tallied = tally(models, items, scores, repeats=repeats, source=source)
        return cls.from_array(tallied.mean, items=tallied.items, models=tallied.models)

    @property
    def binary(self) -> bool:
        """Whether every score is 0, 1 or missing, at a byte each."""
        return bool(self.values.dtype == np.uint8)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of items and of models."""
        return len(self.items), len(self.models)

    def dense(self) -> Floats:
        """All scores as float64 with NaN where missing, shape (items, models)."""
        if not self.binary:
            return self.values.astype(np.float64)
        return np.where(self.values == MISSING, np.nan, self.values)

    def observed(self) -> NDArray[np.bool_]:
        """Which cells have a score, shape (items, models)."""
        seen: NDArray[np.bool_] = self.values != MISSING if self.binary else ~np.isnan(self.values)
        return seen

    def blocks(self) -> Iterator[Block]:
        """The items in order, some at a time, as float64: memory stays small whatever the size."""
        step = max(1, BLOCK_CELLS // len(self.models))
        for start in range(0, len(self.items), step):
            rows = slice(start, min(start + step, len(self.items)))
            yield Block(rows, *split(self.values[rows]))

    def select(
        self, *, items: NDArray[Any] | Sequence[int] | None = None, models: NDArray[Any] | Sequence[int] | None = None
    ) -> ResponseMatrix:
        """A part of the matrix, by positions or boolean masks, in the order given."""
        rows = np.arange(len(self.items))[slice(None) if items is None else np.asarray(items)]
        columns = np.arange(len(self.models))[slice(None) if models is None else np.asarray(models)]
        names, respondents = tuple(self.items[i] for i in rows), tuple(self.models[i] for i in columns)
        if len(set(names)) < len(names) or len(set(respondents)) < len(respondents) or not names or not respondents:
            raise BadInput("a part has at least one item and one model, and each once")
        # One layout in memory, so that sums round alike however the part was made.
        values = self.values[rows][:, columns] if items is not None else self.values[:, columns]
        return ResponseMatrix._of_checked(names, respondents, np.ascontiguousarray(values))

    def joined(self, other: ResponseMatrix, *, along: Literal["items", "models"]) -> ResponseMatrix:
        """With more items or more models: ``other`` has the rest of them, and the same models or items in order.

        Raises:
            BadInput: An id is in both.
        """
        first, second = (self.items, other.items) if along == "items" else (self.models, other.models)
        twice = set(first) & set(second)
        if twice:
            raise BadInput(f"{along[:-1]} {min(twice)!r} is there already", field=along[:-1])
        parts = [self.values, other.values] if self.binary == other.binary else [self.dense(), other.dense()]
        if along == "items":
            return ResponseMatrix._of_checked(first + second, self.models, np.concatenate(parts, 0))
        return ResponseMatrix._of_checked(self.items, first + second, np.concatenate(parts, 1))

    @classmethod
    def _of_checked(cls, items: tuple[str, ...], models: tuple[str, ...], values: NDArray[Any]) -> ResponseMatrix:
        """From parts of matrices, whose scores need not be looked at again."""
        made = object.__new__(cls)
        for name, value in (("items", items), ("models", models), ("values", values)):
            object.__setattr__(made, name, value)
        return made

    def sorted(self) -> ResponseMatrix:
        """The same matrix with items and models in the order of their ids: permuted input then gives the same bytes."""
        rows = sorted(range(len(self.items)), key=self.items.__getitem__)
        columns = sorted(range(len(self.models)), key=self.models.__getitem__)
        if rows == list(range(len(rows))) and columns == list(range(len(columns))):
            return self
        return self.select(items=rows, models=columns)


@dataclass(frozen=True, eq=False)
class Tally:
    """Responses put into cells.

    Args:
        items: Ids, sorted.
        models: Ids, sorted.
        mean: Mean score of each cell, NaN without one, shape (items, models).
        count: How many scores are behind it, shape (items, models).
    """

    items: list[str]
    models: list[str]
    mean: Floats
    count: Floats


def tally(
    models: Sequence[str],
    items: Sequence[str],
    scores: ArrayLike,
    *,
    repeats: Literal["error", "mean"] = "error",
    source: str = "",
) -> Tally:
    """One cell per model and item from one entry per response; see ``ResponseMatrix.from_long``."""
    score = np.asarray(scores, dtype=np.float64)
    if not len(models) == len(items) == len(score):
        raise BadInput(
            f"{len(models)} models, {len(items)} items and {len(score)} scores; need the same number of each"
        )
    if not len(score):
        raise BadInput("there are no responses", file=source or None)
    check_scores(score, source=source)
    model_ids, model = _encode(models)
    item_ids, item = _encode(items)
    shape = (len(item_ids), len(model_ids))
    cell = item * shape[1] + model
    if repeats == "error":
        order = np.argsort(cell, kind="stable")
        again = np.flatnonzero(np.diff(cell[order]) == 0)
        if again.size:
            first, second = sorted((int(order[again[0]]), int(order[again[0] + 1])))
            raise BadInput(
                f"model {models[second]!r} has answered item {items[second]!r} before, in row {first + 1}",
                file=source or None,
                row=second + 1,
                fix="repeats='mean' (--repeats mean) takes them as samples of one answer",
            )
    scored = ~np.isnan(score)
    size = shape[0] * shape[1]
    count = np.bincount(cell[scored], minlength=size).astype(np.float64)
    total = np.bincount(cell[scored], weights=score[scored], minlength=size)
    mean = np.divide(total, count, out=np.full(size, np.nan), where=count > 0)
    return Tally(item_ids, model_ids, mean.reshape(shape), count.reshape(shape))


def check_scores(scores: Floats, *, source: str = "", field: str = "score", first_row: int = 1) -> None:
    """Raise ``BadInput``, with file, row and field, unless every score is in [0, 1] or NaN."""
    bad = np.flatnonzero(~((scores >= 0) & (scores <= 1) | np.isnan(scores)))
    if bad.size:
        where = int(bad[0])
        raise BadInput(
            f"{scores[where]} is no score between 0 and 1", file=source or None, row=where + first_row, field=field
        )


def _encode(ids: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Sorted distinct ids, and which of them each entry is."""
    ids = [str(name) for name in ids]
    distinct = sorted(set(ids))
    place = {name: i for i, name in enumerate(distinct)}
    return distinct, np.fromiter(map(place.__getitem__, ids), dtype=np.int64, count=len(ids))


def split(values: NDArray[Any]) -> tuple[Floats, Floats]:
    """Scores as ``right`` and ``wrong`` (see ``Block``), both float64 of the same shape."""
    if values.dtype == np.uint8:
        return (values == 1).astype(np.float64), (values == 0).astype(np.float64)
    seen = ~np.isnan(values)
    if seen.all():
        right = values.astype(np.float64, copy=False)
        return right, 1 - right
    right = np.where(seen, values, 0.0).astype(np.float64, copy=False)
    return right, seen - right


def compact(values: NDArray[Any]) -> NDArray[Any]:
    """As bytes if every score is 0, 1 or missing; unchanged otherwise."""
    seen = ~np.isnan(values)
    if not np.all((values == 0) | (values == 1) | ~seen):
        return values
    compact = np.full(values.shape, MISSING, dtype=np.uint8)
    np.copyto(compact, values, where=seen, casting="unsafe")
    return compact
