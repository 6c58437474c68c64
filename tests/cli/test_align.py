"""`edgewise align` as a user meets it: the contract, the adapter behind the door, a kill, the wrong words."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from support.commands import MAIN, as_json, edgewise
from support.tiny_model import tiny_model

pytest.importorskip("trl")
WORDS = ("red", "green", "blue", "dark", "light", "warm", "cold", "old", "new", "odd")
SHORT = ("--steps", "6", "--batch", "4", "--lr", "0.02", "--beta", "0.5", "--rank", "4", "--max-length", "64")


def pair(i: int) -> dict[str, Any]:
    return {
        "id": i,
        "record": f"r{i}",
        "prompt": [{"role": "user", "content": f"Say {WORDS[i % 10]}."}],
        "chosen": [{"role": "assistant", "content": f"{WORDS[i % 10]} it is"}],
        "rejected": [{"role": "assistant", "content": f"no {WORDS[(i * 3 + 1) % 10]}"}],
        "dimension": ("empathy", "trust")[i % 2],
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base model, and pairs."""
    folder = tmp_path_factory.mktemp("align")
    model, tokenizer = tiny_model()
    model.save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    (folder / "pairs").mkdir()
    for name, rows in (("train", range(20)), ("test", range(20, 32))):
        lines = [json.dumps(pair(i)) for i in rows]
        (folder / "pairs" / f"{name}.jsonl").write_text("\n".join(lines))
    return folder


