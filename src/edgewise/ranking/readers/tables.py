"""Tables of responses: a row per response (long), a row per item or a row per model (wide)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from edgewise.core.errors import BadInput
from edgewise.core.tables import Source, in_parts, open_table
from edgewise.ranking.matrix import Floats, ResponseMatrix, compact, tally
from edgewise.ranking.readers.columns import floats, ids, is_text, scores
from edgewise.ranking.readers.part import Part, Repeats

if TYPE_CHECKING:
    import pyarrow as pa

Layout = Literal["long", "wide", "wide-models"]
LAYOUTS: tuple[str, ...] = get_args(Layout)
Role = Literal["model", "item", "score"]

# Names that columns go by, in lower case. The first column of a table that pandas wrote may have none.
_KNOWN: dict[Role, tuple[str, ...]] = {
    "model": ("model", "model_id", "model_name", "agent", "system", "llm", "respondent", "subject_id", "submission"),
    "item": (
        *(
            "item",
            "item_id",
            "question",
            "question_id",
            "task_id",
            "instance_id",
            "sample_id",
            "problem_id",
            "prompt_id",
        ),
        *("example_id", "doc_id", "id", "index", "", "unnamed: 0", "__index_level_0__"),
    ),
    "score": (
        *("score", "correct", "is_correct", "accuracy", "acc", "response", "result", "resolved", "passed", "success"),
        *("reward", "value", "grade", "preference"),
    ),
}


@dataclass(frozen=True)
class Columns:
    """Names of columns where the user gave them."""

    model: str | None = None
    item: str | None = None
    score: str | None = None


def read_table(path: Path, layout: Layout | None, given: Columns, repeats: Repeats) -> Part:
    """Read a table file.

    Args:
        path: CSV, TSV, Parquet or JSON lines.
        layout: How it is laid out; found out unless given.
        given: Columns named by the user.
        repeats: What several rows of a long table for one model and item are.

    Raises:
        BadInput: It cannot be read, or it can be read in several ways; names columns, and the option that settles it.
    """
    source, first = _open(path)
    _check_given(source, given)
    layout = layout or _layout(source, given)
    if layout == "long":
        model, item, score = (_column(source, first, role, given, by_text=False) for role in _KNOWN)
        return _long(source, model, item, score, repeats)
    role: Role = "item" if layout == "wide" else "model"
    key = _column(source, first, role, given, by_text=True)
    _check_rest(source, first, key, "model" if role == "item" else "item")
    return _wide(source, key, layout)


def read_numbers(path: Path, key: str, value: str) -> dict[str, float]:
    """A table's column of numbers by its column of ids.

    Raises:
        BadInput: It cannot be read, a column is missing, an id is there twice or missing, or a value is no number.
    """
    source, _ = _open(path)
    found: dict[str, float] = {}
    for name in (key, value):
        if name not in source.names:
            raise BadInput("there is no such column", file=path, field=name)
    row = 0
    for batch in source.batches:
        numbers = floats(batch.column(value), file=source.file, name=value, first_row=row + 1)
        for name, number in zip(
            ids(batch.column(key), file=source.file, name=key, first_row=row + 1), numbers.tolist(), strict=True
        ):
            row += 1
            if name in found:
                raise BadInput(f"{name!r} is there twice", file=path, row=row, field=key)
            found[name] = number
    return found


def open_wide(path: Path, item: str | None = None) -> tuple[Source, str, list[str]]:
    """A wide table to be read in batches, its column of ids, and its columns of models.

    Raises:
        BadInput: As ``read_table``.
    """
    source, first = _open(path)
    given = Columns(item=item)
    _check_given(source, given)
    key = _column(source, first, "item", given, by_text=True)
    _check_rest(source, first, key, "model")
    return source, key, [name for name in source.names if name != key]


def _open(path: Path) -> tuple[Source, pa.RecordBatch]:
    """A table, and its first rows ahead of reading it."""
    source = open_table(path)
    first = next((batch for batch in source.batches if batch.num_rows), None)
    if first is None:
        raise BadInput("there is a header and no row", file=path)
    return Source(source.file, source.names, chain([first], source.batches)), first


def _check_given(source: Source, given: Columns) -> None:
    for role, column in vars(given).items():
        if column is not None and column not in source.names:
            some = ", ".join(source.names[:10]) + (" …" if len(source.names) > 10 else "")
            raise BadInput(f"--{role} names no column; there are {some}", file=source.file, field=column)


def _layout(source: Source, given: Columns) -> Layout:
    """What the names of the columns say."""
    has_model = given.model is not None or bool(_known(source, "model"))
    has_item = given.item is not None or bool(_known(source, "item"))
    if given.score is not None or (has_model and has_item):
        return "long"
    unclear = _known(source, "score")
    if unclear:
        lacking = "items" if has_model else "models"
        raise BadInput(
            f"{_listed(unclear)} could hold scores, but no column is known to hold the {lacking}",
            file=source.file,
            fix="name the columns with --model, --item and --score; or, if each column is a model, say --format wide",
        )
    return "wide-models" if has_model else "wide"


def _known(source: Source, role: Role) -> list[str]:
    return [name for name in source.names if name.lower() in _KNOWN[role]]


def _column(source: Source, first: pa.RecordBatch, role: Role, given: Columns, *, by_text: bool) -> str:
    """The column of a role: as given, by its name, or as the only one of text."""
    column: str | None = getattr(given, role)
    if column is not None:
        return column
    found = _known(source, role)
    if not found and by_text:
        found = [name for name in source.names if is_text(first.column(name))]
    if len(found) == 1:
        return found[0]
    problem = f"{_listed(found)} could each hold" if found else "no column is known to hold"
    raise BadInput(f"{problem} the {role}s", file=source.file, fix=f"choose it with --{role}")


def _check_rest(source: Source, first: pa.RecordBatch, key: str, role: Role) -> None:
    """A wide table has scores in all other columns; say so before a parse error does."""
    if len(source.names) < 2:
        raise BadInput(f"there is no column of scores beside {key!r}", file=source.file)
    text = [name for name in source.names if name != key and is_text(first.column(name))]
    if text:
        raise BadInput(
            f"{_listed(text)} {'holds' if len(text) == 1 else 'hold'} text, "
            f"where each column but {key!r} should be a {role} with its scores",
            file=source.file,
            field=text[0],
            fix="remove such columns; or, if this is a long table, name its columns with --model, --item and --score",
        )


def _listed(names: list[str]) -> str:
    shown = [repr(name) for name in names[:4]] + (["…"] if len(names) > 4 else [])
    return ("columns " if len(names) > 1 else "column ") + ", ".join(shown)


def _long(source: Source, model: str, item: str, score: str, repeats: Repeats) -> Part:
    models: list[str] = []
    items: list[str] = []
    found: list[Floats] = []
    for batch in source.batches:
        row = len(models) + 1
        models += ids(batch.column(model), file=source.file, name=model, first_row=row)
        items += ids(batch.column(item), file=source.file, name=item, first_row=row)
        found.append(scores(batch.column(score), file=source.file, name=score, first_row=row))
    return Part.of(tally(models, items, np.concatenate(found), repeats=repeats, source=source.file), source.file)


def _wide(source: Source, key: str, layout: Layout) -> Part:
    others = [name for name in source.names if name != key]
    names: list[str] = []
    blocks = list(_blocks(source, key, others, names))
    _each_once(names, source.file, key)
    kind = np.result_type(*blocks)  # bytes, or floats if a block is graded
    if kind != np.uint8:
        blocks = [ResponseMatrix.from_array(block).dense() if block.dtype == np.uint8 else block for block in blocks]
    values = np.concatenate(blocks)
    if layout == "wide":
        return Part(ResponseMatrix(tuple(names), tuple(others), values), None, source.file)
    return Part(ResponseMatrix(tuple(others), tuple(names), np.ascontiguousarray(values.T)), None, source.file)


def _blocks(source: Source, key: str, others: list[str], names: list[str]) -> Iterator[NDArray[np.generic]]:
    """Scores of some rows at a time, compact where they can be; the rows' ids are added to ``names``."""
    for batch in in_parts(source.batches):
        row = len(names) + 1
        names += ids(batch.column(key), file=source.file, name=key, first_row=row)
        block = np.empty((batch.num_rows, len(others)))
        for j, name in enumerate(others):
            block[:, j] = scores(batch.column(name), file=source.file, name=name, first_row=row)
        yield compact(block)


def _each_once(names: list[str], file: str, key: str) -> None:
    seen: dict[str, int] = {}
    for row, name in enumerate(names, 1):
        if seen.setdefault(name, row) != row:
            raise BadInput(f"{name!r} is in row {seen[name]} already", file=file, row=row, field=key)
