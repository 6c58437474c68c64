"""RiskLab trajectories: round, speaker, observation, message, action, local_utility, system_state, metadata."""

from __future__ import annotations

from typing import Any

from edgewise.society.scan.fields import Gather, action_of, conversation_of, role_of, text_of
from edgewise.society.scan.load import Loaded
from edgewise.society.scan.trace import Trace

_OWN = ("observation", "local_utility", "system_state")
_LISTS = ("trajectory", "steps", "events", "turns", "entries", "log", "history")


def fits(record: Any) -> bool:
    """Whether a record is an entry of a trajectory, or an object with a list of them."""
    if not isinstance(record, dict):
        return False
    if "speaker" in record and any(key in record for key in _OWN):
        return True
    listed = _entries(record)
    return listed is not None and any(isinstance(each, dict) and fits(each) for each in listed[:20])


def read(file: Loaded) -> list[Trace]:
    """Read entries as JSON lines or a list, or trajectories that hold them, one to an object."""
    found = Gather(file, "risklab")
    several = len(file.rows) > 1
    for row, record in file.rows:
        listed = _entries(record) if isinstance(record, dict) and "speaker" not in record else None
        if listed is None:
            _entry(found, row, record, None)
            continue
        talk = conversation_of(record) or (f"row {row}" if several else "")
        for place, each in enumerate(listed, 1):
            _entry(found, row if several else place, each, talk)
    return found.traces()


def _entries(record: dict[str, Any]) -> list[Any] | None:
    for key in _LISTS:
        inner = record.get(key)
        if isinstance(inner, dict):
            return _entries(inner)
        if isinstance(inner, list):
            return inner
    return None


def _entry(found: Gather, row: int, record: Any, talk: str | None) -> None:
    if not isinstance(record, dict):
        found.record(row, record, talk)
        return
    number = record.get("round")
    if number is not None and (not isinstance(number, int) or isinstance(number, bool)):
        found.problem(row, "round", f"need a whole number, not {str(number)[:40]!r}", talk or "")
        return
    if not isinstance(record.get("speaker"), str):
        found.problem(row, "speaker", "nobody is named who spoke", talk or "")
        return
    meta = record.get("metadata")
    role = role_of(meta.get("role")) if isinstance(meta, dict) else None
    found.record(
        row,
        record,
        conversation_of(record) if talk is None else talk,
        sender=record["speaker"],
        text=text_of(record.get("message")),
        action=action_of(record.get("action")),
        role=role,
    )
