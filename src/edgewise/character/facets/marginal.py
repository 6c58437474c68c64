"""Marginal maximum likelihood: items are a sample of a normal population, and integrated over.

Bock and Aitkin (1981), by adaptive Gauss-Hermite quadrature around each item's mode and Newton steps with the observed
information (Louis 1982). The number of items does not enter the number of parameters, so estimates of models, judges
and thresholds are consistent with two ratings an item already, where joint estimation is not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgewise.character.facets.design import Design
from edgewise.character.facets.estimates import Estimates, centre, solve
from edgewise.character.facets.moments import information, mean_and_variance, moments, pairs_of, row_steps, scores
from edgewise.character.facets.types import Floats
from edgewise.core.errors import EdgewiseError

_NODES = ((20, 9), (100, 5), (10**12, 3))  # for items with fewer ratings than that
_STEPS, _TOLERANCE = 60, 1e-7
_STRIDE = 0.5  # of the logarithm of the spread in one step, at most
_LEAST = 0.02  # standard deviation of items, in logits, below which it is not told from 0


@dataclass(frozen=True, eq=False)
class Posterior:
    """Items' posterior on their nodes, and derivatives of the marginal log-likelihood; last parameter: log spread.

    Attributes:
        loglik: Summed over items, pull included.
        mean, variance: Of difficulties, by item.
        slope: (items, parameters) derivative of the mean.
        gradient, information: Of the marginal log-likelihood.
        moments: Expected category, its variance, ``cross`` and ``pairs`` of ratings, averaged over nodes.
    """

    loglik: float
    mean: Floats
    variance: Floats
    slope: Floats
    gradient: Floats
    information: Floats
    moments: tuple[Floats, Floats, Floats, Floats]


def estimate(design: Design) -> Estimates:
    """Estimate the facets of one dimension.

    Raises:
        EdgewiseError: It does not converge.
    """
    basis = design.basis
    free = np.zeros(basis.shape[1])
    spread = 0.0  # its logarithm
    modes = np.zeros(design.sizes[1])
    loglik, step = -math.inf, np.zeros(len(free) + 1)
    full = np.zeros((basis.shape[0] + 1, len(free) + 1))
    full[:-1, :-1], full[-1, -1] = basis, 1.0
    for iteration in range(1, _STEPS + 1):
        for _ in range(30):
            tried = free + step[:-1]
            found = posterior(design, basis @ tried, spread + step[-1], modes)
            if found.loglik >= loglik - 1e-9 * abs(found.loglik):
                break
            step = step / 2
        gain = found.loglik - loglik
        free, spread, loglik = tried, spread + step[-1], found.loglik
        gradient, curvature = full.T @ found.gradient, full.T @ found.information @ full
        fixed = spread <= math.log(_LEAST) and gradient[-1] <= 0
        step = np.zeros_like(gradient)
        if fixed or np.linalg.eigvalsh(curvature)[0] <= 0:
            # Far from the maximum a small spread curves upwards, and Newton's step would creep.
            step[:-1] = solve(curvature[:-1, :-1], gradient[:-1])
            step[-1] = 0.0 if fixed else math.copysign(_STRIDE, gradient[-1])
        else:
            step = solve(curvature, gradient)
        longest = float(np.abs(step).max(initial=0.0))
        # The whole step is shortened: with one part cut off it might no longer climb.
        step *= min(1.0, 2 / max(longest, 1e-9), _STRIDE / max(abs(step[-1]), 1e-9))
        step[-1] = max(step[-1], math.log(_LEAST) - spread)
        if longest < _TOLERANCE or (iteration > 3 and abs(gain) < 1e-11 * abs(loglik)):
            used = slice(None, -1) if fixed else slice(None)
            inverse = np.zeros_like(curvature)
            inverse[used, used] = np.linalg.pinv(curvature[used, used], hermitian=True)
            return _finish(design, found, basis @ free, full @ inverse @ full.T, spread)
    raise EdgewiseError(f"the estimates do not settle in {_STEPS} steps")


def posterior(design: Design, parameters: Floats, log_spread: float, modes: Floats) -> Posterior:
    """E-step at given parameters. ``modes`` (items,) is where the search for each item's mode starts; it is updated."""
    eta, steps = design.eta(parameters), row_steps(design, design.split(parameters)[2])
    items, spread = design.sizes[1], math.exp(log_spread)
    width = _find_modes(design, eta, steps, spread, modes)
    fewest = int(np.bincount(design.item).min())
    nodes, weights = np.polynomial.hermite_e.hermegauss(next(n for below, n in _NODES if fewest < below))
    places = modes[:, None] + width[:, None] * nodes
    # log of (likelihood x prior x weight) at each node; the weight function of the rule is divided out.
    prior = -0.5 * (places / spread) ** 2 - log_spread - 0.5 * math.log(2 * math.pi)
    joint = prior + np.log(weights) + 0.5 * nodes**2 + np.log(width)[:, None]
    reached = design.score >= np.arange(1, design.top + 1)[:, None]
    at_nodes = []
    for q in range(len(nodes)):
        m = moments(eta - places[design.item, q], steps, design.score)
        joint[:, q] += np.bincount(design.item, m.loglik, items)
        at_nodes.append(m)
    peak = joint.max(1)
    share = np.exp(joint - peak[:, None])
    total = share.sum(1)
    share /= total[:, None]
    marginal = float((peak + np.log(total)).sum())
    size = len(parameters) + 1
    middle, second, slope = np.zeros((items, size)), np.zeros((size, size)), np.zeros((items, size))
    expected, variance, cross = np.zeros(len(eta)), np.zeros(len(eta)), np.zeros(reached.shape)
    pairs = np.zeros((design.groups, design.top, design.top))
    mean = (share * places).sum(1)
    for q, m in enumerate(at_nodes):
        weight = share[:, q]
        s = np.column_stack(
            [scores(design, design.score - m.expected, reached - m.upper), (places[:, q] / spread) ** 2 - 1]
        )
        weighted = weight[:, None] * s
        middle += weighted
        slope += (places[:, q] - mean)[:, None] * weighted
        second += s.T @ weighted
        row = weight[design.item]
        expected += row * m.expected
        variance += row * m.variance
        cross += row * m.cross
        pairs += pairs_of(design, m.upper, row)
    found = np.zeros((size, size))
    found[:-1, :-1] = information(design, variance, cross, pairs)
    found[-1, -1] = 2 * (share * (places / spread) ** 2).sum()
    found -= second - middle.T @ middle
    gradient = middle.sum(0)
    gradient[:-1] += design.pull
    spread_out = (share * (places - mean[:, None]) ** 2).sum(1)
    value = marginal + float(design.pull @ parameters)
    return Posterior(value, mean, spread_out, slope, gradient, found, (expected, variance, cross, pairs))


