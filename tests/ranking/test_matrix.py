from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from edgewise.core.errors import BadInput
from edgewise.ranking import ResponseMatrix
from edgewise.ranking.bits import BitPlanes
from edgewise.ranking.matrix import MISSING
from support.responses import BINARY, GRADED


@given(GRADED)
def test_a_matrix_gives_back_what_it_was_given(values: np.ndarray) -> None:
    matrix = ResponseMatrix.from_array(values)
    np.testing.assert_array_equal(matrix.dense(), values)
    np.testing.assert_array_equal(matrix.observed(), ~np.isnan(values))
    right = np.concatenate([b.right for b in matrix.blocks()])
    wrong = np.concatenate([b.wrong for b in matrix.blocks()])
    np.testing.assert_allclose(right + wrong, ~np.isnan(values))
    np.testing.assert_array_equal(right, np.nan_to_num(values))


def test_scores_of_zero_and_one_take_a_byte() -> None:
    assert ResponseMatrix.from_array([[0, 1], [np.nan, 1]]).binary
    assert not ResponseMatrix.from_array([[0, 0.5]]).binary


def test_long_and_wide_agree() -> None:
    long = ResponseMatrix.from_long(["b", "a", "b"], ["y", "x", "x"], [1, 0, 0.5])
    assert (long.items, long.models) == (("x", "y"), ("a", "b"))
    np.testing.assert_array_equal(long.dense(), [[0, 0.5], [np.nan, 1]])


def test_samples_of_one_cell_are_averaged_only_when_asked() -> None:
    models, items, scores = ["m", "m", "m"], ["q", "q", "q"], [1, 0, np.nan]
    assert ResponseMatrix.from_long(models, items, scores, repeats="mean").dense() == [[0.5]]
    with pytest.raises(BadInput, match=r"answers.csv, row 2: model 'm' has answered item 'q' before, in row 1"):
        ResponseMatrix.from_long(models, items, scores, source="answers.csv")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ResponseMatrix.from_array(np.zeros((0, 3))), "nothing to rank: 0 items"),
        (lambda: ResponseMatrix.from_array(np.zeros((3, 0))), "0 models"),
        (lambda: ResponseMatrix.from_array(np.zeros(3)), "1 dimensions"),
        (lambda: ResponseMatrix.from_array([[0, 1.5]]), "model 'model1' has 1.5 on item 'item0'"),
        (lambda: ResponseMatrix.from_array([[0, np.inf]]), "inf"),
        (lambda: ResponseMatrix.from_array([[0, -0.1]]), "-0.1"),
        (lambda: ResponseMatrix.from_array(np.array([[2]], np.uint8)), "has 2 on"),
        (lambda: ResponseMatrix.from_array([[0, 1]], models=["a", "a"]), "model 'a' is there twice"),
        (lambda: ResponseMatrix.from_array([[0], [1]], items=["a", "a"]), "item 'a' is there twice"),
        (lambda: ResponseMatrix.from_array([[0, 1]], models=["a"]), "shape"),
        (lambda: ResponseMatrix.from_long([], [], []), "no responses"),
        (lambda: ResponseMatrix.from_long(["a"], ["x"], [2]), "row 1, field 'score': 2.0 is no score"),
        (lambda: ResponseMatrix.from_long(["a"], ["x", "y"], [1]), "same number"),
    ],
)
def test_bad_input_is_named(make, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        make()
    assert words in str(caught.value)


@given(BINARY)
def test_bit_planes_sum_as_matrices_do(values: np.ndarray) -> None:
    packed = np.where(np.isnan(values), MISSING, values).astype(np.uint8)
    planes = BitPlanes.pack(packed)
    rng = np.random.default_rng(0)
    u, v = rng.random(values.shape[1]), rng.random(values.shape[0])
    right, wrong = (packed == 1).astype(float), (packed == 0).astype(float)
    np.testing.assert_allclose(planes.solvers(u), right @ u, atol=1e-12)
    np.testing.assert_allclose(planes.failers(u), wrong @ u, atol=1e-12)
    np.testing.assert_allclose(planes.successes(v), v @ right, atol=1e-12)
    np.testing.assert_allclose(planes.failures(v), v @ wrong, atol=1e-12)


def test_bit_planes_of_many_items() -> None:
    """More than one chunk, and enough columns for threads."""
    rng = np.random.default_rng(1)
    packed = rng.choice([0, 1, MISSING], size=(70_001, 37)).astype(np.uint8)
    planes = BitPlanes.pack(packed)
    u, v = rng.random(37), rng.random(70_001)
    np.testing.assert_allclose(planes.failers(u), (packed == 0) @ u)
    np.testing.assert_allclose(planes.successes(v), v @ (packed == 1))
