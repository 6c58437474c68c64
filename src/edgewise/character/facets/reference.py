"""The method as one reads it: dense, slow, by general optimisers. What the fast path is tested against.

Two categories or more, one set of thresholds, no covariates; items integrated by a fixed Gauss-Hermite rule, or joint.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

from edgewise.character.facets.types import Floats, Integers

_NODES = 81


def log_probability(eta: Floats, thresholds: Floats, score: Integers) -> Floats:
    """log P(score) at predictors ``eta``: P(k) is proportional to exp(k eta - sum of the first k thresholds)."""
    logits = np.array([k * eta - thresholds[:k].sum() for k in range(len(thresholds) + 1)])
    return np.asarray(np.take_along_axis(logits, score[None], 0)[0] - np.logaddexp.reduce(logits, axis=0))


def marginal_loglik(
    ability: Floats, severity: Floats, thresholds: Floats, spread: float, table: tuple[Integers, ...]
) -> float:
    """Sum over items of log of the integral over N(0, spread^2) of the product of its ratings' probabilities.

    Args:
        ability: Of models.
        severity: Of judges.
        thresholds: Between categories.
        spread: Standard deviation of difficulties.
        table: model, item, judge, score of each rating.
    """
    model, item, judge, score = table
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    given = np.array(
        [
            np.bincount(item, log_probability(ability[model] - severity[judge] - spread * node, thresholds, score))
            for node in nodes
        ]
    )
    return float(np.logaddexp.reduce(given + np.log(weights / weights.sum())[:, None], axis=0).sum())


def fit_marginal(table: tuple[Integers, ...]) -> tuple[Floats, Floats, Floats, float, float]:
    """Abilities, severities, thresholds, spread, log-likelihood, where the population's mean difficulty is 0."""
    model, _, judge, score = table
    models, judges, top = int(model.max()) + 1, int(judge.max()) + 1, int(score.max())

    def unpack(x: Floats) -> tuple[Floats, Floats, Floats, float]:
        ability, severity, steps, spread = np.split(x, np.cumsum([models, judges - 1, top - 1]))
        return ability, np.append(severity, -severity.sum()), np.append(steps, -steps.sum()), float(np.exp(spread[0]))

    start = np.zeros(models + judges + top - 1)
    found: Any = minimize(lambda x: -marginal_loglik(*unpack(x), table), start, method="BFGS", tol=1e-4)  # type: ignore[call-overload]
    return (*unpack(found.x), -float(found.fun))
