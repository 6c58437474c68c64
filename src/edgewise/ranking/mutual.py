"""The ranking method of edgewise: success rates that count by difficulty, failure rates that count by ability. Ours.

    difficulty[q] = share of the models' weight that failed on q
    score[m]      = share of the items' difficulty that m solved
    weight[m]     = clone weight[m] * ((1-a) * mean score + a * score[m])

It is RankLLM's idea with rates in place of degrees. RankLLM divides a model's competency among its failures, so that
a failure of the best model weighs many times that of a weak one, and one model, or twenty copies of it, can move
everybody; here no model weighs more than 1. Both results are shares between 0 and 1 that do not shrink with the pool.
With nothing missing, ``score`` is the principal eigenvector of a positive matrix, so it is unique, and for a = 0 the
difficulty is the plain (clone-weighted) error rate. With gaps there is no such proof, and ``converged`` tells.

A model that answered only some items is compared with what the pool achieves on just these (indirect standardisation,
as epidemiology does with death rates), and so is an item that only some models met. Rates that rest on little are drawn
to the mean by as much as chance explains of their spread (empirical Bayes, beta-binomial, by moments: Kleinman 1973).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgewise.ranking.bits import BitPlanes
from edgewise.ranking.matrix import BLOCK_CELLS, Floats, ResponseMatrix
from edgewise.ranking.rankllm import ALPHA, TOLERANCE, BlockSums, Sums

_MAX_ROUNDS = 1000


class Shrinkage(NamedTuple):
    """How far rates are drawn to their mean, as if some more answers had been average.

    Attributes:
        kept: Share of each own rate that stays.
        mean: What makes up the rest.
    """

    kept: Floats
    mean: float

    def apply(self, rate: Floats) -> Floats:
        """The rates (last axis) drawn to the mean."""
        return self.kept * rate + (1 - self.kept) * self.mean


@dataclass(frozen=True, eq=False)
class MutualRates:
    """What the method found.

    Attributes:
        score: Difficulty-weighted success rate per model.
        difficulty: Ability-weighted failure rate per item; NaN for an item that nobody answered.
        weight: Weight of each model's failures in the difficulties.
        item_weight: What solving each item counts for in a score: its difficulty before it was drawn to the mean.
        models: How the scores were drawn to their mean.
        items: How the difficulties were.
        rounds: Rounds made.
        change: Largest change of a score in the last round.
        converged: Whether ``change`` is below the tolerance.
    """

    score: Floats
    difficulty: Floats
    weight: Floats
    item_weight: Floats
    models: Shrinkage
    items: Shrinkage
    rounds: int
    change: float
    converged: bool


def mutual_rates(
    matrix: ResponseMatrix,
    *,
    alpha: float = ALPHA,
    tol: float = TOLERANCE,
    model_weights: Floats | None = None,
    item_weights: Floats | None = None,
    shrink: bool = True,
) -> MutualRates:
    """Rank models and items by mutual rates.

    Args:
        matrix: Responses.
        alpha: How far a model's weight follows its score, from 0 (not at all) to 1.
        tol: Rounds end when no score changes by more.
        model_weights: Usually ``clone_weights(matrix)``; 1 unless given. Shape (models).
        item_weights: Shape (items); 1 unless given.
        shrink: Whether rates that rest on little are drawn to the mean.
    """
    n_items, n_models = matrix.shape
    u = np.ones(n_models) if model_weights is None else np.asarray(model_weights, dtype=np.float64)
    v = np.ones(n_items) if item_weights is None else np.asarray(item_weights, dtype=np.float64)
    sums: Sums = (
        BitPlanes.pack(matrix.values) if matrix.binary and matrix.values.size > BLOCK_CELLS else BlockSums(matrix)
    )
    ones = np.ones(n_models)
    answered = sums.solvers(ones) + sums.failers(ones)
    v = np.where(answered > 0, v, 0)
    complete = bool(answered.min() == n_models)
    done, missed = sums.successes(v), sums.failures(v)
    score = np.divide(done, done + missed, out=np.zeros(n_models), where=done + missed > 0)
    change, rounds = np.inf, 0
    while change >= tol and rounds < _MAX_ROUNDS:
        weight = model_weight(u, score, alpha)
        difficulty = _item_rate(sums, weight, score, complete)
        new = _model_rate(sums, v * difficulty, difficulty, complete)
        change, score, rounds = float(abs(new - score).max()), new, rounds + 1
    weight = model_weight(u, score, alpha)
    models, items = Shrinkage(np.ones(n_models), 0.0), Shrinkage(np.ones(n_items), 0.0)
    if shrink:
        models = shrinkage(score, sums.successes(v) + sums.failures(v), u > 0)
        items = shrinkage(difficulty, weight.sum() ** 2 / (weight**2).sum() * answered / n_models, v > 0)
    raw = np.where(answered > 0, difficulty, np.nan)
    return MutualRates(models.apply(score), items.apply(raw), weight, raw, models, items, rounds, change, change < tol)


def model_weight(clones: Floats, score: Floats, alpha: float) -> Floats:
    """Weight of each model's failures, shape (..., models): its clone weight, the more the better it is."""
    mean = (clones * score).sum(-1, keepdims=True) / clones.sum()
    weight = clones * ((1 - alpha) * mean + alpha * score)
    return np.where(weight.sum(-1, keepdims=True) > 0, weight, clones)  # all wrong: everybody's failures count alike


