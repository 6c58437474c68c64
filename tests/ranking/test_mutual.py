"""The method of edgewise: closed forms, robustness to copies and cheats, and its treatment of gaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, spearmanr

from edgewise.ranking import Options, ResponseMatrix, stability
from edgewise.ranking.methods import fit
from edgewise.ranking.mutual import mutual_rates, shrinkage
from edgewise.ranking.weights import clone_weights
from support.responses import BINARY, GRADED, real, simulated


def test_it_is_the_principal_eigenvector_of_who_solved_what_others_failed() -> None:
    """For alpha 1, with nothing missing, score is proportional to R'W score."""
    matrix, _, _ = simulated(80, 7)
    found = mutual_rates(matrix, alpha=1.0, shrink=False, tol=1e-14)
    right = matrix.dense()
    values, vectors = np.linalg.eig(right.T @ (1 - right))
    principal = np.abs(vectors[:, values.real.argmax()].real)
    np.testing.assert_allclose(found.score / found.score.sum(), principal / principal.sum(), atol=1e-10)
    np.testing.assert_allclose(found.difficulty, (1 - right) @ found.score / found.score.sum(), atol=1e-10)


def test_with_alpha_zero_difficulty_is_the_error_rate() -> None:
    matrix, _, _ = simulated(80, 7)
    found = mutual_rates(matrix, alpha=1e-12, shrink=False)
    np.testing.assert_allclose(found.difficulty, 1 - matrix.dense().mean(1), atol=1e-10)


@given(st.one_of(BINARY, GRADED))
def test_results_are_rates_whatever_the_matrix(values: np.ndarray) -> None:
    matrix = ResponseMatrix.from_array(values)
    found = mutual_rates(matrix, model_weights=clone_weights(matrix))
    # With gaps, a model that solved only what all others solved may get to its 0 slowly; the result says so.
    assert found.converged or np.isnan(values).any()
    assert np.all((found.score >= 0) & (found.score <= 1))
    known = ~np.isnan(values).all(1)
    assert np.all((found.difficulty[known] >= 0) & (found.difficulty[known] <= 1))
    assert np.isnan(found.difficulty[~known]).all()


@pytest.mark.parametrize("missing", [0.1, 0.5, 0.9])
def test_it_converges_with_gaps_of_a_usual_kind(missing: float) -> None:
    matrix, _, _ = simulated(500, 20)
    gaps = np.random.default_rng(1).random(matrix.shape) < missing
    found = mutual_rates(ResponseMatrix.from_array(np.where(gaps, np.nan, matrix.dense())))
    assert found.converged and found.rounds < 60


@given(st.one_of(BINARY, GRADED), st.randoms(use_true_random=False))
def test_order_does_not_matter(values: np.ndarray, random) -> None:
    rows, columns = list(range(values.shape[0])), list(range(values.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    found = fit(ResponseMatrix.from_array(values))
    moved = fit(ResponseMatrix.from_array(values[rows][:, columns]))
    np.testing.assert_allclose(moved.score, found.score[columns], atol=1e-8)
    np.testing.assert_allclose(moved.difficulty, found.difficulty[rows], atol=1e-8)


@given(BINARY.filter(lambda v: not np.isnan(v).any()))
def test_dominance(values: np.ndarray) -> None:
    found = mutual_rates(ResponseMatrix.from_array(values))
    for j in range(values.shape[1]):
        for k in range(values.shape[1]):
            if np.all(values[:, j] >= values[:, k]):
                assert found.score[j] >= found.score[k] - 1e-9


def test_clones_weigh_as_one() -> None:
    matrix, _, _ = simulated(200, 6)
    copies = ResponseMatrix.from_array(np.hstack([matrix.values, matrix.values[:, [0] * 4]]))
    weights = clone_weights(copies)
    np.testing.assert_allclose(weights[[0, 6, 7, 8, 9]], 0.2, atol=0.01)
    assert np.all(weights[1:6] > 0.9)
    assert np.all(clone_weights(matrix) > 0.9)
    np.testing.assert_allclose(clone_weights(ResponseMatrix.from_array(np.ones((5, 4)))), 0.25)


def test_twenty_clones_of_the_best_do_not_move_the_others() -> None:
    matrix = real("mmlu_pro")
    best = int(np.nanmean(matrix.dense(), 0).argmax())
    cloned = ResponseMatrix.from_array(np.hstack([matrix.values, matrix.values[:, [best] * 20]]))
    others = [j for j in range(29) if j != best]
    before, after = fit(matrix).score[others], fit(cloned).score[others]
    assert kendalltau(before, after).statistic >= 0.97


def test_a_cheat_does_not_move_the_others() -> None:
    """NullModel of AlpacaEval gets the highest scores by one constant text."""
    matrix = real("alpaca_eval2_pref")
    others = [j for j, name in enumerate(matrix.models) if name != "NullModel"]
    with_cheat, without = fit(matrix).score[others], fit(matrix.select(models=others)).score
    assert kendalltau(with_cheat, without).statistic >= 0.995


def test_removing_half_of_the_models_keeps_the_order() -> None:
    kept = stability(real("mmlu_pro"), "edgewise", Options(), np.random.default_rng(0), remove=15, draws=20)
    assert kept.items[0] >= 0.946
    assert kept.models[0] >= 0.986


def test_who_met_only_easy_items_is_not_taken_for_able() -> None:
    """Two pools with a common half: accuracy is misled by what each was asked, standardised rates are not."""
    matrix, ability, difficulty = simulated(1500, 40, seed=3)
    values = matrix.dense()
    order = np.argsort(difficulty)
    values[np.ix_(order[1000:], range(0, 40, 2))] = np.nan  # even models: the easier two thirds
    values[np.ix_(order[:500], range(1, 40, 2))] = np.nan  # odd ones: the harder two thirds
    gaps = ResponseMatrix.from_array(values)
    ours, plain = (spearmanr(fit(gaps, name).score, ability).statistic for name in ("edgewise", "accuracy"))
    assert ours > 0.97
    assert ours > plain + 0.1


def test_sparse_rates_are_drawn_to_the_mean_and_full_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(4, 4, size=400)
    n = np.where(np.arange(400) < 200, 5.0, 500.0)
    rates = rng.binomial(n.astype(int), p) / n
    found = shrinkage(rates, n, np.ones(400, bool))
    drawn = found.apply(rates)
    assert found.mean == pytest.approx(0.5, abs=0.03)
    # The prior behind beta(4, 4) is worth 8 answers: of five answers 5/13 stay, of 500 nearly all.
    np.testing.assert_allclose(found.kept[[0, -1]], [5 / 13, 500 / 508], atol=0.08)
    assert np.square(drawn - p)[:200].mean() < 0.6 * np.square(rates - p)[:200].mean()


def test_nobody_failed_or_nobody_solved() -> None:
    assert mutual_rates(ResponseMatrix.from_array(np.ones((3, 2)))).score.tolist() == [1, 1]
    none = mutual_rates(ResponseMatrix.from_array(np.zeros((3, 2))))
    assert none.score.tolist() == [0, 0]
    assert none.difficulty.tolist() == [1, 1, 1]
