"""What the readers share: text out of content in its many forms, roles, and messages gathered by conversation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from edgewise.core.errors import BadInput
from edgewise.society.scan.load import Loaded
from edgewise.society.scan.trace import Problem, Said, Trace

_ROLES = {
    "human": "user",
    "ai": "assistant",
    "aimessagechunk": "assistant",
    "model": "assistant",
    "function": "tool",
    "developer": "system",
    "tool_responses": "tool",
}
_DEEP = 20  # levels of content that are followed
_LONG_ACTION = 2_000
SENDERS = ("sender", "agent", "name", "speaker", "from", "source", "author", "role")
TEXTS = ("text", "content", "message", "body", "utterance", "msg")
CONVERSATIONS = (
    *("conversation_id", "conversation", "session_id", "session", "trace_id", "thread_id", "chat_id", "dialogue_id"),
    *("episode_id", "episode", "run_id", "sample_id"),
)
_TIMES = ("time", "timestamp", "created_at", "ts", "date")
_ROUNDS = ("round", "round_number", "turn_round")
_ACTIONS = ("action", "tool_calls", "function_call")


def clean(text: str) -> str:
    """The same text; lone surrogates, which UTF-8 cannot hold, become question marks."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def text_of(content: Any, deep: int = 0) -> str:
    """The text of a message's content: a string, parts of which some are text, or an object, which is shown as JSON."""
    if content is None:
        return ""
    if isinstance(content, str):
        return clean(content)
    if deep > _DEEP:
        return ""
    if isinstance(content, list):
        return "\n".join(filter(None, (text_of(part, deep + 1) for part in content)))
    if isinstance(content, Mapping):
        for key in ("text", "content"):
            if isinstance(content.get(key), str | list):
                return text_of(content[key], deep + 1)
        if content.get("type") in ("image_url", "image", "tool_use", "tool_call", "audio", "blob", "reasoning"):
            return ""
    return as_json(content)


def as_json(value: Any) -> str:
    """Compact JSON of a value; empty where it has none."""
    try:
        return clean(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str))
    except (ValueError, RecursionError):
        return ""


def call_text(calls: Any) -> str | None:
    """Tool calls of any client's form as ``name(arguments); name(arguments)``; ``None`` if there is none."""
    if isinstance(calls, str):
        return clean(calls[:_LONG_ACTION]) or None
    if isinstance(calls, Mapping):
        calls = [calls]
    if not isinstance(calls, list):
        return None
    found = []
    for call in calls:
        if not isinstance(call, Mapping):
            continue
        inner = call.get("function")
        body = inner if isinstance(inner, Mapping) else call
        name = body.get("name") or (inner if isinstance(inner, str) else None)
        given = next((body[key] for key in ("arguments", "args", "input", "parameters") if key in body), "")
        if isinstance(name, str):
            found.append(f"{name}({given if isinstance(given, str) else as_json(given)})")
    return clean("; ".join(found)[:_LONG_ACTION]) or None


def action_of(value: Any) -> str | None:
    """A move or tool calls as text."""
    if value is None or value == "" or value == [] or value == {}:
        return None
    if isinstance(value, list | Mapping) and (calls := call_text(value)):
        return calls
    return clean(value[:_LONG_ACTION]) if isinstance(value, str) else as_json(value)[:_LONG_ACTION]


def role_of(role: Any) -> str | None:
    """One of system, user, assistant and tool; ``None`` for anything else."""
    if not isinstance(role, str):
        return None
    plain = role.lower()
    plain = _ROLES.get(plain, plain)
    return plain if plain in ("system", "user", "assistant", "tool") else None


def first_of(record: Mapping[str, Any], keys: Sequence[str]) -> tuple[str, Any] | None:
    """The first of the keys that the record has a value for, with the value."""
    return next(((key, record[key]) for key in keys if record.get(key) is not None), None)


def time_of(record: Mapping[str, Any]) -> str | None:
    """The time of a record, as it is written."""
    found = first_of(record, _TIMES)
    return clean(str(found[1])[:60]) if found and isinstance(found[1], str | int | float) else None


def round_of(record: Mapping[str, Any]) -> int | None:
    """The round of a record, if it is a whole number."""
    found = first_of(record, _ROUNDS)
    return found[1] if found and isinstance(found[1], int) and not isinstance(found[1], bool) else None


def conversation_of(record: Mapping[str, Any]) -> str:
    """Which conversation of the file a record belongs to; empty if it does not say."""
    found = first_of(record, CONVERSATIONS)
    return clean(str(found[1])[:200]) if found and isinstance(found[1], str | int) else ""


class Gather:
    """The messages of a file, by conversation in order of appearance."""

    def __init__(self, file: Loaded | str, format: str) -> None:
        self.file = str(file.path) if isinstance(file, Loaded) else file
        self.format = format
        self.talks: dict[str, list[Said]] = {}
        self.problems: dict[str, list[Problem]] = {}
        for each in file.problems if isinstance(file, Loaded) else ():
            self.problem(each.row, each.field, each.message)

    def say(self, said: Said, talk: str = "") -> None:
        """Add a message."""
        self.talks.setdefault(talk, []).append(said)

    def problem(self, row: int, field: str, message: str, talk: str = "") -> None:
        """Add a row that could not be read."""
        self.problems.setdefault(talk, []).append(Problem(row, field, message))

    def record(self, row: int, record: Any, talk: str | None = None, **known: Any) -> None:
        """Add a message with fields under any of their usual names; what is in ``known`` is not looked for."""
        if not isinstance(record, Mapping):
            self.problem(row, "", f"need an object, not {str(record)[:40]!r}", talk or "")
            return
        talk = conversation_of(record) if talk is None else talk
        sender: Any = known["sender"] if "sender" in known else (first_of(record, SENDERS) or ("", None))[1]
        if isinstance(sender, Mapping):
            sender = sender.get("name")
        if not isinstance(sender, str) or not sender.strip():
            self.problem(row, "sender", "nobody is named who said it", talk)
            return
        action = known["action"] if "action" in known else action_of((first_of(record, _ACTIONS) or ("", None))[1])
        content = first_of(record, TEXTS)
        if "text" not in known and content is None and action is None and not any(key in record for key in TEXTS):
            self.problem(row, "text", "there is no text", talk)
            return
        if content is not None and isinstance(content[1], bool | float | int):
            self.problem(row, content[0], f"need a text, not {content[1]!r}", talk)
            return
        text: str = known["text"] if "text" in known else text_of(content[1] if content else None)
        role: str | None = known["role"] if "role" in known else role_of(record.get("role"))
        self.say(Said(row, clean(sender.strip())[:200], text, role, time_of(record), action, round_of(record)), talk)

    def traces(self) -> list[Trace]:
        """All conversations. Problems of rows that belong to none go with the first.

        Raises:
            BadInput: No message could be read.
        """
        if not self.talks:
            problem = next((each for some in self.problems.values() for each in some), None)
            if problem is None:
                raise BadInput("the file holds no messages", file=self.file)
            raise BadInput(
                f"no message can be read: {problem.message}",
                file=self.file,
                row=problem.row,
                field=problem.field or None,
            )
        lost = [each for talk, some in self.problems.items() if talk not in self.talks for each in some]
        found = []
        for number, (talk, messages) in enumerate(self.talks.items()):
            source = f"{self.file}#{talk}" if talk else self.file
            problems = [*(lost if number == 0 else []), *self.problems.get(talk, [])]
            problems.sort(key=lambda problem: problem.row)
            found.append(Trace(source, self.format, tuple(messages), tuple(problems)))
        return found
