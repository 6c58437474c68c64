"""Rules that any graph of solid things keeps, checked with witnesses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgewise.scene.graph import Graph, Node
from edgewise.scene.relations import affordances
from edgewise.scene.types import Provenance, Violation, Visibility

_DEPTH = 0.01  # metres that two measured boxes may share along every axis


def check_graph(graph: Graph) -> tuple[Violation, ...]:
    """Everything in a graph that cannot be so."""
    rules = (_one_held, _interpenetration, _contained, _support, _sequence)
    return tuple(violation for rule in rules for violation in rule(graph))


def _violation(graph: Graph, rule: str, objects: tuple[int, ...], text: str) -> Violation:
    """With the last event of each object as its witness."""
    last = {event.object: event.sequence for event in graph.events if event.object in objects}
    return Violation(rule, objects, text, tuple(sorted(last.values())))


def _name(node: Node) -> str:
    return f"{node.label} [{node.id}]"


def _one_held(graph: Graph) -> Iterator[Violation]:
    held = tuple(node.id for node in graph.nodes.values() if node.visibility == Visibility.HELD)
    if len(held) > 1:
        yield _violation(graph, "one_held", held, f"{len(held)} objects are held at once")


def _interpenetration(graph: Graph) -> Iterator[Violation]:
    measured = [
        node
        for node in graph.nodes.values()
        if node.provenance == Provenance.MEASURED and node.visibility == Visibility.VISIBLE and node.low is not None
    ]
    if len(measured) < 2:
        return
    low, high = np.array([node.low for node in measured]), np.array([node.high for node in measured])
    shared = np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None])
    hollow = np.array([affordances(node.label).holds or affordances(node.label).covers for node in measured])
    deep = (shared > _DEPTH).all(2) & ~hollow[:, None] & ~hollow[None]
    for i, j in np.argwhere(np.triu(deep, 1)):
        one, other = measured[i], measured[j]
        text = f"{_name(one)} and {_name(other)} share {float(shared[i, j].min()) * 100:.1f} cm of space"
        yield _violation(graph, "interpenetration", (one.id, other.id), text)


def _contained(graph: Graph) -> Iterator[Violation]:
    for node in graph.nodes.values():
        if node.visibility != Visibility.CONTAINED:
            continue
        around = None if node.behind is None else graph.nodes.get(node.behind)
        if around is None or not (affordances(around.label).covers or affordances(around.label).holds):
            yield _violation(
                graph, "container", (node.id,), f"{_name(node)} is contained in nothing that can contain it"
            )
        elif around.visibility == Visibility.LOST:
            text = f"{_name(node)} is contained in {_name(around)}, which is lost"
            yield _violation(graph, "container", (node.id, around.id), text)


def _support(graph: Graph) -> Iterator[Violation]:
    below: dict[int, set[int]] = {}
    for _, a, b in graph.related("on"):
        below.setdefault(a, set()).add(b)
    for start in sorted(below):
        seen, stack = set(), list(below[start])
        while stack:
            one = stack.pop()
            if one == start:
                text = f"{_name(graph.nodes[start])} rests, by way of others, on itself"
                yield _violation(graph, "support", (start,), text)
                break
            if one not in seen:
                seen.add(one)
                stack += below.get(one, set())


def _sequence(graph: Graph) -> Iterator[Violation]:
    for place, event in enumerate(graph.events):
        late = event.cause is not None and event.cause >= event.sequence
        if event.sequence != place or late or (place and event.time < graph.events[place - 1].time):
            yield Violation("log", (), f"event {event.sequence} is out of place in the log", (event.sequence,))
