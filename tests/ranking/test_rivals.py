"""The other methods, against closed forms, other libraries, and data whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import kendalltau, spearmanr

from edgewise.core.errors import BadInput
from edgewise.ranking import METHODS, Options, ResponseMatrix, compare_methods
from edgewise.ranking.methods import fit
from edgewise.ranking.rivals import accuracy, bradley_terry, hits, plackett_luce
from support.responses import BINARY, GRADED, simulated

QUICK = [name for name in METHODS if name not in ("2pl", "3pl")]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_recovers_a_simulated_order(method: str) -> None:
    matrix, ability, difficulty = simulated(300, 40)
    found = fit(matrix, method)
    assert spearmanr(found.score, ability).statistic > 0.95
    assert spearmanr(found.difficulty, difficulty).statistic > 0.9


@pytest.mark.parametrize("method", QUICK)
@given(values=st.one_of(BINARY, GRADED))
@settings(max_examples=25, deadline=None)
def test_no_matrix_is_too_odd(method: str, values: np.ndarray) -> None:
    """All right, all wrong, one model, one item, gaps, empty rows: a number, or NaN where nothing was answered."""
    found = fit(ResponseMatrix.from_array(values), method)
    assert np.array_equal(np.isfinite(found.score), ~np.isnan(values).all(0))
    assert np.array_equal(np.isfinite(found.difficulty), ~np.isnan(values).all(1))


@pytest.mark.parametrize("method", ["accuracy", "rankllm", "edgewise", "bradley-terry", "plackett-luce", "hits"])
def test_an_item_of_weight_two_counts_as_two(method: str) -> None:
    matrix, _, _ = simulated(40, 6)
    weights = np.ones(40)
    weights[:7] = 2
    doubled = ResponseMatrix.from_array(np.vstack([matrix.values, matrix.values[:7]]))
    weighted = fit(matrix, method, Options(item_weights=weights, clones=False, shrink=False)).score
    np.testing.assert_allclose(
        weighted, fit(doubled, method, Options(clones=False, shrink=False)).score, rtol=1e-6, atol=1e-9
    )


def test_accuracy_leaves_gaps_out() -> None:
    score, difficulty = accuracy(ResponseMatrix.from_array([[1, 0], [np.nan, 1], [0, np.nan]]), np.ones(3))
    np.testing.assert_allclose(score, [0.5, 0.5])
    np.testing.assert_allclose(difficulty, [0.5, 0, 1])


def test_bradley_terry_is_at_the_maximum() -> None:
    matrix, _, _ = simulated(12, 5)
    x = matrix.dense()

    def loss(place: np.ndarray) -> float:
        strength, difficulty = place[:5], place[5:]
        z = strength - difficulty[:, None]
        ghosts = 0.5 * (np.logaddexp(0, place) + np.logaddexp(0, -place)).sum()
        return float((np.logaddexp(0, z) - x * z).sum() + ghosts)

    best = minimize(loss, np.zeros(17), tol=1e-12).x
    strength, _ = bradley_terry(matrix, np.ones(12))
    np.testing.assert_allclose(strength, best[:5] - best[:5].mean(), atol=1e-4)


def test_plackett_luce_is_at_the_maximum_of_its_pairs() -> None:
    matrix, _, _ = simulated(30, 5)
    x = matrix.dense()
    wins = x.T @ (1 - x)
    np.fill_diagonal(wins, 0)

    def loss(log_strength: np.ndarray) -> float:
        gap = log_strength[:, None] - log_strength
        ghosts = 0.5 * (np.logaddexp(0, log_strength) + np.logaddexp(0, -log_strength)).sum()
        return float((wins * np.logaddexp(0, -gap)).sum() + ghosts)

    best = minimize(loss, np.zeros(5), tol=1e-12).x
    strength, _ = plackett_luce(matrix, np.ones(30))
    np.testing.assert_allclose(strength, best - best.mean(), atol=1e-2)


def test_hits_is_the_first_singular_vector() -> None:
    matrix, _, _ = simulated(30, 5)
    x = matrix.dense()
    score, difficulty = hits(matrix, np.ones(30))
    np.testing.assert_allclose(score, np.abs(np.linalg.svd(x)[2][0]), atol=1e-9)
    np.testing.assert_allclose(difficulty, np.abs(np.linalg.svd(1 - x)[0][:, 0]), atol=1e-9)


def test_one_call_compares_them_all() -> None:
    matrix, _, _ = simulated(60, 12)
    found = compare_methods(matrix, ["edgewise", "rankllm", "accuracy"])
    assert set(found.scores) == {"edgewise", "rankllm", "accuracy"}
    assert found.model_tau["accuracy", "edgewise"] == pytest.approx(
        kendalltau(found.scores["accuracy"].score, found.scores["edgewise"].score).statistic
    )
    with pytest.raises(BadInput, match="no method 'elo'; there are edgewise"):
        compare_methods(matrix, ["elo"])
