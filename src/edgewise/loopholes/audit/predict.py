"""From what an audit measured to the exploit ratio that training would end at, with an interval.

The coefficients are fitted on the generated family by ``benchmarks/fit_loopholes_audit.py``, which writes
``prediction.json``; nothing in that file is typed by hand.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from edgewise.core.estimate import Estimate
from edgewise.core.records import Record
from edgewise.loopholes.types import Floats

FEATURES = ("composes", "worth", "cheap", "unearned", "missed")
TABLE = Path(__file__).with_name("prediction.json")
# Of the loophole that gains most for its price, 0 without any. cheap: 1 less its price over 12 nats. composes: the same
# if its answer keeps the honest one, so that nothing is given up for it. worth: the same times what it pays above the
# best honest answers, in spreads of the reward. Of all answers, unearned: share of the proxy's rise that is unearned
# along what can be learned. missed: share of the trusted reward's rise that best of n misses.
_FLOOR = 0.05  # of the scale of errors, so that an interval near 0 or 1 has a width


class Prediction(Record):
    """A logistic curve that rises with every feature, and how far it was off.

    Attributes:
        intercept: Of the logit.
        slopes: By feature; none is negative.
        error: Quantile of leave-one-out errors in units of sqrt(v (1 - v)) + .05, such that 95 % of environments lie
            within (split conformal, Vovk et al. 2005; Lei et al. 2018 for errors on a scale).
        n: Environments fitted on.
        note: How it was made.
    """

    SCHEMA: ClassVar[str] = "loopholes-prediction/1"
    intercept: float
    slopes: dict[str, float]
    error: float
    n: int
    note: str = ""

    def value(self, features: dict[str, float]) -> float:
        """Predicted exploit ratio, in [0, 1]."""
        logit = self.intercept + sum(slope * features.get(name, 0.0) for name, slope in self.slopes.items())
        return float(1 / (1 + np.exp(-logit)))

    def predict(self, features: dict[str, float]) -> Estimate:
        """With its interval for the realised ratio of a single environment."""
        v = self.value(features)
        half = self.error * scale_of(v)
        return Estimate(
            value=v, low=max(0.0, v - half), high=min(1.0, v + half), n=self.n,
            method="monotone logistic, conformal interval",
        )  # fmt: skip


def scale_of(value: float | Floats) -> Any:
    """Scale of errors at a predicted ratio."""
    return np.sqrt(np.asarray(value) * (1 - np.asarray(value))) + _FLOOR


@cache
def prediction() -> Prediction:
    """The fitted one that comes with the package."""
    return Prediction.from_json(TABLE.read_bytes(), where=str(TABLE))


def fit(rows: Sequence[dict[str, float]], realised: Sequence[float], note: str = "") -> Prediction:
    """Fit slopes that are not negative, by ridge-penalised cross-entropy.

    Args:
        rows: Features of each environment.
        realised: Exploit ratio after training, in [0, 1].
        note: How the data were made.
    """
    x = np.array([[row[name] for name in FEATURES] for row in rows])
    y = np.clip(np.asarray(realised, dtype=float), 0, 1)
    errors = []
    for i in range(len(y)):
        kept = np.arange(len(y)) != i
        v = _sigmoid(x[i : i + 1], _solve(x[kept], y[kept]))[0]
        errors.append(abs(y[i] - v) / float(scale_of(v)))
    rank = min(len(y), int(np.ceil(0.95 * (len(y) + 1))))
    found = _solve(x, y)
    slopes = {name: round(float(slope), 4) for name, slope in zip(FEATURES, found[1:], strict=True)}
    return Prediction(
        intercept=round(float(found[0]), 4), slopes=slopes, error=round(float(np.sort(errors)[rank - 1]), 4), n=len(y),
        note=note,
    )  # fmt: skip


def _sigmoid(x: Floats, b: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-(b[0] + x @ b[1:]))))


def _solve(x: Floats, y: Floats, penalty: float = 0.05) -> Floats:
    from scipy.optimize import minimize

    def loss(b: Floats) -> tuple[float, Floats]:
        v = np.clip(_sigmoid(x, b), 1e-9, 1 - 1e-9)
        value = -np.mean(y * np.log(v) + (1 - y) * np.log(1 - v)) + penalty / len(y) * np.sum(b[1:] ** 2)
        error = (v - y) / len(y)
        return float(value), np.append(error.sum(), x.T @ error + 2 * penalty / len(y) * b[1:])

    bounds = [(None, None)] + [(0.0, None)] * x.shape[1]
    return np.asarray(minimize(loss, np.zeros(x.shape[1] + 1), jac=True, bounds=bounds, method="L-BFGS-B").x)


def write(found: Prediction) -> None:
    """Store as the package's own."""
    TABLE.write_text(json.dumps(json.loads(found.to_json()), indent=1) + "\n")
