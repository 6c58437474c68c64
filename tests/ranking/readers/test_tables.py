"""Response tables: every layout and file type gives the same matrix, and what is wrong is named."""

from __future__ import annotations

import json
import string
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgewise.core.errors import BadInput
from edgewise.ranking import ResponseMatrix
from edgewise.ranking.readers import read_responses
from support.responses import BINARY, GRADED, REAL, real

WIDE = "item_id,m1,m2\nq1,1,0\nq2,,0.5\n"
EXPECTED = ResponseMatrix.from_array([[1.0, 0.0], [np.nan, 0.5]], items=["q1", "q2"], models=["m1", "m2"])

same_file = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def alike(a: ResponseMatrix, b: ResponseMatrix) -> bool:
    a, b = a.sorted(), b.sorted()
    return (a.items, a.models) == (b.items, b.models) and np.array_equal(a.dense(), b.dense(), equal_nan=True)


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("wide.csv", WIDE),
        ("crlf.csv", WIDE.replace("\n", "\r\n")),
        ("bom.csv", "\ufeff" + WIDE),
        ("tabs.tsv", WIDE.replace(",", "\t")),
        ("pandas.csv", WIDE.replace("item_id", "")),
        ("words.csv", "item_id,m1,m2\nq1,True,false\nq2,NaN,.5\n"),
        ("text_key.csv", WIDE.replace("item_id", "what")),
        ("by_model.csv", "model,q1,q2\nm1,1,\nm2,0,0.5\n"),
        ("long.csv", "model,item,score\nm1,q1,1\nm2,q1,0\nm2,q2,0.5\nm1,q2,null\n"),
        ("synonyms.csv", "agent,task_id,other,resolved\nm1,q1,x,true\nm2,q1,y,false\nm2,q2,z,0.5\nm1,q2,,\n"),
        ("wide.jsonl", '{"item_id": "q1", "m1": 1, "m2": 0}\n\n{"item_id": "q2", "m2": 0.5}\n'),
        ("wide.json", '[{"item_id": "q1", "m1": true, "m2": 0}, {"item_id": "q2", "m1": NaN, "m2": 0.5}]'),
        (
            "long.jsonl",
            '{"model": "m1", "item": "q1", "score": 1}\n{"model": "m2", "item": "q1", "score": 0}\n'
            '{"model": "m2", "item": "q2", "score": 0.5}\n{"model": "m1", "item": "q2", "score": null}\n',
        ),
        (
            "pyirt.jsonl",
            '{"subject_id": "m1", "responses": {"q1": 1, "q2": null}}\n'
            '{"subject_id": "m2", "responses": {"q1": 0, "q2": 0.5}}\n',
        ),
    ],
)
def test_every_form_reads_alike(tmp_path: Path, name: str, content: str) -> None:
    assert alike(read_responses([write(tmp_path, name, content)]), EXPECTED)


@pytest.mark.parametrize("graded", [False, True])
@given(data=st.data())
@same_file
def test_what_is_written_is_read(tmp_path: Path, graded: bool, data: st.DataObject) -> None:
    values = data.draw(GRADED if graded else BINARY)
    name = st.text(string.ascii_letters + " ,\"'\n;é漢-", min_size=1, max_size=6).map(lambda text: "x" + text.strip())
    items = data.draw(st.lists(name, min_size=len(values), max_size=len(values), unique=True))
    models = data.draw(st.lists(name, min_size=values.shape[1], max_size=values.shape[1], unique=True))
    matrix = ResponseMatrix.from_array(values, items=items, models=models)
    columns = {
        "item_id": items,
        **{m: [None if np.isnan(x) else x for x in values[:, j]] for j, m in enumerate(models)},
    }
    table = pa.table(
        {key: pa.array(column, None if key == "item_id" else pa.float64()) for key, column in columns.items()}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    from pyarrow import csv

    csv.write_csv(table, tmp_path / "a.csv")
    lines = [json.dumps(row) for row in table.to_pylist()]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    for file in ("a.parquet", "a.csv", "a.jsonl"):
        found = read_responses([tmp_path / file], item="item_id", format="wide")
        assert alike(found, matrix), file
        assert found.binary == matrix.binary


def test_integers_are_their_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1, 2], "m": [1, 0]}), tmp_path / "a.parquet")
    write(tmp_path, "b.csv", "id,n\n1,1\n01,0\n")
    write(tmp_path, "c.jsonl", '{"id": 1, "o": 1}\n{"id": "2", "o": 0}\n')
    found = read_responses([tmp_path / name for name in ("a.parquet", "b.csv", "c.jsonl")])
    assert found.items == ("01", "1", "2") and found.models == ("m", "n", "o")


