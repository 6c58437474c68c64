"""Resampling: one-pass replicates against refits, intervals that cover, ranks with ties."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgewise.core.errors import BadInput
from edgewise.ranking import Options, ResponseMatrix, rank
from edgewise.ranking.methods import fit
from edgewise.ranking.uncertainty import (
    bootstrap_items,
    bootstrap_models,
    interval,
    probability_above,
    rank_intervals,
    ranks,
    stability,
)
from support.responses import real, simulated


def draws_of(seed: int, n_items: int, replicates: int) -> np.ndarray:
    """The draws that ``bootstrap_items`` makes of this seed."""
    rng = np.random.default_rng(seed)
    return np.array([np.bincount(rng.integers(n_items, size=n_items), minlength=n_items) for _ in range(replicates)])


@pytest.mark.parametrize("method", ["rankllm", "edgewise", "accuracy", "bradley-terry"])
def test_one_pass_gives_what_refits_give(method: str) -> None:
    matrix, _, _ = simulated(60, 6)
    options = Options(clones=False, shrink=False)
    found = bootstrap_items(matrix, method, options, 5, np.random.default_rng(3))
    for scores, draw in zip(found, draws_of(3, 60, 5), strict=True):
        refit = fit(matrix, method, replace(options, item_weights=draw.astype(float))).score
        np.testing.assert_allclose(scores, refit, atol=1e-8)


def test_with_gaps_the_pass_is_close_to_refits() -> None:
    """An item's expected failures are not redone in each replicate; half a percent of gaps makes no odds."""
    matrix = real("mmlu_pro")
    options = Options(shrink=False, clones=False)
    found = bootstrap_items(matrix, "edgewise", options, 3, np.random.default_rng(3))
    for scores, draw in zip(found, draws_of(3, 12032, 3), strict=True):
        refit = fit(matrix, "edgewise", replace(options, item_weights=draw.astype(float))).score
        np.testing.assert_allclose(scores, refit, atol=3e-4)  # the scores' standard errors are ten times that


def test_grouped_items_are_drawn_together() -> None:
    matrix, _, _ = simulated(40, 5)
    tenfold = ResponseMatrix.from_array(np.repeat(matrix.values, 10, axis=0))
    options = Options(clones=False, shrink=False)
    grouped = bootstrap_items(
        tenfold, "accuracy", options, 400, np.random.default_rng(0), groups=np.repeat(np.arange(40), 10)
    )
    alone = bootstrap_items(matrix, "accuracy", options, 400, np.random.default_rng(1))
    np.testing.assert_allclose(grouped.std(0), alone.std(0), rtol=0.2)


@pytest.mark.parametrize("method", ["edgewise", "rankllm", "accuracy"])
def test_intervals_cover_what_a_large_test_gives(method: str) -> None:
    """Nominal 95 %: of 8 models in 40 tests of 150 items each, by the score on 20,000 items of the same kind."""
    matrix, _, _ = simulated(20_000, 8, seed=5)
    options = Options(clones=False)
    scale = {"rankllm": lambda s: s / s.sum()}.get(method, lambda s: s)
    truth = scale(fit(matrix, method, options).score)
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(40):
        part = matrix.select(items=rng.choice(20_000, 150, replace=False))
        low, high = interval(bootstrap_items(part, method, options, 200, rng), 0.025)
        covered.append((low <= truth) & (truth <= high))
    assert 0.90 <= np.mean(covered) <= 0.99


def test_ranks_tie_where_scores_differ_by_rounding() -> None:
    np.testing.assert_array_equal(ranks(np.array([0.3, 0.1 + 0.2, 0.5, np.nan])), [2, 2, 1, 4])
    low, high = rank_intervals(np.array([[3.0, 2, 1], [3, 1, 2], [3, 2, 1]]))
    assert (low.tolist(), high.tolist()) == ([1, 2, 2], [1, 3, 3])


def test_probability_above_counts_ties_half() -> None:
    above = probability_above(np.array([[1.0, 0], [1, 1], [0, 1], [2, 1]]))
    np.testing.assert_allclose(above, [[0.5, 0.625], [0.375, 0.5]])


@pytest.mark.parametrize("method", ["edgewise", "accuracy"])
def test_resampled_models(method: str) -> None:
    matrix, _, _ = simulated(50, 6)
    found = bootstrap_models(matrix, method, Options(), 30, np.random.default_rng(0))
    assert found.scores.shape == (30, 6)
    assert found.difficulties is not None and found.difficulties.shape == (30, 50)
    assert np.isnan(found.scores).any() == (method == "accuracy")
    both = bootstrap_models(matrix, method, Options(), 30, np.random.default_rng(0), items=True)
    assert np.nanstd(both.scores, 0).mean() > np.nanstd(found.scores, 0).mean()


def test_the_same_seed_gives_the_same_ranking_whatever_the_order() -> None:
    matrix, _, _ = simulated(60, 6)
    shuffled = matrix.select(items=np.random.default_rng(0).permutation(60), models=[3, 1, 0, 5, 2, 4])
    first, second = (rank(m, bootstrap=50, seed=4) for m in (matrix, shuffled))
    assert first.models_table().equals(second.models_table())
    assert first.items_table().equals(second.items_table())
    assert not first.models_table().equals(rank(matrix, bootstrap=50, seed=5).models_table())


def test_stability_under_removal_of_items_and_its_bad_input() -> None:
    matrix, _, _ = simulated(200, 10)
    kept = stability(matrix, "edgewise", Options(), np.random.default_rng(0), remove=100, what="items", draws=10)
    assert kept.removed == 100
    assert kept.models[1] <= kept.models[0] <= kept.models[2]
    assert kept.models[0] > 0.9
    with pytest.raises(BadInput, match="leaves nothing"):
        stability(matrix, "edgewise", Options(), np.random.default_rng(0), remove=9)
