"""Which token is which object: optimal assignment within gates, and an honest word where two ways are as good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from edgewise.scene.config import MemoryConfig
from edgewise.scene.types import Floats

_FAR = 1e6


@dataclass(frozen=True, slots=True)
class Assignment:
    """Pairs (object, token) by index, and pairs of objects that could as well be the other way round."""

    pairs: tuple[tuple[int, int], ...]
    exchangeable: tuple[tuple[int, int], ...]


def label_cost(a: str, b: str, mismatch: float) -> float:
    """0 for equal labels, ``mismatch`` for another attribute, 1.5 times that for another noun or for both."""
    if a == b:
        return 0.0
    return mismatch if a.rpartition(" ")[2] == b.rpartition(" ")[2] else 1.5 * mismatch


def assign(
    expected: Floats,
    labels: Sequence[str],
    sizes: Floats,
    gates: Floats,
    certain: npt.NDArray[np.bool_],
    found: Floats,
    found_labels: Sequence[str],
    found_sizes: Floats,
    config: MemoryConfig,
) -> Assignment:
    """Assign tokens to objects so that the total cost is least.

    A pair costs its distance over ``config.gate`` and a penalty for a label that differs; pairs beyond the object's
    gate, and pairs of differing labels that are not close by or are far larger than the object, are never made.

    Args:
        expected: (n, 3) where the objects should be.
        labels: (n,) of the objects.
        sizes: (n, 3) of the objects.
        gates: (n,) greatest distance for each object.
        certain: (n,) whether only a token of the same label, and not far larger, can be the object.
        found: (m, 3) where the tokens are.
        found_labels: (m,) of the tokens.
        found_sizes: (m, 3) of what is seen of them.
        config: Thresholds.
    """
    if not len(expected) or not len(found):
        return Assignment((), ())
    distance: Floats = np.linalg.norm(expected[:, None] - found[None], axis=2)
    kinds = {label: k for k, label in enumerate(dict.fromkeys((*labels, *found_labels)))}
    names = list(kinds)
    table = np.array([[label_cost(a, b, config.mismatch) for b in names] for a in names])
    ours, theirs = np.array([kinds[a] for a in labels]), np.array([kinds[b] for b in found_labels])
    penalty = table[ours[:, None], theirs[None]]
    cost = distance / config.gate + penalty
    # A thing does not change colour: another label is believed only where the place says that it is the same thing.
    fits = (found_sizes[None] <= 1.5 * sizes[:, None] + 0.01).all(2)
    same = ~certain[:, None] & fits & (distance <= 0.25 * config.gate)
    allowed = (distance <= gates[:, None]) & ((penalty == 0) | same) & (fits | ~certain[:, None])
    rows, columns = linear_sum_assignment(np.where(allowed, cost, _FAR))
    pairs = tuple((int(i), int(j)) for i, j in zip(rows, columns, strict=True) if allowed[i, j])
    return Assignment(pairs, _exchangeable(pairs, distance, allowed, ours, config))


def _exchangeable(
    pairs: Sequence[tuple[int, int]],
    distance: Floats,
    allowed: npt.NDArray[np.bool_],
    kinds: npt.NDArray[np.intp],
    config: MemoryConfig,
) -> tuple[tuple[int, int], ...]:
    """Pairs of alike objects whose exchange would cost less than ``config.move`` more."""
    if len(set(kinds.tolist())) == len(kinds):
        return ()
    found = []
    for k, (i, p) in enumerate(pairs):
        for j, q in pairs[k + 1 :]:
            if kinds[i] != kinds[j] or not (allowed[i, q] and allowed[j, p]):
                continue
            if distance[i, q] + distance[j, p] - distance[i, p] - distance[j, q] < config.move:
                found.append((i, j))
    return tuple(found)
