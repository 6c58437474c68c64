"""RankLLM piece by piece is RankLLM of the whole."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgewise.core import tables as files
from edgewise.core.errors import BadInput
from edgewise.ranking import ResponseMatrix, rankllm_parquet
from edgewise.ranking.rankllm import rankllm
from support.responses import BINARY, GRADED, REAL, real


def write(path: Path, matrix: ResponseMatrix, kind: pa.DataType, rows: int = 4) -> None:
    columns = {"item_id": pa.array(matrix.items)}
    values = matrix.dense()
    for j, model in enumerate(matrix.models):
        cells = [None if np.isnan(x) else x for x in values[:, j].tolist()]
        columns[model] = pa.array(cells, pa.float64()).cast(kind)
    pq.write_table(pa.table(columns), path, row_group_size=rows)


def check(path: Path, out: Path, matrix: ResponseMatrix, engine: str) -> None:
    found = rankllm_parquet(path, out, engine=engine, tol=1e-12)  # type: ignore[arg-type]
    whole = rankllm(matrix, engine="direct")
    assert found.models == matrix.models and found.n_items == len(matrix.items) and found.converged
    np.testing.assert_allclose(found.competency, whole.competency, atol=1e-9)
    values = matrix.dense()
    table = pq.read_table(out)
    assert tuple(table["item_id"].to_pylist()) == matrix.items
    difficulty = [np.nan if x is None else x for x in table["difficulty"].to_pylist()]
    np.testing.assert_allclose(difficulty, whole.difficulty, atol=1e-9)
    with np.errstate(invalid="ignore"):
        seen = ~np.isnan(values)
        np.testing.assert_allclose(found.answered, seen.sum(0))
        np.testing.assert_allclose(found.accuracy, np.nansum(values, 0) / np.where(seen.any(0), seen.sum(0), np.nan))
        error = [np.nan if x is None else x for x in table["error_rate"].to_pylist()]
        expected = 1 - np.nansum(values, 1) / np.where(seen.any(1), seen.sum(1), np.nan)
        np.testing.assert_allclose(error, expected, atol=1e-12)


@pytest.mark.parametrize("engine", ["auto", "direct", "sweeps"])
@given(values=BINARY, kind=st.sampled_from([pa.bool_(), pa.int8(), pa.int64(), pa.float32()]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_it_is_the_fit_of_the_whole(tmp_path: Path, engine: str, values: np.ndarray, kind: pa.DataType) -> None:
    matrix = ResponseMatrix.from_array(values)
    write(tmp_path / "a.parquet", matrix, kind)
    check(tmp_path / "a.parquet", tmp_path / "items.parquet", matrix, engine)


@given(values=GRADED)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_graded_scores_go_the_direct_way(tmp_path: Path, values: np.ndarray) -> None:
    matrix = ResponseMatrix.from_array(values)
    write(tmp_path / "a.parquet", matrix, pa.float64())
    check(tmp_path / "a.parquet", tmp_path / "items.parquet", matrix, "auto")


@pytest.mark.parametrize("name", ["mmlu_pro", "terminal_bench2_frac"])
def test_real_data(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = real(name)
    monkeypatch.setattr(files, "_GROUP_CELLS", 1000)  # as if row groups were large: read in parts
    monkeypatch.setattr(files, "_PART_CELLS", 10_000)
    check(REAL / f"{name}.responses.parquet", tmp_path / "items.parquet", matrix, "auto")


def test_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    write(path, ResponseMatrix.from_array([[0.5, 1.0], [0.0, 1.0]]), pa.float64())
    with pytest.raises(BadInput, match=r"field 'model0': sweeps need scores of 0 and 1"):
        rankllm_parquet(path, engine="sweeps")
    pq.write_table(pa.table({"item_id": ["a", "b"], "m": [1, 2]}), path)
    with pytest.raises(BadInput, match=r"row 2, field 'm': 2.0 is no score"):
        rankllm_parquet(path)
    with pytest.raises(BadInput, match="alpha is 2"):
        rankllm_parquet(path, alpha=2)
    with pytest.raises(BadInput, match="only Parquet"):
        rankllm_parquet(tmp_path / "a.csv")
    with pytest.raises(BadInput, match="nowhere"):
        rankllm_parquet(tmp_path / "nowhere.parquet")


def test_the_scratch_file_is_gone_after_use(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write(path, ResponseMatrix.from_array([[0.0, 1.0], [1.0, 1.0]]), pa.int8())
    scratch = Path(tempfile.mkdtemp(dir=tmp_path))
    rankllm_parquet(path, scratch=scratch)
    assert not any(scratch.iterdir())
