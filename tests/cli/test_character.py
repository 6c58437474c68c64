"""`edgewise character facets` as a user meets it: the contract, the report, a narrow terminal, wrong files."""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgewise.character.facets import draw_ratings
from support.commands import as_json, edgewise


def run(*words: str, cwd: Path, expect: int = 0, columns: int = 100) -> subprocess.CompletedProcess[str]:
    done = edgewise("character", "facets", *words, cwd=cwd, COLUMNS=str(columns))
    assert done.returncode == expect, done.stderr
    return done


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two dimensions, three categories."""
    with (tmp_path / "ratings.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("model", "item", "judge", "dimension", "score"))
        for seed, dimension in enumerate(("empathy", "creativity")):
            ratings, _ = draw_ratings(np.random.default_rng(seed), models=4, items=30, judges=3, top=2)
            names = (ratings.labels[facet] for facet in ("model", "item", "judge"))
            places = (ratings.model, ratings.item, ratings.judge)
            columns = [[label[p] for p in place] for label, place in zip(names, places, strict=True)]
            writer.writerows(zip(*columns, [dimension] * len(ratings), ratings.score.tolist(), strict=True))
    return tmp_path


def test_the_output_contract(table: Path) -> None:
    found = as_json(run("ratings.csv", "--json", "--plan", "2", "--out", "r", cwd=table))
    assert len(found["models"]) == 8 and len(found["items"]) == 60 and len(found["judges"]) == 3 and found["n"] == 480
    for row in found["models"]:
        assert {"model", "dimension", "logit", "se", "low", "high", "infit", "outfit"} <= row.keys()
        assert row["low"] < row["logit"] < row["high"]
    judges = found["judges"]
    assert sum(row["severity"] for row in judges) == pytest.approx(0, abs=1e-6) and all(row["se"] > 0 for row in judges)
    for row in judges:
        parts = row["by_dimension"].values()
        assert sum(part["interaction"] for part in parts) == pytest.approx(0, abs=1e-9)
    assert set(found["reliability"]["models"]) == {"empathy", "creativity"} and found["loglik"] < 0
    assert [row["dimension"] for row in found["plan"]] == ["creativity"] * 2 + ["empathy"] * 2
    report = (table / "r" / "report.html").read_text()
    assert "Map of facets, empathy" in report and "Partial judges" in report
    again = as_json(edgewise("runs", ".", "--json", cwd=table))
    assert again["runs"][0]["status"] == "complete"


def test_a_narrow_terminal_and_pairwise_judgments(table: Path) -> None:
    shown = run("ratings.csv", cwd=table, columns=50).stdout
    assert "m0" in shown and max(map(len, shown.splitlines())) <= 50
    rows = [f"a,b,x,{'a' if i % 3 else 'b'}" for i in range(30)] + [
        f"b,a,x,{'a' if i % 3 else 'tie'}" for i in range(30)
    ]
    (table / "pairs.csv").write_text("\n".join(["model_a,model_b,judge,winner", *rows]))
    found = as_json(run("pairs.csv", "--json", "--out", "p", cwd=table))
    assert found["models"][0]["model"] == "a" and found["models"][0]["logit"] > 0 and found["n"] == 60
    assert "advantage" in (table / "p" / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("none.csv",), "there is no such file"),
        (("ratings.csv", "--covariate", "length"), "no column 'length'"),
        (("apart.csv",), "2 sets of models that it cannot compare: a; b"),
        (("flat.csv",), "in no dimension do ratings differ"),
    ],
)
def test_wrong_files_are_named(words: tuple[str, ...], message: str, table: Path) -> None:
    (table / "apart.csv").write_text("model,item,judge,score\na,1,x,0\na,2,x,1\nb,3,y,1\nb,4,y,0\n")
    (table / "flat.csv").write_text("model,item,judge,score\na,1,x,1\nb,1,x,1\n")
    done = run(*words, "--json", cwd=table, expect=2)
    assert message in as_json(done)["error"]["message"] and not (table / "runs").exists()
