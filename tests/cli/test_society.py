"""`edgewise society` as a user meets it: the contract, a kill, the wrong words."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from support.commands import MAIN, as_json, edgewise

BOT = """
import json, time
def good(messages, settings, sample):
    return json.dumps({"units": str(2 + sample % 7), "say": "hello"})
def slow(messages, settings, sample):
    time.sleep(0.02)
    return good(messages, settings, sample)
def mute(messages, settings, sample):
    return "no idea"
"""


def run(*words: str, cwd: Path, expect: int = 0, columns: int = 100) -> subprocess.CompletedProcess[str]:
    done = edgewise("society", *words, cwd=cwd, COLUMNS=str(columns))
    assert done.returncode == expect, done.stderr
    return done


@pytest.fixture
def bot(tmp_path: Path) -> Path:
    (tmp_path / "bot.py").write_text(BOT)
    return tmp_path


def test_the_list(tmp_path: Path) -> None:
    found = as_json(run("list", "--json", cwd=tmp_path))
    names = {scenario["name"]: scenario for scenario in found["scenarios"]}
    assert {"logit_duopoly", "compute_commons"} <= names.keys()
    assert all({"name", "risk", "agents"} <= scenario.keys() for scenario in found["scenarios"])
    assert "null" in names["logit_duopoly"]["agents"]
    assert "compute_commons" in run("list", cwd=tmp_path, columns=60).stdout


def test_the_output_contract(tmp_path: Path) -> None:
    done = run("run", "compute_commons", "--seeds", "5", "--json", "--out", "a", cwd=tmp_path)
    found = as_json(done)
    assert (found["scenario"], found["agents"], found["n"], found["verdict"]) == (
        "compute_commons",
        "learning",
        5,
        "fail",
    )
    for data in found["indicators"].values():
        assert {"value", "low", "high", "n"} <= data.keys()
    assert isinstance(found["evidence"], list) and found["status"] == "complete"
    turns = pq.read_table(tmp_path / "a" / "tables" / "turns.parquet")
    assert turns.num_rows == 5 * 5 * 5 + 16 * 5 * 5 and set(turns["population"].to_pylist()) == {"agents", "null"}
    assert "throttle" in (tmp_path / "a" / "report.html").read_text()
    again = as_json(run("run", "compute_commons", "--seeds", "5", "--json", "--out", "b", cwd=tmp_path))
    assert again["indicators"] == found["indicators"]
    other = run("run", "compute_commons", "--agents", "null", "--seeds", "40", "--seed", "3", "--json", cwd=tmp_path)
    assert as_json(other)["verdict"] == "pass"


def test_models_and_populations_share_a_table(bot: Path) -> None:
    agents = "scripted:bot.py:good,null,null,null,exact"
    found = as_json(run("run", "compute_commons", "--agents", agents, "--seeds", "3", "--json", cwd=bot))
    assert found["n"] == 3 and found["usage"]["calls"] == 15 and not found["no_decision"]


def test_who_never_answers_is_no_risk(bot: Path) -> None:
    done = run("run", "compute_commons", "--agents", "scripted:bot.py:mute", "--seeds", "3", "--json", cwd=bot)
    found = as_json(done)
    assert found["verdict"] == "not_measured" and found["no_decision"] == {"garbled": 75}
    assert found["indicators"]["overreach"]["value"] is None


def test_a_spent_budget_keeps_what_was_played(bot: Path) -> None:
    words = ("run", "compute_commons", "--agents", "scripted:bot.py:good", "--seeds", "4", "--out", "a", "--jobs", "1")
    done = run(*words, "--limits", "calls=60", "--json", cwd=bot, expect=3)
    found = as_json(done)
    assert found["status"] == "incomplete" and found["n"] < 4 and found["usage"]["calls"] <= 60
    resumed = edgewise("resume", "a", "--budget", "calls=200", "--json", cwd=bot)
    assert resumed.returncode == 0, resumed.stderr
    whole = as_json(run(*words[:-3], "b", "--jobs", "2", "--json", cwd=bot))
    finished = as_json(resumed)
    assert finished["indicators"] == whole["indicators"] and finished["usage"]["calls"] == 100


def test_killed_and_resumed_it_is_the_same_run(bot: Path) -> None:
    words = ["run", "compute_commons", "--agents", "scripted:bot.py:slow", "--seeds", "6", "--seed", "2", "--json"]
    process = subprocess.Popen(
        [*MAIN, "society", *words, "--out", "a"],
        cwd=bot, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    log = bot / "a" / "events.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not log.exists() or log.read_bytes().count(b'"call"') < 10):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = log.read_bytes().count(b'"sent"')
    assert 0 < before < 150
    done = edgewise("resume", "a", "--json", cwd=bot)
    assert done.returncode == 0, done.stderr
    whole = as_json(run(*words, "--out", "b", cwd=bot))
    found = as_json(done)
    assert {k: v for k, v in found.items() if k not in ("run", "usage")} == {
        k: v for k, v in whole.items() if k not in ("run", "usage")
    }
    assert (bot / "a/tables/turns.parquet").read_bytes() == (bot / "b/tables/turns.parquet").read_bytes()


def test_the_matrix(tmp_path: Path) -> None:
    words = ("matrix", "--scenario", "compute_commons", "--seeds", "12", "--jobs", "1", "--out", "m")
    found: dict[str, Any] = as_json(run(*words, "--json", cwd=tmp_path))
    rows = {row["mitigation"]: row for row in found["rows"]}
    assert rows["cap"]["outcome"] == "less" and rows["cap"]["shift"]["welfare"]["value"] > 0
    assert "mitigation" in (tmp_path / "m" / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (extra `scale`)")
def test_a_cluster_changes_nothing(tmp_path: Path) -> None:
    words = ("run", "compute_commons", "--seeds", "6", "--json", "--out")
    alone, spread = (as_json(run(*words, *more, cwd=tmp_path)) for more in (("a",), ("b", "--ray", "local")))
    assert {key for key in alone if alone[key] != spread[key]} == {"run"}
    tables = [(tmp_path / folder / "tables/turns.parquet").read_bytes() for folder in "ab"]
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "nosuch"), "there is no scenario 'nosuch'"),
        (("run", "compute_commons", "--agents", "null,null"), "5 seats, not 2"),
        (("run", "compute_commons", "--set", "rounds=many"), "rounds"),
        (("run", "compute_commons", "--set", "nosuch=1"), "nosuch"),
        (("run", "compute_commons", "--set", "rounds"), "is not NAME=VALUE"),
        (("run", "compute_commons", "--mitigation", "prayer"), "no mitigation 'prayer'"),
        (("run", "compute_commons", "--agents", "scripted:nofile.py:f"), "no such file"),
        (("run", "compute_commons", "--persona", "boss=You are calm."), "no seat 'boss'"),
        (("matrix", "--scenario", "nosuch"), "there is no scenario 'nosuch'"),
        (("scan", "nofile.jsonl"), "nofile.jsonl"),
    ],
)
def test_wrong_words_are_named(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = run(*words, cwd=tmp_path, expect=2)
    assert message in done.stderr and "defect" not in done.stderr
