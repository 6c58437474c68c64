"""Category probabilities of ratings, their moments, and information summed over ratings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import expit

from edgewise.character.facets.design import Design
from edgewise.character.facets.types import Floats


@dataclass(frozen=True, eq=False)
class Moments:
    """Of N ratings, at given predictors.

    Attributes:
        loglik: (N,) log-probability of what was given.
        expected: (N,) mean category.
        variance: (N,) of the category.
        upper: (top, N) P(x >= k).
        cross: (top, N) covariance of x and [x >= k].
    """

    loglik: Floats
    expected: Floats
    variance: Floats
    upper: Floats
    cross: Floats


def moments(eta: Floats, steps: Floats, score: np.ndarray) -> Moments:
    """Moments at predictors ``eta`` (N,) with thresholds ``steps`` (top, N) or (top, 1).

    Categories are taken one after the other: N is large and they are few.
    """
    top = len(steps)
    logits = np.empty((top + 1, len(eta)))
    logits[0] = 0.0
    for k in range(top):
        logits[k + 1] = logits[k] + (eta - steps[k])
    given = np.take_along_axis(logits, score[None, :], axis=0)[0]
    peak = logits.max(axis=0)
    p = np.exp(logits - peak, out=logits)
    total = p.sum(axis=0)
    p /= total
    upper, partial = np.empty((top, len(eta))), np.empty((top, len(eta)))
    above, weighted = np.zeros(len(eta)), np.zeros(len(eta))
    second = np.zeros(len(eta))
    for k in range(top, 0, -1):
        above = above + p[k]
        weighted = weighted + k * p[k]
        second += k * k * p[k]
        upper[k - 1], partial[k - 1] = above, weighted
    partial -= weighted * upper
    return Moments(given - peak - np.log(total), weighted, second - weighted**2, upper, partial)


def mean_and_variance(eta: Floats, steps: Floats) -> tuple[Floats, Floats]:
    """Of the category, as ``moments`` gives them, where the rest is not needed."""
    if len(steps) == 1:
        p = expit(eta - steps[0])
        return p, p * (1 - p)
    # In steps of one category, relative to the lowest: exponents of some hundred logits do not occur.
    share, total = np.ones(len(eta)), np.ones(len(eta))
    first, second = np.zeros(len(eta)), np.zeros(len(eta))
    for k, step in enumerate(steps, 1):
        share = share * np.exp(eta - step)
        total += share
        first += k * share
        second += k * k * share
    mean = first / total
    return mean, second / total - mean**2


def row_steps(design: Design, steps: Floats) -> Floats:
    """Thresholds of each rating, as ``moments`` takes them."""
    return steps.T if design.groups == 1 else steps.T[:, design.group]


def information(design: Design, variance: Floats, cross: Floats, upper_pairs: Floats) -> Floats:
    """Information of (abilities, severities, thresholds, effects), item difficulties held fixed.

    Args:
        design: The design.
        variance: (N,) of ratings.
        cross: (top, N).
        upper_pairs: (groups, top, top) covariances of [x >= k] and [x >= l], summed over a group's ratings.
    """
    models, _, judges = design.sizes
    top, groups = design.top, design.groups
    x = design.predictor
    inner = (x.T @ x.multiply(variance[:, None])).toarray()
    at = [sparse.csr_array((cross[k], design.group, np.arange(len(variance) + 1)), (len(variance), groups))
          for k in range(top)]  # fmt: skip
    # Columns in the order (group, k).
    mixed = np.stack([-(x.T @ block).toarray() for block in at], axis=2).reshape(inner.shape[0], groups * top)
    steps = np.zeros((groups, top, groups, top))
    steps[np.arange(groups), :, np.arange(groups), :] = upper_pairs
    first = models + judges
    places = np.concatenate([np.arange(first), first + groups * top + np.arange(inner.shape[0] - first)])
    found = np.zeros((inner.shape[0] + groups * top,) * 2)
    found[np.ix_(places, places)] = inner
    middle = first + np.arange(groups * top)
    found[np.ix_(places, middle)] = mixed
    found[np.ix_(middle, places)] = mixed.T
    found[np.ix_(middle, middle)] = steps.reshape(groups * top, groups * top)
    return found


def pairs_of(design: Design, upper: Floats, weight: Floats | None = None) -> Floats:
    """(groups, top, top) covariances of [x >= k] and [x >= l], summed by group."""
    top = design.top
    found = np.zeros((design.groups, top, top))
    for k in range(top):
        for other in range(k + 1):
            value = upper[k] * (1 - upper[other])
            if weight is not None:
                value = value * weight
            found[:, k, other] = found[:, other, k] = np.bincount(design.group, value, design.groups)
    return found


def scores(design: Design, residual: Floats, reached: Floats) -> Floats:
    """(items, parameters) derivative of each item's log-likelihood.

    Args:
        design: The design.
        residual: (N,) x - E[x].
        reached: (top, N) [x >= k] - P(x >= k).
    """
    models, items, judges = design.sizes
    top, groups = design.top, design.groups

    def by_item(place: np.ndarray, size: int, weight: Floats) -> Floats:
        return np.asarray(
            np.bincount(design.item * size + place, weight, items * size).reshape(items, size), dtype=float
        )

    steps = np.stack([-by_item(design.group, groups, reached[k]) for k in range(top)], axis=2)
    effects = [np.bincount(design.item, residual * c, items)[:, None] for c in design.covariates.T]
    return np.concatenate(
        [
            by_item(design.model, models, residual),
            -by_item(design.judge, judges, residual),
            steps.reshape(items, groups * top),
            *effects,
        ],
        axis=1,
    )
