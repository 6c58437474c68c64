"""The tables that a run keeps: ``responses`` (long, one row per response) and ``items``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from edgewise.core.run import Run
from edgewise.questions.types import Item
from edgewise.ranking.competence.types import ResponseRow

if TYPE_CHECKING:
    import pyarrow as pa

RESPONSES, ITEMS = "responses", "items"


def response_schema() -> pa.Schema:
    """Columns of ``responses``; ``edgewise rank`` reads the rows of kind ``base`` and ``control``."""
    import pyarrow as pa

    text, real = pa.string(), pa.float64()
    return pa.schema(
        [
            pa.field("model", text, nullable=False),
            pa.field("item_id", text, nullable=False),
            pa.field("family", text, nullable=False),
            pa.field("difficulty", text, nullable=False),
            pa.field("kind", text, nullable=False),
            pa.field("sample", pa.int32(), nullable=False),
            pa.field("score", real),
            pa.field("answer", text),
            pa.field("choice", text),
            pa.field("suggestion", text),
            pa.field("response", text),
            pa.field("parsed", pa.bool_()),
            pa.field("confidence", real),
            pa.field("stated_confidence", real),
            pa.field("logprob", real),
            pa.field("tokens", pa.int32()),
            pa.field("fault", text),
        ]
    )


def write_tables(run: Run, rows: Iterable[ResponseRow], items: Sequence[Item]) -> None:
    """Write both tables, sorted, so that the same responses give the same bytes."""
    import pyarrow as pa

    ordered = sorted(rows, key=lambda row: (row.model, row.kind, row.item_id, row.sample))
    run.write_table(RESPONSES, pa.Table.from_pylist([asdict(row) for row in ordered], schema=response_schema()))
    schema = pa.schema([pa.field(name, pa.string(), nullable=False) for name in Item.model_fields])
    listed = sorted(items, key=lambda item: item.item_id)
    run.write_table(ITEMS, pa.Table.from_pylist([item.model_dump() for item in listed], schema=schema))


def read_rows(run: Run) -> list[ResponseRow]:
    """The response rows of a run, as they were written.

    Raises:
        RunError: The table is missing.
        CorruptRecord: It is not what the run wrote.
    """
    names = [field.name for field in fields(ResponseRow)]
    return [ResponseRow(**row) for row in run.read_table(RESPONSES).select(names).to_pylist()]


def read_items(run: Run) -> tuple[Item, ...]:
    """The items of a run, with all that is needed to grade their answers again.

    Raises:
        RunError: The table is missing.
        CorruptRecord: It is not what the run wrote.
    """
    return tuple(Item.model_validate(row) for row in run.read_table(ITEMS).to_pylist())
