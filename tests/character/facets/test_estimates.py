"""The estimators: equal to a readable reference and to independent fits, unbiased, covered, defined at the extremes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from edgewise.character.facets import draw_ratings, joint, marginal, measure
from edgewise.character.facets.design import Design, comparable
from edgewise.character.facets.measure import fit, judge_rest_correlation, reliability
from edgewise.character.facets.moments import moments
from edgewise.character.facets.reference import fit_marginal, log_probability
from edgewise.character.facets.types import Ratings
from edgewise.core.errors import BadInput


def design_of(ratings: Ratings) -> Design:
    return Design.of(ratings, np.arange(len(ratings)), "scale")


@pytest.mark.parametrize("top", [1, 2, 4])
def test_moments_are_those_of_the_probabilities(top: int) -> None:
    rng = np.random.default_rng(top)
    eta, steps = rng.normal(size=7), rng.normal(size=top)
    p = np.exp([log_probability(eta, steps, np.full(7, k)) for k in range(top + 1)])
    found = moments(eta, steps[:, None], np.full(7, top))
    k = np.arange(top + 1)[:, None]
    mean = (k * p).sum(0)
    assert found.expected == pytest.approx(mean) and found.variance == pytest.approx((k**2 * p).sum(0) - mean**2)
    assert found.loglik == pytest.approx(np.log(p[-1]))
    for step in range(top):
        upper = p[step + 1 :].sum(0)
        assert found.upper[step] == pytest.approx(upper)
        assert found.cross[step] == pytest.approx((k * p)[step + 1 :].sum(0) - mean * upper)


@pytest.mark.parametrize("top", [1, 3])
def test_marginal_is_the_reference(top: int) -> None:
    ratings, _ = draw_ratings(np.random.default_rng(top), models=4, items=40, judges=3, top=top)
    design = design_of(ratings)
    found = marginal.estimate(design)
    ability, severity, thresholds, spread, loglik = fit_marginal(
        (design.model, design.item, design.judge, design.score)
    )
    mine = design.split(found.parameters)
    assert found.loglik == pytest.approx(loglik, abs=1e-3)
    assert mine[0] - mine[0].mean() == pytest.approx(ability - ability.mean(), abs=1e-3)
    assert mine[1] == pytest.approx(severity, abs=1e-3) and mine[2][0] == pytest.approx(thresholds, abs=1e-3)
    assert found.spread == pytest.approx(spread, abs=1e-3)


@pytest.mark.parametrize("top", [1, 3])
def test_derivatives_of_the_marginal_likelihood_are_those_of_differences(top: int) -> None:
    ratings, _ = draw_ratings(np.random.default_rng(5), models=3, items=30, judges=3, top=top)
    design = design_of(ratings)
    at = np.random.default_rng(0).normal(size=design.basis.shape[0]) * 0.3
    modes = np.zeros(30)
    found = marginal.posterior(design, at, 0.1, modes)
    step = 1e-4
    for p in range(len(at)):
        moved = np.eye(len(at))[p] * step
        ends = [marginal.posterior(design, at + sign * moved, 0.1, modes.copy()) for sign in (1, -1)]
        assert (ends[0].loglik - ends[1].loglik) / (2 * step) == pytest.approx(found.gradient[p], rel=1e-3, abs=2e-3)
        slope = (ends[0].gradient - ends[1].gradient) / (2 * step)
        assert -slope == pytest.approx(found.information[p], abs=2e-2)


def test_joint_is_logistic_regression_on_dummies() -> None:
    statsmodels = pytest.importorskip("statsmodels.api")
    ratings, _ = draw_ratings(np.random.default_rng(3), models=5, items=25, judges=3)
    design = design_of(ratings)
    keep = ~np.isin(design.item, np.flatnonzero(design.extreme["item"]))
    ratings = replace(ratings, **{
        name: getattr(ratings, name)[design.rows[keep]] for name in ("model", "item", "judge", "dimension", "score")
    })  # fmt: skip
    design = design_of(ratings)
    found = joint.estimate(design)
    columns = [
        np.eye(size)[getattr(design, facet)]
        for facet, size in zip(("model", "item", "judge"), design.sizes, strict=True)
    ]
    x = np.hstack([columns[0], -columns[1][:, 1:], -columns[2][:, 1:]])
    peer = statsmodels.GLM(design.score, x, family=statsmodels.families.Binomial()).fit(tol=1e-10)
    difficulty = np.append(0, peer.params[5 : 4 + design.sizes[1]])
    severity = np.append(0, peer.params[4 + design.sizes[1] :])
    assert found.difficulty == pytest.approx(difficulty - difficulty.mean(), abs=1e-3)
    assert design.split(found.parameters)[1] == pytest.approx(severity - severity.mean(), abs=1e-3)
    spread = peer.cov_params()[:5, :5]
    mine = found.covariance[:5, :5]
    difference = np.array([1, -1, 0, 0, 0])
    assert difference @ mine @ difference == pytest.approx(difference @ spread @ difference, rel=1e-3)


def test_joint_is_too_wide_by_n_over_n_minus_1_and_marginal_is_not() -> None:
    slopes: dict[str, list[float]] = {"joint": [], "marginal": []}
    for seed in range(20):
        ratings, truth = draw_ratings(np.random.default_rng(seed), models=6, items=200, judges=1, each=1, spread=0.5)
        for method, values in slopes.items():
            ability = fit(design_of(ratings), method=method).estimates.parameters[:6]  # type: ignore[arg-type]
            values.append(float(np.polyfit(truth.ability, ability, 1)[0]))
    assert np.mean(slopes["joint"]) == pytest.approx(6 / 5, abs=0.06)  # six ratings an item
    assert np.mean(slopes["marginal"]) == pytest.approx(1, abs=0.05)


def test_intervals_cover_about_as_often_as_they_say() -> None:
    """A quick look; the benchmark has 500 replications and more designs."""
    inside, total = np.zeros(4), np.zeros(4)
    for seed in range(60):
        ratings, truth = draw_ratings(np.random.default_rng(seed), models=6, items=60, judges=4, top=2)
        found = fit(design_of(ratings))
        ability, severity, thresholds, _ = found.design.split(found.estimates.parameters)
        errors = found.design.split(found.errors)
        parts = (
            (ability - truth.ability, errors[0]),
            (severity - truth.severity, errors[1]),
            (found.estimates.difficulty - truth.difficulty, np.sqrt(found.estimates.difficulty_variance)),
            (thresholds[0] - truth.thresholds, errors[2][0]),
        )
        for k, (off, error) in enumerate(parts):
            inside[k] += (np.abs(off) <= 1.96 * error).sum()
            total[k] += len(off)
    assert np.all(np.abs(inside / total - 0.95) < 0.05)


def test_what_is_all_right_or_all_wrong_has_a_finite_measure_and_the_others_are_not_moved() -> None:
    ratings, _ = draw_ratings(np.random.default_rng(2), models=5, items=60, judges=3)
    score = ratings.score.copy()
    score[ratings.model == 0] = 1
    found = fit(design_of(replace(ratings, score=score)))
    without = ratings.model != 0
    rest = replace(
        ratings, **{n: getattr(ratings, n)[without] for n in ("model", "item", "judge", "dimension", "score")}
    )
    ability = found.estimates.parameters[:5]
    alone = fit(design_of(rest)).estimates.parameters[:4]
    assert np.isfinite(ability).all() and ability[0] == ability.max()
    assert found.design.extreme["model"].tolist() == [1, 0, 0, 0, 0]
    assert np.diff(ability[1:]) == pytest.approx(np.diff(alone), abs=0.1)


def test_items_that_do_not_differ_have_no_spread() -> None:
    rng = np.random.default_rng(1)
    ratings, _ = draw_ratings(rng, models=6, items=80, judges=3, spread=0.0)
    found = fit(design_of(ratings))
    assert found.estimates.spread < 0.3 and np.isfinite(found.errors).all()


@pytest.mark.parametrize("thresholds", ["judge", "item"])
def test_thresholds_of_their_own(thresholds: str) -> None:
    ratings, truth = draw_ratings(np.random.default_rng(0), models=30, items=12, judges=3, top=2)
    (found,) = measure.measure(ratings, thresholds=thresholds)  # type: ignore[arg-type]
    steps = found.design.split(found.estimates.parameters)[2]
    assert steps.shape == ({"judge": 3, "item": 12}[thresholds], 2)
    assert steps.sum(1) == pytest.approx(0, abs=1e-9)
    assert steps.mean(0) == pytest.approx(truth.thresholds, abs=0.25)


def comparable_sets(*rows: tuple[int, int, int]) -> list[list[int]]:
    return [s.tolist() for s in comparable(*(np.array(column) for column in zip(*rows, strict=True)))[0]]


def test_models_that_share_neither_item_nor_judge_cannot_be_compared() -> None:
    assert comparable_sets((0, 0, 0), (1, 0, 0), (2, 1, 1), (3, 1, 1)) == [[0, 1], [2, 3]]
    assert comparable_sets((0, 0, 0), (1, 0, 0), (2, 1, 1), (1, 1, 1)) == [[0, 1, 2]]


def test_judges_nested_in_models_cannot_be_told_from_them_though_all_items_are_shared() -> None:
    rows = [(m, i, int(m >= 2)) for m in range(4) for i in range(3)]
    assert comparable_sets(*rows) == [[0, 1], [2, 3]]
    assert comparable_sets(*rows, (0, 0, 1)) == [[0, 1, 2, 3]]


def test_judges_without_common_items_are_refused_by_the_joint_method_alone() -> None:
    ratings, _ = draw_ratings(np.random.default_rng(0), models=4, items=60, judges=3, each=1)
    with pytest.raises(BadInput, match="judges share no items"):
        measure.measure(ratings, method="joint")
    assert len(measure.measure(ratings)) == 1


def test_a_disconnected_table_is_refused_by_name_or_fitted_apart() -> None:
    ratings, _ = draw_ratings(np.random.default_rng(0), models=4, items=40, judges=2, each=1)
    judge = (ratings.model >= 2).astype(np.int64)
    apart = replace(ratings, judge=judge)
    with pytest.raises(BadInput, match="2 sets of models that it cannot compare: m0, m1; m2, m3"):
        measure.measure(apart)
    found = measure.measure(apart, per_component=True)
    assert [(f.component, f.design.sizes[0]) for f in found] == [(0, 2), (1, 2)]


def test_fit_statistics_show_who_answers_at_random() -> None:
    rng = np.random.default_rng(4)
    ratings, _ = draw_ratings(rng, models=12, items=150, judges=4, each=3, top=3)
    score = ratings.score.copy()
    noisy = ratings.judge == 3
    score[noisy] = rng.integers(0, 4, noisy.sum())
    found = fit(design_of(replace(ratings, score=score)))
    infit, outfit, count = found.fit_of("judge")
    assert infit.argmax() == outfit.argmax() == 3 and infit[3] > 1.3 and np.all(infit[:3] < 1.15)
    assert count.sum() == len(ratings)
    correlation = judge_rest_correlation(found)
    assert correlation.argmin() == 3 and abs(correlation[3]) < 0.15


def test_reliability_is_the_share_of_true_variance() -> None:
    rng = np.random.default_rng(0)
    true, errors = rng.normal(size=4000) * 2, np.ones(4000)
    found = reliability(true + rng.normal(size=4000), errors)
    assert found is not None
    assert found.separation == pytest.approx(2, abs=0.1) and found.reliability == pytest.approx(0.8, abs=0.02)
    null = [reliability(rng.normal(size=6), np.ones(6)) for _ in range(400)]
    assert np.mean([n.p < 0.05 for n in null if n is not None]) == pytest.approx(0.05, abs=0.035)
    assert reliability(np.array([1.0]), np.array([1.0])) is None


def test_the_predictor_is_what_eta_says() -> None:
    ratings, _ = draw_ratings(np.random.default_rng(0), models=3, items=10, judges=3)
    design = design_of(replace(ratings, covariates={"length": np.random.default_rng(1).normal(size=len(ratings))}))
    parameters = np.random.default_rng(2).normal(size=design.basis.shape[0])
    ability, severity, _, effects = design.split(parameters)
    assert isinstance(design.predictor, sparse.csr_array)
    assert design.predictor @ np.concatenate([ability, severity, effects]) == pytest.approx(design.eta(parameters))
