"""What item response models say of answers, and adaptive quadrature over ability: the E-step of ``irt_em``.

Parameters of an item are a row of an array of shape (items, p): intercept d, then (2PL) log slope, then (3PL) the logit
of the guessing parameter; eta = exp(log slope) * theta + d. Shapes below: n items, M respondents, K nodes each.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit

Floats = npt.NDArray[np.float64]
_BLOCK = 1 << 16  # cells of (items, nodes, respondents) in work at a time: 0.5 MiB, so that they stay in the cache


@dataclass(frozen=True)
class Data:
    """What is fitted.

    Args:
        y: Scores (n, M), 0 where missing.
        seen: 1 where there is a score, else 0 (n, M); None where complete.
        weight: Weights of the items (n,).
        width: Parameters per item, p.
        prior_sd: Of the intercepts and the log slopes, whose prior means are estimated; infinite for no prior.
    """

    y: Floats
    seen: Floats | None
    weight: Floats
    width: int
    prior_sd: tuple[float, float]

    def blocks(self, cells: int) -> Iterator[slice]:
        """Rows such that ``rows * cells`` fits the cache; at most 1000, so that a product of 1 + exp(-x) is finite."""
        step = max(1, min(1000, _BLOCK // cells))
        for start in range(0, self.y.shape[0], step):
            yield slice(start, min(start + step, self.y.shape[0]))


@dataclass(frozen=True)
class Parameters:
    """Item parameters (n, p) and the log standard deviation of ability (free in the Rasch model, else 0)."""

    items: Floats
    log_sd: float

    @cached_property
    def slope(self) -> Floats:
        """Slopes (n,); ones for the Rasch model."""
        return np.exp(self.items[:, 1]) if self.items.shape[1] > 1 else np.ones(self.items.shape[0])


@dataclass(frozen=True)
class Posterior:
    """Nodes and their posterior weights, both (K, M); mode, mean and sd (M,); log marginal likelihood."""

    nodes: Floats
    weight: Floats
    mode: Floats
    mean: Floats
    sd: Floats
    log_likelihood: float


def nodes_for(sd: Floats) -> int:
    """How many nodes. The error of K adaptive nodes falls like the (K + 2) / 3-th power of the information.

    Three would do for the likelihood of thousands of items, but the scale of ability is what little is left when
    large terms cancel: with three nodes Newton's steps only shrink to a third each, with five they are quadratic.
    """
    widest = float(sd.max())
    for bound, count in ((0.12, 5), (0.3, 9), (0.6, 15)):
        if widest <= bound:
            return count
    return 25


class Terms(NamedTuple):
    """First and minus second derivatives of an answer's log-likelihood, (rows, K, M); ``expected`` are means over y."""

    score: Floats
    curve: Floats
    expected: Floats
    guess_score: Floats | None = None
    cross: Floats | None = None
    cross_expected: Floats | None = None
    guess_curve: Floats | None = None
    guess_expected: Floats | None = None


def _eta(data: Data, rows: slice, parameters: Parameters, nodes: Floats) -> Floats:
    if data.width == 1:
        return parameters.items[rows, 0][:, None, None] + nodes
    eta = np.multiply.outer(parameters.slope[rows], nodes)
    eta += parameters.items[rows, 0][:, None, None]
    return eta


def guessing(parameters: Parameters, rows: slice) -> Floats:
    """Guessing parameters c of some items of a 3PL, (rows, 1, 1)."""
    return np.asarray(expit(parameters.items[rows, 2]))[:, None, None]


def terms_at(data: Data, rows: slice, parameters: Parameters, nodes: Floats) -> Terms:
    """Derivatives of the log-likelihood of some items' answers at every node (K, M)."""
    eta = _eta(data, rows, parameters, nodes)
    with np.errstate(over="ignore"):  # 1 / (1 + inf) is the 0 that it should be
        p = np.exp(np.negative(eta, out=eta), out=eta)
        p += 1
        np.reciprocal(p, out=p)
    y = data.y[rows, None, :]
    seen = None if data.seen is None else data.seen[rows, None, :]
    if data.width < 3:
        curve = p * p
        np.subtract(p, curve, out=curve)
        if seen is not None and not seen.all():
            curve *= seen
            p *= seen
        return Terms(np.subtract(y, p, out=p), curve, curve)
    c = guessing(parameters, rows)
    right = c + (1 - c) * p
    wrong = np.maximum((1 - c) * (1 - p), 1e-300)
    right = np.maximum(right, 1e-300)
    here = 1.0 if seen is None else seen
    residual = here * (y - right) / (right * wrong)  # dl/dP; y is 0 where missing, and here then too
    information = here / (right * wrong)
    observed = information + residual * (1 - 2 * right) / (right * wrong)
    by_eta, by_guess = (1 - c) * p * (1 - p), c * (1 - c) * (1 - p)
    return Terms(
        score=residual * by_eta,
        curve=observed * by_eta**2 - residual * by_eta * (1 - 2 * p),
        expected=information * by_eta**2,
        guess_score=residual * by_guess,
        cross=observed * by_eta * by_guess + residual * c * by_eta,
        cross_expected=information * by_eta * by_guess,
        guess_curve=observed * by_guess**2 - residual * by_guess * (1 - 2 * c),
        guess_expected=information * by_guess**2,
    )


