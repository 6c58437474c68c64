"""Families of scenarios as data: tables of contents, pools of wordings, templates with slots.

A family is an entry of ``families.yaml`` (or of one's own file): which prompts there are, which dimensions vary and by
which pool each is realised. Nothing in it is code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from math import prod
from pathlib import Path
from typing import Any

from pydantic import Field

from edgewise.character.checkers import Facts
from edgewise.character.dimensions import load_dimensions
from edgewise.core.errors import BadInput
from edgewise.core.files import read_yaml
from edgewise.core.records import Record, parse_options

LEVELS = ("low", "mid", "high")
Entry = Mapping[str, Any]
Slots = Mapping[str, Entry]
_SLOT = re.compile(r"\{(\w+)\.(\w+)\}")


class Template:
    """Text with slots: ``{slot.field}``, or ``{Slot.field}`` for a capital at its beginning."""

    def __init__(self, text: str) -> None:
        pieces = _SLOT.split(text)  # text, slot, field, text, slot, field, …, text
        self._pieces = list(zip(pieces[::3], [*pieces[1::3], ""], [*pieces[2::3], ""], strict=True))
        self.slots = {(slot[0].lower() + slot[1:], field) for _, slot, field in self._pieces if slot}

    def fill(self, slots: Slots) -> str:
        """The text with its slots filled."""
        found = []
        for text, slot, field in self._pieces:
            found.append(text)
            if slot[:1].isupper():
                value = str(slots[slot[0].lower() + slot[1:]][field])
                found.append(value[0].upper() + value[1:])
            elif slot:
                found.append(str(slots[slot][field]))
        return "".join(found)


class _Part(Record):
    pool: str
    rename: dict[str, str] = Field(default={}, alias="with")


class FamilySpec(Record):
    """A family as it is written down.

    Attributes:
        name, about: Key, and what it is in a sentence.
        content: Slots by which scenarios are split: an entry of theirs is in one split only.
        slots: Table by slot.
        messages: Prompts; each a list of turns, the user's first.
        parts: Pool by dimension, in the order in which an answer says them; ``with`` fills a pool's slot from another.
        facts: What checkers are told: ``slot.field``, words, a list of those, or a truth value.
        tension: Pairs of dimensions of which a naive rise in one costs the other.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    about: str
    content: tuple[str, ...] = Field(min_length=1)
    slots: dict[str, str]
    messages: tuple[tuple[str, ...], ...] = Field(min_length=1)
    parts: dict[str, str | _Part] = Field(min_length=1)
    facts: dict[str, bool | str | tuple[str, ...]] = {}
    tension: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Family:
    """A family with its tables and templates in place.

    Attributes:
        spec: As it is written down.
        tables: Entries by slot.
        messages: Templates of each prompt's turns.
        pools: By dimension and level, templates.
    """

    spec: FamilySpec
    tables: Mapping[str, Sequence[Entry]]
    messages: Sequence[Sequence[Template]]
    pools: Mapping[str, Mapping[str, Sequence[Template]]]

    @property
    def name(self) -> str:
        """Key."""
        return self.spec.name

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Those that vary, in the order in which an answer says them."""
        return tuple(self.spec.parts)

    def renamed(self, dimension: str, slots: Slots) -> Slots:
        """Slots as a dimension's pool calls them."""
        part = self.spec.parts[dimension]
        if isinstance(part, str) or not part.rename:
            return slots
        return {**slots, **{name: slots[other] for name, other in part.rename.items()}}

    def facts(self, slots: Slots) -> Facts:
        """What checkers are told of a scenario."""
        found: dict[str, Any] = {}
        for key, given in self.spec.facts.items():
            if isinstance(given, bool):
                found[key] = given
                continue
            words: list[str] = []
            for reference in (given,) if isinstance(given, str) else given:
                slot, dot, field = reference.partition(".")
                value = slots[slot][field] if dot else reference
                words += [value] if isinstance(value, str) else value
            found[key] = words
        return Facts.of(found)

    def size(self, levels: int = 1) -> int:
        """How many distinct records the grammar holds: prompts times wordings of their answers."""
        prompts = 0
        for turns in self.messages:
            used = {slot for turn in turns for slot, _ in turn.slots} | set(self.spec.content)
            prompts += prod(len(self.tables[slot]) for slot in used)
        named = LEVELS if levels == 2 else ("low", "high")
        return prompts * prod(len(pool[level]) for pool in self.pools.values() for level in named)


