"""Joint maximum likelihood: every item's difficulty is a parameter like the others (Linacre 1989).

With few ratings an item the estimates are too far apart, by a factor of about n / (n - 1) for n ratings; it is here to
be compared with ``marginal``, and for designs whose items are no sample of anything.
"""

from __future__ import annotations

import math

import numpy as np

from edgewise.character.facets.design import Design
from edgewise.character.facets.estimates import Estimates, centre, solve
from edgewise.character.facets.moments import Moments, information, moments, pairs_of, row_steps, scores
from edgewise.character.facets.types import Floats
from edgewise.core.errors import EdgewiseError

_STEPS, _TOLERANCE = 100, 1e-7


def estimate(design: Design) -> Estimates:
    """Estimate the facets of one dimension; Newton's method, items eliminated by the Schur complement.

    Raises:
        EdgewiseError: It does not converge.
    """
    # One level is free between abilities and difficulties: abilities sum to 0 until the end.
    models = design.sizes[0]
    basis = np.hstack([design.basis[:, : models - 1] - design.basis[:, models - 1 : models], design.basis[:, models:]])
    free, difficulty = np.zeros(basis.shape[1]), np.zeros(design.sizes[1])
    step, move, best, iteration = np.zeros_like(free), np.zeros_like(difficulty), -math.inf, 0
    while iteration < _STEPS:
        iteration += 1
        for _ in range(30):
            found, value = _at(design, basis @ (free + step), difficulty + move)
            if value >= best - 1e-9 * abs(value):
                break
            step, move = step / 2, move / 2
        free, difficulty, best = free + step, difficulty + move, value
        gradient, item_gradient, normal, cross, own = _derivatives(design, found, basis)
        eliminated = cross / own[:, None]
        schur = normal - cross.T @ eliminated
        step = solve(schur, gradient - eliminated.T @ item_gradient)
        move = item_gradient / own - eliminated @ step
        longest = max(float(np.abs(step).max(initial=0)), float(np.abs(move).max(initial=0)))
        if longest < _TOLERANCE:
            break
        if longest > 2:
            step, move = step * 2 / longest, move * 2 / longest
    else:
        raise EdgewiseError(f"the estimates do not settle in {_STEPS} steps")
    covariance = basis @ np.linalg.pinv(schur, hermitian=True) @ basis.T
    # Given the parameters a difficulty has the variance 1 / own, and moves with them by -cross / own.
    slope = -eliminated @ np.linalg.pinv(basis)
    parameters, covariance, difficulty, variance = centre(models, basis @ free, covariance, difficulty, 1 / own, slope)
    pairs, loglik = pairs_of(design, found.upper), float(found.loglik.sum())
    moments_ = (found.expected, found.variance, found.cross, pairs)
    return Estimates(parameters, covariance, difficulty, variance, math.nan, None, loglik, *moments_)


def _at(design: Design, parameters: Floats, difficulty: Floats) -> tuple[Moments, float]:
    """Moments, and the log-likelihood with pulls."""
    eta = design.eta(parameters) - difficulty[design.item]
    found = moments(eta, row_steps(design, design.split(parameters)[2]), design.score)
    pulls = float(design.pull @ parameters + design.item_pull @ difficulty)
    return found, float(found.loglik.sum()) + pulls


def _derivatives(design: Design, found: Moments, basis: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Gradients of free parameters and of difficulties; information of both, and between them."""
    items = design.sizes[1]
    reached = design.score >= np.arange(1, design.top + 1)[:, None]
    residual = design.score - found.expected
    gradient = scores(design, residual, reached - found.upper).sum(0) + design.pull
    item_gradient = -np.bincount(design.item, residual, items) + design.item_pull
    normal = information(design, found.variance, found.cross, pairs_of(design, found.upper))
    cross = -scores(design, found.variance, found.cross) @ basis
    own = np.bincount(design.item, found.variance, items).astype(float)
    return basis.T @ gradient, item_gradient, basis.T @ normal @ basis, cross, own
