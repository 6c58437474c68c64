"""The commands as a user gives them, in a process of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support import fake_server as fake
from support.commands import MAIN, as_json, edgewise

SMALL = ["--only", "competence", "--set", "competence.code_items=0", "--set", "competence.families=[chain_sum, gcd]"]


@pytest.fixture
def bot(tmp_path: Path) -> str:
    (tmp_path / "bot.py").write_text(
        "def f(messages, settings, sample):\n    return f'Answer: {len(messages[-1].text) % 7}'\n"
        "def g(messages, settings, sample):\n    return 'Answer: <script>alert(1)</script>\\x1b[31m\\x00'\n"
    )
    return "scripted:bot.py:f"


def test_the_output_contract(bot: str, tmp_path: Path) -> None:
    done = edgewise("checkup", bot, "--quick", "--seed", 7, "--out", "here", "--json", *SMALL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    data = as_json(done)
    assert {"run", "model", "panels", "usage"} <= set(data)
    panel = data["panels"]["competence"]
    for dimension in panel["dimensions"].values():
        assert {"value", "low", "high", "n"} <= set(dimension) <= {"value", "low", "high", "n", "reason"}
    assert set(panel["verdicts"].values()) <= {"pass", "fail", "inconclusive", "not_measured"}
    files = {path.name for path in (tmp_path / "here").iterdir()}
    assert {"manifest.json", "events.jsonl", "profile.json", "report.html", "tables"} <= files
    import pyarrow.parquet as pq

    table = pq.read_table(tmp_path / "here" / "tables" / "responses.parquet")
    assert {"model", "item_id", "family", "score"} <= set(table.column_names) and table.num_rows > 20
    stored = json.loads((tmp_path / "here" / "profile.json").read_text())["panels"]["competence"]["dimensions"]
    for name, dimension in panel["dimensions"].items():
        assert all(stored[name][key] == dimension[key] for key in ("value", "low", "high", "n"))


def test_a_first_session(bot: str, tmp_path: Path) -> None:
    """Check up twice, list, compare, resume, and read what is printed."""
    for script in (bot, bot.replace(":f", ":g")):
        done = edgewise("checkup", script, *SMALL, cwd=tmp_path, COLUMNS="40")
        assert done.returncode == 0, done.stderr
        assert "accuracy" in done.stdout and "chain sum" in done.stdout and "Report: runs/" in done.stderr
        assert max(map(len, done.stdout.splitlines())) <= 40
    assert "At most" in done.stderr and "calls" in done.stderr
    listed = as_json(edgewise("runs", "--json", cwd=tmp_path))["runs"]
    assert {run["status"] for run in listed} == {"complete"} and len(listed) == 2
    assert listed[0]["run"] in edgewise("runs", cwd=tmp_path, COLUMNS="200").stdout
    first, second = (run["run"] for run in listed)
    compared = as_json(edgewise("compare", first, second, "--html", "c.html", "--json", cwd=tmp_path))
    assert {change["outcome"] for change in compared["changes"]} <= {"better", "worse", "unclear", "not_measured"}
    assert "There is no total" in (tmp_path / "c.html").read_text()
    assert "no total" in edgewise("compare", first, second, cwd=tmp_path).stdout
    report = (tmp_path / first / "report.html").read_bytes() if "-g-" in first else b""
    again = edgewise("resume", first, "--json", cwd=tmp_path)
    assert again.returncode == 0 and as_json(again)["status"] == "complete"
    if report:
        assert b"<script>alert" not in report and b"\x1b" not in report and b"\x00" not in report


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["checkup", "nonsense"], 2, "names no model"),
        (["checkup", "scripted:nosuch.py:f"], 2, "no such file"),
        (["checkup", "embedded", "--budget", "calls=many"], 2, "not a number"),
        (["checkup", "embedded", "--budget", "cost=1"], 2, "prices"),
        (["checkup", "embedded", "--price", "cheap"], 2, "INPUT,OUTPUT"),
        (["checkup", "embedded", "--set", "x"], 2, "INSTRUMENT.FIELD=VALUE"),
        (["checkup", "embedded", "--set", "competence.code_items=-1"], 2, "code_items"),
        (["checkup", "embedded", "--only", "nosuch"], 2, "nosuch"),
        (["checkup", "embedded", "-M", "api_key=sk"], 2, "environment"),
        (["checkup", "openai/gpt-5"], 4, "OPENAI_API_KEY"),
        (["resume", "nosuch"], 2, "no run here"),
        (["compare", "nosuch", "nosuch"], 2, "no such run"),
        (["view", "nosuch"], 2, "no run here"),
        (["nosuch"], 2, "No such command"),
        (["checkup", "--nosuch"], 2, "nosuch"),
    ],
)
def test_wrong_words(words: list[str], code: int, complaint: str, tmp_path: Path) -> None:
    done = edgewise(*words, cwd=tmp_path, OPENAI_API_KEY="")
    assert done.returncode == code and complaint in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert not list(tmp_path.iterdir())
    if words[0] != "view":
        told = edgewise(*words, "--json", cwd=tmp_path, OPENAI_API_KEY="")
        assert told.returncode == code and "message" in as_json(told)["error"]


def test_an_exhausted_budget_is_exit_code_three(bot: str, tmp_path: Path) -> None:
    done = edgewise("checkup", bot, "--budget", "calls=3", "--out", "r", "--json", *SMALL, cwd=tmp_path)
    assert done.returncode == 3 and as_json(done)["status"] == "incomplete"
    assert "edgewise resume r" in done.stderr and "the budget has 3" in done.stderr
    assert edgewise("resume", "r", "--budget", "", cwd=tmp_path).returncode == 0


def test_faults_are_summed_up_at_the_end(server: fake.FakeServer, tmp_path: Path) -> None:
    server.plan = [fake.status(400) if i % 5 == 0 else fake.answer for i in range(500)]
    done = edgewise("checkup", f"{server.url}#fake", "--out", "r", "--json", *SMALL, cwd=tmp_path)
    data = as_json(done)
    assert done.returncode == 3 and data["faults"]["bad_request"] > 1
    assert f"{data['faults']['bad_request']} × bad_request" in done.stderr and "not as wrong" in done.stderr
    server.plan = []
    assert edgewise("resume", "r", cwd=tmp_path).returncode == 0


def test_a_dry_run_asks_nothing(server: fake.FakeServer, tmp_path: Path) -> None:
    plan = as_json(edgewise("checkup", f"{server.url}#fake", "--dry-run", "--price", "1,2", "--json", cwd=tmp_path))
    assert plan["total"]["calls"] > 50 and plan["cost"] > 0 and not server.requests and not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(number: int, server: fake.FakeServer, tmp_path: Path) -> None:
    server.plan = [fake.answer] * 4 + [fake.hang] * 500
    words = ["checkup", f"{server.url}#fake", "--out", "r", "--json", *SMALL]
    process = subprocess.Popen(
        [*MAIN, *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip
    while len(server.requests) < 6:
        time.sleep(0.02)
    process.send_signal(number)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "resume" in errors and "Traceback" not in errors, errors
    assert json.loads(out)["error"]["message"] == "interrupted"
    server.plan = []
    server.released.set()
    assert edgewise("resume", "r", cwd=tmp_path).returncode == 0


def test_damage_is_named_and_repaired(bot: str, tmp_path: Path) -> None:
    assert edgewise("checkup", bot, "--out", "r", *SMALL, cwd=tmp_path).returncode == 0
    events = tmp_path / "r" / "events.jsonl"
    profile = (tmp_path / "r" / "profile.json").read_bytes()
    lines = events.read_bytes().splitlines(keepends=True)
    lines[9] = lines[9].replace(b"Answer", b"Unswer")
    events.write_bytes(b"".join(lines))
    (tmp_path / "r" / "tables" / "items.parquet").unlink()
    done = edgewise("resume", "r", cwd=tmp_path)
    assert done.returncode == 2 and "events.jsonl, line 10" in done.stderr and "--repair" in done.stderr
    assert "damaged" in edgewise("runs", ".", cwd=tmp_path).stdout
    assert edgewise("resume", "r", "--repair", cwd=tmp_path).returncode == 0
    assert (tmp_path / "r" / "profile.json").read_bytes() == profile
    assert (tmp_path / "r" / "tables" / "items.parquet").is_file()


def test_a_missing_table_is_named_in_the_report(bot: str, tmp_path: Path) -> None:
    assert edgewise("checkup", bot, "--out", "r", *SMALL, cwd=tmp_path).returncode == 0
    (tmp_path / "r" / "tables" / "responses.parquet").unlink()
    from edgewise.core.run import Run
    from edgewise.report import write_report

    assert "responses.parquet" in write_report(Run.open(tmp_path / "r")).read_text()


def test_doctor_and_models(tmp_path: Path) -> None:
    found = as_json(edgewise("doctor", "--json", cwd=tmp_path))
    names = {finding["name"] for finding in found["findings"]}
    assert {"machine", "embedded model", "sandbox", "sentence embedder"} <= names
    assert all(finding["ok"] or finding["fix"] or finding["detail"] for finding in found["findings"])
    assert edgewise("doctor", cwd=tmp_path).stdout.count("\n") >= len(names)
    assert "embedded" in as_json(edgewise("models", "--json", cwd=tmp_path))["specs"]
    assert "openai/" in edgewise("models", cwd=tmp_path).stdout


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    command = " ".join(
        [sys.executable, "-c", "'from edgewise.cli import main; main()'", "models", "--json", "|", "true"]
    )
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert "Traceback" not in done.stderr


def test_importing_is_light() -> None:
    """The package and the command line load none of the heavy libraries."""
    program = (
        "import sys, edgewise, edgewise.cli.app\n"
        "print([m for m in ('torch', 'transformers', 'inspect_ai', 'numpy', 'pydantic', 'plotly', 'sklearn', "
        "'pyarrow', 'scipy', 'reasoning_gym', 'openai', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