def _find_modes(design: Design, eta: Floats, steps: Floats, spread: float, modes: Floats) -> Floats:
    """Newton's method within shrinking brackets, for all items at once; returns the normal approximations' widths."""
    items = design.sizes[1]
    low, high = np.full(items, -np.inf), np.full(items, np.inf)
    for _ in range(100):
        expected, variance = mean_and_variance(eta - modes[design.item], steps)
        slope = np.bincount(design.item, expected - design.score, items) - modes / spread**2
        curve = np.bincount(design.item, variance, items) + 1 / spread**2
        low, high = np.where(slope > 0, modes, low), np.where(slope > 0, high, modes)
        tried = modes + np.clip(slope / curve, -2, 2)
        outside = (tried <= low) | (tried >= high)
        with np.errstate(invalid="ignore"):
            tried = np.where(outside & np.isfinite(low + high), (low + high) / 2, tried)
        furthest = float(np.abs(tried - modes).max())
        modes[:] = tried
        if furthest < 1e-4:  # else the value would depend on where the search began
            break
    return np.asarray(1 / np.sqrt(curve))


def _finish(design: Design, found: Posterior, parameters: Floats, inverse: Floats, spread: float) -> Estimates:
    """Standard errors, and the items' mean as the origin.

    Args:
        design: The design.
        found: The posterior at the maximum.
        parameters: The maximum.
        inverse: Of the observed information of (parameters, log spread); 0 in what was held.
        spread: Logarithm of the spread.
    """
    # The log spread is one more parameter on which difficulties depend.
    whole, covariance, difficulty, variance = centre(
        design.sizes[0], np.append(parameters, spread), inverse, found.mean, found.variance, found.slope
    )
    half = 1.96 * math.sqrt(max(inverse[-1, -1], 0.0))
    return Estimates(
        whole[:-1],
        covariance[:-1, :-1],
        difficulty,
        variance,
        math.exp(spread),
        (math.exp(spread - half), math.exp(spread + half)) if half > 0 else None,
        found.loglik - float(design.pull @ parameters),
        *found.moments,
    )
