"""Estimators of social influence: how much a choice goes by others beside the evidence.

All are logistic regressions on plain arrays, so that they run on recorded chats as on episodes. Effects are causal only
where the influence was set at random (counterfactual exposure); where others see the same world as the chooser, their
agreement with it is partly common knowledge of the truth and inflates the coefficient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate, Measure, NotMeasured

Floats = NDArray[np.float64]

_METHOD = "logistic regression (Firth), cluster-robust"
_COLLAPSE = 2.0  # model's standard error over the sandwich's, from which the sandwich is not believed
_STEPS = 200
_TOLERANCE = 1e-8  # of the modified score, by unit of the coefficient's scale


@dataclass(frozen=True)
class LogisticFit:
    """A fitted logistic regression.

    Attributes:
        coefficients: Shape (columns + 1,), the intercept first.
        covariance: Shape (columns + 1, columns + 1).
        clusters: Number of independent units.
    """

    coefficients: Floats
    covariance: Floats
    clusters: int

    def estimate(self, column: int, level: float = 0.95) -> Estimate:
        """A coefficient (0 is the intercept) with Student's interval on clusters - 1 degrees of freedom."""
        value = float(self.coefficients[column])
        half = _quantile(level, self.clusters) * float(np.sqrt(self.covariance[column, column]))
        return Estimate(value=value, low=value - half, high=value + half, n=self.clusters, method=_METHOD, level=level)

    def share(self, part: int, other: int, level: float = 0.95) -> Measure:
        """``b_part / (b_part + b_other)`` with Fieller's interval (Fieller 1954), which a small sum does not mislead.

        ``NotMeasured`` where the sum cannot be told from 0, so that every share is possible.
        """
        pick = np.zeros((2, len(self.coefficients)))
        pick[0, part] = pick[1, part] = pick[1, other] = 1
        top, bottom = pick @ self.coefficients
        (v, c), (_, u) = pick @ self.covariance @ pick.T
        t2 = _quantile(level, self.clusters) ** 2
        lead = bottom**2 - t2 * u
        if lead <= 0:
            return NotMeasured(reason="neither of the two moves the choice: their share is undefined")
        middle = (top * bottom - t2 * c) / lead
        half = float(np.sqrt(max(middle**2 - (top**2 - t2 * v) / lead, 0.0)))
        value = float(top / bottom)
        low, high = min(float(middle) - half, value), max(float(middle) + half, value)
        return Estimate(value=value, low=low, high=high, n=self.clusters, method=_METHOD + ", Fieller", level=level)


def logistic(y: ArrayLike, columns: Sequence[ArrayLike], clusters: ArrayLike) -> LogisticFit | NotMeasured:
    """Logistic regression with the Jeffreys penalty (Firth 1993): finite where the data are separated.

    The covariance is the sandwich over clusters (Liang and Zeger 1986, scaled by G / (G - 1)). Residuals vanish under
    separation and the sandwich with them, so for outcomes of 0 and 1 no variance is taken to be below the model's own.

    Args:
        y: Outcomes, shape (n,): 0 or 1, or probabilities (a model's read-out instead of a draw).
        columns: Regressors, each of shape (n,); an intercept is added.
        clusters: Which independent unit each row belongs to, shape (n,); any labels.

    Returns:
        The fit; ``NotMeasured`` where fewer than two clusters, or regressors that do not vary apart from each other,
        leave nothing to fit.

    Raises:
        BadInput: Shapes differ, or a number is not finite, or an outcome lies outside [0, 1].
    """
    outcome = _vector("outcomes", y)
    x = np.column_stack([np.ones(len(outcome)), *(_vector("regressors", c, len(outcome)) for c in columns)])
    if outcome.size and (outcome.min() < 0 or outcome.max() > 1):
        raise BadInput("must be in [0, 1]", field="outcomes")
    labels = np.asarray(clusters)
    if labels.shape != outcome.shape:
        raise BadInput(f"has shape {labels.shape}, not {outcome.shape}", field="clusters")
    names, unit = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        return NotMeasured(reason="fewer than two trials came to a decision")
    if np.linalg.matrix_rank(x) < x.shape[1]:
        return NotMeasured(reason="what might move the choice did not vary")
    scale = np.sqrt((x**2).mean(0))
    fitted, inverse, scores = _climb(x / scale, outcome)
    sums = np.zeros((len(names), x.shape[1]))
    np.add.at(sums, unit, scores)
    covariance = inverse @ (sums.T @ sums) @ inverse * len(names) / (len(names) - 1)
    if np.isin(outcome, (0, 1)).all():
        widen = np.sqrt(np.maximum(1.0, np.diag(inverse) / np.maximum(np.diag(covariance), 1e-300)))
        # Where the sandwich has collapsed, its correlations mean nothing either.
        collapsed = bool((widen > _COLLAPSE).any())
        covariance = inverse if collapsed else covariance * np.outer(widen, widen)
    return LogisticFit(fitted / scale, covariance / np.outer(scale, scale), len(names))


def conformity_kappa(votes: ArrayLike, private: ArrayLike, majority: ArrayLike, clusters: ArrayLike) -> Measure:
    """Conformity: kappa in P(vote 1) = sigma(a + b lambda + kappa (2 m - 1)), a logit voter. 0 where nobody conforms.

    Args:
        votes: Vote after exposure, 1 for option 1 (or its probability), shape (n,).
        private: Log-odds lambda of option 1 on private evidence; the private vote as -1 or 1 will do where there is no
            more (``log_odds`` for stated probabilities).
        majority: Share m in [0, 1] of the votes seen that are for option 1.
        clusters: Trial that each vote belongs to.

    Returns:
        kappa; ``NotMeasured`` and errors as for ``logistic``.
    """
    seen = _vector("majority", majority)
    if seen.size and (seen.min() < 0 or seen.max() > 1):
        raise BadInput("must be in [0, 1]", field="majority")
    return _coefficient(logistic(votes, [private, 2 * seen - 1], clusters), 2)


