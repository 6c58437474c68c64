"""`edgewise front` as a user meets it: the contract, the report, going on after a kill, the wrong words."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from edgewise.core.run import Manifest
from support.commands import as_json, edgewise
from support.tiny_adapters import save_base

pytest.importorskip("trl")
SHORT = ("--steps", "3", "--batch", "4", "--lr", "0.02", "--beta", "0.5", "--rank", "4", "--max-length", "64")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("front")
    save_base(folder / "base")
    rows: list[dict[str, Any]] = [
        {"prompt": f"Say {i}.", "chosen": f"{i} yes", "rejected": "no", "dimension": ("empathy", "trust")[i % 2]}
        for i in range(60)
    ]
    (folder / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def run(*words: str, cwd: Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = edgewise("front", "base", "--data", "pairs.jsonl", *words, cwd=cwd, COLUMNS="100", OMP_NUM_THREADS="1")
    assert done.returncode == expect, done.stderr
    return done


def loss(row: dict[str, Any]) -> float:
    """DPO's, with the beta of ``SHORT``, from a row of the held-out table."""
    gap = row["result_chosen"] - row["base_chosen"] - (row["result_rejected"] - row["base_rejected"])
    return math.log1p(math.exp(-0.5 * gap))


def test_a_saved_adapter_gives_what_the_trainer_measured(place: Path) -> None:
    from edgewise.training import adapters
    from edgewise.training.pairs import read_pairs
    from edgewise.training.scoring import score, tokenise

    run("--slack", "0.3,0.6", *SHORT, "--run", "saved", "--json", cwd=place)
    held_out = read_pairs(place / "pairs.jsonl").needed(3, 4, stratified=True, held_out=200, seed=0).held_out
    for name in ("0.3", "0.6"):
        table = pq.read_table(place / f"saved/runs/{name}/tables/held_out.parquet").to_pylist()
        assert [row["record"] for row in table] == [pair.record for pair in held_out]
        model, tokenizer = adapters.load(place / f"saved/artefacts/adapters/{name}")
        found = score(model.eval(), tokenise(tokenizer, held_out, 64))
        assert found.ravel().tolist() == pytest.approx(
            [row[key] for row in table for key in ("result_chosen", "result_rejected")], abs=2e-3
        )


def test_the_contract_and_going_on_without_doing_anything_twice(place: Path) -> None:
    found = as_json(run("--slack", "0.3,0.6", *SHORT, "--run", "f", "--json", cwd=place))
    assert list(found["points"]) == ["0.3", "0.6"] and found["status"] == "complete"
    for name, point in found["points"].items():
        inner = json.loads((place / "f/runs" / name / "manifest.json").read_text())
        assert inner["kind"] == "align" and inner["config"]["slack"] == float(name)
        table = pq.read_table(place / f"f/runs/{name}/tables/held_out.parquet").to_pylist()
        own = [loss(row) for row in table if row["dimension"] == "trust"]
        assert point["losses"]["trust"]["value"] == pytest.approx(sum(own) / len(own))
        ended = [json.loads(line) for line in (place / "f/runs" / name / "events.jsonl").read_text().splitlines()]
        summary = next(event["data"] for event in ended if event["kind"] == "summary")
        trained = summary["dimensions"]["trust"]["result"]["loss"]["value"]
        assert point["losses"]["trust"]["value"] == pytest.approx(trained)
        assert point["certificates"]["trust"]["verdict"] in ("holds", "violated", "undecided")
        assert Path(point["adapter"]).is_dir() and point["limits"]["trust"] == float(name)
    volume = found["hypervolume"]
    assert volume["low"] <= volume["value"] <= volume["high"] and "bootstrap" in volume["method"]
    report = (place / "f/report.html").read_text()
    assert "Achievable front" in report and "edgewise front" in report

    shutil.copytree(place / "f", place / "cut")
    events = (place / "cut/events.jsonl").read_text().splitlines(keepends=True)
    (place / "cut/events.jsonl").write_text(events[0])
    shutil.rmtree(place / "cut/runs/0.6")
    (place / "cut/runs/0.6/tables").mkdir(parents=True)  # killed before its manifest
    shutil.rmtree(place / "cut/artefacts/adapters/0.6")
    untouched = (place / "cut/runs/0.3/events.jsonl").read_bytes()
    done = edgewise("resume", "cut", "--json", cwd=place, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    again = as_json(done)
    assert (place / "cut/runs/0.3/events.jsonl").read_bytes() == untouched
    assert again["hypervolume"]["value"] == pytest.approx(volume["value"], rel=1e-3)


def test_one_dimension_swept_and_shown_as_a_table(place: Path) -> None:
    words = ("--dimension", "trust", "--tolerances", "0.3,0.6", "--slack", "0.55", "--tolerance", "empathy=0.65")
    words += ("--held-out", "3")
    shown = run(*words, *SHORT, "--run", "one", cwd=place).stdout
    assert "on the front" in shown and "Hypervolume" in shown and "loss of trust" in shown
    table = pq.read_table(place / "one/runs/0.6/tables/held_out.parquet").to_pylist()
    assert sorted(row["dimension"] for row in table) == ["empathy"] * 3 + ["trust"] * 3
    ended = [json.loads(line) for line in (place / "one/runs/0.6/events.jsonl").read_text().splitlines()]
    summary = next(event["data"] for event in ended if event["kind"] == "summary")["dimensions"]["trust"]
    own = [loss(row) for row in table if row["dimension"] == "trust"]
    assert sum(own) / 3 == pytest.approx(summary["result"]["loss"]["value"])
    config = json.loads((place / "one/runs/0.6/manifest.json").read_text())["config"]
    assert config["tolerance"] == {"trust": 0.6, "empathy": 0.65} and config["slack"] == 0.55


def test_the_command_in_the_report_has_only_options_that_there_are(place: Path) -> None:
    from edgewise.report.commands import reproduce
    from edgewise.training.front import FrontConfig
    from edgewise.training.job import AlignConfig

    align = AlignConfig(model="base", data="pairs.jsonl", out="o", tolerance={"trust": 0.6}, full_weights=True)
    config = FrontConfig(align=align, tolerances=(0.3, 0.5), dimension="empathy").model_dump(mode="json")
    manifest = Manifest(kind="front", config=config, seed=0, created="")
    options = {word for word in reproduce(manifest).split() if word.startswith("--")}
    known = edgewise("front", "--help", cwd=place, COLUMNS="100").stdout.split()
    assert options <= set(known) and {"--tolerances", "--dimension", "--slack", "--full-weights"} <= options


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--slack", "0.5"), "at least 2 items"),
        (("--slack", "0.5,0.5"), "two tolerances are the same"),
        (("--slack", "0.5,x"), "is not numbers with commas"),
        (("--slack", "0.5,-1"), "greater than or equal to 0"),
        (("--tolerances", "0.3,0.5"), "whose tolerances"),
        (("--dimension", "trust"), "its tolerances are missing"),
        (("--dimension", "trust", "--tolerances", "0.3,0.4", "--slack", "0.1,0.2"), "it is one number"),
        (("--dimension", "warmth", "--tolerances", "0.3,0.4"), "no pairs of 'warmth'"),
        (("--slack", "0.3,0.5", "--batch", "1"), "cannot hold 2 dimensions"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(words: tuple[str, ...], message: str, place: Path) -> None:
    error = as_json(run(*words, "--run", "never", "--json", cwd=place, expect=2))["error"]
    assert message in error["message"] and not (place / "never").exists()
