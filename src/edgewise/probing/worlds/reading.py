"""Files of questions, with or without a model's recorded answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgewise.core.errors import BadInput
from edgewise.core.tables import json_records, open_table
from edgewise.models.types import storable
from edgewise.probing.types import Case

_ANSWERS = ("answer", "gold", "target", "label")
_OPTIONS = ("options", "choices")
_GROUPS = ("category", "task", "group", "subject", "topic")
_IDS = ("item_id", "id", "question_id")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass
class Questions:
    """What a file holds.

    Attributes:
        cases: The questions, each text once.
        answers: By case id, what a model answered (``None`` if nothing was parsed) and all it wrote; empty without.
        notes: What a reader must know: rows that were left out.
    """

    cases: list[Case] = field(default_factory=list)
    answers: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_questions(path: Path, *, recorded: bool = False) -> Questions:
    """Read a table (Parquet, CSV, TSV, JSON lines) of questions.

    Columns are ``question`` and ``answer`` (or ``gold``, ``target``, ``label``); if there, also ``options`` or
    ``choices`` (a list), ``category``, ``task``, ``group``, ``subject`` or ``topic``, and ``item_id``, ``id`` or
    ``question_id``. A question that is there again, word for word with its options, is left out with a note.

    Args:
        path: The file.
        recorded: Whether it must have a model's answers: columns ``pred`` and, if there, ``output``.

    Raises:
        BadInput: The file cannot be read, a column is missing, or a row lacks its question, answer or own id.
    """
    found = Questions()
    seen: dict[tuple[str, tuple[str, ...]], str] = {}
    repeated = 0
    columns: dict[str, str | None] = {}
    for row, record in enumerate(_records(path), 1):
        if row == 1:
            columns = _columns(path, record, recorded)
        case = _case(path, row, record, columns)
        if case.case_id in found.answers:
            raise BadInput(f"{case.case_id!r} is there twice", file=path, row=row, field=columns["id"])
        pred = record.get("pred")
        answer = None if pred is None or pred == "" else storable(str(pred))
        found.answers[case.case_id] = (answer, _text(record.get("output")))
        if (case.question, case.options) in seen:
            repeated += 1
            continue
        seen[case.question, case.options] = case.case_id
        found.cases.append(case)
    if not found.cases:
        raise BadInput("the file has no questions", file=path)
    if repeated:
        found.notes.append(f"{path.name}: {repeated:,} question(s) were there before, word for word, and are left out")
    if not recorded:
        found.answers = {}
    return found


def _records(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        raise BadInput("there is no such file", file=path)
    if path.suffix.lower() in (".jsonl", ".ndjson", ".json"):
        for _, record in json_records(path):
            yield record
        return
    for batch in open_table(path).batches:
        yield from batch.to_pylist()


def _columns(path: Path, record: dict[str, Any], recorded: bool) -> dict[str, str | None]:
    """Which column holds what."""
    for name in ("question", *(("pred",) if recorded else ())):
        if name not in record:
            raise BadInput("there is no such column", file=path, field=name)
    picked = {
        name: next((c for c in among if c in record), None)
        for name, among in (("answer", _ANSWERS), ("options", _OPTIONS), ("group", _GROUPS), ("id", _IDS))
    }
    if picked["answer"] is None:
        raise BadInput(f"there is none of the columns {', '.join(_ANSWERS)}", file=path, field="answer")
    return picked


def _case(path: Path, row: int, record: dict[str, Any], columns: dict[str, str | None]) -> Case:
    def cell(name: str | None) -> Any:
        return None if name is None else record.get(name)

    for name in ("question", columns["answer"], columns["id"]):
        value = cell(name)
        if name is not None and (value is None or not str(value).strip()):
            raise BadInput("it is empty", file=path, row=row, field=name)
    options = _options(path, row, columns["options"], cell(columns["options"]))
    answer = storable(str(cell(columns["answer"]))).strip()
    if options and not (len(answer) == 1 and answer.upper() in _LETTERS[: len(options)]) and answer not in options:
        raise BadInput(f"{answer[:40]!r} is none of the options", file=path, row=row, field=columns["answer"])
    return Case(
        case_id=storable(str(row if columns["id"] is None else cell(columns["id"]))),
        question=storable(str(record["question"])),
        answer=answer,
        options=options,
        group=_text(cell(columns["group"])) or "",
        evidence=path.name,
    )


def _options(path: Path, row: int, name: str | None, value: Any) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            value = None
    if not isinstance(value, list) or len(value) > len(_LETTERS):
        raise BadInput(f"need a list of at most {len(_LETTERS)} options", file=path, row=row, field=name)
    return tuple(storable(str(option)) for option in value)


def _text(value: Any) -> str | None:
    return None if value is None else storable(str(value))
