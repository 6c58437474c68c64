"""LangChain messages and LangGraph streams: plain, ``messages_to_dict`` and serialised (``lc``) forms, node updates."""

from __future__ import annotations

from typing import Any

from edgewise.society.scan.fields import Gather, action_of, as_json, clean, role_of, text_of, time_of
from edgewise.society.scan.load import Loaded
from edgewise.society.scan.trace import Said, Trace

_TYPES = {"human", "ai", "system", "tool", "function", "AIMessageChunk", "chat", "developer"}
_MODES = ("updates", "values", "messages")
_CLASSES = {"HumanMessage": "human", "AIMessage": "ai", "SystemMessage": "system", "ToolMessage": "tool"}
Row = tuple[int, str, dict[str, Any]]  # row, node, message


def fits(record: Any) -> bool:
    """Whether a record is a LangChain message, a stream's update, or a state with messages."""
    if isinstance(record, list):
        return len(record) == 2 and (fits(record[1]) if record[0] in _MODES else _message(record[0]) is not None)
    if not isinstance(record, dict):
        return False
    if _message(record) is not None or str(record.get("event", "")).startswith("on_c"):
        return True
    listed = _listed(record)
    if listed is not None:
        return any(_message(each) is not None for each in listed[:20])
    return any(isinstance(update, dict) and "messages" in update and fits(update) for update in record.values())


def read(file: Loaded) -> list[Trace]:
    """Read messages, states or the parts of a ``stream``; an AI message's sender is its name, else its node.

    What a stream repeats is taken once: by the message's ``id``, or, of whole states, as what is new at the end.
    """
    return _Reader(file).traces()


def _listed(record: dict[str, Any]) -> list[Any] | None:
    inner = record.get("values")
    found = (
        record.get("messages") if "messages" in record else inner.get("messages") if isinstance(inner, dict) else None
    )
    if isinstance(found, dict):
        return [found]
    return found if isinstance(found, list) else None


def _message(record: Any) -> dict[str, Any] | None:
    """The fields of a message of any of the three forms; ``None`` if it is none."""
    if not isinstance(record, dict):
        return None
    if record.get("lc") and isinstance(record.get("kwargs"), dict):
        path = record.get("id")
        name = str(path[-1]) if isinstance(path, list) and path else ""
        kind = _CLASSES.get(name.removesuffix("Chunk"), "chat" if name.endswith("Message") else None)
        return {"type": kind, **record["kwargs"]} if kind else None
    kind = record.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        return None
    if isinstance(record.get("data"), dict):
        return {"type": kind, **record["data"]}
    return dict(record) if "content" in record else None


class _Reader:
    def __init__(self, file: Loaded) -> None:
        self.file = file
        self.found = Gather(file, "langgraph")
        self.ids: dict[tuple[str, str], int] = {}
        self.state: dict[str, list[Any]] = {}

    def traces(self) -> list[Trace]:
        several = len(self.file.rows) > 1
        for row, record in self.file.rows:
            self._row(row, record, several)
        return self.found.traces()

    def _row(self, row: int, record: Any, several: bool) -> None:
        if isinstance(record, list) and len(record) == 2 and record[0] in _MODES:
            record = record[1]
        if isinstance(record, list) and len(record) == 2 and isinstance(record[1], dict):
            meta = record[1]
            self._take(row, record[0], str(meta.get("langgraph_node") or ""), _talk(meta))
            return
        if not isinstance(record, dict):
            self.found.problem(row, "", f"need an object, not {str(record)[:40]!r}")
            return
        talk = _talk(record)
        if _message(record) is not None or "type" in record or "lc" in record:
            self._take(row, record, "", talk)
        elif isinstance(record.get("event"), str):
            self._event(row, record, talk)
        elif "messages" in record or isinstance(record.get("values"), dict):
            self._whole_state(row, record, talk, several)
        else:
            for node, update in record.items():
                self._update(row, node, update, talk)

    def _event(self, row: int, record: dict[str, Any], talk: str) -> None:
        """Of ``astream_events`` only whole answers count."""
        data = record.get("data")
        if record["event"] == "on_chat_model_end" and isinstance(data, dict):
            meta = record.get("metadata")
            node = str(meta.get("langgraph_node") or "") if isinstance(meta, dict) else ""
            self._take(row, data.get("output"), node, talk)

    def _whole_state(self, row: int, record: dict[str, Any], talk: str, several: bool) -> None:
        listed = _listed(record)
        if listed is None:
            self.found.problem(row, "messages", "need a list of messages", talk)
            return
        before = self.state.get(talk, [])
        known = len(before) if listed[: len(before)] == before else 0
        self.state[talk] = listed
        for place, each in enumerate(listed[known:], known + 1):
            self._take(row if several else place, each, "", talk)

    def _update(self, row: int, node: str, update: Any, talk: str) -> None:
        if not isinstance(update, dict):
            return  # a node that changed nothing, or an interrupt
        listed = _listed(update)
        if listed is None:
            if "messages" in update:
                self.found.problem(row, f"{node}.messages", "need a list of messages", talk)
            elif update:
                self.found.say(Said(row, clean(node), "", "assistant", None, as_json(update)[:500]), talk)
            return
        for each in listed:
            self._take(row, each, node, talk)

    def _take(self, row: int, record: Any, node: str, talk: str) -> None:
        message = _message(record)
        if message is None:
            if isinstance(record, dict) and "role" in record and "content" in record:
                message = {"type": record["role"]} | record
            else:
                self.found.problem(row, "type", f"no message: {str(record)[:60]!r}", talk)
                return
        kind = str(message["type"])
        role, name = role_of(message.get("role") if kind == "chat" else kind), message.get("name")
        content = message.get("content")
        if content is not None and not isinstance(content, str | list):
            self.found.problem(row, "content", f"need a text or parts, not {str(content)[:40]!r}", talk)
            return
        if role == "user" and isinstance(name, str) and name and name.lower() not in ("user", "human"):
            role = "assistant"  # supervisors hand an agent's answer on as a human message with its name
        fallback = node if role == "assistant" else ""
        sender = name if isinstance(name, str) and name else fallback or role or kind
        extra = message.get("additional_kwargs")
        calls = message.get("tool_calls") or (extra.get("tool_calls") if isinstance(extra, dict) else None)
        said = Said(row, clean(sender), text_of(content), role, time_of(message), action_of(calls))
        self._once(said, message.get("id"), "Chunk" in kind, talk)

    def _once(self, said: Said, key: Any, chunk: bool, talk: str) -> None:
        """Add a message unless it is there; pieces of one answer are put together."""
        talks = self.found.talks.setdefault(talk, [])
        if isinstance(key, str) and key:
            place = self.ids.setdefault((talk, key), len(talks))
            if place < len(talks):
                old = talks[place]
                if chunk:
                    talks[place] = Said(
                        old.row, old.sender, old.text + said.text, old.role, old.time, old.action or said.action
                    )
                return
        talks.append(said)


def _talk(record: dict[str, Any]) -> str:
    for each in (record, record.get("metadata"), record.get("config"), record.get("configurable")):
        if isinstance(each, dict):
            inner = each.get("configurable")
            for place in (each, inner):
                if isinstance(place, dict) and isinstance(place.get("thread_id"), str | int):
                    return clean(str(place["thread_id"]))
    return ""
