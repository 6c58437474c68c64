"""RankLLM: models and items ranked together by damped propagation (arXiv 2602.12424).

Difficulty flows from an item to the models that solve it, competency from a model to the items that defeat it:

    difficulty[q] = (1-a)/Q + a * sum over models m wrong on q of competency[m] / F[m]
    competency[m] = (1-a)/M + a * sum over items q right by m of difficulty[q] / s[q]

with s[q] the number of models right on q and F[m] the number of items m got wrong. Graded scores count in parts; a
missing cell is in neither sum. Three engines give the same fixed point: ``reference`` (the sweeps as the paper writes
them), ``direct`` (eliminate the items, solve one models-by-models system; ours) and ``sweeps`` (over bit planes).

Weights are ours, and all 1 unless given: a model of weight u counts as u copies of itself, exactly; so does an item.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from edgewise.core.errors import BadInput
from edgewise.ranking.bits import BitPlanes
from edgewise.ranking.matrix import BLOCK_CELLS, Block, Floats, ResponseMatrix

Engine = Literal["auto", "reference", "direct", "sweeps"]
ALPHA, TOLERANCE, MAX_SWEEPS = 0.85, 1e-10, 1000
# Above, building the models-by-models system costs more than ten sweeps: over bit planes, and over graded scores.
_DIRECT_PRODUCTS, _DIRECT_MODELS = 2e8, 1000


@dataclass(frozen=True, eq=False)
class Propagation:
    """What RankLLM found.

    Attributes:
        competency: Per model; with weights 1 they sum to 1.
        difficulty: Per item; those of the fit sum to 1 with weights 1. NaN for an item that nobody answered.
        in_fit: Which items took part. Items that all or none solved say nothing about who solves the harder ones; they
            get the value the update gives them: the floor (1-a)/Q for the former, the full sum for the latter.
        failures: F, per model.
        sweeps: How many were made; 0 for the direct solution.
        change: L1 change of the last sweep, the larger of the two sides.
        converged: Whether ``change`` is below the tolerance.
    """

    competency: Floats
    difficulty: Floats
    in_fit: NDArray[np.bool_]
    failures: Floats
    sweeps: int
    change: float
    converged: bool


@dataclass(frozen=True, eq=False)
class Statistics:
    """Sums over items that determine the competencies; statistics of disjoint sets of items add up.

    Attributes:
        flow: K, shape (models, models): sum over items of right[j] * wrong[k] / s.
        failures: F, shape (models).
        restart: Sum over items of right / s, shape (models).
        items: Weight of the items, their number unless weighted.
    """

    flow: Floats
    failures: Floats
    restart: Floats
    items: float

    @classmethod
    def of(cls, right: Floats, wrong: Floats, model_weights: Floats, item_weights: Floats) -> Statistics:
        """Sums over some items (rows of ``right`` and ``wrong``); items that all or none solved are left out."""
        solved = right @ model_weights
        weights = item_weights * ((solved > 0) & (wrong @ model_weights > 0))
        share = right * np.divide(weights, solved, out=np.zeros_like(solved), where=weights > 0)[:, None]
        return cls(share.T @ wrong, weights @ wrong, share.sum(0), float(weights.sum()))

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics(
            self.flow + other.flow,
            self.failures + other.failures,
            self.restart + other.restart,
            self.items + other.items,
        )

    def __sub__(self, other: Statistics) -> Statistics:
        return Statistics(
            self.flow - other.flow,
            self.failures - other.failures,
            self.restart - other.restart,
            self.items - other.items,
        )

    def competency(self, alpha: float, model_weights: Floats) -> Floats:
        """The fixed point, shape (models): one linear system. Derived from the two updates; ours."""
        total = model_weights.sum()
        if self.items <= 0:
            return np.full(len(self.failures), 1 / total)
        failures = self.failures
        # A model without failures would keep what it has; it sends it to all items alike, as PageRank does.
        dangling = failures <= 0
        passed = np.where(dangling, self.restart[:, None] / self.items, self.flow / np.where(dangling, 1, failures))
        system = np.eye(len(failures)) - alpha**2 * passed * model_weights
        return np.asarray(
            np.linalg.solve(system, alpha * (1 - alpha) * self.restart / self.items + (1 - alpha) / total)
        )


class Sums(Protocol):
    """Sums over responses, however they are stored."""

    def solvers(self, weights: Floats) -> Floats:
        """Of model weights over the models right on each item, shape (items)."""

    def failers(self, weights: Floats) -> Floats:
        """Of model weights over the models wrong on each item, shape (items)."""

    def successes(self, weights: Floats) -> Floats:
        """Of item weights over the items right by each model, shape (models)."""

    def failures(self, weights: Floats) -> Floats:
        """Of item weights over the items wrong by each model, shape (models)."""


class BlockSums:
    """Sums over a matrix of any scores, some items at a time; a small one is taken apart only once."""

    def __init__(self, matrix: ResponseMatrix) -> None:
        self._matrix = matrix
        self._small = list(matrix.blocks()) if matrix.values.size <= BLOCK_CELLS else None

    def blocks(self) -> Iterable[Block]:
        """The responses."""
        return self._small if self._small is not None else self._matrix.blocks()

    def solvers(self, weights: Floats) -> Floats:
        """See ``Sums``."""
        return np.concatenate([right @ weights for _, right, _ in self.blocks()])

    def failers(self, weights: Floats) -> Floats:
        """See ``Sums``."""
        return np.concatenate([wrong @ weights for _, _, wrong in self.blocks()])

    def successes(self, weights: Floats) -> Floats:
        """See ``Sums``."""
        return np.asarray(sum(weights[rows] @ right for rows, right, _ in self.blocks()))

    def failures(self, weights: Floats) -> Floats:
        """See ``Sums``."""
        return np.asarray(sum(weights[rows] @ wrong for rows, _, wrong in self.blocks()))


def rankllm(
    matrix: ResponseMatrix,
    *,
    alpha: float = ALPHA,
    tol: float = TOLERANCE,
    max_sweeps: int = MAX_SWEEPS,
    engine: Engine = "auto",
    model_weights: Floats | None = None,
    item_weights: Floats | None = None,
    start: Floats | None = None,
) -> Propagation:
    """Rank models and items by RankLLM.

    Args:
        matrix: Responses.
        alpha: Damping, in (0, 1). The paper does not tell its own; results hardly depend on it (docs/ranking.md).
        tol: Sweeps end when both sides change by less, in L1.
        max_sweeps: Sweeps at most; ``converged`` tells whether they were enough.
        engine: How; ``auto`` takes the faster.
        model_weights: Copies each model counts for, shape (models).
        item_weights: Copies each item counts for, shape (items).
        start: Competencies to start the sweeps from, shape (models): those of a similar matrix save sweeps.

    Raises:
        BadInput: ``alpha`` or ``tol`` out of range, or weights that are negative, all zero or of the wrong number.
    """
    check_options(alpha, tol)
    n_items, n_models = matrix.shape
    u = _weights(model_weights, n_models, "model_weights")
    v = _weights(item_weights, n_items, "item_weights")
    if engine == "auto":
        cheap = n_items * n_models**2 <= _DIRECT_PRODUCTS if matrix.binary else n_models <= _DIRECT_MODELS
        engine = "direct" if cheap else "sweeps"
    blocks = BlockSums(matrix)
    sums: Sums = BitPlanes.pack(matrix.values) if matrix.binary and engine == "sweeps" else blocks
    system = System.of(sums, u, v)
    if engine == "direct":
        found = Sweeps(sum_statistics(blocks.blocks(), u, system.v).competency(alpha, u), 0, 0.0)
    elif engine == "reference" and system.keep.any():
        part = matrix.select(items=system.keep)
        found = _reference(part, alpha, tol, max_sweeps, u, system.v[system.keep])
    else:
        found = system.sweep(alpha, tol, max_sweeps, start)
    return system.result(found, alpha, tol)


def check_options(alpha: float, tol: float) -> None:
    """Raise ``BadInput`` unless damping and tolerance are in their ranges."""
    if not 0 < alpha < 1:
        raise BadInput(f"alpha is {alpha}; need a number between 0 and 1, both excluded", field="alpha")
    if not tol > 0:
        raise BadInput(f"tol is {tol}; need a positive number", field="tol")


class Sweeps(NamedTuple):
    """Competencies, the sweeps they took (0 for the direct solution) and the change of the last."""

    competency: Floats
    sweeps: int
    change: float


@dataclass(frozen=True, eq=False)
class System:
    """The two updates over responses in any form, and which items take part in them.

    Attributes:
        sums: Over the responses.
        u: Model weights, shape (models).
        v: Item weights, 0 for an item that is left out, shape (items).
        solved: Weight of the models right on each item.
        failed: Weight of the models wrong on each item.
        failures: F, weight of the items each model got wrong.
    """

    sums: Sums
    u: Floats
    v: Floats
    solved: Floats
    failed: Floats
    failures: Floats

    @classmethod
    def of(cls, sums: Sums, u: Floats, v: Floats) -> System:
        """Leave out what all or none solved."""
        solved, failed = sums.solvers(u), sums.failers(u)
        v = np.where((solved > 0) & (failed > 0), v, 0)
        return cls(sums, u, v, solved, failed, sums.failures(v))

    @property
    def keep(self) -> NDArray[np.bool_]:
        """Which items take part."""
        return self.v > 0

    def sweep(self, alpha: float, tol: float, max_sweeps: int, start: Floats | None = None) -> Sweeps:
        """Both updates in turn until neither side changes by the tolerance."""
        u, v = self.u, self.v
        competency = np.full(len(u), 1 / u.sum())
        if not v.any():
            return Sweeps(competency, 0, 0.0)
        if start is not None:
            # A start of another mass would lose the difference only by alpha squared a sweep.
            competency = start / (u @ start)
        per_solver = np.divide(v, self.solved, out=np.zeros(len(v)), where=v > 0)
        sent = np.divide(u, self.failures, out=np.zeros(len(u)), where=self.failures > 0)
        difficulty = np.full(len(v), 1 / v.sum())
        sweep, change = 0, np.inf
        while change >= tol and sweep < max_sweeps:
            before = difficulty, competency
            stuck = (u * competency)[self.failures <= 0].sum() / v.sum()
            difficulty = (1 - alpha) / v.sum() + alpha * (self.sums.failers(competency * sent) + stuck)
            competency = (1 - alpha) / u.sum() + alpha * self.sums.successes(per_solver * difficulty)
            change = max(v @ abs(difficulty - before[0]), u @ abs(competency - before[1]))
            sweep += 1
        return Sweeps(competency, sweep, float(change))

    def result(self, found: Sweeps, alpha: float, tol: float) -> Propagation:
        """With difficulties, also of items outside the fit: what the update gives them."""
        mass = self.u * found.competency
        difficulty = alpha * self.sums.failers(mass / np.where(self.failures > 0, self.failures, 1))
        difficulty += (1 - alpha + alpha * mass[self.failures <= 0].sum()) / (self.v.sum() or len(self.v))
        difficulty[self.solved + self.failed == 0] = np.nan
        return Propagation(
            found.competency, difficulty, self.keep, self.failures, found.sweeps, found.change, found.change < tol
        )


def sum_statistics(blocks: Iterable[Block], model_weights: Floats, item_weights: Floats) -> Statistics:
    """Sums over all blocks, shape (models, models) in memory and no more."""
    m = len(model_weights)
    total = Statistics(np.zeros((m, m)), np.zeros(m), np.zeros(m), 0.0)
    for rows, right, wrong in blocks:
        total += Statistics.of(right, wrong, model_weights, item_weights[rows])
    return total


def _reference(matrix: ResponseMatrix, alpha: float, tol: float, max_sweeps: int, u: Floats, v: Floats) -> Sweeps:
    """The paper's two updates, written as it writes them, on dense arrays."""
    score = matrix.dense()
    right, wrong = np.nan_to_num(score, nan=0.0), np.nan_to_num(1 - score, nan=0.0)
    s, failures = right @ u, v @ wrong
    sent = np.divide(1, failures, out=np.zeros(len(u)), where=failures > 0)
    difficulty, competency = np.full(len(v), 1 / v.sum()), np.full(len(u), 1 / u.sum())
    sweep, change = 0, np.inf
    while change >= tol and sweep < max_sweeps:
        before = difficulty, competency
        # A model without failures sends its competency to all items alike, as PageRank has it.
        stuck = (u * competency)[failures <= 0].sum() / v.sum()
        difficulty = (1 - alpha) / v.sum() + alpha * (wrong @ (u * competency * sent) + stuck)
        competency = (1 - alpha) / u.sum() + alpha * (v * difficulty / s) @ right
        change = max(v @ abs(difficulty - before[0]), u @ abs(competency - before[1]))
        sweep += 1
    return Sweeps(competency, sweep, float(change))


def _weights(weights: Floats | None, count: int, name: str) -> Floats:
    if weights is None:
        return np.ones(count)
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (count,) or not np.all(np.isfinite(weights) & (weights >= 0)) or not weights.any():
        raise BadInput(f"need {count} weights, none negative and not all 0", field=name)
    return weights