def tables_folder() -> Path:
    """Where the built-in tables are."""
    return Path(str(files("edgewise.character") / "knobs" / "tables"))


@lru_cache(maxsize=4)
def load_families(path: Path | None = None, dimensions: Path | None = None) -> dict[str, Family]:
    """Families by name.

    Args:
        path: A file of one's own instead of the built-in ones: ``families``, and ``tables`` and ``parts`` beside ours.
        dimensions: A file of dimensions of one's own.

    Raises:
        BadInput: A family names a table, a field, a pool or a dimension that there is not.
    """
    folder = tables_folder()
    own = {} if path is None else read_yaml(path)
    file = path or folder / "families.yaml"
    if not isinstance(own, dict):
        raise BadInput("must be a mapping with families, and tables and parts if needed", file=file)
    unknown = sorted(set(own) - {"families", "tables", "parts"})
    if unknown:
        raise BadInput("unknown key", file=file, field=unknown[0], fix="there are: families, tables, parts")
    tables = {name.stem: name for name in folder.glob("*.yaml")}
    parts = read_yaml(folder / "parts.yaml") | (own.get("parts") or {})
    written = own.get("families") if path else read_yaml(file)
    if not isinstance(written, list) or not written:
        raise BadInput("must be a list of families", file=file, field="families")
    known = load_dimensions(dimensions)
    found: dict[str, Family] = {}
    for row, entry in enumerate(written, 1):
        spec = parse_options(FamilySpec, entry, what=f"{file}, family {row}")
        for dimension in spec.parts:
            if dimension not in known:
                raise BadInput(
                    f"{spec.name} varies {dimension!r}, which is no dimension", file=file, row=row, field="parts"
                )
        rows = {}
        for slot, table in spec.slots.items():
            if table in (own.get("tables") or {}):
                rows[slot] = own["tables"][table]
            elif table in tables:
                rows[slot] = read_yaml(tables[table])
            else:
                raise BadInput(f"{spec.name}: there is no table {table!r}", file=file, row=row, field="slots")
        pools = {}
        for dimension, part in spec.parts.items():
            name = part if isinstance(part, str) else part.pool
            if name not in parts:
                raise BadInput(f"{spec.name}: there is no pool {name!r}", file=file, row=row, field="parts")
            pools[dimension] = {level: [Template(text) for text in parts[name].get(level, ())] for level in LEVELS}
        messages = [[Template(turn) for turn in turns] for turns in spec.messages]
        family = Family(spec, rows, messages, pools)
        _check(family, file, row)
        found[spec.name] = family
    return found


def _check(family: Family, file: Path, row: int) -> None:
    """Every slot can be filled from every entry of its table."""

    def need(slot: str, field: str, where: str) -> None:
        if slot not in family.tables:
            raise BadInput(f"{family.name}: there is no slot {slot!r}", file=file, row=row, field=where)
        for number, entry in enumerate(family.tables[slot], 1):
            if field not in entry:
                table = family.spec.slots[slot]
                raise BadInput(
                    f"{family.name}: entry {number} of table {table} has no {field!r}", file=file, row=row, field=where
                )

    for turns in family.messages:
        if len(turns) % 2 == 0:
            raise BadInput(f"{family.name}: a prompt ends with the assistant", file=file, row=row, field="messages")
        for turn in turns:
            for slot, field in turn.slots:
                need(slot, field, "messages")
    for dimension, pool in family.pools.items():
        part = family.spec.parts[dimension]
        rename = {} if isinstance(part, str) else part.rename
        for level in ("low", "high"):
            if not pool[level]:
                raise BadInput(f"{family.name}: the pool of {dimension} has no {level!r}", file=file, row=row)
        for templates in pool.values():
            for template in templates:
                for slot, field in template.slots:
                    need(rename.get(slot, slot), field, f"parts.{dimension}")
    for key, given in family.spec.facts.items():
        if not isinstance(given, bool):
            for reference in (given,) if isinstance(given, str) else given:
                slot, dot, field = reference.partition(".")
                if dot:
                    need(slot, field, f"facts.{key}")
    for slot in family.spec.content:
        need(slot, "id", "content")
