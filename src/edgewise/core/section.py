"""What a room says in the report: sections made of blocks. The report room lays them out and escapes every text."""

from __future__ import annotations

from typing import Any, Literal

from edgewise.core.profile import Turn
from edgewise.core.records import Record


class Text(Record):
    """A paragraph of plain text."""

    kind: Literal["text"] = "text"
    text: str


class Table(Record):
    """A small table. Cells are shown as text; numbers align right."""

    kind: Literal["table"] = "table"
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | int | None, ...], ...]


class Figure(Record):
    """A Plotly figure: ``data`` and ``layout`` as Plotly's JSON schema has them.

    ``summary`` says in a sentence what the figure shows, for readers who cannot see it.
    """

    kind: Literal["figure"] = "figure"
    title: str
    summary: str
    data: tuple[dict[str, Any], ...]
    layout: dict[str, Any] = {}


class Transcript(Record):
    """A conversation, folded until opened."""

    kind: Literal["transcript"] = "transcript"
    title: str
    turns: tuple[Turn, ...]


Block = Text | Table | Figure | Transcript


class Section(Record):
    """One room's part of the report, below its panel of intervals."""

    title: str
    lead: str
    blocks: tuple[Block, ...] = ()
