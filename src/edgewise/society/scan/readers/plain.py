"""Plain JSON lines or a JSON list: any objects that say who spoke and what was said."""

from __future__ import annotations

from typing import Any

from edgewise.society.scan.fields import SENDERS, TEXTS, Gather, conversation_of
from edgewise.society.scan.load import Loaded
from edgewise.society.scan.trace import Trace

_LISTS = ("messages", "conversation", "conversations", "turns", "history", "chat", "log", "transcript", "dialogue")


def fits(record: Any) -> bool:
    """Whether a record is a plain message, or an object with a list of them."""
    if not isinstance(record, dict):
        return False
    listed = messages_in(record)
    if listed is not None:
        return any(fits(each) for each in listed[:20])
    return any(key in record for key in SENDERS) and any(key in record for key in TEXTS)


def read(file: Loaded) -> list[Trace]:
    """Read messages under any of the usual names of sender and text.

    A row that is an object with a list of messages is a conversation of its own.
    """
    found = Gather(file, "plain")
    several = len(file.rows) > 1
    for row, record in file.rows:
        listed = messages_in(record) if isinstance(record, dict) else None
        if listed is None:
            found.record(row, record)
            continue
        talk = conversation_of(record) or (str(record.get("id", f"row {row}")) if several else "")
        for place, each in enumerate(listed, 1):
            found.record(row if several else place, each, talk)
    return found.traces()


def messages_in(record: dict[str, Any]) -> list[Any] | None:
    """The list of messages that an object holds, if it holds one."""
    return next((record[key] for key in _LISTS if isinstance(record.get(key), list)), None)