def test_files_are_joined_and_a_null_gives_way(tmp_path: Path) -> None:
    first = write(tmp_path, "a.csv", "item_id,m1\nq1,1\nq2,\n")
    second = write(tmp_path, "b.csv", "item_id,m1,m2\nq2,0,1\n")
    expected = ResponseMatrix.from_array([[1, np.nan], [0, 1]], items=["q1", "q2"], models=["m1", "m2"])
    assert alike(read_responses([first, second]), expected)
    assert alike(read_responses([second, first]), expected)
    assert alike(read_responses([tmp_path]), expected)


def test_repeats_are_an_error_or_samples(tmp_path: Path) -> None:
    first = write(tmp_path, "a.csv", "model,item,score\nm,q,1\nm,q,1\nm,q,0\n")
    second = write(tmp_path, "b.csv", "model,item,score\nm,q,0\n")
    with pytest.raises(BadInput, match=r"a\.csv, row 2: model 'm' has answered item 'q' before, in row 1"):
        read_responses([first])
    assert read_responses([first], repeats="mean").dense()[0, 0] == pytest.approx(2 / 3)
    # Every answer counts alike, whichever file it is in.
    assert read_responses([first, second], repeats="mean").dense()[0, 0] == 0.5
    wide = write(tmp_path, "c.csv", "item_id,m\nq,1\n")
    with pytest.raises(BadInput, match=r"b\.csv: model 'm' has a score on item 'q' in .*c\.csv already"):
        read_responses([wide, second])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", "", "none.csv: the file is empty"),
        ("none.jsonl", "\n\n", "none.jsonl: the file is empty"),
        ("header.csv", "item_id,m\n", "header.csv: there is a header and no row"),
        ("a.csv", "item_id,m\nq1,1\nq2,1.5\n", "row 2, field 'm': 1.5 is no score between 0 and 1"),
        ("a.csv", "item_id,m\nq1,1\nq2,inf\n", "row 2, field 'm': inf is no score"),
        ("a.csv", "item_id,m\nq1,1\nq2,maybe\n", "row 2, field 'm': 'maybe' is no number"),
        ("a.csv", "item_id,m\nq1,1\nq2,1_0\n", "row 2, field 'm': '1_0' is no number"),
        ("a.csv", "item_id,m\nq1,1\nq1,0\n", "row 2, field 'item_id': 'q1' is in row 1 already"),
        ("a.csv", "item_id,m\nq1,1\n,0\n", "row 2, field 'item_id': an id is missing"),
        ("a.csv", "item_id,m,m\nq1,1,0\n", "field 'm': the column is there twice"),
        ("a.csv", "item_id,m\nq1,1\nq2,1,1\n", "row 2: the row has 3 fields; the header has 2"),
        (
            "a.csv",
            "item_id,id,m\nq1,1,1\n",
            "columns 'item_id', 'id' could each hold the items\n  → choose it with --item",
        ),
        ("a.csv", "item_id,subject,m\nq1,law,1\n", "field 'subject': column 'subject' holds text"),
        ("a.csv", "m1,m2\n1,0\n", "no column is known to hold the items"),
        ("a.csv", "item_id\nq1\n", "there is no column of scores beside 'item_id'"),
        (
            "a.csv",
            "item_id,score\nq1,1\n",
            "column 'score' could hold scores, but no column is known to hold the models",
        ),
        ("a.csv", "model,item,acc,score\nm,q,1,1\n", "columns 'acc', 'score' could each hold the scores"),
        ("a.csv", "model,item,seconds\nm,q,1\n", "no column is known to hold the scores"),
        ("a.csv", "model,item,score\nm,q,-1\n", "row 1, field 'score': -1.0 is no score"),
        ("a.csv", b"item_id,m\nq\xff1,1\n", "the byte at offset 11 is not UTF-8"),
        ("a.csv", "item_id,m\nq,1\n".encode("utf-16"), "the file is UTF-16"),
        ("a.csv", b"PK\x03\x04\x00\x00", "this is a binary file"),
        ("a.jsonl", '{"item_id": "q", "m": 1}\n{"item_id": ', "row 2: the line is no whole JSON"),
        ("a.jsonl", '{"item_id": "q", "m": 1, "m": 0}\n', "row 1, field 'm': the object has the key twice"),
        ("a.jsonl", "[1]\n", "row 1: need an object"),
        ("a.jsonl", b'{"item_id": "q", "m": 1}\n{"item_id": "\xff"}\n', "the byte at offset 38 is not UTF-8"),
        ("a.json", "{}", "this JSON is neither"),
        ("a.json", "[1, 2", "this is no whole JSON"),
        ("a.parquet", b"PAR1 and no more", "this is no whole Parquet file"),
        ("a.xlsx", b"", "the ending '.xlsx' is not known"),
    ],
)
def test_faults_are_named(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(BadInput) as error:
        read_responses([write(tmp_path, name, content)])
    assert name in str(error.value) and message in str(error.value)


def test_late_faults_keep_their_row(tmp_path: Path) -> None:
    """A row beyond the first block of a file that is read in blocks."""
    rows = [f"question {i:060},1,0" for i in range(400_000)]
    rows[399_990] = "bad,1,7"
    path = write(tmp_path, "a.csv", "item_id,m1,m2\n" + "\n".join(rows))
    with pytest.raises(BadInput, match=r"row 399991, field 'm2': 7.0 is no score"):
        read_responses([path])
    rows[399_990] = "bad,1"
    path = write(tmp_path, "a.csv", "item_id,m1,m2\n" + "\n".join(rows))
    with pytest.raises(BadInput, match=r"the row has 2 fields; the header has 3"):
        read_responses([path])
    rows[399_990] = "b\xffd,1,1"
    content = ("item_id,m1,m2\n" + "\n".join(rows)).encode("latin-1")
    with pytest.raises(BadInput, match=f"the byte at offset {content.index(255):,} is not UTF-8"):
        read_responses([write(tmp_path, "a.csv", content)])


def test_given_columns_settle_it(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "name,id,item_id,acc,score\nm1,7,q1,1,0\n")
    found = read_responses([path], model="name", item="item_id", score="acc")
    assert found.models == ("m1",) and found.items == ("q1",) and found.dense()[0, 0] == 1
    with pytest.raises(BadInput, match=r"field 'nome': --model names no column; there are name, id"):
        read_responses([path], model="nome")
    scores = write(tmp_path, "b.csv", "item_id,score\nq1,1\n")
    assert read_responses([scores], format="wide").models == ("score",)


def test_truncated_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"item_id": [str(i) for i in range(1000)], "m": [1.0] * 1000}), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match=r"a\.parquet: this is no whole Parquet file"):
        read_responses([path])
    path.write_bytes(whole[:100] + bytes(400) + whole[500:])
    with pytest.raises(BadInput, match=r"a\.parquet"):
        read_responses([path])


