"""OpenTelemetry spans of generative AI: OTLP JSON, and flat spans as JSON lines.

Attribute names are those of the semantic conventions for generative AI (``gen_ai.agent.name``,
``gen_ai.input.messages``, ``gen_ai.output.messages``), of their earlier span events (``gen_ai.user.message``,
``gen_ai.choice``) and of OpenLLMetry (``gen_ai.prompt.0.content``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgewise.society.scan.fields import Gather, action_of, as_json, clean, role_of, text_of
from edgewise.society.scan.load import Loaded
from edgewise.society.scan.trace import Said, Trace

_IDS = ("traceId", "trace_id", "spanId", "span_id", "context")
_INPUTS = {"gen_ai.system.message", "gen_ai.user.message", "gen_ai.assistant.message", "gen_ai.tool.message"}


def fits(record: Any) -> bool:
    """Whether a record is a batch of OTLP, or a span."""
    if not isinstance(record, dict):
        return False
    if "resourceSpans" in record or "resource_spans" in record:
        return True
    return "attributes" in record and any(key in record for key in _IDS)


def read(file: Loaded) -> list[Trace]:
    """Read spans into one trace per conversation id, or else per trace id.

    What each agent put out counts once; of the inputs, which repeat the history, only what nobody has said yet. A row
    is a span: its line, or its number in the file where one object holds several.
    """
    found = Gather(file, "otel")
    spans = [span for span in _spans(file, found) if span is not None]
    by_id = {span.key: span for span in spans if span.key}
    told = {span.key for span in spans if span.outputs}
    # A span of an agent repeats what the calls within it said.
    for span in spans:
        if span.outputs:
            for above in _above(span, by_id):
                if above.key in told:
                    above.inner = True
    heard: dict[str, set[str]] = {}
    first = {span.talk: span.row for span in reversed(spans)}
    for span in sorted(spans, key=lambda span: (first[span.talk], span.start)):
        for message in span.problems:
            found.problem(span.row, *message, span.talk)
        agent = next((each.agent for each in (span, *_above(span, by_id)) if each.agent), "") or span.fallback
        known = heard.setdefault(span.talk, set())
        for each in span.inputs:
            said = _said(span, each, agent)
            if said.text not in known and (said.text or said.action):
                known.add(said.text)
                found.say(said, span.talk)
        if not span.inner:
            for each in span.outputs:
                said = _said(span, {"role": "assistant"} | each, agent)
                known.add(said.text)
                found.say(said, span.talk)
    return found.traces()


@dataclass(slots=True)
class _Span:
    row: int
    key: str
    parent: str
    talk: str
    start: int
    agent: str
    fallback: str
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]
    problems: list[tuple[str, str]]
    inner: bool = False


def _above(span: _Span, by_id: Mapping[str, _Span]) -> Iterator[_Span]:
    seen = {span.key}
    while (above := by_id.get(span.parent)) is not None and above.key not in seen:
        seen.add(above.key)
        yield above
        span = above


def _spans(file: Loaded, found: Gather) -> Iterator[_Span | None]:
    number = 0
    for row, record in file.rows:
        if isinstance(record, dict) and ("resourceSpans" in record or "resource_spans" in record):
            for span in _in_batch(record):
                number += 1
                yield _span(number, span, found)
        else:
            yield _span(row, record, found)


def _in_batch(record: dict[str, Any]) -> Iterator[Any]:
    for resource in _list(record, "resourceSpans", "resource_spans"):
        if isinstance(resource, dict):
            for scope in _list(resource, "scopeSpans", "scope_spans", "instrumentationLibrarySpans"):
                if isinstance(scope, dict):
                    yield from _list(scope, "spans")


def _list(record: dict[str, Any], *keys: str) -> list[Any]:
    return next((record[key] for key in keys if isinstance(record.get(key), list)), [])


def _span(row: int, record: Any, found: Gather) -> _Span | None:
    if not isinstance(record, dict):
        found.problem(row, "", f"need a span, not {str(record)[:40]!r}")
        return None
    attributes = _attributes(record.get("attributes"))
    if attributes is None:
        found.problem(row, "attributes", "need a list of attributes, or an object")
        return None
    context = record.get("context") if isinstance(record.get("context"), dict) else record
    assert isinstance(context, dict)
    trace = str(context.get("trace_id") or context.get("traceId") or "")
    key = str(context.get("span_id") or context.get("spanId") or "")
    parent = str(record.get("parentSpanId") or record.get("parent_span_id") or record.get("parent_id") or "")
    talk = str(attributes.get("gen_ai.conversation.id") or attributes.get("session.id") or trace)
    start = record.get("startTimeUnixNano") or record.get("start_time_unix_nano") or record.get("start_time")
    name = str(record.get("name") or "")
    agent = attributes.get("gen_ai.agent.name")
    if not agent and name.startswith("invoke_agent "):
        agent = name.removeprefix("invoke_agent ")
    agent = agent or attributes.get("gen_ai.agent.id") or ""
    fallback = str(attributes.get("gen_ai.request.model") or "assistant")
    span = _Span(row, key, parent, clean(talk)[:200], _time(start, row), clean(str(agent))[:200], fallback, [], [], [])
    _fill(span, attributes)
    events = record.get("events")
    for event in events if isinstance(events, list) else ():
        if isinstance(event, dict):
            _fill_event(span, event)
    return span


def _time(value: Any, row: int) -> int:
    """Something to sort by: the digits of nanoseconds or of a date; the row where there are none."""
    digits = "".join(c for c in str(value)[:32] if c.isdigit() and c.isascii()) if value else ""
    return int((digits + "0" * 20)[:20]) if digits else row


def _attributes(raw: Any) -> dict[str, Any] | None:
    if raw is None:
        return {}
    if isinstance(raw, dict):
        return raw
    if not isinstance(raw, list):
        return None
    return {str(e["key"]): _value(e.get("value")) for e in raw if isinstance(e, dict) and "key" in e}


def _value(value: Any, deep: int = 0) -> Any:
    if not isinstance(value, dict) or deep > 20:
        return value
    for key, inner in value.items():
        if key in ("arrayValue", "array_value"):
            values = inner.get("values") if isinstance(inner, dict) else None
            return [_value(each, deep + 1) for each in values] if isinstance(values, list) else []
        if key in ("kvlistValue", "kvlist_value"):
            values = inner.get("values") if isinstance(inner, dict) else None
            return {
                str(each.get("key")): _value(each.get("value"), deep + 1)
                for each in (values if isinstance(values, list) else ())
                if isinstance(each, dict)
            }
        return inner
    return None


def _fill(span: _Span, attributes: dict[str, Any]) -> None:
    """Messages of a span's or an event's attributes."""
    system = attributes.get("gen_ai.system_instructions")
    if system is not None:
        span.inputs.append({"role": "system", "parts": _parsed(system) or str(system)})
    for field, into in (("gen_ai.input.messages", span.inputs), ("gen_ai.output.messages", span.outputs)):
        if field in attributes:
            messages = _parsed(attributes[field])
            if isinstance(messages, dict):
                messages = [messages]
            if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
                span.problems.append((field, "this is no JSON list of messages"))
            else:
                into += messages
    for prefix, role, into in (
        ("gen_ai.prompt", "user", span.inputs),
        ("gen_ai.completion", "assistant", span.outputs),
    ):
        whole = attributes.get(prefix)
        if isinstance(whole, str) and whole:
            messages = _parsed(whole)
            listed = messages if isinstance(messages, list) else []
            into += [each for each in listed if isinstance(each, dict)] or [{"role": role, "content": whole}]
        for number in range(10_000):
            if f"{prefix}.{number}.role" not in attributes and f"{prefix}.{number}.content" not in attributes:
                break
            of = attributes.get(f"{prefix}.{number}.role")
            into.append({"role": of or role, "content": attributes.get(f"{prefix}.{number}.content")})
    if attributes.get("gen_ai.operation.name") == "execute_tool" or "gen_ai.tool.call.result" in attributes:
        name = str(attributes.get("gen_ai.tool.name") or "tool")
        given = attributes.get("gen_ai.tool.call.arguments", "")
        call = f"{name}({given if isinstance(given, str) else as_json(given)})"
        result = attributes.get("gen_ai.tool.call.result")
        span.outputs.append({"role": "tool", "name": name, "content": result, "action": call})


def _fill_event(span: _Span, event: dict[str, Any]) -> None:
    name = str(event.get("name") or "")
    attributes = _attributes(event.get("attributes"))
    if attributes is None:
        span.problems.append(("events.attributes", "need a list of attributes, or an object"))
        return
    name = str(attributes.get("event.name") or name)
    if name in _INPUTS:
        role = name.split(".")[1]
        span.inputs.append({"role": role} | _event_message(attributes))
    elif name == "gen_ai.choice":
        span.outputs.append({"role": "assistant"} | _event_message(attributes))
    else:
        _fill(span, attributes)


def _event_message(attributes: dict[str, Any]) -> dict[str, Any]:
    """An old event's message: its fields themselves, or under ``message``, or ``message.content``."""
    found = {key.removeprefix("message."): value for key, value in attributes.items()}
    body = _parsed(found.get("message", found.get("gen_ai.event.content")))
    if isinstance(body, dict):
        inner = body.get("message")
        found |= inner if isinstance(inner, dict) else body
    elif isinstance(found.get("message"), str) and "content" not in found:
        found["content"] = found["message"]
    return {key: found[key] for key in ("role", "content", "name", "tool_calls") if key in found}


def _parsed(value: Any) -> Any:
    """A value that may be JSON in a string; ``None`` if the string is not."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _said(span: _Span, message: dict[str, Any], agent: str) -> Said:
    role = role_of(message.get("role")) or "user"
    parts = message.get("parts", message.get("content"))
    texts, calls = [], []
    for part in parts if isinstance(parts, list) else [parts]:
        if isinstance(part, dict) and part.get("type") in ("tool_call", "tool_call_request"):
            calls.append(part)
        elif isinstance(part, dict) and part.get("type") == "tool_call_response":
            role = "tool"
            texts.append(text_of(part.get("response", part.get("result"))))
        else:
            texts.append(text_of(part))
    name = message.get("name")
    if not isinstance(name, str) or not name:
        name = agent if role == "assistant" else role
    action = message.get("action") or action_of(calls or message.get("tool_calls"))
    text = "\n".join(filter(None, texts))
    return Said(span.row, clean(name)[:200], text, role, None, clean(action) if action else None)
