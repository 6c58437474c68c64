"""A matrix that grows and shrinks has the result of a fit from nothing, at every step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.core.errors import BadInput
from edgewise.ranking import Incremental, ResponseMatrix
from edgewise.ranking import incremental as module
from edgewise.ranking.rankllm import rankllm
from support.responses import simulated


def check(live: Incremental) -> None:
    whole = rankllm(live.matrix, engine="direct")
    np.testing.assert_allclose(live.competency(), whole.competency, atol=1e-9)
    found = live.propagation()
    np.testing.assert_allclose(found.competency, whole.competency, atol=1e-9)
    np.testing.assert_allclose(found.difficulty, whole.difficulty, atol=1e-9)


@pytest.mark.parametrize("direct", [True, False])
@given(
    seed=st.integers(0, 1000),
    graded=st.booleans(),
    steps=st.lists(st.sampled_from(["+item", "-item", "+model", "-model"]), max_size=6),
)
@settings(max_examples=30)
def test_every_step_is_a_refit(direct: bool, seed: int, graded: bool, steps: list[str]) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 3, size=(60, 40)) / 2.0 if graded else rng.integers(0, 2, size=(60, 40)).astype(float)
    values[rng.random(values.shape) < rng.choice([0, 0.2])] = np.nan
    pool = ResponseMatrix.from_array(values)
    rows, columns = list(range(20)), list(range(rng.integers(5, 17)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "DIRECT_MODELS", 1000 if direct else 0)
        live = Incremental(pool.select(items=rows, models=columns), tol=1e-12)
        check(live)
        for step in steps:
            if step == "+item":
                new = [i for i in range(60) if i not in rows][:7]
                rows += new
                live.add_items(pool.select(items=new, models=columns[::-1]))
            elif step == "+model":
                new = [j for j in range(40) if j not in columns][: rng.integers(1, 10)]
                columns += new
                live.add_models(pool.select(items=rows[::-1], models=new))
            elif step == "-item" and len(rows) > 5:
                live.remove_items([pool.items[i] for i in rows[2:5]])
                del rows[2:5]
            elif step == "-model" and len(columns) > 4:
                live.remove_models([pool.models[columns[1]]])
                del columns[1]
            expected = pool.select(items=rows, models=columns)
            assert (live.matrix.items, live.matrix.models) == (expected.items, expected.models)
            assert np.array_equal(live.matrix.dense(), expected.dense(), equal_nan=True)
            check(live)


def test_a_warm_start_saves_sweeps() -> None:
    matrix, _, _ = simulated(3000, 150)
    live = Incremental(matrix.select(models=range(149)))
    first = live.propagation().sweeps
    live.add_models(matrix.select(models=[149]))
    assert 0 < live.propagation().sweeps < first


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    matrix, _, _ = simulated(30, 5)
    live = Incremental(matrix)
    before = live.competency()
    for change in (
        lambda: live.add_items(matrix),
        lambda: live.add_models(matrix),
        lambda: live.add_items(ResponseMatrix.from_array([[1.0] * 4])),
        lambda: live.remove_items(["none"]),
        lambda: live.remove_models(matrix.models),
        lambda: live.remove_models(["none"]),
    ):
        with pytest.raises(BadInput):
            change()
        np.testing.assert_array_equal(live.competency(), before)
        assert live.matrix.shape == (30, 5)
