"""Estimators of influence: planted values are recovered, intervals cover, separation and bad input are borne."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate, Measure, NotMeasured
from edgewise.society.estimators import conformity_kappa, deference_weight, log_odds, logistic, prior_weight

REPEATS = 200


def sigma(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def voters(rng: np.random.Generator, kappa: float) -> Measure:
    trial = np.repeat(np.arange(60), 8)
    private, majority = rng.normal(0, 1, 480), rng.integers(0, 8, 480) / 7
    return conformity_kappa(rng.random(480) < sigma(private + kappa * (2 * majority - 1)), private, majority, trial)


def deciders(rng: np.random.Generator, w: float) -> Measure:
    trial = np.repeat(np.arange(60), 6)
    evidence, label = rng.normal(0, 1.5, 360), rng.integers(-1, 2, 360)
    return deference_weight(rng.random(360) < sigma(evidence + w * label), evidence, label, trial)


def centers(rng: np.random.Generator, w: float) -> Measure:
    grid = np.array([(p, e) for p in (-4, -2, 0, 2, 4) for e in (-4, -2, 2, 4)])
    prior, evidence = np.tile(grid, (30, 1)).T
    chosen = rng.random(600) < sigma(0.6 * (w * prior + (1 - w) * evidence))
    return prior_weight(chosen, prior, evidence, np.repeat(np.arange(30), 20))


def cluster_voters(rng: np.random.Generator, kappa: float) -> Measure:
    """All votes of a trial see one majority and share a part of their leaning that nobody measured."""
    trial = np.repeat(np.arange(60), 8)
    private, majority = rng.normal(0, 1, 480), np.repeat(rng.integers(0, 8, 60) / 7, 8)
    common = np.repeat(rng.choice([-1.0, 1.0], 60), 8)
    vote = rng.random(480) < sigma(private + kappa * (2 * majority - 1) + common)
    return conformity_kappa(vote, private, majority, trial)


@pytest.mark.parametrize(
    ("estimator", "truth"),
    [(voters, 0.0), (voters, 1.5), (deciders, 0.0), (deciders, 2.0), (centers, 0.0), (centers, 0.4), (centers, 0.9)],
)
def test_planted_values_are_recovered_with_nominal_coverage(
    estimator: Callable[[np.random.Generator, float], Measure], truth: float
) -> None:
    found = [estimator(np.random.default_rng([7, i]), truth) for i in range(REPEATS)]
    assert all(isinstance(f, Estimate) for f in found)
    known = [f for f in found if isinstance(f, Estimate)]
    assert 0.90 <= np.mean([f.low <= truth <= f.high for f in known]) <= 0.99
    values = [f.value for f in known]
    assert abs(np.mean(values) - truth) < 3 * np.std(values) / np.sqrt(REPEATS) + 0.02


def test_the_interval_minds_what_the_votes_of_a_trial_share() -> None:
    # A common leaning of size 1 that is averaged over attenuates kappa = 0 to 0, so 0 is the truth here too.
    known = [cluster_voters(np.random.default_rng([8, i]), 0.0) for i in range(REPEATS)]
    covered = [f.low <= 0 <= f.high for f in known if isinstance(f, Estimate)]
    assert len(covered) == REPEATS and 0.90 <= np.mean(covered) <= 0.99


def test_who_does_not_conform_has_a_kappa_whose_interval_has_0() -> None:
    found = voters(np.random.default_rng(1), 0.0)
    assert isinstance(found, Estimate) and found.low <= 0 <= found.high and found.n == 60


def test_firth_agrees_with_the_closed_form_of_a_saturated_table() -> None:
    # With one binary regressor the penalised estimate is the log odds ratio with 1/2 added to each cell.
    x = np.repeat([0, 1], 20)
    y = np.r_[np.ones(0), np.zeros(20), np.ones(20)]
    fit = logistic(y, [x], np.arange(40))
    assert not isinstance(fit, NotMeasured)
    assert fit.coefficients[0] == pytest.approx(np.log(0.5 / 20.5), abs=1e-5)
    assert fit.coefficients[1] == pytest.approx(2 * np.log(20.5 / 0.5), abs=1e-5)
    interval = fit.estimate(1)
    assert interval.low > 0 and np.isfinite(interval.high)


@pytest.mark.parametrize("w", [0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.85, 1.0])
def test_a_hard_rule_has_every_weight_that_makes_its_choices(w: float) -> None:
    gaps = (-6, -3, -1, 1, 3, 6)
    prior, evidence = np.tile([(p, e) for p in gaps for e in gaps], (30, 1)).T
    found = prior_weight(w * prior + (1 - w) * evidence > 0, prior, evidence, np.repeat(np.arange(30), 36))
    cuts = [0.0, 1 / 7, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 6 / 7, 1.0]  # where w |prior| = (1 - w) |evidence|
    i = max(k for k in range(8) if cuts[k] <= w)
    assert isinstance(found, Estimate) and found.low <= cuts[i] + 1e-9 and found.high >= cuts[i + 1] - 1e-9
    assert found.high - found.low < 0.3


def test_a_choice_by_a_hard_threshold_stays_finite() -> None:
    rng = np.random.default_rng(2)
    prior, evidence = rng.normal(0, 3, 400), rng.normal(0, 3, 400)
    found = prior_weight(0.8 * prior + 0.2 * evidence > 0, prior, evidence, np.repeat(np.arange(40), 10))
    assert isinstance(found, Estimate) and found.value == pytest.approx(0.8, abs=0.05)
    kappa = conformity_kappa(np.tile([0, 1], 50), np.zeros(100) + rng.normal(size=100), np.tile([0, 1], 50), range(100))
    assert isinstance(kappa, Estimate) and kappa.low > 0 and np.isfinite(kappa.high)


def test_probabilities_do_as_well_as_draws_and_are_surer() -> None:
    rng = np.random.default_rng(3)
    private, majority = rng.normal(0, 1, 400), rng.integers(0, 8, 400) / 7
    p = sigma(private + 1.2 * (2 * majority - 1))
    soft = conformity_kappa(p, private, majority, range(400))
    drawn = conformity_kappa(rng.random(400) < p, private, majority, range(400))
    assert isinstance(soft, Estimate) and isinstance(drawn, Estimate)
    assert soft.value == pytest.approx(1.2, abs=0.05) and soft.high - soft.low < drawn.high - drawn.low


def test_where_there_is_nothing_to_fit_it_says_so() -> None:
    for found in (
        conformity_kappa([], [], [], []),
        conformity_kappa([0, 1], [1, 2], [0, 1], [3, 3]),
        conformity_kappa([0, 1, 1], [1, 2, 0], [0.5, 0.5, 0.5], [1, 2, 3]),
    ):
        assert isinstance(found, NotMeasured)
    rng = np.random.default_rng(4)
    gaps = rng.normal(size=(2, 100))
    assert isinstance(prior_weight(rng.random(100) < 0.5, *gaps, range(100)), NotMeasured)


def test_bad_input_is_named() -> None:
    with pytest.raises(BadInput, match="majority"):
        conformity_kappa([0, 1], [0, 0], [0, 2], [0, 1])
    with pytest.raises(BadInput, match="outcomes"):
        deference_weight([0, 3], [0, 1], [0, 1], [0, 1])
    with pytest.raises(BadInput, match="clusters"):
        deference_weight([0, 1], [0, 1], [0, 1], [0])
    with pytest.raises(BadInput, match="finite"):
        prior_weight([0, 1], [0, float("inf")], [0, 1], [0, 1])
    with pytest.raises(BadInput, match="numbers"):
        deference_weight(["a", "b"], [0, 1], [0, 1], [0, 1])


def test_log_odds_of_certainty_are_finite() -> None:
    assert log_odds([0.5])[0] == 0 and np.isfinite(log_odds([0.0, 1.0])).all()
