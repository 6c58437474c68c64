"""Association: optimal, gated, honest about ties."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.scene.association import Assignment, assign, label_cost
from edgewise.scene.config import MemoryConfig

CONFIG = MemoryConfig()


def made_of(expected: Any, labels: list[str], gates: Any, found: Any, found_labels: list[str]) -> Assignment:
    """Cubes of 4 cm, all seen whole."""
    sizes, extents = np.full((len(expected), 3), 0.04), np.full((len(found), 3), 0.04)
    return assign(expected, labels, sizes, gates, np.zeros(len(expected), bool), found, found_labels, extents, CONFIG)


def places(n: int) -> st.SearchStrategy[list[tuple[float, float, float]]]:
    axis = st.floats(0, 0.3, allow_nan=False)
    return st.lists(st.tuples(axis, axis, axis), min_size=n, max_size=n)


def labelled(n: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from("ab"), min_size=n, max_size=n)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 5).flatmap(
        lambda n: st.tuples(places(n), places(n), st.lists(st.sampled_from("ab"), min_size=n, max_size=n))
    )
)
def test_the_total_cost_is_least_over_all_permutations(case: tuple[list, list, list[str]]) -> None:  # type: ignore[type-arg]
    expected, found, labels = np.array(case[0]), np.array(case[1]), case[2]
    made = made_of(expected, labels, np.full(len(labels), 10.0), found, labels)
    distance = np.linalg.norm(expected[:, None] - found[None], axis=2)

    def cost(pairs: list[tuple[int, int]]) -> float:
        total = 0.0
        for i, j in pairs:
            penalty = label_cost(labels[i], labels[j], CONFIG.mismatch)
            allowed = penalty == 0 or distance[i, j] <= 0.25 * CONFIG.gate
            total += distance[i, j] / CONFIG.gate + penalty if allowed else 1e6
        return total

    best = min(cost(list(enumerate(order))) for order in itertools.permutations(range(len(labels))))
    ours = cost(list(made.pairs)) + 1e6 * (len(labels) - len(made.pairs))
    assert ours <= best + 1e-6


def test_gates_and_labels() -> None:
    at = np.array([[0.0, 0, 0]])
    gate = np.array([0.15])
    assert made_of(at, ["red cube"], gate, np.array([[0.1, 0, 0]]), ["red cube"]).pairs == ((0, 0),)
    assert made_of(at, ["red cube"], gate, np.array([[0.2, 0, 0]]), ["red cube"]).pairs == ()
    assert made_of(at, ["red cube"], gate, np.array([[0.1, 0, 0]]), ["blue cube"]).pairs == ()
    # Perception called it something else for a moment: it stands where it stood.
    assert made_of(at, ["red cube"], gate, np.array([[0.01, 0, 0]]), ["orange cube"]).pairs == ((0, 0),)


def test_alike_objects_that_could_be_exchanged_are_named() -> None:
    expected = np.array([[0.0, 0.05, 0], [0.0, -0.05, 0]])
    clear = np.array([[0.0, 0.05, 0], [0.0, -0.05, 0]])
    met = np.array([[0.0, 0.003, 0], [0.0, -0.003, 0]])
    gates = np.full(2, 0.6)
    assert made_of(expected, ["red cube"] * 2, gates, clear, ["red cube"] * 2).exchangeable == ()
    assert made_of(expected, ["red cube"] * 2, gates, met, ["red cube"] * 2).exchangeable == ((0, 1),)
    assert made_of(expected, ["red cube", "blue cube"], gates, met, ["red cube", "blue cube"]).exchangeable == ()
