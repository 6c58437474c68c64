"""Item response models: exact gradients and likelihoods, recovery, order, missing cells, extremes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from scipy.integrate import quad
from scipy.special import expit

from edgewise.core.errors import BadInput
from edgewise.ranking.irt import IrtFit, Model, fit_irt
from edgewise.ranking.irt_em import System, log_prior
from edgewise.ranking.irt_quadrature import Data, Parameters, e_step
from support.responses import real

Floats = npt.NDArray[np.float64]
MODELS: tuple[Model, ...] = ("rasch", "2pl", "3pl")


class Simulated(NamedTuple):
    values: Floats
    ability: Floats
    difficulty: Floats
    slope: Floats


def simulate(n_items: int, n_models: int, seed: int, *, slopes: bool = False) -> Simulated:
    rng = np.random.default_rng(seed)
    theta, b = rng.normal(size=n_models), rng.normal(size=n_items)
    a = np.exp(0.3 * rng.normal(size=n_items)) if slopes else np.ones(n_items)
    p = expit(a[:, None] * (theta - b[:, None]))
    return Simulated((rng.random(p.shape) < p).astype(np.float64), theta, b, a)


def with_gaps(values: Floats, share: float, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(values.shape) < share, np.nan, values)


def exact_log_likelihood(values: Floats, a: Floats, b: Floats, c: Floats, sd: float) -> float:
    """By adaptive integration over each respondent's ability; complete or not, binary or not."""
    total = 0.0
    for column in values.T:
        seen = ~np.isnan(column)
        y = column[seen]

        def log_density(theta: float, y: Floats = y, seen: npt.NDArray[np.bool_] = seen) -> float:
            p = c[seen] + (1 - c[seen]) * expit(a[seen] * (theta - b[seen]))
            answers = float(np.sum(y * np.log(p) + (1 - y) * np.log1p(-p)))
            return answers - 0.5 * (theta / sd) ** 2 - math.log(sd) - 0.5 * math.log(2 * math.pi)

        grid = np.linspace(-8 * sd, 8 * sd, 801)
        heights = np.array([log_density(t) for t in grid])
        top, peak = heights.max(), grid[heights.argmax()]
        area = sum(
            quad(lambda t: math.exp(log_density(t) - top), *ends, epsabs=1e-13, epsrel=1e-12, limit=200)[0]  # noqa: B023
            for ends in ((-12 * sd, peak), (peak, 12 * sd))
        )
        total += top + math.log(area)
    return total


