"""What is said of items: faults that were planted are found, and clean data stay silent."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate
from edgewise.ranking import ResponseMatrix, rank
from edgewise.ranking.anchoring import Anchor, anchored_scores
from edgewise.ranking.diagnostics import dependent_pairs, diagnose
from edgewise.ranking.methods import fit
from edgewise.ranking.paired import adjust, compare_pair
from edgewise.ranking.ranker import tau
from edgewise.ranking.rivals import bradley_terry
from edgewise.ranking.subset import smallest_subset
from support.responses import simulated


def on_logits(matrix: ResponseMatrix) -> tuple[np.ndarray, np.ndarray]:
    return bradley_terry(matrix, np.ones(matrix.shape[0]))


def test_wrong_keys_are_found() -> None:
    """Positive control: in 10 of 300 items right and wrong are swapped."""
    matrix, _, _ = simulated(300, 120)
    values = matrix.dense()
    swapped = range(0, 100, 10)
    values[swapped] = 1 - values[swapped]
    broken = ResponseMatrix.from_array(values)
    found = diagnose(broken, *on_logits(broken))
    suspected = {q for q, flags in enumerate(found.flags) if "suspected_key" in flags}
    assert len(suspected & set(swapped)) >= 7
    assert len(suspected - set(swapped)) <= 1


def test_clean_data_raise_no_alarm() -> None:
    """Negative control: Rasch data, five times over."""
    alarms = 0
    for seed in range(5):
        matrix, _, _ = simulated(300, 60, seed=seed)
        found = diagnose(matrix, *on_logits(matrix))
        alarms += sum("negative_discrimination" in flags for flags in found.flags)
        assert 0.9 < np.nanmean(found.infit) < 1.05
    assert alarms <= 2


def test_figures_by_hand() -> None:
    matrix, _, _ = simulated(20, 15)
    ability, difficulty = on_logits(matrix)
    found = diagnose(matrix, ability, difficulty)
    x = matrix.dense()
    q = int(np.argmin(abs(x.mean(1) - 0.5)))
    rest = (x.sum(0) - x[q]) / 19
    assert found.discrimination[q] == pytest.approx(pearsonr(x[q], rest).statistic)
    p = 1 / (1 + np.exp(difficulty[q] - ability))
    assert found.infit[q] == pytest.approx(((x[q] - p) ** 2).sum() / (p * (1 - p)).sum())
    assert found.outfit[q] == pytest.approx(((x[q] - p) ** 2 / (p * (1 - p))).mean())


def test_dead_items_are_flagged_and_have_no_figures() -> None:
    values = np.array([[1, 1, 1, 1], [0, 0, 0, 0], [np.nan] * 4, [1, 0, 1, 0], [0, 0, 1, 1]])
    matrix = ResponseMatrix.from_array(values)
    found = diagnose(matrix, *on_logits(matrix))
    assert found.flags[:3] == (("all_right",), ("all_wrong",), ("unanswered",))
    assert np.isnan(found.discrimination[:3]).all()


def test_copied_items_depend_and_others_do_not() -> None:
    matrix, _, _ = simulated(120, 80)
    values = matrix.dense()
    rng = np.random.default_rng(0)
    even = int(np.argmin(abs(values.mean(1) - 0.5)))
    copy = np.where(rng.random(80) < 0.05, 1 - values[even], values[even])
    both = ResponseMatrix.from_array(np.vstack([values, copy]))
    found = dependent_pairs(both, *on_logits(both))
    assert [(pair.first, pair.second) for pair in found] == [(even, 120)]
    assert found[0].correlation > 0.6
    assert dependent_pairs(matrix, *on_logits(matrix)) == []
    assert dependent_pairs(matrix.select(models=range(4)), *on_logits(matrix.select(models=range(4)))) == []


def test_an_anchor_keeps_the_scale() -> None:
    """The harder half of the items, asked of other models too: anchored scores agree with the first; others drop."""
    matrix, ability, difficulty = simulated(800, 30)
    first_models = np.argsort(ability)[:20]
    first = fit(matrix.select(models=first_models))
    anchor = Anchor(dict(zip(matrix.items, first.difficulty, strict=True)))
    harder = matrix.select(items=difficulty > np.median(difficulty))
    scores, replicates = anchored_scores(harder, anchor, np.ones((1, harder.shape[0])))
    assert abs(scores.score[first_models] - first.score).mean() < 0.03
    assert (first.score - fit(harder).score[first_models]).mean() > 0.08
    np.testing.assert_allclose(replicates, scores.score[None])
    with pytest.raises(BadInput, match="only 0 items are also in the anchor"):
        anchored_scores(matrix, Anchor({"another": 0.5}))


def test_a_sub_benchmark_keeps_the_order() -> None:
    matrix, ability, _ = simulated(1000, 40)
    found = smallest_subset(matrix, tau_wanted=0.8, rng=np.random.default_rng(0))
    assert found.reached and found.tau >= 0.8
    assert len(found.items) < 300
    part = fit(matrix.select(items=found.items))
    assert spearmanr(part.score, ability).statistic > 0.9
    # Alike in difficulty to the whole.
    difficulty = fit(matrix).difficulty
    assert abs(np.median(difficulty[found.items]) - np.median(difficulty)) < 0.07
    with pytest.raises(BadInput, match="too few"):
        smallest_subset(matrix.select(models=range(7)), rng=np.random.default_rng(0))


def test_two_models_are_compared_on_what_both_answered() -> None:
    matrix, ability, _ = simulated(400, 10)
    best, worst = (matrix.models[j] for j in (int(ability.argmax()), int(ability.argmin())))
    difficulty = fit(matrix).difficulty
    found = compare_pair(matrix, best, worst, difficulty, np.random.default_rng(0))
    x = matrix.dense()
    gap = x[:, ability.argmax()] - x[:, ability.argmin()]
    assert isinstance(found.weighted, Estimate) and isinstance(found.difference, Estimate)
    assert found.weighted.value == pytest.approx((gap * difficulty).sum() / difficulty.sum())
    assert found.weighted.low > 0 and found.p_value < 0.01
    assert (found.only_first, found.only_second) == ((gap > 0).sum(), (gap < 0).sum())
    same = compare_pair(matrix, best, best, difficulty, np.random.default_rng(0))
    assert same.p_value == 1
    assert adjust([found, same]).tolist() == [pytest.approx(2 * found.p_value), 1]
    with pytest.raises(BadInput, match="no model 'nobody'"):
        compare_pair(matrix, best, "nobody", difficulty, np.random.default_rng(0))


def test_the_ranking_says_what_a_reader_should_know() -> None:
    values = np.full((40, 6), np.nan)
    rng = np.random.default_rng(0)
    values[:20, :3] = rng.integers(0, 2, (20, 3))
    values[20:, 3:] = rng.integers(0, 2, (20, 3))
    found = rank(ResponseMatrix.from_array(values), bootstrap=10)
    assert "2 pools" in " ".join(found.notes)
    assert "Under 80 %" in " ".join(found.notes)
    alike = rank(ResponseMatrix.from_array(np.ones((4, 3))), bootstrap=10)
    assert "No item tells the models apart." in alike.notes
    assert alike.rank.tolist() == [1, 1, 1]
    assert np.isnan(tau(np.ones(3), np.arange(3.0)))


def test_tables_have_a_row_for_everything() -> None:
    matrix, _, _ = simulated(30, 5)
    values = matrix.dense()
    values[0] = np.nan
    values[:, 4] = np.nan
    found = rank(ResponseMatrix.from_array(values), bootstrap=20)
    models, items = found.models_table(), found.items_table()
    assert models.column_names == [
        "model", "score", "low", "high", "rank", "rank_low", "rank_high", "accuracy", "n_items",
    ]  # fmt: skip
    assert items.column_names == [
        "item_id", "difficulty", "low", "high", "percentile", "weight", "error_rate",
        "discrimination", "infit", "outfit", "flags",
    ]  # fmt: skip
    assert (models.num_rows, items.num_rows) == (5, 30)
    assert models["score"].to_pylist()[-1] is None
    assert items["difficulty"].to_pylist()[-1] is None
    for table in (models, items):
        for row in table.to_pylist():
            middle = row.get("score", row.get("difficulty"))
            assert middle is None or row["low"] <= middle <= row["high"]
