"""AutoGen: chat messages of version 0.2 (role, name, content), messages and events of version 0.4 (source, type)."""

from __future__ import annotations

import re
from typing import Any

from edgewise.society.scan.fields import Gather, action_of, as_json, call_text, conversation_of, role_of, text_of
from edgewise.society.scan.load import Loaded
from edgewise.society.scan.trace import Trace

# In 0.2 a message has the role that it plays for its reader, so that other agents' messages are "user" too: of a
# named sender, only names that people have are taken for the user.
_PEOPLE = re.compile(r"(?:user|human|admin|customer)(?:[ _-]?(?:proxy|input))?(?:[ _-]?agent)?", re.IGNORECASE)
_TYPED = re.compile(r"\w+(?:Message|Event)")
_SILENT = {"ModelClientStreamingChunkEvent"}  # pieces of a message that follows as a whole
_LISTS = ("messages", "chat_history", "message_thread")


def fits(record: Any) -> bool:
    """Whether a record is a message of AutoGen, or holds some."""
    if not isinstance(record, dict):
        return False
    if _is_typed(record):
        return True
    listed = _messages_in(record)
    if listed:
        return any(_is_typed(each) or _is_named(each) for each in listed[:20]) or "chat_history" in record
    return _is_named(record)


def read(file: Loaded) -> list[Trace]:
    """Read a list of messages, JSON lines of them, a ``TaskResult`` or ``ChatResult``, or a team's saved state."""
    found = Gather(file, "autogen")
    several = len(file.rows) > 1
    for row, record in file.rows:
        listed = _messages_in(record) if isinstance(record, dict) and not _is_typed(record) else None
        if listed is None:
            _read_message(found, row, record, None)
            continue
        talk = conversation_of(record) or (f"row {row}" if several else "")
        for place, each in enumerate(listed, 1):
            _read_message(found, row if several else place, each, talk)
    return found.traces()


def _is_typed(record: Any) -> bool:
    return (
        isinstance(record, dict)
        and isinstance(record.get("source"), str)
        and isinstance(record.get("type"), str)
        and _TYPED.fullmatch(record["type"]) is not None
    )


def _is_named(record: Any) -> bool:
    return (
        isinstance(record, dict)
        and {"role", "name"} <= record.keys()
        and bool({"content", "tool_calls"} & record.keys())
    )


def _messages_in(record: dict[str, Any]) -> list[Any] | None:
    direct = next((record[key] for key in _LISTS if isinstance(record.get(key), list)), None)
    states = record.get("agent_states")
    if direct is not None or not isinstance(states, dict):
        return direct
    threads = [
        s["message_thread"]
        for s in states.values()
        if isinstance(s, dict) and isinstance(s.get("message_thread"), list)
    ]
    return max(threads, key=len, default=None)


def _read_message(found: Gather, row: int, record: Any, talk: str | None) -> None:
    if not _is_typed(record):
        _read_old(found, row, record, talk)
        return
    kind, content, source = record["type"], record.get("content"), record["source"]
    if kind in _SILENT:
        return
    role = "user" if _PEOPLE.fullmatch(source) else "assistant"
    if kind.startswith("ToolCallRequest"):
        action = call_text(content)
        if action is None:
            found.problem(row, "content", "need a list of tool calls", talk or "")
            return
        found.record(row, record, talk, sender=source, role=role, text="", action=action)
    elif kind.startswith("ToolCallExecution"):
        if not isinstance(content, list):
            found.problem(row, "content", "need a list of results", talk or "")
            return
        names = [str(each.get("name") or "tool") for each in content if isinstance(each, dict)]
        found.record(
            row, record, talk, sender=", ".join(names) or "tool", role="tool", text=text_of(content), action=None
        )
    elif content is None:
        found.problem(row, "content", f"a {kind} without content", talk or "")
    else:
        target = record.get("target")
        action = f"handoff({target})" if isinstance(target, str) else None
        text = content if isinstance(content, str) else text_of(content)
        found.record(row, record, talk, sender=source, role=role, text=text_of(text), action=action)


def _read_old(found: Gather, row: int, record: Any, talk: str | None) -> None:
    if not isinstance(record, dict):
        found.record(row, record, talk)
        return
    name, role = record.get("name"), role_of(record.get("role"))
    if role == "user" and isinstance(name, str) and name:
        role = "user" if _PEOPLE.fullmatch(name) else "assistant"
    responses = record.get("tool_responses")
    known: dict[str, Any] = {"role": role, "action": action_of(record.get("tool_calls") or record.get("function_call"))}
    if isinstance(name, str) and name.strip():
        known["sender"] = name
    if isinstance(record.get("content"), dict):
        known["text"] = as_json(record["content"])
    if isinstance(responses, list) and not record.get("content"):
        known["text"] = text_of(responses)
    found.record(row, record, talk, **known)
