"""Batches that hold every dimension: quotas by turns, rare dimensions drawn again before they are missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from edgewise.core.errors import BadInput


class StratifiedSampler:
    """Indices in an order in which every ``batch`` consecutive ones hold equally many pairs of every dimension.

    Where the batch is no multiple of the number of dimensions, those with one pair more change from batch to batch. A
    dimension's pairs come in random order, all of them before one comes again.

    Args:
        dimensions: Of each pair.
        batch: Size of a batch; at least the number of dimensions, so that none is missing.
        seed: Of the order. ``set_epoch`` gives another one.

    Raises:
        BadInput: The batch is too small.
    """

    def __init__(self, dimensions: Sequence[str], batch: int, seed: int) -> None:
        self._strata = {name: np.flatnonzero(np.array(dimensions) == name) for name in sorted(set(dimensions))}
        if batch < len(self._strata):
            raise BadInput(
                f"a batch of {batch} cannot hold {len(self._strata)} dimensions", field="batch", fix="a larger batch"
            )
        self._length, self._batch, self._seed, self._epoch = len(dimensions), batch, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Draw another order."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng((self._seed, self._epoch))
        streams = [_endless(rows, rng) for rows in self._strata.values()]
        given, place = 0, 0
        while given < self._length:
            size = min(self._batch, self._length - given)
            # Dimensions by turns, going on where the last batch stopped; then mixed, so that no place has a dimension.
            batch = [next(streams[(place + k) % len(streams)]) for k in range(size)]
            place, given = (place + size) % len(streams), given + size
            rng.shuffle(batch)
            yield from batch


def _endless(rows: np.ndarray, rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from rng.permutation(rows).tolist()
