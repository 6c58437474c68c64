"""`edgewise steer` as a user meets it: merging, measuring, the merged adapter behind the door, the wrong words."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from support.commands import as_json, edgewise
from support.tiny_adapters import save_adapter, save_base

pytest.importorskip("peft")
BOTH = ("--adapter", "empathy=e", "--adapter", "trust=t")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("steer")
    base = save_base(folder / "base")
    save_adapter(base, folder / "e", 0, r=4, target_modules="all-linear")
    save_adapter(base, folder / "t", 1, r=2, target_modules=["q_proj"])
    other = save_base(folder / "other", seed=1)
    save_adapter(other, folder / "foreign", 2, r=2, target_modules=["q_proj"])
    rows = [
        {"prompt": f"Say {i}.", "chosen": f"{i} yes", "rejected": "no", "dimension": ("empathy", "trust")[i % 2]}
        for i in range(60)
    ]
    (folder / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def run(*words: str, cwd: Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = edgewise("steer", *words, cwd=cwd, COLUMNS="120", OMP_NUM_THREADS="1")
    assert done.returncode == expect, done.stderr
    return done


def test_merged_measured_and_opened(place: Path) -> None:
    import asyncio

    from edgewise.models import open_model

    words = (*BOTH, "--weight", "empathy=-0.5", "--out", "m", "--measure", "pairs.jsonl", "--grid=-1,0,1", "--json")
    found = as_json(run(*words, cwd=place))
    assert found["weights"] == {"empathy": -0.5, "trust": 1.0} and set(found["parents"]) == {"empathy", "trust"}
    for name, other in (("empathy", "trust"), ("trust", "empathy")):
        measured = found["measured"][name]
        assert measured["weights"] == [-1, 0, 1] and len(measured["margins"]) == 3
        for data in (*measured["margins"], measured["slope"], measured["rising"], measured["others"][other]):
            assert data["low"] <= data["value"] <= data["high"] and data["n"] > 2
        assert 0 <= measured["rising_steps"] <= measured["steps"] == 2
    assert json.loads((place / "m" / "steering.json").read_text()) == found
    model = open_model(f"adapter:{place / 'm'}")
    assert model.identity == found["identity"] and model.identity.startswith("adapter@")
    assert asyncio.run(model.score("Say red.", "red it is")).tokens
    model.close()


def test_a_table_without_a_merge(place: Path) -> None:
    shown = run(*BOTH, "--measure", "pairs.jsonl", "--grid", "0,1", cwd=place).stdout
    assert "at 0" in shown and "slope" in shown and "empathy" in shown and "of 1" in shown and "Next" not in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*BOTH,), "there is nothing to do"),
        (("--adapter", "empathy", "--out", "never"), "is not DIMENSION=FOLDER"),
        ((*BOTH, "--adapter", "trust=e", "--out", "never"), "has two adapters"),
        ((*BOTH, "--weight", "warmth=1", "--out", "never"), "there is no adapter of 'warmth'"),
        ((*BOTH, "--weight", "trust=x", "--out", "never"), "is not NAME=NUMBER"),
        ((*BOTH, "--weight", "trust=nan", "--out", "never"), "is no weight"),
        (("--adapter", "trust=t", "--adapter", "x=foreign", "--out", "never"), "it was trained on folder@"),
        (("--adapter", "trust=base", "--out", "never"), "no trained model here"),
        ((*BOTH, "--out", "base"), "the folder is not empty"),
        ((*BOTH, "--out", "never", "--measure", "none"), "no such file or folder"),
        ((*BOTH, "--out", "never", "--measure", "pairs.jsonl", "--grid", "1"), "two different weights"),
        ((*BOTH, "--out", "never", "--measure", "pairs.jsonl", "--grid", "a,b"), "numbers with commas"),
        (("--adapter", "novelty=t", "--out", "never", "--measure", "pairs.jsonl"), "no pair of 'novelty' is held out"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(words: tuple[str, ...], message: str, place: Path) -> None:
    error = as_json(run(*words, "--json", cwd=place, expect=2))["error"]
    assert message in error["message"] and not (place / "never").exists()