def deference_weight(choices: ArrayLike, evidence: ArrayLike, authority: ArrayLike, clusters: ArrayLike) -> Measure:
    """Deference: w in P(choose 1) = sigma(a + b e + w l), a weighted-evidence decider. 0 where nobody defers.

    Args:
        choices: 1 for option 1 (or its probability), shape (n,).
        evidence: Log-odds e of option 1 on the evidence.
        authority: Label l: 1 where an authority is for option 1, -1 where for option 0, 0 where it is silent.
        clusters: Trial that each choice belongs to.

    Returns:
        w; ``NotMeasured`` and errors as for ``logistic``.
    """
    return _coefficient(logistic(choices, [evidence, authority], clusters), 2)


def prior_weight(choices: ArrayLike, prior_gap: ArrayLike, evidence_gap: ArrayLike, clusters: ArrayLike) -> Measure:
    """Weight w of the prior in a choice by the sign of w (prior gap) + (1 - w) (evidence gap), however steep.

    The ratio of two coefficients of a logistic regression, so noise in the choice does not change it. 0: by evidence
    alone; 1: by prior alone.

    A rule without noise makes the same choices for a range of weights. Where some weight in [0, 1] explains every
    choice, the interval therefore has all the weights that do (the identified set), however many the choices.

    Args:
        choices: 1 for the option that a positive gap favours (or its probability), shape (n,).
        prior_gap: How much the prior favours it.
        evidence_gap: How much the evidence favours it, in the same unit.
        clusters: Trial that each choice belongs to.

    Returns:
        w; ``NotMeasured`` and errors as for ``logistic``, and ``NotMeasured`` where neither gap moves the choice.
    """
    fit = logistic(choices, [prior_gap, evidence_gap], clusters)
    found = fit if isinstance(fit, NotMeasured) else fit.share(1, 2)
    same = _explaining(_vector("outcomes", choices), _vector("gaps", prior_gap), _vector("gaps", evidence_gap))
    if isinstance(found, NotMeasured) or same is None:
        return found
    ends = {"low": min(found.low, same[0]), "high": max(found.high, same[1])}
    return found.model_copy(update={**ends, "method": found.method + ", with the identified set"})


def log_odds(probability: ArrayLike, floor: float = 1e-3) -> Floats:
    """Log-odds of stated probabilities, which are first kept ``floor`` away from 0 and 1."""
    p = np.clip(_vector("probability", probability), floor, 1 - floor)
    return np.asarray(np.log(p / (1 - p)))


def _explaining(y: Floats, prior: Floats, evidence: Floats) -> tuple[float, float] | None:
    """The weights w in [0, 1] for which no choice goes against the sign of w prior + (1 - w) evidence."""
    if not np.isin(y, (0, 1)).all():
        return None
    side = 2 * y - 1
    at_0, slope = side * evidence, side * (prior - evidence)  # at_0 + slope w >= 0 for every choice
    if (at_0[slope == 0] < 0).any():
        return None
    low = np.max(-at_0[slope > 0] / slope[slope > 0], initial=0.0)
    high = np.min(-at_0[slope < 0] / slope[slope < 0], initial=1.0)
    return (float(low), float(high)) if low <= high else None


def _coefficient(fit: LogisticFit | NotMeasured, column: int) -> Measure:
    return fit if isinstance(fit, NotMeasured) else fit.estimate(column)


def _climb(x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Maximise the penalised likelihood: coefficients, inverse information, modified score of each row."""
    beta = np.zeros(x.shape[1])
    value, (inverse, scores) = _penalised(x, y, beta), _modified(x, y, beta)
    for _ in range(_STEPS):
        total = scores.sum(0)
        step = inverse @ total
        if total @ step < _TOLERANCE**2 * len(y):
            break
        step *= min(1.0, 5.0 / float(np.abs(step).max()))
        while (ahead := _penalised(x, y, beta + step)) < value and np.abs(step).max() > 1e-12:
            step /= 2
        beta, value = beta + step, max(ahead, value)
        inverse, scores = _modified(x, y, beta)
    return beta, inverse, scores


def _information(x: Floats, beta: Floats) -> tuple[Floats, Floats, Floats]:
    p = _sigmoid(x @ beta)
    weight = p * (1 - p)
    return p, weight, (x * weight[:, None]).T @ x


def _modified(x: Floats, y: Floats, beta: Floats) -> tuple[Floats, Floats]:
    p, weight, information = _information(x, beta)
    inverse: Floats = np.asarray(np.linalg.pinv(information, hermitian=True))
    leverage = weight * np.einsum("ij,jk,ik->i", x, inverse, x, optimize=True)
    return inverse, np.asarray((y - p + leverage * (0.5 - p))[:, None] * x, dtype=np.float64)


def _penalised(x: Floats, y: Floats, beta: Floats) -> float:
    score = x @ beta
    sign, size = np.linalg.slogdet(_information(x, beta)[2])
    return float(y @ score - np.logaddexp(0, score).sum() + 0.5 * size) if sign > 0 else -np.inf


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


def _quantile(level: float, clusters: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(clusters - 1, (1 + level) / 2))


def _vector(name: str, values: ArrayLike, size: int | None = None) -> Floats:
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise BadInput("must be numbers", field=name) from None
    if found.ndim != 1 or (size is not None and len(found) != size):
        raise BadInput(f"has shape {found.shape}, not one number for each row", field=name)
    if not np.isfinite(found).all():
        raise BadInput("must be finite", field=name)
    return found
