"""Response matrices for tests: small random ones, simulated ones, and the real ones beside the project."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgewise.ranking import ResponseMatrix

REAL = Path(__file__).parents[3] / "shared" / "data" / "responses"

# 0, 1 and missing; and graded scores with missing ones.
BINARY = hnp.arrays(
    np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.sampled_from([0.0, 1.0, np.nan])
)
GRADED = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
    elements=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0, np.nan]),
)


def simulated(n_items: int, n_models: int, seed: int = 0) -> tuple[ResponseMatrix, np.ndarray, np.ndarray]:
    """Rasch data, with the abilities and the difficulties that made them."""
    rng = np.random.default_rng(seed)
    ability, difficulty = rng.normal(size=n_models), rng.normal(size=n_items)
    p = 1 / (1 + np.exp(difficulty[:, None] - ability))
    return ResponseMatrix.from_array((rng.random(p.shape) < p).astype(float)), ability, difficulty


def real(name: str) -> ResponseMatrix:
    """A set of ``shared/data/responses``; skips where it is absent."""
    path = REAL / f"{name}.responses.parquet"
    if not path.is_file():
        pytest.skip(f"{path.name} is not beside the project")
    table = pq.read_table(path)
    models = [column for column in table.column_names if column != "item_id"]
    values = np.array([table[m].to_numpy().astype(np.float64) for m in models]).T
    return ResponseMatrix.from_array(values, items=table["item_id"].to_pylist(), models=models)
