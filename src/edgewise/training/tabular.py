"""A policy small enough that its constrained optimum is known: a table of logits, trained on preference strata.

Responses have one logit each, and a dimension's loss is the mean of -log sigmoid(beta (margin - reference margin)) over
its pairs (Rafailov et al. 2023, eq. 7). All losses are convex in the logits, so the Karush-Kuhn-Tucker conditions are
sufficient: what ``minimise`` finds by them is what ``train`` must reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize as scipy_minimize
from scipy.optimize import nnls
from scipy.special import expit, log_expit

from edgewise.training.lagrangian import Constraint, Multipliers

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PreferenceStrata:
    """Pairs of responses by dimension.

    Attributes:
        pairs: By dimension an integer array (n, 2) of (chosen, rejected).
        responses: How many there are.
        beta: Inverse temperature of the loss.
    """

    pairs: Mapping[str, npt.NDArray[np.int64]]
    responses: int
    beta: float = 0.1

    def losses(self, logits: Floats) -> tuple[dict[str, float], dict[str, Floats]]:
        """Mean loss of each dimension in nats, and its gradient (responses,)."""
        values: dict[str, float] = {}
        gradients: dict[str, Floats] = {}
        for name, pairs in self.pairs.items():
            margin = self.beta * (logits[pairs[:, 0]] - logits[pairs[:, 1]])
            pull = -self.beta * expit(-margin) / len(pairs)
            gradient = np.zeros(self.responses)
            np.add.at(gradient, pairs[:, 0], pull)
            np.add.at(gradient, pairs[:, 1], -pull)
            values[name], gradients[name] = float(-log_expit(margin).mean()), gradient
        return values, gradients


@dataclass(frozen=True, eq=False)
class Optimum:
    """Where a policy ends.

    Attributes:
        logits: (responses,), mean 0.
        losses: By dimension, in nats.
        objective: Weighted sum of losses.
        multipliers: By dimension.
    """

    logits: Floats
    losses: Mapping[str, float]
    objective: float
    multipliers: Mapping[str, float]


def minimise(strata: PreferenceStrata, constraints: Mapping[str, Constraint]) -> Optimum:
    """The constrained optimum by sequential quadratic programming, multipliers from the stationarity condition.

    At the optimum sum_d (w_d + lambda_d) grad l_d = 0 with lambda >= 0, and 0 for what is not binding: non-negative
    least squares over the binding ones.
    """
    limits = {name: c.target + c.tolerance for name, c in constraints.items()}

    def objective(x: Floats) -> tuple[float, Floats]:
        values, gradients = strata.losses(x)
        weights = {name: c.weight for name, c in constraints.items()}
        return sum(w * values[n] for n, w in weights.items()), sum(
            (w * gradients[n] for n, w in weights.items()), np.zeros(strata.responses)
        )

    bounds = [
        {
            "type": "ineq",
            "fun": lambda x, n=name: limits[n] - strata.losses(x)[0][n],
            "jac": lambda x, n=name: -strata.losses(x)[1][n],
        }
        for name in constraints
    ]
    found: Any = scipy_minimize(  # type: ignore[call-overload]
        objective, np.zeros(strata.responses), jac=True, method="SLSQP", constraints=bounds,
        options={"maxiter": 2000, "ftol": 1e-14},
    )  # fmt: skip
    values, gradients = strata.losses(found.x)
    binding = [name for name in constraints if limits[name] - values[name] < 1e-6]
    solved = dict.fromkeys(constraints, 0.0)
    if binding:
        _, gradient = objective(found.x)
        multipliers, _ = nnls(np.column_stack([gradients[name] for name in binding]), -gradient)
        solved.update(zip(binding, multipliers.tolist(), strict=True))
    return Optimum(found.x - found.x.mean(), values, float(found.fun), solved)


def train(strata: PreferenceStrata, multipliers: Multipliers, *, steps: int, rate: float) -> Optimum:
    """Descend on the Lagrangian while the multipliers ascend, as a full-size run does with batches.

    Args:
        strata: The pairs.
        multipliers: They are moved.
        steps: Gradient steps on all pairs.
        rate: Step size.
    """
    logits = np.zeros(strata.responses)
    for _ in range(steps):
        values, gradients = strata.losses(logits)
        multipliers.update(values)
        for name, weight in multipliers.weights.items():
            logits -= rate * weight * gradients[name]
    values, _ = strata.losses(logits)
    objective = sum(c.weight * values[name] for name, c in multipliers.constraints.items())
    return Optimum(logits - logits.mean(), values, objective, multipliers.values)