def _item_rate(sums: Sums, weight: Floats, score: Floats, complete: bool) -> Floats:
    failed = sums.failers(weight)
    if complete:
        return np.asarray(np.minimum(failed / weight.sum(), 1))
    expected_of = weight * (1 - score)
    expected = sums.solvers(expected_of) + sums.failers(expected_of)
    return _standardised(failed, expected, expected_of.sum() / weight.sum())


def _model_rate(sums: Sums, weight: Floats, difficulty: Floats, complete: bool) -> Floats:
    solved = sums.successes(weight)
    if weight.sum() <= 0:  # nobody ever failed
        return np.ones(len(solved))
    if complete:
        return np.asarray(np.minimum(solved / weight.sum(), 1))
    expected_of = weight * (1 - difficulty)
    expected = sums.successes(expected_of) + sums.failures(expected_of)
    return _standardised(solved, expected, expected_of.sum() / weight.sum())


def _standardised(seen: Floats, expected: Floats, mean: float) -> Floats:
    """The mean times seen over expected; where nothing was expected and nothing seen, 0."""
    rate = mean * np.divide(seen, expected, out=np.zeros_like(seen), where=expected > 1e-300)
    return np.clip(rate, 0, 1)


def shrinkage(rate: Floats, n: Floats, use: NDArray[np.bool_]) -> Shrinkage:
    """Empirical Bayes: how far rates of chance events should be drawn to their mean.

    Args:
        rate: Observed rates in [0, 1].
        n: How many answers each rests on; may be fractional.
        use: Which rates the mean and the spread are estimated from.
    """
    use = use & (n > 0)
    everything = np.ones(len(rate))
    if use.sum() < 3:
        return Shrinkage(everything, 0.0)
    mean = float(np.average(rate[use], weights=n[use]))
    chance = mean * (1 - mean)
    if chance <= 0:
        return Shrinkage(everything, mean)
    # Share of the spread that is between rates, the intraclass correlation: spread = chance/n + chance*(1-1/n)*share.
    spread = float(np.average((rate[use] - mean) ** 2, weights=n[use]))
    per_answer = float(use.sum() / n[use].sum())
    share = (spread - chance * per_answer) / (chance * (1 - min(per_answer, 0.999)))
    prior = 1 / np.clip(share, 1e-6, 1) - 1
    return Shrinkage(np.asarray(n / np.maximum(n + prior, 1e-300)), mean)
