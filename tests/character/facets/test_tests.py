"""Bias tests, planning and pairwise judgments: against refits, closed forms and simulation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from scipy.special import logit

from edgewise.character.facets import draw_ratings
from edgewise.character.facets.bias import bias_tests, efficient, precision
from edgewise.character.facets.design import Design
from edgewise.character.facets.measure import fit
from edgewise.character.facets.pairwise import Comparisons, fit_pairs, read_comparisons
from edgewise.character.facets.planning import plan
from edgewise.character.facets.types import Ratings
from edgewise.core.errors import BadInput


def design_of(ratings: Ratings) -> Design:
    return Design.of(ratings, np.arange(len(ratings)), "scale")


def test_a_score_test_is_what_a_refit_with_the_column_finds() -> None:
    rng = np.random.default_rng(0)
    ratings, _ = draw_ratings(rng, models=6, items=150, judges=4, top=3, bias=0.4)
    column = ((ratings.judge == 0) & (ratings.model == 0)).astype(float)
    plain = fit(design_of(ratings))
    score, left = efficient(plain, sparse.csr_array(column[plain.design.rows][:, None]))
    refit = fit(design_of(replace(ratings, covariates={"cell": column})))
    effect, error = refit.design.split(refit.estimates.parameters)[3][0], refit.design.split(refit.errors)[3][0]
    assert score[0] / left[0] == pytest.approx(effect, rel=0.15)
    assert 1 / np.sqrt(left[0]) == pytest.approx(error, rel=0.1)


def test_the_precision_is_the_inverse_of_the_covariance() -> None:
    ratings, _ = draw_ratings(np.random.default_rng(1), models=5, items=120, judges=4, top=2)
    found = fit(design_of(ratings))
    basis = found.design.basis
    spread = basis @ np.linalg.inv(precision(found)) @ basis.T
    difference = np.eye(len(basis))[0] - np.eye(len(basis))[1]
    assert difference @ spread @ difference == pytest.approx(
        difference @ found.estimates.covariance @ difference, rel=0.05
    )


def test_a_partial_judge_is_found_and_impartial_ones_are_not() -> None:
    hits, alarms = [], []
    for seed in range(30):
        ratings, _ = draw_ratings(np.random.default_rng(seed), models=5, items=120, judges=4, top=3, bias=1.0)
        (test,) = bias_tests(fit(design_of(ratings)))
        planted = (test.judge == 0) & (test.other == 0)
        hits.append(bool(test.adjusted[planted][0] < 0.05 and test.estimate[planted][0] > 0.5))
        null, _ = draw_ratings(np.random.default_rng(1000 + seed), models=5, items=120, judges=4, top=3)
        (test,) = bias_tests(fit(design_of(null)))
        alarms.append(np.mean(test.p < 0.05))
    assert np.mean(hits) >= 0.9 and np.mean(alarms) < 0.09


def test_what_the_design_cannot_tell_is_not_tested() -> None:
    ratings, _ = draw_ratings(np.random.default_rng(0), models=2, items=60, judges=2)
    only = (ratings.judge == 0) | (ratings.model == 0)  # judge 1 rates model 0 alone
    few = replace(ratings, **{n: getattr(ratings, n)[only] for n in ("model", "item", "judge", "dimension", "score")})
    (test,) = bias_tests(fit(design_of(few)))
    assert np.isnan(test.p[(test.judge == 1)]).all()


def test_a_plan_lowers_the_errors_as_the_ratings_then_do() -> None:
    rng = np.random.default_rng(3)
    ratings, truth = draw_ratings(rng, models=5, items=40, judges=4, top=2, each=1)
    found = fit(design_of(ratings))
    planned = plan(found, 40)
    rated = set(zip(ratings.judge.tolist(), ratings.item.tolist(), strict=True))
    cells = list(zip(planned.judge.tolist(), planned.item.tolist(), strict=True))
    assert len(set(cells)) == 40 and not rated & set(cells)
    assert np.all(np.diff(planned.error) < 0) and planned.error[0] < planned.before
    # Buy what was planned: the answers come from the truth.
    model = np.tile(np.arange(5), 40)
    item, judge = np.repeat(planned.item, 5), np.repeat(planned.judge, 5)
    eta = truth.ability[model] - truth.difficulty[item] - truth.severity[judge]
    logits = eta[:, None] * np.arange(3) - np.concatenate([[0], truth.thresholds.cumsum()])
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    score = (p.cumsum(1) < rng.random(len(model))[:, None]).sum(1)
    more = {"model": model, "item": item, "judge": judge, "dimension": np.zeros(200, dtype=int), "score": score}
    after = fit(design_of(replace(ratings, **{k: np.concatenate([getattr(ratings, k), v]) for k, v in more.items()})))
    about = np.eye(5) - 1 / 5
    errors = np.sqrt(np.diag(about @ after.estimates.covariance[:5, :5] @ about))
    assert errors.mean() == pytest.approx(planned.error[-1], rel=0.1)


def test_a_full_table_has_nothing_to_plan() -> None:
    ratings, _ = draw_ratings(np.random.default_rng(0), models=3, items=10, judges=2, each=2)
    with pytest.raises(BadInput, match="every answer already"):
        plan(fit(design_of(ratings)), 3)


def test_two_models_and_a_judge_have_a_closed_form() -> None:
    """Wins of A in first place 70 of 100, in second place 50 of 100: ability and advantage solve two equations."""
    first = np.repeat([0, 1], 100)
    outcome = np.concatenate([np.repeat([1.0, 0.0], [70, 30]), np.repeat([1.0, 0.0], [50, 50])])
    found = fit_pairs(Comparisons(first, 1 - first, np.zeros(200, dtype=int), outcome), 2, 1)
    a, b = logit(0.7), logit(0.5)
    assert found.ability[0] - found.ability[1] == pytest.approx((a - b) / 2, abs=1e-6)
    assert found.advantage[0] == pytest.approx((a + b) / 2, abs=1e-6)
    error = np.sqrt(1 / (100 * 0.21) + 1 / (100 * 0.25)) / 2
    assert np.sqrt(found.covariance[2, 2]) == pytest.approx(error, rel=1e-6)


def test_pairwise_abilities_are_recovered_and_ties_are_halves() -> None:
    rng = np.random.default_rng(0)
    ability, advantage = np.array([-1.0, 0.0, 1.0]), np.array([0.6, -0.2])
    first = rng.integers(3, size=6000)
    second, judge = (first + rng.integers(1, 3, size=6000)) % 3, rng.integers(2, size=6000)
    p = 1 / (1 + np.exp(-(ability[first] - ability[second] + advantage[judge])))
    table = Comparisons(first, second, judge, (rng.random(6000) < p).astype(float))
    found = fit_pairs(table, 3, 2)
    errors = np.sqrt(np.diag(found.covariance))
    assert np.abs((found.ability - ability) / errors[:3]).max() < 3
    assert np.abs((found.advantage - advantage) / errors[3:]).max() < 3
    even = fit_pairs(replace(table, outcome=np.full(6000, 0.5)), 3, 2)
    assert even.ability == pytest.approx(0, abs=1e-9)


def test_models_that_never_met_are_refused_and_one_that_never_lost_is_finite() -> None:
    met = Comparisons(np.array([0, 2]), np.array([1, 3]), np.zeros(2, dtype=int), np.ones(2))
    with pytest.raises(BadInput, match="2 sets of models"):
        fit_pairs(met, 4, 1)
    always = Comparisons(
        np.array([0, 1, 2] * 9), np.array([1, 2, 0] * 9), np.zeros(27, dtype=int), np.array([1, 0.5, 0] * 9)
    )
    assert np.isfinite(fit_pairs(always, 3, 1).ability).all()


def test_wrong_judgments_are_named(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    head = "model_a,model_b,judge,winner\n"
    for row, message in (
        ("a,a,x,tie\n", "compared with itself"),
        ("a,b,x,c\n", "neither model, nor tie"),
        ("a,b,x,\n", "field 'winner'"),
    ):
        path.write_text(head + "a,b,x,a\n" + row)
        with pytest.raises(BadInput, match=message) as caught:
            read_comparisons([path])
        assert "row 2" in str(caught.value)
