"""`edgewise rank` as a user gives it: its contract, its files, its report, its faults."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from support.commands import as_json, edgewise
from support.responses import simulated


@pytest.fixture
def responses(tmp_path: Path) -> Path:
    """200 items, six models, some cells empty, one name that would do harm on a page."""
    matrix, _, _ = simulated(200, 6, seed=3)
    names = ["best <b>&", *(f"m{j}" for j in range(1, 6))]
    lines = [",".join(["item_id", *names])]
    for i, row in enumerate(matrix.dense()):
        lines.append(",".join([f"q{i}", *("" if (i + j) % 17 == 0 else str(int(x)) for j, x in enumerate(row))]))
    path = tmp_path / "answers.csv"
    path.write_text("\n".join(lines))
    return path


def test_the_output_contract(responses: Path, tmp_path: Path) -> None:
    done = edgewise("rank", responses, "--json", "--out", "r", "--seed", 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    data = as_json(done)
    assert data["method"] == "edgewise" and data["n_items"] == 200 and data["seconds"] > 0
    assert [row["rank"] for row in data["models"]] == sorted(row["rank"] for row in data["models"])
    models = pq.read_table(tmp_path / "r" / "tables" / "models.parquet")
    items = pq.read_table(tmp_path / "r" / "tables" / "items.parquet")
    wanted = ["model", "score", "low", "high", "rank", "rank_low", "rank_high", "accuracy", "n_items"]
    assert models.column_names == wanted and models.to_pylist() == data["models"]
    wanted = ["item_id", "difficulty", "low", "high", "percentile", "weight"]
    wanted += ["error_rate", "discrimination", "infit", "outfit"]
    assert items.column_names == [*wanted, "flags"] and items.num_rows == 200
    for row in data["models"]:
        assert row["low"] <= row["score"] <= row["high"] and row["rank_low"] <= row["rank"] <= row["rank_high"]
        assert 187 <= row["n_items"] <= 189
    # A null is not counted as wrong.
    cells = np.genfromtxt(responses, delimiter=",", skip_header=1)[:, 1:]
    found = {row["model"]: row["accuracy"] for row in data["models"]}
    assert found["m1"] == pytest.approx(np.nanmean(cells[:, 1]))


def test_the_same_seed_gives_the_same_tables(responses: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert edgewise("rank", responses, "--out", name, "--seed", seed, cwd=tmp_path).returncode == 0
    tables = [(tmp_path / name / "tables" / "models.parquet").read_bytes() for name in "abc"]
    assert tables[0] == tables[1] != tables[2]


def test_all_methods_and_the_paper_and_no_bootstrap(responses: Path, tmp_path: Path) -> None:
    data = as_json(edgewise("rank", responses, "--json", "--method", "all", "--bootstrap", 20, cwd=tmp_path))
    assert len(data["seconds_by_method"]) == 9 and all(-1 <= tau <= 1 for tau in data["tau"].values())
    page = (tmp_path / data["run"] / "report.html").read_text()
    assert "How far the methods agree" in page and "best &lt;b&gt;&amp;" in page and "best <b>" not in page
    data = as_json(edgewise("rank", responses, "--json", "--method", "rankllm", "--bootstrap", 0, cwd=tmp_path))
    assert sum(row["score"] for row in data["models"]) == pytest.approx(1)
    assert all(row["low"] is None and row["rank_high"] is None for row in data["models"])


def test_item_weights(responses: Path, tmp_path: Path) -> None:
    """Weight 0 is as if the item were not there; a weight that is missing is named."""
    lines = responses.read_text().splitlines()
    (tmp_path / "half.csv").write_text("\n".join(lines[:101]))
    weights = [f"q{i},{1 if i < 100 else 0}" for i in range(200)]
    (tmp_path / "weights.csv").write_text("\n".join(["item_id,weight", *weights]))
    half = as_json(edgewise("rank", "half.csv", "--json", "--method", "accuracy", "--bootstrap", 0, cwd=tmp_path))
    words = ("--json", "--method", "accuracy", "--bootstrap", 0, "--item-weights", "weights.csv")
    weighted = as_json(edgewise("rank", responses, *words, cwd=tmp_path))
    assert {r["model"]: r["score"] for r in half["models"]} == pytest.approx(
        {r["model"]: r["score"] for r in weighted["models"]}
    )
    (tmp_path / "weights.csv").write_text("\n".join(["item_id,weight", *weights[1:]]))
    done = edgewise("rank", responses, *words, cwd=tmp_path)
    assert done.returncode == 2 and "item 'q0' has no weight" in done.stderr


def test_copies_of_an_item_are_found(tmp_path: Path) -> None:
    wide = tmp_path / "wide.csv"
    rng = np.random.default_rng(0)
    names = [f"m{j}" for j in range(40)]
    ability = np.linspace(-1, 1, 40)
    rows = [(rng.random(40) < 1 / (1 + np.exp(-ability))).astype(int) for _ in range(60)]
    table = [f"q{i}," + ",".join(map(str, row)) for i, row in enumerate([*rows, rows[7]])]
    wide.write_text("\n".join(["item_id," + ",".join(names), *table]))
    data = as_json(edgewise("rank", wide, "--json", "--bootstrap", 10, cwd=tmp_path))
    pairs = pq.read_table(tmp_path / data["run"] / "tables" / "pairs.parquet").to_pylist()
    assert {pairs[0]["item"], pairs[0]["other"]} == {"q7", "q60"} and pairs[0]["p_value"] < 1e-6
    assert "Items that depend on each other" in (tmp_path / data["run"] / "report.html").read_text()


def test_an_anchor_keeps_the_scale(responses: Path, tmp_path: Path) -> None:
    first = as_json(edgewise("rank", responses, "--json", "--out", "a", "--bootstrap", 10, cwd=tmp_path))
    strong = tmp_path / "strong.csv"
    lines = [line.split(",") for line in responses.read_text().splitlines()]
    keep = [0] + [1 + ["best <b>&", *(f"m{j}" for j in range(1, 6))].index(row["model"]) for row in first["models"][:3]]
    strong.write_text("\n".join(",".join(line[i] for i in keep) for line in lines))
    second = as_json(edgewise("rank", strong, "--json", "--anchor", "a", "--bootstrap", 10, cwd=tmp_path))
    before = {row["model"]: row["score"] for row in first["models"]}
    for row in second["models"]:
        assert row["score"] == pytest.approx(before[row["model"]], abs=0.02)


def test_diff(responses: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.csv"
    half.write_text("\n".join(responses.read_text().splitlines()[:100]))
    for path, out in ((responses, "a"), (half, "b")):
        assert edgewise("rank", path, "--out", out, cwd=tmp_path).returncode == 0
    same = as_json(edgewise("rank", "diff", "a", "a", "--json", cwd=tmp_path))
    assert (
        same["tau"] == pytest.approx(1)
        and same["item_tau"] == pytest.approx(1)
        and {move["outcome"] for move in same["models"]} == {"same"}
    )
    other = as_json(edgewise("rank", "diff", "a", "b", "--json", cwd=tmp_path))
    assert other["n_items"] == 99 and 0.5 < other["tau"] <= 1
    text = edgewise("rank", "diff", "a", "b", cwd=tmp_path, COLUMNS="50").stdout
    assert "m1" in text and "Kendall" in text
    done = edgewise("rank", "diff", "a", cwd=tmp_path)
    assert done.returncode == 2 and "takes two runs" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent.csv"], "absent.csv: there is no such file"),
        (["answers.csv", "--method", "elo"], "there is no method 'elo'"),
        (["answers.csv", "--alpha", "1.5"], "alpha"),
        (["answers.csv", "--anchor", "nowhere"], "nowhere"),
        (["answers.csv", "--method", "rasch", "--anchor", "."], "only --method edgewise"),
        (["answers.csv", "--model", "who"], "--model names no column"),
        (["answers.csv", "--bootstrap", "-1"], "bootstrap"),
    ],
)
def test_faults(responses: Path, tmp_path: Path, words: list[str], message: str) -> None:
    done = edgewise("rank", *words, cwd=tmp_path)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert not (tmp_path / "runs").exists()  # nothing is left behind


def test_one_model_and_dead_items(tmp_path: Path) -> None:
    for name, content in (
        ("one.csv", "item_id,m\na,1\nb,0\n"),
        ("item.csv", "item_id,m,n\na,1,0\n"),
        ("right.csv", "item_id,m,n\na,1,1\nb,1,1\n"),
        ("wrong.csv", "item_id,m,n\na,0,0\nb,0,0\n"),
        ("empty.csv", "item_id,m,n\na,,\nb,,\n"),
        ("pools.csv", "item_id,m,n\na,1,\nb,,1\nc,0,\nd,,0\n"),
    ):
        (tmp_path / name).write_text(content)
        done = edgewise("rank", name, "--json", "--method", "all", cwd=tmp_path)
        assert done.returncode == 0, (name, done.stderr)
        data = as_json(done)
        assert "NaN" not in done.stdout and json.loads(json.dumps(data, allow_nan=False)) == data
        if name == "pools.csv":
            assert "2 pools" in done.stderr


def test_a_narrow_terminal(responses: Path, tmp_path: Path) -> None:
    done = edgewise("rank", responses, "--bootstrap", 10, cwd=tmp_path, COLUMNS="40")
    assert all(len(line) <= 40 for line in done.stdout.splitlines())
    assert "best" in done.stdout and "<b>&" in done.stdout


def test_the_page_in_a_browser(responses: Path, tmp_path: Path, browser: Callable[..., str]) -> None:
    assert edgewise("rank", responses, "--out", "r", cwd=tmp_path).returncode == 0
    dom = browser("--dump-dom", (tmp_path / "r" / "report.html").as_uri())
    assert 'data-drawn="3"' in dom and "Items to look at first" in dom
    assert "edgewise rank" in dom  # the command that does it again
