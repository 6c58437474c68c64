"""`edgewise character data` as a user meets it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edgewise.character.knobs import acceptable, load, load_records
from edgewise.core.errors import BadInput
from edgewise.training.pairs import read_pairs
from support.commands import as_json, edgewise

# Writes what it is asked for about teas and their like, in two voices, and sometimes fails on purpose.
WRITER = """
import re

def write(messages, settings, sample):
    said = messages[-1].text
    name = re.search(r"What of (\\w+)", said).group(1)
    if "needless" in said or "exactly the caution" in said:
        return f"{name.title()} is fine by me, and I would have it any day."
    return f"As an AI, please note that {name} may vary from day to day." if sample else "Well."

def refuse(messages, settings, sample):
    return "Well."

def reword(messages, settings, sample):
    said = messages[-1].text
    return said.replace("What of", "And what of") if "tea" in said or "rye" in said else "No idea?"
"""
FAMILY = """
families:
  - name: own
    about: Mine.
    content: [thing]
    slots: {thing: things, person: people}
    messages: [["What of {thing.name}, asks {person.who}?"]]
    parts: {trustworthiness: mine}
    facts: {}
tables:
  things: [{id: a, name: tea}, {id: b, name: rye}, {id: c, name: ink}]
parts:
  mine: {low: ["As an AI, please note that {thing.name} varies."], high: ["{Thing.name} is fine by me, I would say."]}
"""


def run(*words: object, cwd: Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = edgewise("character", "data", *words, cwd=cwd, COLUMNS="60")
    assert done.returncode == expect, done.stderr
    return done


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "bots.py").write_text(WRITER)
    (tmp_path / "families.yaml").write_text(FAMILY)
    return tmp_path


def test_the_files_are_what_training_and_datasets_take(tmp_path: Path) -> None:
    found = as_json(run("--n", 300, "--out", "d", "--seed", 2, "--json", cwd=tmp_path))
    assert found["records"] == 300 and set(found["splits"]) == {"train", "validation", "test"}
    folder = tmp_path / "d"
    pairs = read_pairs(folder)
    assert pairs.dimensions == ("anti_sycophancy", "creativity", "empathy", "trustworthiness")
    counts = {k: v for k, v in found["train_pairs"].items() if k}
    assert sum(counts.values()) == len(pairs.train)
    table = load(folder)
    assert set(table) == {"train", "validation", "test"}
    assert set(table["train"].column_names) >= {"prompt", "chosen", "rejected", "dimension"}
    assert table["train"].num_rows == sum(found["train_pairs"].values())
    records = load_records(folder)
    assert [r.data() for r in records] == lines(folder / "records.jsonl")
    for record in records:
        (best,) = acceptable(record)
        assert set(record.responses[best].k.values()) == {1}
    assert (folder / "report.html").is_file()


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run("--n", 60, "--out", name, "--seed", 5, cwd=tmp_path)
    run("--n", 60, "--out", "c", "--seed", 6, cwd=tmp_path)
    for file in ("records.jsonl", "train.jsonl"):
        a, b, c = ((tmp_path / name / file).read_bytes() for name in "abc")
        assert a == b != c


def test_a_dimension_can_be_rare_and_a_family_unseen(tmp_path: Path) -> None:
    words = ("--n", 400, "--share", "empathy=0.05", "--hold-out", "pushback", "--levels", 2, "--out", "d", "--json")
    found = as_json(run(*words, cwd=tmp_path))
    named = {k: v for k, v in found["train_pairs"].items() if k}
    assert named["empathy"] / sum(named.values()) == pytest.approx(0.05, abs=0.005)
    splits = {r.split for r in load_records(tmp_path / "d") if r.family == "pushback"}
    assert splits == {"test"}
    assert {level for r in load_records(tmp_path / "d") for x in r.responses for level in x.k.values()} == {0, 1, 2}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--family", "no_such"), "no family 'no_such'"),
        (("--share", "empathy=2"), "not between 0 and 1"),
        (("--share", "empathy"), "not NAME=NUMBER"),
        (("--share", "wit=0.1"), "no family varies 'wit'"),
        (("--share", "empathy=0.9"), "at most"),
        (("--families-file", "none.yaml"), "no such file"),
        (("--dimensions-file", "none.yaml"), "no such file"),
        (("--family", "pushback", "--hold-out", "pushback"), "no family is left"),
        (("--n", "2"), "--n"),
        (("--model", "nonsense"), "names no model"),
    ],
)
def test_what_cannot_be_used_is_named(words: tuple[str, ...], says: str, tmp_path: Path) -> None:
    given = words if "--n" in words else ("--n", "60", *words)
    done = run(*given, "--out", "d", cwd=tmp_path, expect=2)
    assert says in " ".join(done.stderr.split()) and "Traceback" not in done.stderr


def test_a_folder_in_use_is_not_written_over(tmp_path: Path) -> None:
    run("--n", 20, "--out", "d", cwd=tmp_path)
    before = (tmp_path / "d" / "records.jsonl").read_bytes()
    assert "already holds a run" in run("--n", 20, "--out", "d", cwd=tmp_path, expect=2).stderr
    assert (tmp_path / "d" / "records.jsonl").read_bytes() == before


def test_a_model_writes_and_what_fails_its_checks_is_left_out(own: Path) -> None:
    base = ("--n", 24, "--families-file", "families.yaml", "--json")
    found = as_json(run(*base, "--out", "d", "--model", "scripted:bots.py:write", cwd=own))
    records = load_records(own / "d")
    assert found["records"] == len(records) == 24
    assert {r.source for record in records for r in record.responses} == {"write"}
    assert all(record.responses[1].checks == {"trustworthiness": 1.0} for record in records)
    lost = run(*base, "--out", "e", "--model", "scripted:bots.py:refuse", cwd=own, expect=2)
    assert "no record passed its checks" in lost.stderr


def test_a_paraphrase_counts_only_if_it_loses_nothing(own: Path) -> None:
    base = ("--n", 24, "--families-file", "families.yaml", "--json")
    found = as_json(run(*base, "--out", "d", "--vary", "scripted:bots.py:reword", cwd=own))
    records = load_records(own / "d")
    reworded = [r for r in records if "paraphrase" in r.provenance]
    assert 0 < len(reworded) < len(records)
    assert all(r.messages[-1]["content"].startswith("And what of") for r in reworded)
    assert f"{len(records) - len(reworded)} of {len(records)} prompts stay as they were" in " ".join(found["notes"])


def test_a_spent_budget_is_incomplete_and_goes_on(own: Path) -> None:
    base = ("--n", 24, "--families-file", "families.yaml", "--out", "d", "--model", "scripted:bots.py:write")
    stopped = edgewise("character", "data", *base, "--budget", "calls=10", cwd=own)
    assert stopped.returncode != 0 and "budget" in stopped.stderr and "Traceback" not in stopped.stderr
    assert not (own / "d" / "records.jsonl").exists()
    on = edgewise("resume", "d", "--budget", "calls=500", "--json", cwd=own)
    assert on.returncode == 0, on.stderr
    assert as_json(on)["records"] == 24


def test_a_damaged_data_set_is_named(tmp_path: Path) -> None:
    run("--n", 20, "--out", "d", cwd=tmp_path)
    file = tmp_path / "d" / "records.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"family"', b'"famly"', 1))
    with pytest.raises(BadInput, match=r"records\.jsonl.*1"):
        load_records(tmp_path / "d")
    with pytest.raises(BadInput, match="no such file"):
        load(tmp_path)