def problem(width: int, *, missing: bool, weights: bool) -> tuple[Data, Parameters]:
    rng = np.random.default_rng(5)
    n, m = 6, 9
    seen = (rng.random((n, m)) < 0.8).astype(np.float64) if missing else None
    y = rng.random((n, m)).round(1) * (1 if seen is None else seen)
    weight = rng.uniform(0.5, 2, n) if weights else np.ones(n)
    items = np.column_stack([rng.normal(size=n), 0.3 * rng.normal(size=n), rng.normal(-1.5, 0.3, n)])[:, :width]
    data = Data(y, seen, weight, width, (3.0 if width == 3 else math.inf, 0.5))
    return data, Parameters(items, 0.2 if width == 1 else 0.0)


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_gradient_is_that_of_the_penalised_marginal_likelihood(width: int, missing: bool, weights: bool) -> None:
    data, parameters = problem(width, missing=missing, weights=weights)
    start = np.zeros(data.y.shape[1])

    def height(vector: Floats) -> float:
        items = vector[: parameters.items.size].reshape(parameters.items.shape)
        moved = Parameters(items, float(vector[-1]) if width == 1 else 0.0)
        return e_step(data, moved, start, 61).log_likelihood + log_prior(data, items)

    system = System(data, parameters, e_step(data, parameters, start, 61))
    ours = np.concatenate([(p.factor @ p.gradient[:, :, None])[:, :, 0] * p.weight[:, None] for p in system.pieces()])
    at = np.append(parameters.items.ravel(), [parameters.log_sd] if width == 1 else [])
    theirs = [(height(at + 1e-5 * e) - height(at - 1e-5 * e)) / 2e-5 for e in np.eye(at.size)]
    np.testing.assert_allclose(ours.ravel(), theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("model", MODELS)
def test_likelihood_is_that_of_numerical_integration(model: Model) -> None:
    values = with_gaps(simulate(7, 40, 3, slopes=True).values, 0.1, 4)
    values[2, :5] = (0.25, 0.5, 0.75, 0.1, 0.9)
    fit = fit_irt(values, model)
    exact = exact_log_likelihood(values, fit.discrimination, fit.difficulty, fit.guessing, fit.ability_sd)
    assert fit.log_likelihood == pytest.approx(exact, abs=1e-5 if model == "3pl" else 1e-6)
    assert fit.converged


@pytest.mark.parametrize("model", ["rasch", "2pl"])
def test_standard_errors_are_those_of_the_numerical_hessian(model: Model) -> None:
    """The marginal information, abilities' uncertainty included; weights 1, no prior."""
    values = simulate(5, 300, 8, slopes=model == "2pl").values
    fit = fit_irt(values, model, log_slope_sd=math.inf)
    width = 1 if model == "rasch" else 2
    data = Data(values, None, np.ones(5), width, (math.inf, math.inf))
    items = np.column_stack([-fit.difficulty * fit.discrimination, np.log(fit.discrimination)])[:, :width]

    def height(vector: Floats) -> float:
        moved = Parameters(vector[: items.size].reshape(items.shape), float(vector[-1]) if width == 1 else 0.0)
        return e_step(data, moved, fit.ability, 61).log_likelihood

    at = np.append(items.ravel(), [math.log(fit.ability_sd)] if width == 1 else [])
    h, unit = 1e-3, np.eye(at.size)
    hessian = np.array(
        [
            [
                sum(s * t * height(at + h * (s * u + t * v)) for s in (1, -1) for t in (1, -1)) / (4 * h * h)
                for v in unit
            ]
            for u in unit
        ]
    )
    covariance = np.linalg.inv(-hessian)
    for i, b in enumerate(fit.difficulty):
        jacobian = np.zeros(at.size)
        jacobian[width * i] = -1 / fit.discrimination[i]
        if width == 2:
            jacobian[width * i + 1] = -b
        assert fit.difficulty_se[i] == pytest.approx(math.sqrt(jacobian @ covariance @ jacobian), rel=0.02)


@pytest.mark.parametrize(("model", "girth"), [("rasch", -2981.2538480501), ("2pl", -2977.1433925937)])
def test_the_maximum_is_no_lower_than_girths(model: Model, girth: float) -> None:
    """girth 0.8.0 in an environment of its own, `onepl_mml` and `twopl_mml` with 61 nodes and 200 iterations on this
    very matrix (numpy 2.4.6); both fits were put into one likelihood on a grid of 20,001 abilities in [-10, 10]."""
    values = simulate(12, 400, 11).values
    fit = fit_irt(values, model, log_slope_sd=math.inf)
    assert fit.converged
    assert girth <= fit.log_likelihood <= girth + 0.01


@pytest.mark.parametrize("model", ["rasch", "2pl"])
def test_parameters_come_back_and_intervals_cover(model: Model) -> None:
    inside, count = 0, 0
    for seed in range(10):
        truth = simulate(30, 800, 100 + seed, slopes=model == "2pl")
        fit = fit_irt(truth.values, model)
        assert fit.converged
        inside += int(np.sum(np.abs(fit.difficulty - truth.difficulty) < 1.96 * fit.difficulty_se))
        count += 30
        assert np.corrcoef(fit.difficulty, truth.difficulty)[0, 1] > 0.98
        assert np.corrcoef(fit.ability, truth.ability)[0, 1] > 0.85
        assert fit.ability_sd == pytest.approx(1, abs=0.12)
        z = (fit.ability - truth.ability) / fit.ability_se
        assert z.std() == pytest.approx(1, abs=0.1)
    # Errors of one data set are correlated through the mean ability: allow for more than binomial spread.
    assert 0.91 <= inside / count <= 0.99


def test_many_items_and_few_models() -> None:
    """Posteriors hundreds of times narrower than the population: where a fixed grid fails."""
    truth = simulate(5000, 12, 21)
    for model in ("rasch", "2pl"):
        fit = fit_irt(truth.values, model)
        assert fit.converged and fit.iterations < 20
        assert np.all(fit.ability_se < 0.06)
        assert fit.ability_sd * fit.ability.mean() == pytest.approx(0, abs=1e-3)
        assert np.corrcoef(fit.ability, truth.ability)[0, 1] > 0.999
    assert np.mean(fit.ability**2 + fit.ability_se**2) == pytest.approx(1, abs=0.02)


def test_3pl_finds_guessing() -> None:
    rng = np.random.default_rng(2)
    theta, b = rng.normal(size=2500), np.linspace(-1, 1.5, 20)
    p = 0.25 + 0.75 * expit(1.7 * (theta - b[:, None]))
    fit = fit_irt((rng.random(p.shape) < p).astype(float), "3pl")
    assert fit.converged
    assert fit.guessing[8:].mean() == pytest.approx(0.25, abs=0.03)
    assert np.corrcoef(fit.difficulty, b)[0, 1] > 0.97
    assert fit.probability(theta).shape == p.shape
    assert np.abs(fit.probability(theta) - p).mean() < 0.03


@pytest.mark.parametrize("graded", [False, True])
def test_rasch_difficulty_is_monotone_in_the_error_count(graded: bool) -> None:
    values = simulate(400, 9, 6).values
    rng = np.random.default_rng(0)
    if graded:
        values = np.round(0.9 * values + 0.1 * rng.random(values.shape), 1)
    values[:3], values[3:6] = 0.0, 1.0
    fit = fit_irt(values, "rasch")
    totals = np.round(values.sum(axis=1), 9)
    assert np.all(np.isfinite(fit.difficulty)) and np.all(np.isfinite(fit.difficulty_se))
    for one, other in zip(*np.triu_indices(len(totals), 1), strict=True):
        assert np.sign(totals[one] - totals[other]) == -np.sign(fit.difficulty[one] - fit.difficulty[other])


def test_extreme_items_do_not_move_the_others() -> None:
    values = simulate(300, 25, 9).values
    plain = fit_irt(values, "rasch")
    some = np.vstack([values, np.zeros((200, 25))])
    fit = fit_irt(some, "rasch")
    np.testing.assert_allclose(fit.difficulty[:300], plain.difficulty, atol=0.05)
    assert fit.difficulty[300] > plain.difficulty[values.sum(axis=1) > 0].max()


@pytest.mark.parametrize("model", MODELS)
def test_extremes_stay_finite(model: Model) -> None:
    values = simulate(60, 12, 10).values
    values[0], values[1] = 0, 1
    values[:, 0], values[:, 1] = 0, 1
    fits = [fit_irt(values, model), fit_irt(np.ones((4, 3)), model), fit_irt(np.zeros((4, 1)), model)]
    fits += [fit_irt(np.array([[1.0]]), model), fit_irt((np.arange(12).reshape(6, 2) % 3 == 0).astype(float), model)]
    for fit in fits:
        for name in ("difficulty", "difficulty_se", "discrimination", "guessing", "ability", "ability_se"):
            assert np.all(np.isfinite(getattr(fit, name))), name
        assert math.isfinite(fit.log_likelihood) and fit.converged
    assert (
        max(fit.difficulty_se.max() for fit in fits[:4]) < 50
    )  # the last has no slope, hence no difficulty to speak of
    assert fits[0].ability.argmin() == 0 and fits[0].ability.argmax() == 1


def test_perfect_separation_stays_finite() -> None:
    """A Guttman scale has no maximum: the slope grows without end, and the fit says that it did not converge."""
    values = (np.arange(12)[:, None] < np.arange(0, 12, 2)[None, :] + 1).astype(float)
    for model in MODELS:
        fit = fit_irt(values, model, max_iter=30)
        assert np.all(np.isfinite(fit.difficulty)) and np.all(np.isfinite(fit.ability))
        assert np.all(np.diff(fit.ability) > 0)


def test_missing_is_not_wrong() -> None:
    truth = simulate(300, 40, 12)
    values = truth.values.copy()
    values[:200, 3] = np.nan  # this model was run on a third of the items only
    for model in ("rasch", "2pl"):
        fit, full = fit_irt(values, model), fit_irt(truth.values, model)
        assert fit.ability[3] == pytest.approx(full.ability[3], abs=4 * full.ability_se[3])
        assert fit.ability_se[3] > 1.5 * full.ability_se[3]
        assert np.corrcoef(fit.difficulty, full.difficulty)[0, 1] > 0.99


def test_nobody_answered() -> None:
    values = simulate(50, 8, 13).values
    values[7], values[:, 2] = np.nan, np.nan
    fit = fit_irt(values, "rasch")
    assert np.isnan(fit.difficulty[7]) and np.isfinite(np.delete(fit.difficulty, 7)).all()
    assert fit.ability[2] == pytest.approx(0, abs=1e-6) and fit.ability_se[2] == pytest.approx(fit.ability_sd)
    without = fit_irt(np.delete(values, 7, axis=0), "rasch")
    np.testing.assert_allclose(np.delete(fit.difficulty, 7), without.difficulty, atol=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_order_of_rows_and_columns_does_not_matter(model: Model) -> None:
    values = with_gaps(simulate(80, 20, 14).values, 0.05, 1)
    rng = np.random.default_rng(3)
    rows, columns = rng.permutation(80), rng.permutation(20)
    fit, other = fit_irt(values, model), fit_irt(values[np.ix_(rows, columns)], model)
    np.testing.assert_allclose(other.difficulty, fit.difficulty[rows], atol=1e-5)
    np.testing.assert_allclose(other.difficulty_se, fit.difficulty_se[rows], atol=1e-5)
    np.testing.assert_allclose(other.ability, fit.ability[columns], atol=1e-6)
    assert other.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-6)


@pytest.mark.parametrize("model", ["rasch", "2pl"])
def test_weights_count_like_copies(model: Model) -> None:
    values = simulate(40, 30, 15).values
    copies = np.array([1, 2, 3, 0] * 10)
    fit = fit_irt(values, model, item_weights=copies)
    repeated = fit_irt(np.repeat(values, copies, axis=0), model)
    np.testing.assert_allclose(fit.ability, repeated.ability, atol=1e-5)
    np.testing.assert_allclose(np.repeat(fit.difficulty, copies), repeated.difficulty, atol=1e-4)
    assert np.all(np.isfinite(fit.difficulty)) and np.all(np.isfinite(fit.difficulty_se))
    assert fit.log_likelihood == pytest.approx(repeated.log_likelihood, abs=1e-5)


def test_rasch_groups_change_nothing() -> None:
    """Fractions keep items apart that a rounding would join; their limits are the joined fit."""
    values = simulate(100, 10, 16).values
    values = values[(values.sum(axis=1) > 0) & (values.sum(axis=1) < 10)]
    rng = np.random.default_rng(4)
    apart = np.clip(np.abs(values - 1e-6 * rng.random(values.shape)), 0, 1)
    np.testing.assert_allclose(fit_irt(apart).difficulty, fit_irt(values).difficulty, atol=1e-3)


def test_no_common_ability() -> None:
    """Coin flips: the spread of ability goes to (nearly) nothing and everything stays finite."""
    values = (np.random.default_rng(17).random((200, 6)) < 0.5).astype(float)
    fit = fit_irt(values, "rasch")
    assert fit.converged and fit.ability_sd < 0.2
    assert np.all(np.isfinite(fit_irt(values, "2pl").difficulty))


def test_probability() -> None:
    fit = fit_irt(simulate(30, 20, 18).values, "2pl")
    p = fit.probability(fit.ability)
    assert p.shape == (30, 20)
    np.testing.assert_allclose(fit.probability(fit.difficulty).diagonal(), 0.5)
    assert isinstance(fit, IrtFit)


@pytest.mark.parametrize(
    ("values", "options", "what"),
    [
        (np.zeros(3), {}, "shape"),
        (np.zeros((0, 3)), {}, "shape"),
        (np.full((2, 2), np.nan), {}, "missing"),
        (np.array([[0.0, 1.5]]), {}, "outside"),
        (np.array([[0.0, np.inf]]), {}, "outside"),
        (np.zeros((2, 2)), {"model": "4pl"}, "4pl"),
        (np.zeros((2, 2)), {"item_weights": [1.0]}, "weight"),
        (np.zeros((2, 2)), {"item_weights": [1.0, -1.0]}, "weight"),
        (np.zeros((2, 2)), {"tol": 0.0}, "positive"),
    ],
)
def test_bad_input(values: Floats, options: dict[str, object], what: str) -> None:
    with pytest.raises(BadInput, match=what):
        fit_irt(values, **options)  # type: ignore[arg-type]


def test_mmlu_pro() -> None:
    """12,032 questions by 29 models, 0.49 % missing, 640 questions that none solved."""
    values = real("mmlu_pro").dense()
    accuracy = np.nanmean(values, axis=0)
    for model in ("rasch", "2pl"):
        fit = fit_irt(values, model)
        assert fit.converged and np.all(np.isfinite(fit.difficulty)) and np.all(fit.difficulty_se > 0)
        assert np.corrcoef(np.argsort(np.argsort(fit.ability)), np.argsort(np.argsort(accuracy)))[0, 1] > 0.95
        assert np.corrcoef(fit.difficulty, np.nanmean(values, axis=1))[0, 1] < -0.8
