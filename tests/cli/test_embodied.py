"""`edgewise embodied` as a user meets it: the contracts, watching, the wrong words, Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from edgewise.core.run import Run
from support.commands import MAIN, as_json, edgewise
from support.worlds import needs_pictures

LATE = """import json


def answer(messages, settings, sample):
    return json.dumps({'give_up': 'it is late'})
"""
EASY = ("--perception", "simulator", "--processes", "1")


def run(*words: str, cwd: Path, expect: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
    done = edgewise("embodied", *words, cwd=cwd, **({"COLUMNS": "70", "OMP_NUM_THREADS": "1"} | env))
    assert done.returncode == expect, done.stderr
    return done


@pytest.fixture
def pictures() -> None:
    try:
        needs_pictures()
    except pytest.skip.Exception as problem:
        pytest.skip(str(problem))


def test_the_list_has_every_task(tmp_path: Path) -> None:
    tasks = as_json(run("list", "--json", cwd=tmp_path))["tasks"]
    by_suite: dict[str, int] = {}
    for task in tasks:
        assert task["about"] and task["steps"] >= 1 and task["guidance"] in ("text", "image")
        by_suite[task["suite"]] = by_suite.get(task["suite"], 0) + 1
    assert by_suite["long-horizon"] == 8 and by_suite["hide-and-restore"] == 3 and by_suite["adversarial"] >= 6
    shown = run("list", cwd=tmp_path).stdout
    assert "adversarial" in shown and max(map(len, shown.splitlines())) <= 70


@pytest.mark.usefixtures("pictures")
def test_run_keeps_its_contract_and_can_be_watched(tmp_path: Path) -> None:
    found = as_json(run("run", "building-easy", "--seeds", "2", *EASY, "--json", "--out", "r", cwd=tmp_path))
    assert set(found["tasks"]) == {"building_easy"} and found["run"] == "r" and found["status"] == "complete"
    for measure in (found["mean"], found["tasks"]["building_easy"]["success"]):
        assert {"value", "low", "high", "n"} <= set(measure) and measure["n"] == 2
    memory = found["tasks"]["building_easy"]["memory"]
    assert {"permanence", "precision", "recall", "cause", "switches"} <= set(memory) and memory["precision"]["n"] > 0
    assert found["fps"] > 0 and (found["planner"], found["memory"]) == ("symbolic", "full")
    assert "By task" in (tmp_path / "r/report.html").read_text()
    watched = as_json(run("watch", "r", "--no-open", "--json", "--video", "film.mp4", cwd=tmp_path))
    assert watched["task"] == "building_easy" and watched["why"]
    assert (tmp_path / watched["page"]).stat().st_size > 100_000 and (tmp_path / "film.mp4").stat().st_size > 10_000
    other = run("watch", "r", "--seed", "1", "--no-open", cwd=tmp_path)
    assert "building_easy, seed 1" in other.stdout and max(map(len, other.stdout.splitlines())) <= 70
    again = as_json(edgewise("resume", "r", "--json", cwd=tmp_path))
    assert again["tasks"] == found["tasks"]


@pytest.mark.usefixtures("pictures")
def test_a_model_plays_and_memories_are_compared(tmp_path: Path) -> None:
    script = (
        "import json\n\n\ndef answer(messages, settings, sample):\n    return json.dumps({'give_up': 'it is late'})\n"
    )
    (tmp_path / "late.py").write_text(script)
    words = ("ablate", "building_easy", "--planner", "language", "--model", "scripted:late.py:answer", "--seeds", "1",
             "--memory", "full", "--memory", "last-seen", *EASY, "--limits", "calls=9", "--out", "r")  # fmt: skip
    shown = run(*words, cwd=tmp_path)
    assert "Arms side by side" in shown.stdout and "it is late" in shown.stdout and "Report:" in shown.stderr
    assert max(map(len, shown.stdout.splitlines())) <= 70
    summary = [event.data for event in Run.open(tmp_path / "r").read_events("summary")][-1]
    assert list(summary["arms"]) == ["scripted:late.py:answer+full", "scripted:late.py:answer+last_seen"]
    assert summary["usage"]["calls"] >= 1
    assert len(list((tmp_path / "r/artefacts/episodes").glob("*full/building_easy-0/episode.json"))) == 1
    command = "--planner language --model scripted:late.py:answer --memory full --memory last-seen"
    assert command in (tmp_path / "r/report.html").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "chess"), "suites: long-horizon"),
        (("run", "building_easy", "--planner", "wishful"), "symbolic, oracle, scene-graph, value-map, language"),
        (("run", "building_easy", "--planner", "language"), "--model SPEC"),
        (("run", "building_easy", "--model", "embedded"), "--planner language"),
        (("run", "building_easy", "--limits", "calls=3"), "--planner language"),
        (("run", "building_easy", "--memory", "good"), "there are: none, history, last_seen, stf, graph, full"),
        (("run", "building_easy", "--noise", "-1"), "--noise"),
        (("ablate", "building_easy", "--memory", "full", "--memory", "full"), "an arm is there twice"),
        (("watch", "nowhere"), "no run here"),
    ],
)
def test_the_wrong_words_are_named(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    done = run(*words, cwd=tmp_path, expect=2)
    assert told in " ".join(done.stderr.split()) and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_without_pictures_it_says_what_to_install(tmp_path: Path) -> None:
    pytest.importorskip("mujoco")
    done = run("run", "building_easy", "--json", cwd=tmp_path, expect=4, MUJOCO_GL="none")
    assert "apt-get install" in as_json(done)["error"]["fix"] and not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.usefixtures("pictures")
def test_interrupted_and_resumed_it_is_the_same_run(tmp_path: Path) -> None:
    words = ["embodied", "run", "building_easy", "--seeds", "9", *EASY, "--record", "0", "--json"]
    whole = as_json(edgewise(*words, "--out", "whole", cwd=tmp_path))
    process = subprocess.Popen([*MAIN, *words, "--out", "cut"], cwd=tmp_path, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    events = tmp_path / "cut/events.jsonl"
    while b'"episode"' not in (events.read_bytes() if events.exists() else b""):
        assert process.poll() is None, "it ended before it could be interrupted"
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    again = as_json(edgewise("resume", "cut", "--json", cwd=tmp_path))
    for key in ("tasks", "mean", "scores"):
        assert again[key] == whole[key]
