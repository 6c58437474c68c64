"""Weights of models that copy one another, so that near-duplicates buy no influence. Ours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewise.ranking.matrix import Floats, ResponseMatrix, split

# A correlation counts by its fourth power: .95 makes .81 of a copy, .5 only .06. Models of one family keep their say.
_POWER = 4
_OPERATIONS = 2e10  # of the correlation matrix, about a second; beyond, every k-th item is looked at


def clone_weights(matrix: ResponseMatrix) -> Floats:
    """One over the number of near-copies of each model (itself included), shape (models).

    Models count as copies to the fourth power of the correlation of their scores, each item's mean taken away: agreeing
    because items are easy or hard is no sign of copying. n identical models weigh 1/n each; unlike ones nearly 1.
    """
    similarity = np.clip(residual_correlation(matrix), 0, 1) ** _POWER
    weights: Floats = 1 / similarity.sum(1)
    return weights


def residual_correlation(matrix: ResponseMatrix) -> Floats:
    """Correlation of the models' scores with the items' means taken away, shape (models, models); ones on the diagonal.

    Models that always differ from the mean by the same are alike in that, and so copies of one another.
    """
    n_items, n_models = matrix.shape
    step = max(1, int(n_items * n_models**2 / _OPERATIONS))
    products, sums = np.zeros((n_models, n_models)), np.zeros(n_models)
    rows = max(1, (1 << 21) // n_models)
    picked: NDArray[np.int64] = np.arange(0, n_items, step)
    for start in range(0, len(picked), rows):
        right, wrong = split(matrix.values[picked[start : start + rows]])
        answered = right + wrong
        mean = right.sum(1) / np.maximum(answered.sum(1), 1)
        residual = right - mean[:, None] * answered
        products += residual.T @ residual
        sums += residual.sum(0)
    products -= np.outer(sums, sums) / len(picked)
    norm = np.sqrt(np.clip(np.diag(products), 0, None))
    flat = norm <= 1e-6
    correlation = products / np.outer(np.where(flat, 1, norm), np.where(flat, 1, norm))
    correlation[np.ix_(flat, flat)] = 1.0
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation)
