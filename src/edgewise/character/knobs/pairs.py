"""Pairs that the product order decides, and pairs that it does not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np

from edgewise.character.knobs.lattice import covers, differing, relate
from edgewise.character.knobs.types import Kind, KnobPair, KnobResponse


@lru_cache(maxsize=256)
def _order(points: tuple[tuple[tuple[str, int], ...], ...]) -> tuple[list[KnobPair], list[tuple[int, int]]]:
    decided: list[KnobPair] = []
    undecided: list[tuple[int, int]] = []
    known = [dict(point) for point in points]
    for a, b in combinations(range(len(known)), 2):
        relation = relate(known[a], known[b])
        if relation == "incomparable":
            undecided.append((a, b))
        elif relation != "equal":
            up, down = (a, b) if relation == "above" else (b, a)
            kind: Kind = "cover" if covers(known[up], known[down]) else "chain"
            decided.append(KnobPair(up, down, differing(known[up], known[down]), kind))
    return decided, undecided


def comparable(responses: Sequence[KnobResponse]) -> tuple[list[KnobPair], list[tuple[int, int]]]:
    """All pairs of answers: those with a better one, and the incomparable ones."""
    decided, undecided = _order(tuple(tuple(response.k.items()) for response in responses))
    return list(decided), list(undecided)


def choose(
    responses: Sequence[KnobResponse], rng: np.random.Generator, per_dimension: int, chains: int
) -> tuple[tuple[KnobPair, ...], tuple[tuple[int, int], ...]]:
    """At most so many cover pairs of each dimension and so many chains, at random; and all incomparable pairs."""
    decided, undecided = comparable(responses)
    groups: dict[str, list[KnobPair]] = {}
    for pair in decided:
        groups.setdefault(pair.dims[0] if pair.kind == "cover" else "", []).append(pair)
    found: list[KnobPair] = []
    for name, group in groups.items():
        most = per_dimension if name else chains
        found += (
            group if len(group) <= most else [group[i] for i in sorted(rng.permutation(len(group))[:most].tolist())]
        )
    return tuple(found), tuple(undecided)
