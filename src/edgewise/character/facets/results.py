"""Fits as rows: what `edgewise character facets --json` prints, what tables and the report hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from scipy.stats import norm

from edgewise.character.facets.bias import Bias, bias_tests
from edgewise.character.facets.measure import FacetFit, Reliability, judge_rest_correlation, reliability
from edgewise.character.facets.pairwise import Comparisons, PairFit
from edgewise.character.facets.planning import plan
from edgewise.character.facets.types import Floats, Integers, Ratings

Rows = list[dict[str, Any]]
_Z = 1.959963984540054


def tabulate(ratings: Ratings, fits: Sequence[FacetFit], *, cells: int = 0) -> dict[str, Any]:
    """Everything that is known of the facets, as JSON data. ``None`` stands for what cannot be told.

    Args:
        ratings: The table.
        fits: Its fits.
        cells: How many (judge, item) cells to plan for each dimension.
    """
    tests = [(fit, test) for fit in fits for test in bias_tests(fit, tuple(ratings.covariates))]
    return {
        "models": _models(ratings, fits),
        "judges": _judges(ratings, fits),
        "items": _items(ratings, fits),
        "thresholds": _thresholds(ratings, fits),
        "effects": _effects(ratings, fits),
        "bias": [row for fit, test in tests for row in _bias(ratings, fit, test)],
        "reliability": {
            facet: {_name(fit): _reliability(fit, facet) for fit in fits} for facet in ("models", "judges", "items")
        },
        "spread": {_name(fit): _spread(fit) for fit in fits},
        "loglik": float(sum(fit.estimates.loglik for fit in fits)),
        "n": int(sum(len(fit.design.score) for fit in fits)),
        "plan": [row for fit in fits for row in _planned(ratings, fit, cells)] if cells else [],
    }


def tabulate_pairs(
    fits: dict[str, tuple[Comparisons, PairFit]], models: Sequence[str], judges: Sequence[str]
) -> dict[str, Any]:
    """The same of pairwise judgments."""
    model_rows: Rows = []
    judge_rows: Rows = []
    reliable = {}
    for dimension, (table, fit) in fits.items():
        errors = np.sqrt(np.diag(fit.covariance))
        p = 1 / (1 + np.exp(-(fit.ability[table.first] - fit.ability[table.second] + fit.advantage[table.judge])))
        squared, weight = (table.outcome - p) ** 2, p * (1 - p)
        for m, name in enumerate(models):
            mine = (table.first == m) | (table.second == m)
            if mine.any():
                fits_ = _mean_squares(squared[mine], weight[mine])
                model_rows.append(
                    {"model": name, "dimension": dimension, **_located(fit.ability[m], errors[m]), **fits_}
                )
        for j, name in enumerate(judges):
            mine = table.judge == j
            if mine.any():
                where = _located(fit.advantage[j], errors[len(models) + j])
                where["advantage"] = where.pop("logit")
                where["p"] = _number(2 * norm.sf(abs(fit.advantage[j]) / errors[len(models) + j]))
                fits_ = _mean_squares(squared[mine], weight[mine])
                judge_rows.append({"judge": name, "dimension": dimension, "severity": None, **where, **fits_})
        found = reliability(fit.ability, errors[: len(models)])
        reliable[dimension] = None if found is None else asdict(found)
    return {
        "models": model_rows,
        "judges": judge_rows,
        "items": [],
        "reliability": {"models": reliable},
        "loglik": float(sum(fit.loglik for _, fit in fits.values())),
        "n": int(sum(len(table.outcome) for table, _ in fits.values())),
    }


def _mean_squares(squared: Floats, weight: Floats) -> dict[str, Any]:
    return {
        "infit": _number(squared.sum() / weight.sum()),
        "outfit": _number((squared / weight).mean()),
        "n": len(squared),
    }


def _models(ratings: Ratings, fits: Sequence[FacetFit]) -> Rows:
    rows: Rows = []
    for fit in fits:
        infit, outfit, count = fit.fit_of("model")
        ability, errors = fit.design.split(fit.estimates.parameters)[0], fit.errors
        plain = np.bincount(fit.design.model, fit.design.score) / count
        order, plain_order = _ranks(ability), _ranks(plain)
        for m, label in enumerate(fit.design.names["model"]):
            rows.append(
                {
                    "model": ratings.labels["model"][label],
                    "dimension": fit.dimension,
                    **_located(ability[m], errors[m]),
                    "infit": _number(infit[m]),
                    "outfit": _number(outfit[m]),
                    "n": int(count[m]),
                    "rank": int(order[m]),
                    "mean_score": float(plain[m]),
                    "rank_by_mean": int(plain_order[m]),
                    "extreme": bool(fit.design.extreme["model"][m]),
                    "component": fit.component,
                }
            )
    return sorted(rows, key=lambda row: (row["dimension"], row["component"], -row["logit"]))


def _judges(ratings: Ratings, fits: Sequence[FacetFit]) -> Rows:
    """One row a judge (and component): severity is the mean over dimensions, ``by_dimension`` what each differs by."""
    found: dict[tuple[int, int], list[tuple[FacetFit, int]]] = {}
    for fit in fits:
        for j, label in enumerate(fit.design.names["judge"]):
            found.setdefault((fit.component, int(label)), []).append((fit, j))
    correlations = {id(fit): judge_rest_correlation(fit) for fit in fits}
    rows: Rows = []
    for (component, label), seats in sorted(found.items()):
        values = [fit.design.split(fit.estimates.parameters)[1][j] for fit, j in seats]
        errors = [fit.errors[fit.design.sizes[0] + j] for fit, j in seats]
        squared = np.concatenate([fit.residuals[fit.design.judge == j] ** 2 for fit, j in seats])
        weight = np.concatenate([fit.information[fit.design.judge == j] for fit, j in seats])
        known = [c for fit, j in seats if not math.isnan(c := float(correlations[id(fit)][j]))]
        where = _located(float(np.mean(values)), math.hypot(*errors) / len(errors))
        where["severity"] = where.pop("logit")
        rows.append(
            {
                "judge": ratings.labels["judge"][label],
                **where,
                "infit": _number((squared * weight).sum() / weight.sum()),
                "outfit": float(squared.mean()),
                "n": len(squared),
                "correlation": float(np.mean(known)) if known else None,
                "by_dimension": {
                    fit.dimension: {
                        "severity": float(value),
                        "se": float(error),
                        "interaction": float(value - np.mean(values)) if len(values) > 1 else None,
                    }
                    for (fit, _), value, error in zip(seats, values, errors, strict=True)
                },
                "extreme": any(fit.design.extreme["judge"][j] != 0 for fit, j in seats),
                "component": component,
            }
        )
    return sorted(rows, key=lambda row: (row["component"], -row["severity"]))


def _items(ratings: Ratings, fits: Sequence[FacetFit]) -> Rows:
    rows: Rows = []
    for fit in fits:
        infit, outfit, count = fit.fit_of("item")
        difficulty, errors = fit.estimates.difficulty, np.sqrt(fit.estimates.difficulty_variance)
        for i, label in enumerate(fit.design.names["item"]):
            where = _located(difficulty[i], errors[i])
            where["difficulty"] = where.pop("logit")
            rows.append(
                {
                    "item": ratings.labels["item"][label],
                    "dimension": fit.dimension,
                    **where,
                    "infit": _number(infit[i]),
                    "outfit": _number(outfit[i]),
                    "n": int(count[i]),
                    "component": fit.component,
                }
            )
    return rows


def _thresholds(ratings: Ratings, fits: Sequence[FacetFit]) -> Rows:
    rows: Rows = []
    for fit in fits:
        design = fit.design
        steps = design.split(fit.estimates.parameters)[2]
        errors = design.split(fit.errors)[2]
        number = ratings.labels["dimension"].index(fit.dimension)
        kind = design.thresholds
        for g in range(design.groups):
            owner = None if kind == "scale" else ratings.labels[kind][design.names[kind][g]]
            for k in range(design.top):
                rows.append(
                    {
                        "dimension": fit.dimension,
                        "of": owner,
                        "category": ratings.categories[number][k + 1],
                        "threshold": float(steps[g, k]),
                        "se": float(errors[g, k]),
                    }
                )
    return rows


def _effects(ratings: Ratings, fits: Sequence[FacetFit]) -> Rows:
    rows: Rows = []
    for fit in fits:
        values, errors = fit.design.split(fit.estimates.parameters)[3], fit.design.split(fit.errors)[3]
        for name, value, error in zip(ratings.covariates, values, errors, strict=True):
            where = _located(value, error)
            rows.append({"dimension": fit.dimension, "covariate": name, **where, "p": _p(value, error)})
    return rows


def _bias(ratings: Ratings, fit: FacetFit, test: Bias) -> Rows:
    rows: Rows = []
    for b, judge in enumerate(test.judge):
        other = int(test.other[b])
        rows.append(
            {
                "kind": test.kind,
                "dimension": fit.dimension,
                "judge": ratings.labels["judge"][fit.design.names["judge"][judge]],
                "model": None if other < 0 else ratings.labels["model"][fit.design.names["model"][other]],
                "logit": _number(test.estimate[b]),
                "se": _number(test.error[b]),
                "p": _number(test.p[b]),
                "p_adjusted": _number(test.adjusted[b]),
                "n": int(test.count[b]),
                "component": fit.component,
            }
        )
    return sorted(rows, key=lambda row: (row["p_adjusted"] is None, row["p_adjusted"]))


def _planned(ratings: Ratings, fit: FacetFit, cells: int) -> Rows:
    found = plan(fit, cells)
    return [
        {
            "dimension": fit.dimension,
            "judge": ratings.labels["judge"][fit.design.names["judge"][j]],
            "item": ratings.labels["item"][fit.design.names["item"][i]],
            "mean_se_before": found.before if n == 0 else float(found.error[n - 1]),
            "mean_se_after": float(found.error[n]),
        }
        for n, (j, i) in enumerate(zip(found.judge, found.item, strict=True))
    ]


def _reliability(fit: FacetFit, facet: str) -> dict[str, Any] | None:
    models, _, judges = fit.design.sizes
    values, errors = {
        "models": (fit.estimates.parameters[:models], fit.errors[:models]),
        "judges": (fit.estimates.parameters[models : models + judges], fit.errors[models : models + judges]),
        "items": (fit.estimates.difficulty, np.sqrt(fit.estimates.difficulty_variance)),
    }[facet]
    found: Reliability | None = reliability(values, errors)
    return None if found is None else asdict(found)


def _spread(fit: FacetFit) -> dict[str, float | None]:
    low, high = fit.estimates.spread_interval or (None, None)
    return {"value": _number(fit.estimates.spread), "low": low, "high": high}


def _name(fit: FacetFit) -> str:
    return fit.dimension if fit.component == 0 else f"{fit.dimension} (set {fit.component + 1})"


def _located(value: float, error: float) -> dict[str, Any]:
    return {
        "logit": float(value),
        "se": float(error),
        "low": float(value - _Z * error),
        "high": float(value + _Z * error),
    }


def _ranks(values: Floats) -> Integers:
    return np.argsort(np.argsort(-values)) + 1


def _p(value: float, error: float) -> float | None:
    return _number(2 * norm.sf(abs(value) / error)) if error > 0 else None


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
