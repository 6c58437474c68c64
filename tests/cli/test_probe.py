"""`edgewise probe` as a user gives it: its contract, its files, its report, its packs, its faults."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from edgewise.core.run import Run
from support import fake_server as fake
from support.commands import MAIN, as_json, edgewise

RULES = """rules:
  - when: ["group=gcd", "difficulty=hard"]
    rate: 0.95
noise: 0.02
"""
# Knows easy sums; fails on all others in the same way, whatever it is asked.
SCRIPT = r"""
import re
def script(messages, settings, sample):
    text = messages[-1].text
    numbers = [int(n) for n in re.findall(r"-?\d+", text)]
    return f"Answer: {numbers[0] if numbers else 0}"
def other(messages, settings, sample):
    return "Well.\nI had rather\nnot say."
"""
NAMER = r"""
def script(messages, settings, sample):
    if '{"error"' in messages[-1].text:
        return '{"error": "takes right for left"}'
    return '{"name": "statutes", "description": "It fails on statutes."}'
"""
FAMILIES = "reasoning-gym:gcd,chain_sum"


@pytest.fixture
def planted(tmp_path: Path) -> str:
    (tmp_path / "rules.yaml").write_text(RULES)
    return "planted:rules.yaml"


@pytest.fixture
def server() -> Iterator[fake.FakeServer]:
    server = fake.FakeServer()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


def test_the_output_contract(planted: str, tmp_path: Path) -> None:
    done = edgewise("probe", planted, "--seeds", FAMILIES, "--budget", 150, "--out", "r", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    data = as_json(done)
    assert data["policy"] == "bridge" and 100 < data["calls"] <= 150 and data["invalid"] == 0
    modes = {mode["name"]: mode for mode in data["modes"]}
    found = next(mode for name, mode in modes.items() if "gcd" in name)
    assert found["status"] == "confirmed" and set(found["trigger"]) == {"group=gcd", "difficulty=hard"}
    assert found["share"]["low"] <= found["share"]["value"] <= found["share"]["high"] and found["share"]["n"] > 0
    assert found["rate"]["value"] > 0.7 > 0.3 > found["other_rate"]["value"]
    assert sum(found["truth"].values()) == found["members"] and set(found["truth"]) <= {"executed", "inherited"}
    assert data["usage"]["calls"] == 0  # no model was paid
    nodes = pq.read_table(tmp_path / "r" / "tables" / "nodes.parquet").to_pylist()
    assert sum(node["calls"] for node in nodes) == data["calls"]
    assert sum(node["stable"] for node in nodes) == data["failures"]
    assert pq.read_table(tmp_path / "r" / "tables" / "modes.parquet").num_rows == len(modes)
    page = (tmp_path / "r" / "report.html").read_text()
    for words in (
        "Failure modes",
        "The search tree",
        "Coverage",
        "edgewise probe planted:rules.yaml",
        "Where it stops",
    ):
        assert words in page, words
    again = edgewise("probe", planted, "--seeds", FAMILIES, "--budget", 150, "--out", "s", "--json", cwd=tmp_path)
    assert as_json(again) | {"run": "r"} == data | {"run": "r"}


def test_pack_check_and_compare(planted: str, tmp_path: Path) -> None:
    (tmp_path / "bots.py").write_text(SCRIPT)
    for name, seed in (("a", 0), ("b", 1)):
        done = edgewise(
            "probe", planted, "--seeds", FAMILIES, "--budget", 150, "--seed", seed, "--out", name, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
    pack = as_json(edgewise("probe", "pack", "a", "--out", "p.jsonl", "--json", cwd=tmp_path))
    assert pack["modes"] >= 1 and pack["questions"] > 20
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert lines[0]["pack"] == "pack/1" and {line["kind"] for line in lines[1:]} >= {"member", "fresh", "control"}
    asked = as_json(edgewise("probe", "check", "p.jsonl", "scripted:bots.py:script", "--json", cwd=tmp_path))
    assert {mode["outcome"] for mode in asked["modes"]} <= {"fixed", "regressed", "unchanged", "unclear"}
    itself = as_json(edgewise("probe", "check", "p.jsonl", planted, "--out", "i", "--json", cwd=tmp_path))
    assert {mode["outcome"] for mode in itself["modes"]} == {"unchanged"} and not itself["unanswered"]
    refused = edgewise("probe", "check", "p.jsonl", "scripted:bots.py:other", "--json", cwd=tmp_path)
    assert refused.returncode == 3 and as_json(refused)["unanswered"] == pack["questions"]
    same = as_json(edgewise("probe", "compare", "a", "b", "--json", cwd=tmp_path))["modes"]
    assert same and same[0]["outcome"] == "unchanged"
    (tmp_path / "rules.yaml").write_text("rules: []\n")
    done = edgewise("probe", planted, "--seeds", FAMILIES, "--budget", 150, "--out", "c", cwd=tmp_path)
    assert done.returncode == 0 and "No failure mode" in done.stdout
    fixed = edgewise("probe", "compare", "a", "c", cwd=tmp_path)
    assert fixed.returncode == 0 and "fixed" in fixed.stdout
    new = as_json(edgewise("probe", "compare", "c", "a", "--json", cwd=tmp_path))["modes"]
    assert "new" in {mode["outcome"] for mode in new}
    none = edgewise("probe", "pack", "c", cwd=tmp_path)
    assert none.returncode == 2 and "no confirmed mode" in none.stderr


def test_what_is_amiss_is_said(planted: str, tmp_path: Path) -> None:
    """A rule that no question meets, a budget for no question, a target that fails on everything."""
    (tmp_path / "rules.yaml").write_text("rules: [{when: [group=gdc]}, {when: [group=gcd]}]\n")
    done = edgewise("probe", planted, "--seeds", "reasoning-gym:gcd", "--budget", 40, "--out", "a", cwd=tmp_path)
    assert done.returncode == 0 and "no question that was asked meets the rule group=gdc" in done.stderr
    assert "no kind of question stands out" in " ".join(done.stderr.split()) and "rule group=gcd" not in done.stderr
    none = as_json(edgewise("probe", planted, "--budget", 1, "--out", "b", "--json", cwd=tmp_path))
    assert none["calls"] == 0 and "nothing was asked" in none["notes"][0]


def test_a_pack_is_an_inspect_task(planted: str, tmp_path: Path) -> None:
    from inspect_ai import eval as inspect_eval

    from edgewise.probing.inspect_tasks import regression_pack

    edgewise("probe", planted, "--seeds", FAMILIES, "--budget", 150, "--out", "a", cwd=tmp_path)
    edgewise("probe", "pack", "a", "--out", "p.jsonl", cwd=tmp_path)
    (tmp_path / "bots.py").write_text(SCRIPT)
    task = regression_pack(str(tmp_path / "p.jsonl"))
    model = f"edgewise/scripted:{tmp_path / 'bots.py'}:script"
    (log,) = inspect_eval(task, model=model, log_dir=str(tmp_path / "logs"), display="none")
    assert log.status == "success" and log.results is not None
    assert {"m1", "control"} <= set(log.results.scores[0].metrics)


def test_recorded_answers(tmp_path: Path) -> None:
    import pyarrow as pa

    n = 400
    law = [i % 4 == 0 for i in range(n)]
    table = {
        "item_id": [str(i) for i in range(n)],
        "question": [f"What does {'statute' if law[i] else 'item'} number {i} say?" for i in range(n)],
        "options": [["left", "right"]] * n,
        "gold": ["A"] * n,
        "pred": ["B" if law[i] or i % 17 == 0 else None if i % 31 == 0 else "A" for i in range(n)],
        "category": ["law" if flag else "other" for flag in law],
    }
    pq.write_table(pa.table(table), tmp_path / "answers.parquet")
    data = as_json(edgewise("probe", "replay:answers.parquet", "--budget", 200, "--out", "r", "--json", cwd=tmp_path))
    assert data["calls"] <= 200 and data["invalid"] > 0
    assert [mode["trigger"] for mode in data["modes"] if mode["status"] == "confirmed"] == [["group=law"]]
    (tmp_path / "writer.py").write_text(NAMER)
    words = ("probe", "replay:answers.parquet", "--budget", 200, "--generator", "scripted:writer.py:script", "--json")
    named = as_json(edgewise(*words, "--out", "s", cwd=tmp_path))
    assert {mode["name"] for mode in named["modes"] if mode["trigger"] == ["group=law"]} == {"statutes"}
    nodes = pq.read_table(tmp_path / "s" / "tables" / "nodes.parquet").to_pylist()
    assert "takes right for left" in {node["error"] for node in nodes} and named["calls"] <= 200
    assert {node["truth"] for node in nodes} == {"recorded"}  # nothing is written for a target that cannot answer it
    done = edgewise("probe", "replay:answers.parquet", "--seeds", "reasoning-gym:gcd", cwd=tmp_path)
    assert done.returncode == 2 and "come with their questions" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("embedded", "--policy", "best"), "there is no policy 'best'"),
        (("embedded", "--seeds", "none.csv"), "there is no such file"),
        (("embedded", "--seeds", "reasoning-gym:sudoku9"), "no family is called 'sudoku9'"),
        (("embedded", "--seeds", "bad.csv"), "bad.csv, row 2, field 'answer': it is empty"),
        (("embedded", "--corpus", "none"), "there is no such folder"),
        (("planted:none.yaml",), "no such file"),
        (("planted:bad.csv",), "these are no rules"),
        (("planted:bad.yaml",), "bad.yaml, field 'rules.0.when': these are no rules: Input should be a valid list"),
        (("replay:bad.csv",), "field 'pred': there is no such column"),
        (("embedded", "gpt"), "one model at a time"),
        (("pack",), "takes one run"),
        (("check", "none.jsonl", "embedded"), "there is no such pack"),
        (("check", "bad.jsonl", "embedded"), "bad.jsonl, row 1, field 'pack'"),
        (("compare", "one"), "takes two runs"),
        (("nonsense",), "names no model"),
    ],
)
def test_faulty_input_is_named(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("question,answer\nwhat?,yes\nwhy?,\n")
    (tmp_path / "bad.yaml").write_text("rules:\n  - when: group=gcd\n")
    (tmp_path / "bad.jsonl").write_text('{"pack": "pack/9"}\n')
    done = edgewise("probe", *words, cwd=tmp_path)
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert not (tmp_path / "runs").exists()


def test_killed_and_resumed_it_is_the_same_probe(server: fake.FakeServer, tmp_path: Path) -> None:
    spec = f"{server.url}#fake"
    words = ["probe", spec, "--seeds", "reasoning-gym:chain_sum", "--budget", "60", "--jobs", "4", "--json"]
    whole = as_json(edgewise(*words, "--out", "whole", cwd=tmp_path))
    asked = len(server.requests)
    assert whole["calls"] == asked <= 60
    server.requests.clear()
    server.plan = [fake.answer] * 25 + [fake.hang] * 100
    process = subprocess.Popen(
        [*MAIN, *words, "--out", "r"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while len(server.requests) < 27:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    server.plan = []
    server.released.set()
    before = len(server.requests)
    resumed = as_json(edgewise("resume", "r", "--json", cwd=tmp_path))
    assert len(server.requests) - before < asked - 20  # what had been answered is not asked again
    left_out = ("usage", "run")
    assert {k: v for k, v in resumed.items() if k not in left_out} == {
        k: v for k, v in whole.items() if k not in left_out
    }
    for name in ("nodes", "modes"):
        assert Run.open(tmp_path / "r").read_table(name) == Run.open(tmp_path / "whole").read_table(name)


def writes(handler: fake.Handler, body: dict[str, Any]) -> None:
    """As a generator: says what went wrong, names modes, writes sums. As a target: repeats what it is told."""
    text = str(body["messages"][-1]["content"])
    replies = {
        '"error"': {"error": f"a step is left out {len(text) % 2}"},
        '"name"': {"name": "sums", "description": "It fails on sums."},
        '"topic"': {"topic": "t", "question": f"What is {len(text)} plus 1?", "answer": "", "program": "print(1 + 1)"},
        '"program"': {"program": "print(2)"},
    }
    if body["model"] != "writer":
        fake.answer(handler, body)
        return
    wanted = text[text.rfind("JSON: {") :]
    reply = next((json.dumps(reply) for key, reply in replies.items() if wanted.startswith(f"JSON: {{{key}")), "Hm.")
    handler.send_json(200, fake.completion(reply))


@pytest.mark.parametrize("share", [0.4, 0.9])
def test_killed_with_a_generator_nothing_is_paid_twice(share: float, server: fake.FakeServer, tmp_path: Path) -> None:
    """Killed in the search, and while failures are being described."""
    server.names = ["fake", "writer"]
    server.plan = [writes] * 1000
    words = ["probe", f"{server.url}#fake", "--generator", f"{server.url}#writer", "--seeds", "reasoning-gym:gcd"]
    words += ["--budget", "40", "--jobs", "2", "--json"]
    whole = as_json(edgewise(*words, "--out", "whole", cwd=tmp_path))
    asked = [json.dumps(each["body"], sort_keys=True) for each in server.requests]
    assert whole["failures"] > 5 and sum('\\"error\\"' in each for each in asked) >= 5
    server.requests.clear()
    alive = round(share * len(asked))
    server.plan = [writes] * alive + [fake.hang] * 100
    process = subprocess.Popen(
        [*MAIN, *words, "--out", "r"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while len(server.requests) <= alive:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    answered = [json.dumps(each["body"], sort_keys=True) for each in server.requests[:alive]]
    server.requests.clear()
    server.plan = [writes] * 1000
    server.released.set()
    resumed = as_json(edgewise("resume", "r", "--json", cwd=tmp_path))
    again = [json.dumps(each["body"], sort_keys=True) for each in server.requests]
    assert len(again) <= len(asked) - len(answered) + 2  # two may have been answered but not written down
    assert resumed["calls"] == whole["calls"] and resumed["modes"] == whole["modes"]
    for name in ("nodes", "modes"):
        assert Run.open(tmp_path / "r").read_table(name) == Run.open(tmp_path / "whole").read_table(name)


def test_faults_are_missing_not_failures(server: fake.FakeServer, tmp_path: Path) -> None:
    server.plan = [fake.status(400) if i % 3 == 0 else fake.answer for i in range(500)]
    words = ("probe", f"{server.url}#fake", "--seeds", "reasoning-gym:gcd", "--budget", 40, "--out", "r", "--json")
    done = edgewise(*words, cwd=tmp_path)
    data = as_json(done)
    assert done.returncode == 3 and data["invalid"] >= 3 and "bad_request" in data["faults"]
    limited = edgewise(*words[:-2], "s", "--limits", "calls=10", "--json", cwd=tmp_path)
    assert limited.returncode == 3 and as_json(limited)["usage"]["attempts"] <= 10


def test_odd_questions(tmp_path: Path) -> None:
    """Unicode, half a character, a hundred thousand of them, the same question twice."""
    (tmp_path / "bots.py").write_text("def script(messages, settings, sample):\n    return 'Answer: 1'\n")
    rows = [{"question": f"Wie groß ist {'ß' * (i % 5)}{i} ∈ ℕ? 𝄞", "answer": str(i % 3)} for i in range(40)]
    rows += [{"question": f"half \ud800 {i}", "answer": f"\udfff{i}", "category": "\ud800"} for i in range(10)]
    rows += [{"question": "x " * 50_000, "answer": "1"}, rows[0]]
    (tmp_path / "q.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    done = edgewise(
        "probe", "scripted:bots.py:script", "--seeds", "q.jsonl", "--budget", 60, "--out", "r", "--json", cwd=tmp_path
    )
    data = as_json(done)
    assert done.returncode == 0 and data["calls"] <= 60 and "word for word" in "".join(data["notes"])
    asked = [node["question"] for node in pq.read_table(tmp_path / "r" / "tables" / "nodes.parquet").to_pylist()]
    assert any("half" in text for text in asked) and any("𝄞" in text for text in asked)