def log_likelihood_at(data: Data, parameters: Parameters, nodes: Floats) -> Floats:
    """Log-likelihood of every respondent's answers at its nodes (K, M), same shape."""
    total = np.zeros(nodes.shape)
    unit = bool(np.all(data.weight == 1))
    for rows in data.blocks(nodes.size):
        eta, weight, y = _eta(data, rows, parameters, nodes), data.weight[rows], data.y[rows]
        seen = None if data.seen is None or data.seen[rows].all() else data.seen[rows, None, :]
        if data.width == 3:
            here = 1.0 if seen is None else seen
            c = guessing(parameters, rows)
            log_right = np.log(np.maximum(c + (1 - c) * expit(eta), 1e-300))
            log_wrong = np.log1p(-c) - np.logaddexp(0.0, eta)
            cells = y[:, None, :] * (log_right - log_wrong) + here * log_wrong
            total += np.einsum("i,ikj->kj", weight, cells)
            continue
        total += nodes * ((weight * parameters.slope[rows]) @ y) + (weight * parameters.items[rows, 0]) @ y
        tail = np.abs(eta)
        np.exp(np.negative(tail, out=tail), out=tail)
        np.maximum(eta, 0, out=eta)
        if seen is not None:
            tail *= seen
            eta *= seen
        total -= np.einsum("i,ikj->kj", weight, eta) if not unit else eta.sum(axis=0)
        if unit:  # one logarithm for the product of up to 1000 factors, each in (1, 2]
            tail += 1
            total -= np.log(np.multiply.reduce(tail, axis=0))
        else:
            total -= np.einsum("i,ikj->kj", weight, np.log1p(tail))
    return total


def _find_modes(data: Data, parameters: Parameters, start: Floats) -> tuple[Floats, Floats]:
    """Mode of each respondent's posterior and the standard deviation that the curvature there tells; both (M,)."""
    theta, precision = start.copy(), math.exp(-2 * parameters.log_sd)
    information = np.ones_like(theta)
    for _ in range(50):
        gradient, information = -precision * theta, np.full(theta.shape, precision)
        for rows in data.blocks(theta.size):
            terms = terms_at(data, rows, parameters, theta[None, :])
            by_theta = data.weight[rows] * parameters.slope[rows]
            gradient += by_theta @ terms.score[:, 0, :]
            information += (by_theta * parameters.slope[rows]) @ terms.expected[:, 0, :]
        step = np.clip(gradient / information, -1.0, 1.0)
        theta += step
        if np.max(np.abs(step) * np.sqrt(information)) < 1e-2:  # what is left is its square
            break
    return theta, information**-0.5


def e_step(data: Data, parameters: Parameters, start: Floats, count: int | None = None) -> Posterior:
    """Posterior of every ability by Gauss-Hermite nodes put where it is (Naylor & Smith 1982; Liu & Pierce 1994).

    Args:
        data: Answers.
        parameters: Item parameters.
        start: Where to look for the modes, (M,).
        count: Nodes per respondent; None picks enough for the widest posterior.
    """
    mode, scale = _find_modes(data, parameters, start)
    x, w = np.polynomial.hermite.hermgauss(count or nodes_for(scale))
    nodes = mode + math.sqrt(2) * scale * x[:, None]
    z = nodes * math.exp(-parameters.log_sd)
    log_density = log_likelihood_at(data, parameters, nodes) - 0.5 * z * z
    log_density += (np.log(w) + x * x)[:, None] + np.log(scale) - parameters.log_sd - 0.5 * math.log(math.pi)
    peak = log_density.max(axis=0)
    weight = np.exp(log_density - peak)
    total = weight.sum(axis=0)
    weight /= total
    mean = (weight * nodes).sum(axis=0)
    sd = np.sqrt((weight * (nodes - mean) ** 2).sum(axis=0))
    return Posterior(nodes, weight, mode, mean, sd, float((peak + np.log(total)).sum()))
