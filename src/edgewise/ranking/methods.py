"""All ranking methods under one signature, so that one call compares them and one bootstrap serves them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.ranking import rivals
from edgewise.ranking.irt import Model as IrtModel
from edgewise.ranking.irt import fit_irt
from edgewise.ranking.matrix import Floats, ResponseMatrix
from edgewise.ranking.mutual import mutual_rates
from edgewise.ranking.rankllm import ALPHA, TOLERANCE, check_options, rankllm
from edgewise.ranking.weights import clone_weights

DEFAULT = "edgewise"
WEIGH_MODELS = ("edgewise", "rankllm")


@dataclass(frozen=True)
class Options:
    """What a method may be told. Those that have no use for an option ignore it.

    Attributes:
        alpha: Damping of RankLLM; how far ability weighs in ``edgewise``.
        tol: When to stop iterating.
        clones: Whether near-copies of a model share one vote; ``None`` leaves it to the method: ``edgewise`` does it.
        item_weights: Copies each item counts for, shape (items).
        model_weights: Copies each model counts for, in place of clone weights, shape (models); for the methods of
            ``WEIGH_MODELS``.
        shrink: Whether ``edgewise`` draws rates that rest on little to their mean.
    """

    alpha: float = ALPHA
    tol: float = TOLERANCE
    clones: bool | None = None
    item_weights: Floats | None = None
    model_weights: Floats | None = None
    shrink: bool = True

    def weights_of(self, matrix: ResponseMatrix) -> Floats:
        """Item weights, 1 unless given.

        Raises:
            BadInput: They are of the wrong number, negative or all zero.
        """
        if self.item_weights is None:
            return np.ones(matrix.shape[0])
        weights = np.asarray(self.item_weights, dtype=np.float64)
        if weights.shape != matrix.shape[:1] or not np.all(np.isfinite(weights) & (weights >= 0)) or not weights.any():
            raise BadInput(f"need {matrix.shape[0]} item weights, none negative and not all 0", field="item_weights")
        return weights


@dataclass(frozen=True, eq=False)
class Scores:
    """What a method says of a matrix.

    Attributes:
        score: Per model, higher is better, on the method's own scale; NaN for a model that answered nothing.
        difficulty: Per item, higher is harder; NaN for an item that nobody answered.
        converged: Whether the method got to its tolerance.
        steps: Sweeps, rounds or iterations.
        model_weight: Weight of each model's vote.
        item_weight: What solving each item counts for in a score, where the method has such a thing.
        score_se: Standard error by the method's own model, where it has one.
    """

    score: Floats
    difficulty: Floats
    converged: bool = True
    steps: int = 0
    model_weight: Floats | None = None
    item_weight: Floats | None = None
    score_se: Floats | None = None


Fit = Callable[[ResponseMatrix, Options], Scores]


def fit(matrix: ResponseMatrix, method: str = DEFAULT, options: Options | None = None) -> Scores:
    """Rank by one method.

    Raises:
        BadInput: There is no such method, or an option is out of range.
    """
    if method not in METHODS:
        raise BadInput(f"there is no method {method!r}; there are {', '.join(METHODS)}", field="method")
    options = options or Options()
    check_options(options.alpha, options.tol)
    options.weights_of(matrix)
    answered = matrix.observed()
    if not answered.any():
        return Scores(score=np.full(matrix.shape[1], np.nan), difficulty=np.full(matrix.shape[0], np.nan))
    scores = METHODS[method](matrix, options)
    return replace(
        scores,
        score=np.where(answered.any(0), scores.score, np.nan),
        difficulty=np.where(answered.any(1), scores.difficulty, np.nan),
    )


def model_weights(matrix: ResponseMatrix, method: str, options: Options) -> Floats:
    """Copies each model counts for under a method of ``WEIGH_MODELS``, shape (models)."""
    if options.model_weights is not None:
        return options.model_weights
    clones = options.clones if options.clones is not None else method == "edgewise"
    return clone_weights(matrix) if clones else np.ones(matrix.shape[1])


def _edgewise(matrix: ResponseMatrix, options: Options) -> Scores:
    weights = model_weights(matrix, "edgewise", options)
    found = mutual_rates(
        matrix,
        alpha=options.alpha,
        tol=options.tol,
        model_weights=weights,
        item_weights=options.item_weights,
        shrink=options.shrink,
    )
    return Scores(found.score, found.difficulty, found.converged, found.rounds, found.weight, found.item_weight)


def _rankllm(matrix: ResponseMatrix, options: Options) -> Scores:
    weights = model_weights(matrix, "rankllm", options)
    found = rankllm(
        matrix, alpha=options.alpha, tol=options.tol, model_weights=weights, item_weights=options.item_weights
    )
    return Scores(found.competency, found.difficulty, found.converged, found.sweeps, weights)


def _irt(matrix: ResponseMatrix, options: Options, *, model: IrtModel) -> Scores:
    found = fit_irt(matrix.dense(), model, item_weights=options.item_weights)
    return Scores(found.ability, found.difficulty, found.converged, found.iterations, score_se=found.ability_se)


def _rival(
    matrix: ResponseMatrix,
    options: Options,
    *,
    method: Callable[[ResponseMatrix, Floats], tuple[Floats, Floats]],
) -> Scores:
    return Scores(*method(matrix, options.weights_of(matrix)))


METHODS: dict[str, Fit] = {
    "edgewise": _edgewise,
    "rankllm": _rankllm,
    "accuracy": partial(_rival, method=rivals.accuracy),
    "rasch": partial(_irt, model="rasch"),
    "2pl": partial(_irt, model="2pl"),
    "3pl": partial(_irt, model="3pl"),
    "bradley-terry": partial(_rival, method=rivals.bradley_terry),
    "plackett-luce": partial(_rival, method=rivals.plackett_luce),
    "hits": partial(_rival, method=rivals.hits),
}