def run(*words: str, cwd: Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = edgewise("align", *words, cwd=cwd, COLUMNS="70", OMP_NUM_THREADS="1")
    assert done.returncode == expect, done.stderr
    return done


def test_the_output_contract_and_the_adapter_behind_the_door(place: Path) -> None:
    words = ("base", "--data", "pairs", "--out", "a", "--slack", "0.4", "--tolerance", "trust=0.6", *SHORT)
    found = as_json(run(*words, "--run", "run-a", "--json", cwd=place))
    assert set(found["dimensions"]) == {"empathy", "trust"} and set(found["multipliers"]) == {"empathy", "trust"}
    for name, limit in (("empathy", 0.4), ("trust", 0.6)):
        data = found["dimensions"][name]
        assert data["limit"] == limit and data["verdict"] in ("pass", "fail", "inconclusive")
        for side in ("base", "result"):
            for key in ("margin", "accuracy"):
                assert data[side][key]["low"] <= data[side][key]["value"] <= data[side][key]["high"]
                assert data[side][key]["n"] == 6
        assert data["result"]["reward_margin"]["value"] > 0
    lineage = json.loads((place / "a" / "lineage.json").read_text())
    assert lineage["method"] == "lagdpo" and lineage["multipliers"] == found["multipliers"]
    curve = pq.read_table(place / "run-a/tables/curve.parquet").to_pylist()
    assert {row["what"] for row in curve} == {"loss", "margin", "lambda"} and max(r["step"] for r in curve) == 6
    assert "Multipliers" in (place / "run-a/report.html").read_text()
    shown = as_json(edgewise("runs", ".", "--json", cwd=place))["runs"]
    assert [r["status"] for r in shown if r["run"].endswith("run-a")] == ["complete"]

    import asyncio

    from edgewise.models import open_model

    answers = {}
    for spec in ("adapter:a", "adapter:plain"):
        if spec == "adapter:plain":
            run("base", "--data", "pairs", "--out", "plain", "--method", "dpo", *SHORT, "--run", "run-p", cwd=place)
        model = open_model(f"adapter:{place / spec.partition(':')[2]}")
        assert model.identity.startswith("adapter@") and "folder@" in model.identity
        answers[spec] = asyncio.run(model.score("Say red.", "red it is")).tokens
        model.close()
    assert answers["adapter:a"] != answers["adapter:plain"]


@pytest.mark.parametrize("method", ["weighted", "groupdro", "sft"])
def test_every_method_trains(method: str, place: Path) -> None:
    words = ("base", "--data", "pairs", "--out", method, "--method", method, *SHORT, "--run", f"run-{method}", "--json")
    found = as_json(run(*words, cwd=place))
    assert found["method"] == method and found["multipliers"] == {}


def test_whole_weights_and_one_file_of_plain_texts(place: Path) -> None:
    rows = [
        {"prompt": f"Say {WORDS[i % 10]} {i}.", "chosen": "yes it is", "rejected": "no", "dimension": ("a", "b")[i % 2]}
        for i in range(40)
    ]
    rows.append({**rows[0], "dimension": None})
    (place / "plain.jsonl").write_text("\n".join(map(json.dumps, rows)))
    words = ("base", "--data", "plain.jsonl", "--out", "full", "--full-weights", *SHORT, "--run", "run-full", "--json")
    found = as_json(run(*words, cwd=place))
    assert found["notes"][0] == "1 pairs without a dimension are left out"
    from edgewise.training import adapters

    model, _ = adapters.load(place / "full")
    assert sum(p.numel() for p in model.parameters()) > 1000


def test_killed_and_resumed_it_is_the_same_run(place: Path) -> None:
    words = ["base", "--data", "pairs", *SHORT, "--steps", "40"]
    run(*words, "--out", "whole", "--run", "run-whole", cwd=place)
    command = [*MAIN, "align", *words, "--out", "cut", "--run", "run-cut"]
    process = subprocess.Popen(command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkpoints = place / "run-cut" / "artefacts" / "checkpoints"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and len(list(checkpoints.glob("checkpoint-*/trainer_state.json"))) < 2:
        time.sleep(0.02)
        assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (place / "cut" / "lineage.json").exists()
    done = edgewise("resume", "run-cut", "--json", cwd=place, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    curves = [pq.read_table(place / f"run-{name}/tables/curve.parquet").to_pylist() for name in ("whole", "cut")]
    assert len(curves[0]) == len(curves[1])
    for first, second in zip(*curves, strict=True):
        assert first | {"value": 0} == second | {"value": 0}
        assert second["value"] == pytest.approx(first["value"], rel=1e-4, abs=1e-6)


def test_prompts_that_fill_the_context_are_refused(place: Path) -> None:
    words = ("base", "--data", "pairs", "--out", "long", *SHORT, "--max-length", "8", "--run", "run-long", "--json")
    error = as_json(run(*words, cwd=place, expect=2))["error"]
    assert "32 prompts alone fill 8 tokens" in error["message"] and "--max-length" in error["fix"]


def test_an_adapter_of_another_base_is_refused(place: Path) -> None:
    import shutil

    from edgewise.core.errors import BadInput, EdgewiseError
    from edgewise.training import adapters

    run("base", "--data", "pairs", "--out", "b", *SHORT, "--run", "run-b", cwd=place)
    kept = (place / "base" / "model.safetensors").read_bytes()
    other, _ = tiny_model(seed=1)
    other.save_pretrained(place / "base")
    with pytest.raises(BadInput, match="the adapter was trained on folder@"):
        adapters.load(place / "b")
    (place / "base" / "model.safetensors").write_bytes(kept)
    shutil.copytree(place / "b", place / "broken")
    (place / "broken" / "adapter_model.safetensors").write_bytes(b"nothing")
    with pytest.raises(EdgewiseError, match="the adapter cannot be put onto"):
        adapters.load(place / "broken")


@pytest.mark.parametrize(
    ("change", "words", "message"),
    [
        ({}, ("base", "--data", "none"), "no such file or folder"),
        ({}, ("nomodel", "--data", "w.jsonl"), "no model that can be trained"),
        ({}, ("base", "--data", "w.jsonl", "--tolerance", "warmth=1"), "no pairs of 'warmth'"),
        ({}, ("base", "--data", "w.jsonl", "--tolerance", "trust"), "is not NAME=NUMBER"),
        ({}, ("base", "--data", "w.jsonl", "--batch", "1"), "cannot hold 2 dimensions"),
        ({}, ("base", "--data", "w.jsonl", "--lr", "0"), "greater than 0"),
        ({}, ("base", "--data", "w.jsonl", "--tolerance", "trust=-1"), "greater than or equal to 0"),
        ({"rejected": ""}, ("base", "--data", "w.jsonl"), "neither a text nor one message"),
        ({"prompt": [{"role": "robot"}]}, ("base", "--data", "w.jsonl"), "is no message"),
        ({"chosen": "x", "rejected": "x"}, ("base", "--data", "w.jsonl"), "both answers are the same"),
        ({"dimension": "rare"}, ("base", "--data", "w.jsonl"), "rare"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], words: tuple[str, ...], message: str, place: Path) -> None:
    rows = [pair(i) for i in range(30)]
    rows[4] |= change
    (place / "w.jsonl").write_text("\n".join(map(json.dumps, rows)))
    usual = () if {"--batch", "--lr"} & set(words) else SHORT
    done = run(*words, "--out", "never", "--run", "run-never", *usual, "--json", cwd=place, expect=2)
    error = as_json(done)["error"]
    assert message in error["message"] and not (place / "run-never").exists() and not (place / "never").exists()
    if change and "dimension" not in change:
        assert "row 5" in error["where"]
