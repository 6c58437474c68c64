"""What a memory tells: facts as sentences, the most important first, within a budget of tokens."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from edgewise.scene.graph import Graph, Transition
from edgewise.scene.types import (
    ActionFact,
    Event,
    EventFact,
    Fact,
    Kind,
    ObjectFact,
    Outcome,
    Point,
    RelationFact,
    in_words,
)

_WORDS = {
    "on": "rests on",
    "inside": "is in",
    "covered": "is under",
}
_MOVED = 0.015  # metres from where it stood at the beginning, below which an object counts as still there


def count_tokens(text: str) -> int:
    """Tokens of a text, by the common rule of four characters each; the same for every arm that is compared."""
    return math.ceil(len(text) / 4)


def select_facts(graph: Graph, initial: Graph, time: float, budget: int | None) -> tuple[Fact, ...]:
    """Facts about a graph in order of importance, cut at a budget.

    First what is believed now, then how it was at the beginning where that differs, then steps that were reached and
    what somebody else did, then the robot's actions and all other events, the latest first.

    Args:
        graph: Now.
        initial: At the beginning.
        time: Now, seconds.
        budget: Tokens of all sentences together; None for everything.
    """
    now = [told(node.fact(time)) for node in graph.nodes.values()]
    relations = [told(RelationFact(*relation), graph) for relation in sorted(graph.relations)]
    first: list[Fact] = [
        told(node.fact(initial.time, initial=True))
        for node in initial.nodes.values()
        if _moved(node.position, graph.nodes[node.id].position)
    ]
    first += [told(RelationFact(*r, initial=True), graph) for r in sorted(initial.relations)]
    pinned = [e for e in graph.events if _pinned(e)]
    others = [e for e in graph.events if not _pinned(e) and e.kind != Kind.INITIALISE]
    actions = [told(_action_fact(t)) for t in graph.transitions]
    story: list[Fact] = [told(EventFact(event)) for event in reversed(pinned)]
    story += reversed(actions)
    story += [told(EventFact(event)) for event in reversed(others)]
    return within([*now, *relations, *first, *story], budget)


def within(facts: Iterable[Fact], budget: int | None) -> tuple[Fact, ...]:
    """The longest beginning of facts whose sentences fit into a budget of tokens."""
    if budget is None:
        return tuple(facts)
    kept: list[Fact] = []
    spent = 0
    for fact in facts:
        spent += count_tokens(fact.text + "\n")
        if spent > budget:
            break
        kept.append(fact)
    return tuple(kept)


def as_text(facts: Sequence[Fact]) -> str:
    """Facts as lines under four headings; what happened comes in the order of time."""
    objects = [f.text for f in facts if isinstance(f, ObjectFact | RelationFact) and not f.initial]
    first = [f.text for f in facts if isinstance(f, ObjectFact | RelationFact) and f.initial]
    happened = sorted((f for f in facts if isinstance(f, EventFact)), key=lambda f: f.event.sequence)
    actions = sorted((f for f in facts if isinstance(f, ActionFact)), key=lambda f: f.action.index)
    blocks = (
        ("Now", objects),
        ("At the beginning", first),
        ("What happened", [f.text for f in happened]),
        ("What the robot did", [f.text for f in actions]),
    )
    return "\n\n".join(f"{title}:\n" + "\n".join(lines) for title, lines in blocks if lines)


def told(fact: Fact, graph: Graph | None = None) -> Fact:
    """The same fact with its sentence. Lengths in metres with three decimals, keys always in one order."""
    if isinstance(fact, ObjectFact):
        return replace(fact, text=_object_text(fact))
    if isinstance(fact, RelationFact):
        a, b = (_name(graph, one) for one in (fact.a, fact.b))
        text = f"{a} is in the gripper" if fact.name == "held" else f"{a} {_WORDS.get(fact.name, fact.name)} {b}"
        return replace(fact, text=text)
    if isinstance(fact, EventFact):
        return replace(fact, text=event_text(fact.event))
    return replace(fact, text=_action_text(fact))


def event_text(event: Event) -> str:
    """An event as one line: number, time, what, and by whose doing."""
    source = f"action {event.action}" if event.source == "action" and event.action is not None else event.source.value
    cause = "" if event.cause is None else f", because of event {event.cause}"
    return f"event {event.sequence}, {event.time:.1f} s: {event.text} [{source}{cause}]"


def _object_text(fact: ObjectFact) -> str:
    parts = [f"[{fact.id}] {fact.label}"]
    if fact.position is not None and fact.low is not None and fact.high is not None:
        size = tuple(h - low for low, h in zip(fact.low, fact.high, strict=True))
        parts.append(f"centre {in_words(fact.position, 3)}, size {in_words(size, 3)}")
    if fact.yaw:
        parts.append(f"turned {fact.yaw:.2f} rad")
    parts.append(fact.visibility.value.replace("_", " "))
    if fact.provenance != "measured":
        parts.append(f"{fact.provenance.value}, last measured at {fact.time:.1f} s")
    if fact.confused_with:
        parts.append("may be exchanged with " + ", ".join(f"[{one}]" for one in fact.confused_with))
    return "; ".join(parts)


def _action_fact(transition: Transition) -> ActionFact:
    outcome = transition.outcome or Outcome.PARTIAL
    return ActionFact(transition.action, outcome, transition.reason or ("" if transition.outcome else "under way"))


def _action_text(fact: ActionFact) -> str:
    action = fact.action
    ends = [f"[{one}]" for one in (action.target, action.reference, action.second) if one is not None]
    if action.position is not None:
        ends.append(in_words(action.position, 3))
    said = f"action {action.index}: {action.name} {' '.join(ends)}".rstrip()
    return f"{said}: {fact.outcome.value}" + (f" ({fact.reason})" if fact.reason else "")


def _moved(then: Point | None, now: Point | None) -> bool:
    return then is None or now is None or math.dist(then, now) > _MOVED


def _pinned(event: Event) -> bool:
    return event.kind in (Kind.COMPLETE, Kind.CONFUSE, Kind.LOSE, Kind.APPEAR) or (
        event.source == "external" and event.kind in (Kind.MOVE, Kind.PLACE)
    )


def _name(graph: Graph | None, identity: int) -> str:
    node = None if graph is None else graph.nodes.get(identity)
    return f"[{identity}]" if node is None else f"{node.label} [{identity}]"
