"""The methods that RankLLM is compared with, under one interface: accuracy, HITS, Bradley-Terry, Plackett-Luce.

Item response models are in ``irt``. Each takes weights for items, so that all can be resampled alike.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.ranking.matrix import Floats, ResponseMatrix, split
from edgewise.ranking.rankllm import BlockSums

_ROUNDS = 500
# Half a win and half a loss against an average opponent (Agresti's remedy) keeps who won or lost everything finite.
_GHOST = 0.5


def accuracy(matrix: ResponseMatrix, item_weights: Floats) -> tuple[Floats, Floats]:
    """Mean score of each model on what it answered, shape (models), and mean failure of each item, shape (items).

    NaN where nothing was answered.
    """
    sums, ones = BlockSums(matrix), np.ones(matrix.shape[1])
    right, wrong = sums.successes(item_weights), sums.failures(item_weights)
    failed, answered = sums.failers(ones), sums.failers(ones) + sums.solvers(ones)
    return _share(right, right + wrong), _share(failed, answered)


def hits(matrix: ResponseMatrix, item_weights: Floats) -> tuple[Floats, Floats]:
    """Kleinberg's hubs and authorities (1999), on who solved what for models and on who failed what for items.

    A model's score is its hub value where models point to the items they solve, an item's difficulty its authority
    where models point to the items they fail. Both have length 1 in L2.
    """
    sums, n_models = BlockSums(matrix), matrix.shape[1]
    competency = _principal(lambda x: sums.successes(item_weights * sums.solvers(x)), n_models)
    weakness = _principal(lambda x: sums.failures(item_weights * sums.failers(x)), n_models)
    difficulty = sums.failers(weakness)
    return competency, difficulty / (np.linalg.norm(difficulty) or 1.0)


def bradley_terry(matrix: ResponseMatrix, item_weights: Floats) -> tuple[Floats, Floats]:
    """Every response is a game between a model and an item: P(model wins) = 1 / (1 + exp(difficulty - strength)).

    Maximum likelihood (Zermelo 1929; Bradley and Terry 1952) by Newton's method with the items eliminated, so that each
    step solves a system of models only. A drawn game against an average opponent keeps extreme rows finite. Strengths
    have mean 0.
    """
    right, wrong = split(matrix.values)
    seen = right + wrong
    v = item_weights
    strength, difficulty = np.zeros(matrix.shape[1]), np.zeros(matrix.shape[0])
    for _ in range(_ROUNDS):
        p = 1 / (1 + np.exp(difficulty[:, None] - strength))
        missed = p * seen - right
        ghost, ghost_slope = _drawn(strength)
        item_ghost, item_slope = _drawn(difficulty)
        up = -(v @ missed) + ghost
        item_up = v * (missed.sum(1) + item_ghost)
        slope = v[:, None] * p * (1 - p) * seen
        item_total = slope.sum(1) + v * item_slope
        inverse = np.divide(1, item_total, out=np.zeros(len(v)), where=item_total > 0)
        system = np.diag(slope.sum(0) + ghost_slope) - slope.T @ (slope * inverse[:, None])
        step = np.clip(np.linalg.solve(system, up + slope.T @ (inverse * item_up)), -1, 1)
        strength = strength + step
        difficulty = difficulty + np.clip(inverse * (item_up + slope @ step), -1, 1)
        if abs(step).max() < 1e-9:
            break
    shift = strength.mean()
    return strength - shift, _opponent(right, wrong, strength) - shift


def plackett_luce(matrix: ResponseMatrix, item_weights: Floats) -> tuple[Floats, Floats]:
    """Every item ranks the models: those who solved it before those who did not.

    Strengths by full rank-breaking (Azari Soufiani et al. 2013), a Bradley-Terry fit to how often one model solved what
    the other failed, by Newman's iteration (2023). An item's difficulty is then that of an opponent of known models, by
    maximum likelihood. Log strengths have mean 0.
    """
    m = matrix.shape[1]
    wins = np.zeros((m, m))
    for rows, right, wrong in BlockSums(matrix).blocks():
        wins += (right * item_weights[rows, None]).T @ wrong
    np.fill_diagonal(wins, 0)
    strength = np.ones(m)
    for _ in range(_ROUNDS):
        total = strength[:, None] + strength
        up = (wins * (strength / total)).sum(1) + _GHOST / (strength + 1)
        down = (wins.T / total).sum(1) + _GHOST / (strength + 1)
        new = up / down
        new /= np.exp(np.log(new).mean())
        done = abs(np.log(new / strength)).max() < 1e-10
        strength = new
        if done:
            break
    ability = np.log(strength)
    return ability, _opponent(*split(matrix.values), ability)


def _drawn(place: Floats) -> tuple[Floats, Floats]:
    """Gradient, and curvature with its sign turned, of one drawn game at ``place`` against an opponent at 0."""
    p = 1 / (1 + np.exp(-place))
    return _GHOST - 2 * _GHOST * p, 2 * _GHOST * p * (1 - p)


def _opponent(right: Floats, wrong: Floats, strength: Floats) -> Floats:
    """Most likely place of each item among models of known strength, shape (items)."""
    seen = right + wrong
    difficulty = np.zeros(len(right))
    for _ in range(_ROUNDS):
        p = 1 / (1 + np.exp(difficulty[:, None] - strength))
        ghost, slope = _drawn(difficulty)
        step = np.clip(((p * seen - right).sum(1) + ghost) / ((p * (1 - p) * seen).sum(1) + slope), -1, 1)
        difficulty = difficulty + step
        if abs(step).max() < 1e-9:
            break
    return np.asarray(difficulty)


def _principal(step: Callable[[Floats], Floats], size: int) -> Floats:
    """Principal eigenvector of a linear map, by powers."""
    vector = np.full(size, size**-0.5)
    for _ in range(_ROUNDS):
        new = step(vector)
        norm = np.linalg.norm(new)
        if norm <= 0:
            break
        new = new / norm
        done = abs(new - vector).max() < 1e-13
        vector = new
        if done:
            break
    return vector


def _share(part: Floats, whole: Floats) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0))
