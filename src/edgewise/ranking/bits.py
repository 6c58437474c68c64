"""Right and wrong as bit planes: sums over 0/1 responses at eight models a byte, in float64, without unpacking.

A sweep of RankLLM is two sums, over the models who were wrong on an item and over the items a model got right. With
eight models in a byte, the first is one look-up per byte in a table of 256 partial sums (the "four Russians" method of
Arlazarov, Dinic, Kronrod and Faradzev 1970), the second one histogram of 256 bins per byte column. 1e8 responses take
12.5 MB a plane.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgewise.ranking.matrix import MISSING, Floats

T = TypeVar("T")
_CHUNK = 1 << 15  # items in work at a time, so that sums stay in the processor's cache
# Bit k of a byte, as numpy packs it: the first model is the highest bit.
_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float64)


class BitPlanes:
    """Two planes of bits, shape (bytes of models, items): who was right, and who was wrong.

    Args:
        n_models: Models in all.
        right: Plane of right answers.
        wrong: Plane of wrong answers; ``None`` if nothing is missing, so that it is all the rest.
    """

    def __init__(self, n_models: int, right: NDArray[np.uint8], wrong: NDArray[np.uint8] | None) -> None:
        self.n_models, self.right, self.wrong = n_models, right, wrong

    @classmethod
    def pack(cls, values: NDArray[np.uint8]) -> BitPlanes:
        """Planes of a uint8 matrix of 0, 1 and ``MISSING``, shape (items, models)."""
        n_items, n_models = values.shape
        planes = [np.empty((-(-n_models // 8), n_items), np.uint8) for _ in range(2)]
        complete = True
        for start in range(0, n_items, _CHUNK):
            part = values[start : start + _CHUNK]
            complete = complete and not (part == MISSING).any()
            planes[0][:, start : start + _CHUNK] = np.packbits(part == 1, axis=1).T
            planes[1][:, start : start + _CHUNK] = np.packbits(part == 0, axis=1).T
        return cls(n_models, planes[0], None if complete else planes[1])

    def with_models(self, values: NDArray[np.uint8]) -> BitPlanes:
        """Planes with more models, whose responses have shape (items, models). Bytes of the others are not touched."""
        used = self.n_models % 8  # of the last byte, which is packed anew with the models that come

        def extended(plane: NDArray[np.uint8], new: NDArray[np.bool_]) -> NDArray[np.uint8]:
            if not used:
                return np.vstack([plane, np.packbits(new, axis=1).T])
            old = np.unpackbits(plane[-1]).reshape(-1, 8)[:, :used]
            return np.vstack([plane[:-1], np.packbits(np.hstack([old, new]), axis=1).T])

        wrong = None
        if self.wrong is not None or (values == MISSING).any():
            wrong = extended(~self.right if self.wrong is None else self.wrong, values == 0)
        return BitPlanes(self.n_models + values.shape[1], extended(self.right, values == 1), wrong)

    @property
    def n_items(self) -> int:
        """Items in all."""
        return int(self.right.shape[1])

    def solvers(self, weights: Floats) -> Floats:
        """Sum of ``weights`` (models) over the models who were right on each item, shape (items)."""
        return self._by_item(self.right, weights)

    def failers(self, weights: Floats) -> Floats:
        """Sum of ``weights`` (models) over the models who were wrong on each item, shape (items)."""
        if self.wrong is None:
            return np.asarray(weights.sum() - self._by_item(self.right, weights))
        return self._by_item(self.wrong, weights)

    def successes(self, weights: Floats) -> Floats:
        """Sum of ``weights`` (items) over the items each model got right, shape (models)."""
        return self._by_model(self.right, weights)

    def failures(self, weights: Floats) -> Floats:
        """Sum of ``weights`` (items) over the items each model got wrong, shape (models)."""
        if self.wrong is None:
            return np.asarray(weights.sum() - self._by_model(self.right, weights))
        return self._by_model(self.wrong, weights)

    def _by_item(self, plane: NDArray[np.uint8], weights: Floats) -> Floats:
        padded = np.zeros(8 * len(plane))
        padded[: self.n_models] = weights
        tables = padded.reshape(-1, 8) @ _BITS.T
        sums = np.empty(self.n_items)

        def work(part: slice) -> None:
            total = tables[0].take(plane[0, part], mode="clip")
            looked_up = np.empty_like(total)
            for table, column in zip(tables[1:], plane[1:, part], strict=True):
                total += table.take(column, out=looked_up, mode="clip")
            sums[part] = total

        _in_threads(work, self._parts())
        return sums

    def _by_model(self, plane: NDArray[np.uint8], weights: Floats) -> Floats:
        sums = np.empty((len(plane), 8))

        def work(column: int) -> None:
            sums[column] = np.bincount(plane[column], weights, 256) @ _BITS

        _in_threads(work, list(range(len(plane))))
        return sums.reshape(-1)[: self.n_models]

    def _parts(self) -> list[slice]:
        return [slice(start, start + _CHUNK) for start in range(0, self.n_items, _CHUNK)]


def _in_threads(work: Callable[[T], None], parts: list[T]) -> None:
    """Each part writes to a place of its own, so the result does not depend on the order they are done in."""
    if len(parts) < 4:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(min(len(parts), os.cpu_count() or 1)) as pool:
        list(pool.map(work, parts))
