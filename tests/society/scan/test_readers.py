# ruff: noqa: E501 - conversations, a message to a line
"""Each format is read into the common form; malformed rows are problems, malformed files are errors."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from edgewise.core.errors import BadInput
from edgewise.society.scan import FORMATS, Trace, read_traces
from edgewise.society.types import Episode, Turn


def write(folder: Path, content: Any, *, lines: bool = False) -> Path:
    path = folder / ("log.jsonl" if lines else "log.json")
    path.write_text("\n".join(json.dumps(row) for row in content) if lines else json.dumps(content), "utf-8")
    return path


def one(path: Path, format: str | None = None) -> Trace:
    traces = read_traces(path, format)
    assert len(traces) == 1
    return traces[0]


def said(trace: Trace) -> list[tuple[str, str, str | None]]:
    return [(m.sender, m.text, m.role) for m in trace.messages]


AUTOGEN_4 = [
    {"id": "1", "source": "user", "models_usage": None, "metadata": {}, "content": "Do it", "type": "TextMessage"},
    {"source": "coder", "content": [{"id": "c", "arguments": '{"x": 1}', "name": "f"}], "type": "ToolCallRequestEvent"},
    {
        "source": "coder",
        "content": [{"content": "42", "name": "f", "call_id": "c", "is_error": False}],
        "type": "ToolCallExecutionEvent",
    },
    {"source": "coder", "content": "over to you", "target": "critic", "context": [], "type": "HandoffMessage"},
    {"source": "critic", "content": "fine", "type": "TextMessage", "created_at": "2026-01-01T00:00:00Z"},
]


@pytest.mark.parametrize("lines", [True, False])
def test_autogen_events(tmp_path: Path, lines: bool) -> None:
    trace = one(write(tmp_path, AUTOGEN_4, lines=lines))
    assert trace.format == "autogen" and not trace.problems
    assert said(trace) == [
        ("user", "Do it", "user"),
        ("coder", "", "assistant"),
        ("f", "42", "tool"),
        ("coder", "over to you", "assistant"),
        ("critic", "fine", "assistant"),
    ]
    assert trace.messages[1].action == 'f({"x": 1})' and trace.messages[3].action == "handoff(critic)"
    assert [m.row for m in trace.messages] == [1, 2, 3, 4, 5] and trace.messages[4].time == "2026-01-01T00:00:00Z"


def test_autogen_result_and_state(tmp_path: Path) -> None:
    result = one(write(tmp_path, {"messages": AUTOGEN_4, "stop_reason": "done"}))
    assert result.format == "autogen" and len(result.messages) == 5
    state = {"type": "TeamState", "agent_states": {"m/1": {"message_thread": AUTOGEN_4}, "coder": {"llm_context": {}}}}
    assert said(one(write(tmp_path, state))) == said(result)


def test_autogen_chat_of_version_2(tmp_path: Path) -> None:
    chat = [
        {"content": "Go", "role": "assistant", "name": "user_proxy"},
        {"content": "From Alice", "role": "user", "name": "Alice"},
        {
            "content": None,
            "role": "assistant",
            "name": "Bob",
            "tool_calls": [{"function": {"name": "g", "arguments": "{}"}}],
        },
        {"content": "", "role": "tool", "tool_responses": [{"role": "tool", "content": "out"}]},
    ]
    trace = one(write(tmp_path, {"chat_history": chat, "cost": {}}))
    assert trace.format == "autogen" and trace.agents[-2:] == ("Alice", "Bob")
    assert trace.messages[1].role == "assistant"  # "user" is how it looks to its reader
    assert trace.messages[2].action == "g({})" and trace.messages[3].text == "out"
    # The first message often has no name, and is the user's.
    del chat[0]["name"]
    chat[0]["role"] = "user"
    assert one(write(tmp_path, chat)).agents == ("Alice", "Bob")


def test_langchain_three_forms(tmp_path: Path) -> None:
    plain = [
        {"type": "human", "content": "q"},
        {
            "type": "ai",
            "content": [{"type": "text", "text": "a"}],
            "name": "bob",
            "tool_calls": [{"name": "f", "args": {}}],
        },
        {"type": "tool", "content": "r", "name": "f", "tool_call_id": "1"},
    ]
    dicts = [{"type": m["type"], "data": {k: v for k, v in m.items() if k != "type"}} for m in plain]
    names = ("HumanMessage", "AIMessage", "ToolMessage")
    lc = [
        {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", name], "kwargs": m}
        for name, m in zip(names, plain, strict=True)
    ]
    for form in (plain, dicts, lc, {"messages": plain}, {"values": {"messages": lc}}):
        trace = one(write(tmp_path, form))
        assert trace.format == "langgraph" and trace.messages[1].action == "f({})"
        assert said(trace) == [("user", "q", "user"), ("bob", "a", "assistant"), ("f", "r", "tool")]


def test_langgraph_streams(tmp_path: Path) -> None:
    updates = [
        {"supervisor": {"next": "researcher"}},
        {"researcher": {"messages": [{"type": "human", "content": "found", "name": "researcher", "id": "1"}]}},
        ["updates", {"writer": {"messages": [{"type": "ai", "content": "text", "id": "2"}]}}],
        {"writer": {"messages": [{"type": "ai", "content": "text", "id": "2"}]}},
        {"writer": None},
    ]
    trace = one(write(tmp_path, updates, lines=True))
    assert [(m.row, m.sender, m.text) for m in trace.messages] == [
        (1, "supervisor", ""), (2, "researcher", "found"), (3, "writer", "text")
    ]  # fmt: skip
    assert all(m.by_agent for m in trace.messages)
    first, second = {"type": "human", "content": "q"}, {"type": "ai", "content": "a"}
    states = [{"messages": [first]}, {"messages": [first, second]}, {"messages": [first, second, second]}]
    assert [m.text for m in one(write(tmp_path, states, lines=True)).messages] == ["q", "a", "a"]
    chunks = [
        [{"type": "AIMessageChunk", "content": part, "id": "x"}, {"langgraph_node": "poet", "thread_id": "t"}]
        for part in ("ro", "ses")
    ]
    trace = one(write(tmp_path, chunks, lines=True))
    assert [(m.sender, m.text) for m in trace.messages] == [("poet", "roses")]


def attributes(**values: Any) -> list[dict[str, Any]]:
    return [{"key": key.replace("__", "."), "value": {"stringValue": value}} for key, value in values.items()]


def spoken(text: str, role: str = "assistant") -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def test_otlp(tmp_path: Path) -> None:
    def span(key: str, parent: str, start: int, **values: Any) -> dict[str, Any]:
        return {
            "traceId": "t1", "spanId": key, "parentSpanId": parent, "name": "chat m",
            "startTimeUnixNano": str(1_700_000_000_000_000_000 + start), "attributes": attributes(**values),
        }  # fmt: skip

    messages = json.dumps([spoken("hello")])
    later = json.dumps([spoken("question", "user"), spoken("hello"), spoken("hello", "user")])
    spans = [
        span("b", "", 5, gen_ai__agent__name="bob", gen_ai__input__messages=later,
             gen_ai__output__messages=json.dumps([{"role": "assistant", "parts": [
                 {"type": "text", "content": "done"}, {"type": "tool_call", "name": "f", "arguments": {"x": 1}}]}])),
        span("a", "", 1, gen_ai__agent__name="alice", gen_ai__output__messages=messages),  # repeats its call
        span("a1", "a", 2, gen_ai__input__messages=json.dumps([spoken("question", "user")]),
             gen_ai__output__messages=messages),
        span("bad", "", 9, gen_ai__output__messages="{no json"),
    ]  # fmt: skip
    trace = one(write(tmp_path, {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}))
    assert said(trace) == [
        ("user", "question", "user"), ("alice", "hello", "assistant"), ("bob", "done", "assistant")
    ]  # fmt: skip
    assert trace.messages[2].action == 'f({"x":1})'
    assert [(p.row, p.field) for p in trace.problems] == [(4, "gen_ai.output.messages")]


def test_flat_spans_events_and_openllmetry(tmp_path: Path) -> None:
    spans = [
        {
            "name": "invoke_agent planner",
            "context": {"trace_id": "0x1", "span_id": "0x2"},
            "parent_id": None,
            "start_time": "2026-01-01T00:00:01.000000Z",
            "attributes": {"gen_ai.system": "openai"},
            "events": [
                {"name": "gen_ai.user.message", "attributes": {"content": "plan"}},
                {"name": "gen_ai.choice", "attributes": {"index": 0, "message": '{"role":"assistant","content":"a plan"}'}},
            ],
        },
        {
            "name": "openai.chat",
            "trace_id": "0x9",
            "span_id": "0x3",
            "attributes": {
                "gen_ai.agent.name": "doer", "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "do",
                "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": "did",
            },
        },
        {"name": "x", "trace_id": "0x9", "span_id": "0x4", "attributes": "none"},
    ]  # fmt: skip
    first, second = read_traces(write(tmp_path, spans, lines=True))
    assert said(first) == [("user", "plan", "user"), ("planner", "a plan", "assistant")]
    assert said(second) == [("user", "do", "user"), ("doer", "did", "assistant")]
    assert first.source.endswith("log.jsonl#0x1") and [p.row for p in first.problems] == [3]


def test_risklab(tmp_path: Path) -> None:
    def entry(number: Any, speaker: Any, message: Any) -> dict[str, Any]:
        return {
            "round": number, "speaker": speaker, "observation": {}, "message": message,
            "action": {"price": 12}, "local_utility": 1.0, "system_state": {}, "metadata": {},
        }  # fmt: skip

    entries = [entry(1, "s1", "hi"), entry("two", "s2", "x"), entry(1, None, "x"), entry(1, "s2", None)]
    for form in (entries, {"trajectory": entries}, {"trajectory": {"steps": entries}}):
        trace = one(write(tmp_path, form))
        assert trace.format == "risklab" and [(m.sender, m.text, m.round) for m in trace.messages] == [
            ("s1", "hi", 1), ("s2", "", 1)
        ]  # fmt: skip
        assert trace.messages[0].action == '{"price":12}'
        assert [(p.row, p.field) for p in trace.problems] == [(2, "round"), (3, "speaker")]


def test_episodes(tmp_path: Path) -> None:
    turns = [Turn(0, 0, 0, (1, 2), 0.0, "hello"), Turn(0, 0, 1, None, 0.0, status="silent")]
    episode = dataclasses.asdict(Episode("bertrand_market", 3, "talk", ("chat", "chat"), turns, (0.0, 0.0)))
    trace = one(write(tmp_path, episode))
    assert trace.format == "episode"
    assert [(m.sender, m.text, m.action) for m in trace.messages] == [
        ("seat 0", "hello", "[1,2]"),
        ("seat 1", "", None),
    ]
    episode["turns"][1]["seat"] = "x"
    several = read_traces(write(tmp_path, [episode, episode], lines=True))
    assert len(several) == 2 and [(p.row, p.field) for p in several[1].problems] == [(2, "seat")]
    assert len(read_traces(write(tmp_path, {"episodes": [episode, episode]}))) == 2


def test_plain_names_conversations_and_problems(tmp_path: Path) -> None:
    rows = [
        {"sender": "a", "text": "1", "session_id": "x"},
        {"agent": "b", "content": "2", "session_id": "x", "round": 3},
        {"name": "c", "message": "3", "session_id": "y", "timestamp": 1.5},
        {"speaker": "d", "text": "4", "session_id": "y"},
        {"from": "e", "content": [{"type": "text", "text": "5"}], "session_id": "y"},
        {"text": "nobody"}, {"sender": "f"}, {"sender": "g", "text": 5}, 7,
    ]  # fmt: skip
    path = write(tmp_path, rows, lines=True)
    with path.open("ab") as file:
        file.write(b'\n{"sender": "h", "te\n{"sender":"i","text":"\xff"}\n{"sender":"j","text":"6"}\n')
    first, second, third = read_traces(path)
    assert [(m.sender, m.text) for m in first.messages] == [("a", "1"), ("b", "2")] and first.messages[1].round == 3
    assert [(m.sender, m.text) for m in second.messages] == [("c", "3"), ("d", "4"), ("e", "5")]
    assert [m.row for m in third.messages] == [12]
    problems = sorted((p.row, p.field) for trace in (first, second, third) for p in trace.problems)
    assert problems == [(6, "sender"), (7, "text"), (8, "text"), (9, ""), (10, ""), (11, "")]


def inspect_sample(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number, "epoch": 1, "input": "q", "target": "t",
        "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": "[critic] no", "model": "m"},
            {"role": "assistant", "content": "yes", "model": "m",
             "tool_calls": [{"id": "1", "function": "f", "arguments": {}, "type": "function"}]},
            {"role": "tool", "content": "out", "function": "f"},
        ],
        "output": {"model": "m", "choices": []},
    } | more  # fmt: skip


def inspect_log(samples: list[Any]) -> dict[str, Any]:
    return {
        "version": 2,
        "status": "success",
        "eval": {"created": "2026-01-01T00:00:00+00:00", "task": "t", "dataset": {}, "model": "m", "config": {}},
        "samples": samples,
    }


def test_inspect_json_and_eval(tmp_path: Path) -> None:
    from inspect_ai.log import read_eval_log, write_eval_log

    spans = [
        {"event": "span_begin", "id": "s1", "name": "solver", "type": "solver", "span_id": "s1", "working_start": 0},
        {"event": "span_begin", "id": "s2", "parent_id": "s1", "name": "scout", "type": "agent", "working_start": 0},
    ]
    call = {
        "event": "model", "model": "m", "span_id": "s2", "input": [], "tools": [], "tool_choice": "auto", "config": {},
        "working_start": 0,
        "output": {"model": "m", "choices": [{"message": {"role": "assistant", "content": "seen"}, "stop_reason": "stop"}]},
    }  # fmt: skip
    path = write(tmp_path, inspect_log([inspect_sample(1), inspect_sample(2, events=[*spans, call])]))
    log = read_eval_log(path)
    write_eval_log(log, tmp_path / "log.eval")
    for file in (path, tmp_path / "log.eval"):
        first, second = read_traces(file)
        assert first.format == "inspect" and not first.problems
        assert said(first) == [
            ("user", "q", "user"), ("critic", "no", "assistant"), ("m", "yes", "assistant"), ("f", "out", "tool")
        ]  # fmt: skip
        assert said(second) == [("user", "q", "user"), ("scout", "seen", "assistant")]
    path = write(tmp_path, inspect_log([inspect_sample(1), {"id": 2, "epoch": "x"}]))
    trace = one(path)
    assert len(trace.messages) == 4 and trace.problems[0].row == 2 and "samples.1" in trace.problems[0].field


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"hello there\nworld\n", "no whole JSON"),
        (b"a,b\n1,2\n", "no whole JSON"),
        (b"\x89PNG\0\0\0", "binary"),
        (b"\xff\xfea\0", "UTF-16"),
        (b"PK\x03\x04 no zip", "Inspect cannot read"),
        (b"[1, 2, 3]", "no JSON objects"),
        (b"[]", "no JSON objects"),
        (b"{}", "known format"),
        (b'{"a": 1}', "'a'"),
        (b'[{"sender": "a", "text": "x"}', "no whole JSON"),
        (b'{"version": 2, "eval": {}}', "no samples"),
        (b'{"messages": []}', "known format"),
        (b"[" * 100_000, "recursion"),
        (b"1" * 6000, ""),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, raw: bytes, words: str) -> None:
    path = tmp_path / "wrong.jsonl"
    path.write_bytes(raw)
    with pytest.raises(BadInput) as caught:
        read_traces(path)
    assert words in str(caught.value) and str(path) in str(caught.value)


def test_wrong_paths_and_formats(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(BadInput):
            read_traces(path)
    good = write(tmp_path, [{"sender": "a", "text": "x"}])
    with pytest.raises(BadInput, match="there is no format"):
        read_traces(good, "smoke signals")
    for format in FORMATS:
        if format not in ("plain", "autogen"):
            with pytest.raises(BadInput):
                read_traces(good, format)
    with zipfile.ZipFile(tmp_path / "other.eval", "w") as archive:
        archive.writestr("x.txt", "x")
    with pytest.raises(BadInput, match="Inspect cannot read"):
        read_traces(tmp_path / "other.eval")


def test_aliases_and_strange_text(tmp_path: Path) -> None:
    rows = [{"sender": "ä‮🙂", "text": "naïve \ud800 漢字 \u0000 " + "x" * 100_000}, {"sender": "b", "text": ""}]
    trace = one(write(tmp_path, rows, lines=True), "jsonl")
    assert trace.format == "plain" and len(trace.messages[0].text) > 100_000
    json.dumps([m.text for m in trace.messages]).encode()
    trace.messages[0].text.encode()


@pytest.mark.parametrize("seed", range(40))
def test_damaged_rows_never_crash(tmp_path: Path, seed: int) -> None:
    """Whatever is put in place of a value, there are traces or a ``BadInput``."""
    import numpy as np

    rng = np.random.default_rng(seed)
    junk: list[Any] = [None, 0, -1.5, True, "", "x", [], [None], [[]], {}, {"a": {"b": []}}, 10**30, ["a", {}]]
    otlp = {"resourceSpans": [{"scopeSpans": [{"spans": [
        {"traceId": "t", "spanId": "a", "name": "n", "startTimeUnixNano": "1",
         "attributes": attributes(gen_ai__agent__name="a", gen_ai__output__messages=json.dumps([spoken("x")])),
         "events": [{"name": "gen_ai.choice", "attributes": attributes(message="{}")}]}]}]}]}  # fmt: skip
    episode = {"scenario": "s", "seed": 1, "turns": [{"seat": 0, "round": 0, "action": [1], "message": "m"}]}
    lang = [
        {"node": {"messages": [{"type": "ai", "content": "x", "id": "1", "tool_calls": [{"name": "f", "args": {}}]}]}}
    ]
    for content in (AUTOGEN_4, otlp, episode, lang, inspect_log([inspect_sample(1)]), [{"sender": "a", "text": "x"}]):
        copy = json.loads(json.dumps(content))
        places: list[tuple[Any, Any]] = []

        def walk(value: Any, places: list[tuple[Any, Any]] = places) -> None:
            for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
                places.append((value, key))
                walk(value[key])

        walk(copy)
        for _ in range(2):
            holder, key = places[int(rng.integers(len(places)))]
            holder[key] = junk[int(rng.integers(len(junk)))]
        path = write(tmp_path, copy)
        for format in (None, *FORMATS):
            try:
                traces = read_traces(path, format)
            except BadInput:
                continue
            assert all(isinstance(m.text, str) and isinstance(m.sender, str) for t in traces for m in t.messages)
