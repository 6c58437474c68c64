"""The product order, held against its definition by brute force."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.character.knobs.lattice import covers, differing, maxima, relate, settings
from edgewise.character.knobs.pairs import choose, comparable
from edgewise.character.knobs.types import KnobResponse


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_the_order_is_the_product_order(size: int, levels: int) -> None:
    names = [f"d{i}" for i in range(size)]
    points = settings(names, levels)
    assert len(points) == (levels + 1) ** size
    for a in points:
        for b in points:
            up, down = all(a[d] >= b[d] for d in names), all(a[d] <= b[d] for d in names)
            wanted = "equal" if up and down else "above" if up else "below" if down else "incomparable"
            assert relate(a, b) == wanted
            between = any(relate(a, c) == "above" and relate(c, b) == "above" for c in points)
            assert covers(a, b) == (wanted == "above" and not between)
    assert maxima(points) == [dict.fromkeys(names, levels)]


@pytest.mark.parametrize(("size", "levels"), [(1, 1), (2, 1), (3, 1), (4, 1), (2, 2), (3, 2)])
def test_pairs_are_counted_by_closed_forms(size: int, levels: int) -> None:
    points = settings([f"d{i}" for i in range(size)], levels)
    decided, undecided = comparable([KnobResponse(k, str(k), "x", {}) for k in points])
    n = levels + 1
    comparable_pairs = (n * (n + 1) // 2) ** size - n**size
    cover_pairs = size * levels * n ** (size - 1)
    assert len(decided) == comparable_pairs
    assert sum(pair.kind == "cover" for pair in decided) == cover_pairs
    assert len(undecided) == n**size * (n**size - 1) // 2 - comparable_pairs
    for pair in decided:
        assert relate(points[pair.chosen], points[pair.rejected]) == "above"
        assert pair.dims == differing(points[pair.chosen], points[pair.rejected])
    for a, b in undecided:
        assert relate(points[a], points[b]) == "incomparable"


def test_so_many_of_each_dimension_are_chosen() -> None:
    responses = [KnobResponse(k, str(k), "x", {}) for k in settings(["a", "b", "c"], 1)]
    pairs, incomparable = choose(responses, np.random.default_rng(0), 2, 1)
    covers_of = {d: sum(p.kind == "cover" and p.dims == (d,) for p in pairs) for d in "abc"}
    assert covers_of == {"a": 2, "b": 2, "c": 2} and sum(p.kind == "chain" for p in pairs) == 1
    assert incomparable == tuple(comparable(responses)[1])


def test_with_a_gap_in_the_lattice_maxima_are_several() -> None:
    points = [{"a": 1, "b": 0}, {"a": 0, "b": 1}, {"a": 0, "b": 0}]
    assert maxima(points) == points[:2]
