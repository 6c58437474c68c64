"""Reading ratings: what is wrong is named by file, row and field; rules for repeats, categories, scales."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edgewise.character.facets.ratings import read_ratings
from edgewise.core.errors import BadInput

GOOD = """model,item,judge,dimension,score,length
a,1,x,empathy,0,10
a,1,y,empathy,2,10
b,1,x,empathy,1,200
b,2,y,trust,5,0
a,2,y,trust,4,30
"""


def write(folder: Path, text: str, name: str = "r.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_table_is_read_the_same_from_every_format(tmp_path: Path) -> None:
    csv = read_ratings([write(tmp_path, GOOD)], covariates=["length"])
    assert csv.labels == {
        "model": ("a", "b"),
        "item": ("1", "2"),
        "judge": ("x", "y"),
        "dimension": ("empathy", "trust"),
    }
    assert csv.score.tolist() == [0, 2, 1, 1, 0] and csv.categories == ((0.0, 1.0, 2.0), (4.0, 5.0))
    length = csv.covariates["length"]
    assert length.mean() == pytest.approx(0) and length.std() == pytest.approx(1)
    rows = [dict(zip(GOOD.split("\n")[0].split(","), line.split(","), strict=True)) for line in GOOD.split("\n")[1:-1]]
    typed = [row | {"score": int(row["score"]), "length": int(row["length"])} for row in rows]
    pq.write_table(pa.Table.from_pylist(typed), tmp_path / "r.parquet")
    lines = "\n".join(str(row).replace("'", '"') for row in typed)
    for path in (tmp_path / "r.parquet", write(tmp_path, lines, "r.jsonl")):
        other = read_ratings([path], covariates=["length"])
        assert other.labels == csv.labels and other.score.tolist() == csv.score.tolist()
        assert other.covariates["length"] == pytest.approx(length)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("model,item,judge,score\n", "no ratings"),
        ("model,item,score\na,1,1\n", "no column 'judge'"),
        ("model,item,judge,score\na,1,x,1\nb,1,x,good\n", "row 2, field 'score': 'good' is not a number"),
        ("model,item,judge,score\na,1,x,1\nb,1,x,nan\n", "row 2, field 'score'"),
        ("model,item,judge,score\na,1,x,1\nb,1,x,inf\n", "row 2, field 'score'"),
        ("model,item,judge,score\na,1,x,1\nb,1,x,\n", "row 2, field 'score'"),
        ("model,item,judge,score\na,1,x,1\na,1,x,0\n", "row 1: 1 ratings are repeated"),
        ("model,item,judge,score\na,1,x,.5\na,2,x,.7\nb,1,x,.1\n", "--categories 5"),
        ("model,item,judge,score\n" + "".join(f"a,{i},x,{i}\n" for i in range(30)), "30 categories are too many"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        read_ratings([write(tmp_path, text)])
    assert message in str(caught.value) and "r.csv" in str(caught.value)


def test_a_missing_file_and_a_covariate_that_does_not_vary(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        read_ratings([tmp_path / "none.csv"])
    with pytest.raises(BadInput, match="all rows are alike"):
        read_ratings([write(tmp_path, "model,item,judge,score,length\na,1,x,1,5\nb,1,x,0,5\n")], covariates=["length"])
    with pytest.raises(BadInput, match="below 0"):
        read_ratings([write(tmp_path, "model,item,judge,score,length\na,1,x,1,5\nb,1,x,0,-5\n")], covariates=["length"])


def test_of_several_files_the_one_with_the_error_is_named(tmp_path: Path) -> None:
    head = "model,item,judge,score\n"
    files = [write(tmp_path, head + "a,1,x,1\nb,1,x,0\n"), write(tmp_path, head + "a,2,x,1\nb,2,x,bad\n", "s.csv")]
    with pytest.raises(BadInput, match="'bad' is not a number") as caught:
        read_ratings(files)
    assert "s.csv, row 2" in str(caught.value)
    files[1].write_text(head + "a,2,x,1\nb,1,x,0\n")
    with pytest.raises(BadInput, match="1 ratings are repeated") as caught:
        read_ratings(files)
    assert "r.csv, row 2" in str(caught.value)


def test_repeated_ratings_follow_the_rule(tmp_path: Path) -> None:
    path = write(tmp_path, "model,item,judge,score\na,1,x,1\na,1,x,0\nb,1,x,0\n")
    first, every = read_ratings([path], repeats="first"), read_ratings([path], repeats="all")
    assert first.score.tolist() == [1, 0] and every.score.tolist() == [1, 0, 0]
    assert "1 repeated ratings" in first.notes[0] and "all count" in every.notes[0]


def test_scores_can_be_cut_into_classes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = "".join(f"m{i % 3},{i},x,{rng.random():.3f}\n" for i in range(90))
    found = read_ratings([write(tmp_path, "model,item,judge,score\n" + rows)], categories=3)
    assert set(found.score.tolist()) == {0, 1, 2} and len(found.categories[0]) == 3


def test_judges_on_other_scales_and_with_one_category_are_noted(tmp_path: Path) -> None:
    rows = "".join(f"m{i % 2},{i},x,{i % 5}\nm{i % 2},{i},y,{2 * (i % 5) + 1}\nm{i % 2},{i},z,3\n" for i in range(20))
    notes = "\n".join(read_ratings([write(tmp_path, "model,item,judge,score\n" + rows)]).notes)
    assert "judge y gives up to 9, judge x up to 4" in notes and "judge z only ever gives 3" in notes