def test_float_ids_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"item_id": [1.0, 2.0], "m": [1.0, 0.0]}), tmp_path / "a.parquet")
    with pytest.raises(BadInput, match=r"field 'item_id': ids are double"):
        read_responses([tmp_path / "a.parquet"])


def test_a_million_columns_are_refused_at_once(tmp_path: Path) -> None:
    names = [f"q{i}" for i in range(1_000_000)]
    path = write(tmp_path, "a.csv", ",".join(["model", *names]) + "\n" + ",".join(["m"] + ["1"] * len(names)))
    started = time.perf_counter()
    with pytest.raises(BadInput, match=r"there are 1,000,001 columns; at most 100,000") as error:
        read_responses([path])
    assert "long table" in str(error.value)
    assert time.perf_counter() - started < 20


def test_paths_that_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no such file"):
        read_responses([tmp_path / "absent.csv"])
    with pytest.raises(BadInput, match="the folder holds no responses"):
        read_responses([tmp_path])
    with pytest.raises(BadInput, match="no file is given"):
        read_responses([])
    with pytest.raises(BadInput, match="there is no format 'exel'"):
        read_responses([tmp_path], format="exel")


def test_unreadable_file(tmp_path: Path) -> None:
    """A folder where a file should be is the one read error that even root gets."""
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(BadInput, match="the folder holds no responses"):
        read_responses([tmp_path / "a.csv"])


@pytest.mark.parametrize("name", ["mmlu_pro", "terminal_bench2_frac", "alpaca_eval2_pref"])
def test_real_files(name: str) -> None:
    expected = real(name)
    assert alike(read_responses([REAL / f"{name}.responses.parquet"]), expected)
