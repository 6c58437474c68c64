"""Reading tables of ratings: model, item, judge, dimension, score, one rating a row."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewise.character.facets.types import Floats, Integers, Ratings
from edgewise.core.errors import BadInput
from edgewise.core.tables import open_table

REQUIRED = ("model", "item", "judge", "score")
_MOST = 20  # categories of a dimension
_SHOWN = 5
_WIDER = 2.0  # times the range of another judge, from where on scales look mixed


def read_ratings(
    files: Sequence[Path],
    *,
    covariates: Sequence[str] = (),
    categories: int | None = None,
    repeats: Literal["error", "first", "all"] = "error",
) -> Ratings:
    """Read ratings from CSV, TSV, Parquet or JSON lines.

    The column ``dimension`` may be missing: then there is one. Categories that nobody used are left out, so that all
    that remain have a threshold. Covariates are standardised; ``length`` is taken as log(1 + length).

    Args:
        files: Tables with the columns ``REQUIRED``.
        covariates: Further numeric columns.
        categories: Cut each dimension's range of scores into so many classes of equal width.
        repeats: What to do with several ratings of one model's answer by one judge on one dimension.

    Raises:
        BadInput: A file, a row or a field is wrong; it is named.
    """
    columns, source = _columns(files, (*REQUIRED, *covariates))
    score = _numbers(columns, "score", source)
    notes: list[str] = []
    labels, places = {}, {}
    for facet in ("model", "item", "judge", "dimension"):
        names, places[facet] = np.unique(columns[facet], return_inverse=True)
        labels[facet] = tuple(str(name) for name in names)
    keep = _repeats(columns, places, repeats, notes, source)
    kept = {facet: place[keep].astype(np.int64) for facet, place in places.items()}
    at = source.taking(keep)
    numeric = {name: _standardised(name, _numbers(columns, name, source)[keep], at) for name in covariates}
    given, scales = _categories(score[keep], kept["dimension"], labels["dimension"], categories, notes, at)
    _mixed(score[keep], kept, labels, notes)
    return Ratings(
        kept["model"],
        kept["item"],
        kept["judge"],
        kept["dimension"],
        given,
        labels,
        scales,
        numeric,
        tuple(notes),
    )


@dataclass(frozen=True, eq=False)
class _Places:
    """Where rows come from, for errors.

    Attributes:
        files: In their order.
        starts: Rows of all files before each.
        rows: Which row of all files each row is.
    """

    files: Sequence[Path]
    starts: list[int]
    rows: Integers

    def at(self, row: int) -> dict[str, Any]:
        """File, and row of the file from 1."""
        place = int(self.rows[row])
        file = bisect_right(self.starts, place) - 1
        return {"file": self.files[file], "row": place - self.starts[file] + 1}

    def taking(self, keep: Integers) -> _Places:
        """The same for some of the rows."""
        return _Places(self.files, self.starts, self.rows[keep])


def _columns(files: Sequence[Path], wanted: Sequence[str]) -> tuple[dict[str, NDArray[Any]], _Places]:
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in (*wanted, "dimension")}
    starts: list[int] = []
    total = 0
    for path in files:
        starts.append(total)
        if not path.is_file():
            raise BadInput("there is no such file", file=path)
        source = open_table(path)
        missing = [name for name in wanted if name not in source.names]
        if missing:
            has = ", ".join(source.names[:12])
            raise BadInput(
                f"there is no column {missing[0]!r}", file=path, fix=f"it has {has}; needed: {', '.join(wanted)}"
            )
        first = 1
        for batch in source.batches:
            for name in wanted:
                column = batch.column(source.names.index(name))
                if column.null_count:
                    row = first + int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
                    raise BadInput("the cell is empty", file=path, row=row, field=name)
                parts[name].append(np.asarray(column.to_pylist()))
            rows = batch.num_rows
            known = "dimension" in source.names
            dimension = batch.column(source.names.index("dimension")).to_pylist() if known else ["score"] * rows
            parts["dimension"].append(np.asarray(dimension, dtype=str))
            first += rows
        total += first - 1
    if not total:
        raise BadInput("there are no ratings", file=files[0])
    numeric = set(wanted) - {"model", "item", "judge"}
    columns = {
        name: np.concatenate(part if name in numeric else [x.astype(str) for x in part]) for name, part in parts.items()
    }
    return columns, _Places(files, starts, np.arange(total))


def _numbers(columns: dict[str, NDArray[Any]], name: str, places: _Places) -> Floats:
    """A column as numbers."""
    values = columns[name]
    try:
        found = values.astype(float)
    except ValueError:
        for row, value in enumerate(values.tolist()):
            try:
                float(value)
            except ValueError:
                raise BadInput(f"{value!r} is not a number", **places.at(row), field=name) from None
        raise
    wrong = np.flatnonzero(~np.isfinite(found))
    if len(wrong):
        raise BadInput(f"{found[wrong[0]]} is not a number", **places.at(int(wrong[0])), field=name)
    return np.asarray(found)


def _repeats(
    columns: dict[str, NDArray[Any]],
    places: dict[str, Integers],
    rule: str,
    notes: list[str],
    at: _Places,
) -> Integers:
    """Rows that count."""
    key = np.zeros(len(columns["score"]), dtype=np.int64)
    for place in places.values():
        key = key * (int(place.max()) + 1) + place
    _, first, count = np.unique(key, return_index=True, return_counts=True)
    again = int((count - 1).sum())
    if again and rule == "error":
        row = int(first[count > 1].min())
        who = ", ".join(f"{facet} {columns[facet][row]!r}" for facet in places)
        raise BadInput(
            f"{again} ratings are repeated, such as that of {who}",
            **at.at(row),
            fix="--repeats first takes the first of each, --repeats all takes all as independent",
        )
    if again:
        notes.append(f"{again} repeated ratings: " + ("the first counts" if rule == "first" else "all count"))
    return np.sort(first) if rule == "first" else np.arange(len(key))


def _standardised(name: str, values: Floats, places: _Places) -> Floats:
    if name == "length":
        if values.min() < 0:
            raise BadInput("a length is below 0", **places.at(int(np.argmin(values))), field=name)
        values = np.log1p(values)
    spread = float(values.std())
    if spread == 0:
        raise BadInput("all rows are alike, so it has no effect to be found", file=places.files[0], field=name)
    return np.asarray((values - values.mean()) / spread)


def _categories(
    score: Floats,
    dimension: Integers,
    names: Sequence[str],
    classes: int | None,
    notes: list[str],
    places: _Places,
) -> tuple[Integers, tuple[tuple[float, ...], ...]]:
    """Scores as numbers of categories, and the categories by dimension."""
    found = np.zeros(len(score), dtype=np.int64)
    scales: list[tuple[float, ...]] = []
    for d, name in enumerate(names):
        rows = dimension == d
        values = score[rows]
        if classes is not None:
            low, high = float(values.min()), float(values.max())
            cut = np.minimum(np.floor((values - low) / ((high - low) or 1.0) * classes), classes - 1)
            values = low + (cut + 0.5) * (high - low) / classes
        used, found[rows] = np.unique(values, return_inverse=True)
        if classes is None and len(used) > 2 and (used != np.round(used)).any():
            row = int(np.flatnonzero(rows & (score != np.round(score)))[0])
            raise BadInput(
                f"{name}: {score[row]:g} is no category",
                **places.at(row),
                field="score",
                fix="--categories 5 cuts scores into five classes of equal width",
            )
        if len(used) > _MOST:
            fix = "--categories 5 cuts them into five classes"
            raise BadInput(f"{name}: {len(used)} categories are too many", file=places.files[0], field="score", fix=fix)
        if len(used) == 1:
            notes.append(f"{name}: all ratings are {used[0]:g}, so nothing can be measured")
        gaps = [x for x in range(int(used[0]), int(used[-1])) if x not in used] if classes is None else []
        if gaps and len(used) > 2:
            listed = ", ".join(map(str, gaps[:_SHOWN]))
            notes.append(f"{name}: nobody used category {listed}; the scale has {len(used)} steps without")
        scales.append(tuple(float(x) for x in used))
    return found, tuple(scales)


def _mixed(score: Floats, places: dict[str, Integers], labels: dict[str, tuple[str, ...]], notes: list[str]) -> None:
    """Note judges of one dimension whose scores look as if they were given on different scales."""
    for d, name in enumerate(labels["dimension"]):
        ranges = {}
        for j, judge in enumerate(labels["judge"]):
            values = score[(places["dimension"] == d) & (places["judge"] == j)]
            if len(values) >= 2:
                ranges[judge] = float(values.min()), float(values.max())
                if values.min() == values.max():
                    notes.append(f"{name}: judge {judge} only ever gives {values[0]:g}")
        if len(ranges) < 2:
            continue
        widest = max(ranges, key=lambda j: ranges[j][1])
        narrow = [j for j, (_, high) in ranges.items() if high > 0 and ranges[widest][1] >= _WIDER * high and high > 1]
        if narrow:
            notes.append(
                f"{name}: judge {widest} gives up to {ranges[widest][1]:g}, judge {narrow[0]} up to "
                f"{ranges[narrow[0]][1]:g}; if their scales differ, bring them to one scale first"
            )
