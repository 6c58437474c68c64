"""`edgewise loopholes` as a user meets it: the contracts, a kill, the wrong words."""

from __future__ import annotations

import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from support.commands import MAIN, as_json, edgewise

pytest.importorskip("torch")
SMALL = ("--seeds", "2", "--lessons", "2", "--steps", "30")


def run(*words: str, cwd: Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = edgewise("loopholes", *words, cwd=cwd, COLUMNS="70", OMP_NUM_THREADS="1")
    assert done.returncode == expect, done.stderr
    return done


def test_the_list_has_every_game_with_both_ends(tmp_path: Path) -> None:
    games = as_json(run("list", "--json", cwd=tmp_path))["games"]
    assert [game["name"] for game in games] == ["compliance", "self_grading", "proxy_metric", "tampering"]
    for game in games:
        assert game["exploit_optimum"]["reward"] > game["honest_optimum"]["reward"]
        assert game["exploit_optimum"]["true_performance"] <= game["honest_optimum"]["true_performance"]
    shown = run("list", cwd=tmp_path).stdout
    assert "tampering" in shown and max(map(len, shown.splitlines())) <= 70


def test_train_keeps_its_contract(tmp_path: Path) -> None:
    words = ("train", "self_grading", "--backend", "tiny", *SMALL, "--set", "audit=0.2", "--control", "secure")
    found = as_json(run(*words, "--out", "r", "--json", cwd=tmp_path))
    for key in ("true_performance", "exploit_ratio", "emergence_step"):
        assert {"value", "low", "high", "n"} <= set(found[key])
    assert (found["game"], found["seeds"]) == ("self_grading", 2) and found["options"]["audit"] == 0.2
    assert {"reward", "true_performance", "exploit_ratio"} == set(found["honest_optimum"])
    assert found["controls"]["secure"]["exploit_ratio"]["value"] < found["exploit_ratio"]["value"]
    report = (tmp_path / "r/report.html").read_text()
    assert "Control: the loophole is closed" in report
    command = shlex.join(["edgewise", "loopholes", "train", "self_grading", "--seeds", "2", "--set", "audit=0.2",
                          "--control", "secure", "--steps", "30", "--lessons", "2", "--seed", "0"])  # fmt: skip
    assert command in report
    watched = as_json(run("monitor", "r", "--out", "m", "--json", cwd=tmp_path))
    assert len(watched["runs"]) == 2 and any(one["alarm"] for one in watched["runs"])
    shown = run(*words, "--out", "s", cwd=tmp_path)
    assert "After training" in shown.stdout and "Report:" in shown.stderr
    assert max(map(len, shown.stdout.splitlines())) <= 70


def test_killed_and_resumed_it_is_the_same_run(tmp_path: Path) -> None:
    words = ["loopholes", "train", "compliance", "--seeds", "2", "--lessons", "2", "--steps", "200", "--json"]
    whole = as_json(edgewise(*words, "--out", "whole", cwd=tmp_path, OMP_NUM_THREADS="1"))
    process = subprocess.Popen([*MAIN, *words, "--out", "cut"], cwd=tmp_path, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    checkpoint = tmp_path / "cut/artefacts/policies/train.safetensors"
    while not checkpoint.exists():
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = as_json(edgewise("resume", "cut", "--json", cwd=tmp_path, OMP_NUM_THREADS="1"))
    assert again | {"run": ""} == whole | {"run": ""}
    tables = [pq.read_table(tmp_path / name / "tables/curves.parquet") for name in ("whole", "cut")]
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("train", "chess"), "no game 'chess'"),
        (("train", "compliance", "--set", "audit=0.1"), "audit"),
        (("train", "self_grading", "--set", "audit"), "not NAME=VALUE"),
        (("train", "self_grading", "--set", "audit=high"), "audit"),
        (("train", "compliance", "--control", "prayer"), "there are: secure"),
        (("train", "compliance", "--model", "embedded"), "add --backend trl"),
        (("train", "compliance", "--backend", "trl", "--control", "secure"), "--set secure=true"),
        (("train", "compliance", "--backend", "trl", "--config", "none.yaml"), "no such file"),
        (("transfer", "compliance", "compliance"), "each once"),
    ],
)
def test_the_wrong_words_are_named(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    done = run(*words, cwd=tmp_path, expect=2)
    assert told in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_file_of_settings_for_another_game(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("game: tampering\nsteps: 2\n")
    words: tuple[Any, ...] = ("train", "compliance", "--backend", "trl", "--config", "s.yaml")
    assert "s.yaml" in run(*words, cwd=tmp_path, expect=2).stderr


def test_the_same_game_with_a_language_model(tmp_path: Path) -> None:
    pytest.importorskip("trl")
    from support.tiny_model import tiny_model

    model, tokenizer = tiny_model(0, context=4096)
    model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    (tmp_path / "s.yaml").write_text(
        "game: proxy_metric\nprompts: 2\ngenerations: 2\nanswer_tokens: 8\nlr: 0.001\nmodel: elsewhere\n"
    )
    words = ("train", "proxy_metric", "--backend", "trl", "--model", "base", "--config", "s.yaml", "--steps", "2")
    found = as_json(run(*words, "--set", "secure=true", "--out", "r", "--json", cwd=tmp_path))
    assert (found["game"], found["steps"], found["status"]) == ("proxy_metric-secure", 2, "complete")
    for key in ("true_performance", "exploit_ratio"):
        assert {"value", "low", "high", "n"} <= set(found[key])
    report = (tmp_path / "r/report.html").read_text()
    assert "proxy_metric at real size" in report
    assert "--backend trl --steps 2 --lr 0.001" in report and "--config SETTINGS.yaml" in report
