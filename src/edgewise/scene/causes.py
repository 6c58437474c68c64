"""Why an object is where it is: its history and what brought it about, as a numbered chain."""

from __future__ import annotations

from edgewise.scene.graph import Graph
from edgewise.scene.types import Event, Source


def causal_chain(graph: Graph, identity: int) -> tuple[str, ...]:
    """The events that led to where an object is, numbered, from the beginning on.

    The chain starts from the object's last event: each event is preceded by the one that brought it about and by the
    one before it of the same object.
    """
    chain: dict[int, Event] = {}
    mine = [e for e in graph.events if e.object == identity]
    stack = [mine[-1].sequence] if mine else []
    while stack:
        event = graph.events[stack.pop()]
        if event.sequence in chain:
            continue
        chain[event.sequence] = event
        before = [
            e.sequence for e in graph.events[: event.sequence] if e.object == event.object and e.object is not None
        ]
        stack += before[-1:] + ([event.cause] if event.cause is not None else [])
    place = {sequence: number for number, sequence in enumerate(sorted(chain), 1)}
    lines = []
    for sequence, number in place.items():
        event = chain[sequence]
        because = [f"because of {place[event.cause]}"] if event.cause in place else []
        source = {
            Source.ACTION: f"action {event.action}",
            Source.EXTERNAL: "not by the robot",
            Source.INFERRED: "inferred",
        }
        because += [source[event.source]] if event.source in source else []
        lines.append(f"{number}. {event.time:.1f} s: {event.text}" + (f" ({', '.join(because)})" if because else ""))
    return tuple(lines)
