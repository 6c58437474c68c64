"""RankLLM kept up to date while items and models come and go; always what a fit of the whole would give.

The sums over items that determine the competencies (``Statistics``) add up, so with few models an item that comes or
goes costs O(models^2), whatever the number of items. A model that comes or goes changes how every item it solved is
shared, so these sums are taken anew; with many models, sweeps start from the last result and the bit planes are kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgewise.core.errors import BadInput
from edgewise.ranking.bits import BitPlanes
from edgewise.ranking.matrix import Floats, ResponseMatrix
from edgewise.ranking.rankllm import (
    ALPHA,
    MAX_SWEEPS,
    TOLERANCE,
    BlockSums,
    Propagation,
    Statistics,
    Sums,
    Sweeps,
    System,
    check_options,
    sum_statistics,
)

DIRECT_MODELS = 128  # with more, the sums of an item cost more than its share of a sweep


class Incremental:
    """A matrix that changes, with its RankLLM.

    Args:
        matrix: To begin with.
        alpha: Damping.
        tol: Sweeps end when both sides change by less, in L1.
    """

    def __init__(self, matrix: ResponseMatrix, *, alpha: float = ALPHA, tol: float = TOLERANCE) -> None:
        check_options(alpha, tol)
        self._alpha, self._tol = alpha, tol
        self._matrix = matrix
        self._planes: BitPlanes | None = None
        self._statistics: Statistics | None = None
        self._last: Floats | None = None

    @property
    def matrix(self) -> ResponseMatrix:
        """Responses as they are now; results are in its order."""
        return self._matrix

    def add_items(self, part: ResponseMatrix) -> None:
        """Add items: their responses, of the same models in any order.

        Raises:
            BadInput: Other models, or an item that is there.
        """
        part = part.select(models=_order(part.models, self._matrix.models, "model"))
        self._matrix = self._matrix.joined(part, along="items")
        self._planes = None
        if self._statistics is not None:
            self._statistics += _statistics(part)

    def remove_items(self, ids: Sequence[str]) -> None:
        """Remove items.

        Raises:
            BadInput: One is not there, or none would be left.
        """
        gone = _places(ids, self._matrix.items, "item")
        left = self._matrix.select(items=~gone)
        if self._matrix.binary and self._statistics is not None:
            self._statistics -= _statistics(self._matrix.select(items=gone))
        else:  # a difference of fractions might leave a model with a trace of a failure
            self._statistics = None
        self._matrix, self._planes = left, None

    def add_models(self, part: ResponseMatrix) -> None:
        """Add models: their responses to the same items, in any order.

        Raises:
            BadInput: Other items, or a model that is there.
        """
        if part.items != self._matrix.items:
            part = part.select(items=_order(part.items, self._matrix.items, "item"))
        self._matrix = self._matrix.joined(part, along="models")
        self._planes = self._planes.with_models(part.values) if self._planes and part.binary else None
        self._statistics = None
        if self._last is not None:
            self._last = np.append(self._last, np.full(len(part.models), self._last.mean()))

    def remove_models(self, ids: Sequence[str]) -> None:
        """Remove models.

        Raises:
            BadInput: One is not there, or none would be left.
        """
        gone = _places(ids, self._matrix.models, "model")
        self._matrix = self._matrix.select(models=~gone)
        self._planes = self._statistics = None
        if self._last is not None:
            self._last = self._last[~gone]

    def competency(self) -> Floats:
        """Of the models as they are now, shape (models)."""
        if len(self._matrix.models) > DIRECT_MODELS:
            return self.propagation().competency
        if self._statistics is None:
            self._statistics = _statistics(self._matrix)
        return self._statistics.competency(self._alpha, np.ones(len(self._matrix.models)))

    def propagation(self) -> Propagation:
        """Everything, as it is now."""
        n_items, n_models = self._matrix.shape
        if n_models <= DIRECT_MODELS:
            system = System.of(BlockSums(self._matrix), np.ones(n_models), np.ones(n_items))
            return system.result(Sweeps(self.competency(), 0, 0.0), self._alpha, self._tol)
        if self._planes is None and self._matrix.binary:
            self._planes = BitPlanes.pack(self._matrix.values)
        sums: Sums = self._planes or BlockSums(self._matrix)
        system = System.of(sums, np.ones(n_models), np.ones(n_items))
        found = system.sweep(self._alpha, self._tol, MAX_SWEEPS, self._last)
        self._last = found.competency
        return system.result(found, self._alpha, self._tol)


def _statistics(matrix: ResponseMatrix) -> Statistics:
    return sum_statistics(matrix.blocks(), np.ones(matrix.shape[1]), np.ones(matrix.shape[0]))


def _order(given: Sequence[str], wanted: Sequence[str], what: str) -> list[int]:
    """Where each wanted id is among the given ones."""
    place = {name: i for i, name in enumerate(given)}
    strange = set(given) ^ set(wanted)
    if strange:
        raise BadInput(f"need the same {what}s; {min(strange)!r} is in only one of the two", field=what)
    return [place[name] for name in wanted]


def _places(ids: Sequence[str], known: Sequence[str], what: str) -> NDArray[np.bool_]:
    """Which of the known ids are meant."""
    meant = set(ids)
    if meant - set(known):
        raise BadInput(f"there is no {what} {min(meant - set(known))!r}", field=what)
    return np.array([name in meant for name in known])
