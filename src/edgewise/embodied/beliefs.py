"""What an agent believes of the scene, built from the facts that a memory tells it and from nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from edgewise.embodied.types import Goal
from edgewise.scene.config import MemoryConfig
from edgewise.scene.relations import affordances, encloses, resting
from edgewise.scene.types import (
    ActionFact,
    Affordances,
    Event,
    EventFact,
    Fact,
    Kind,
    ObjectFact,
    Outcome,
    Point,
    RelationFact,
    Visibility,
)

Box = tuple[float, float, float, float]  # least x, least y, greatest x, greatest y
Related = tuple[str, int, int]
_THIN = 0.03  # metres


@dataclass(frozen=True)
class Beliefs:
    """A belief state.

    What a thing rests on, is in or is under may follow from boxes and own actions if no relation says it. Where the
    facts go back to the beginning, objects that they say nothing about were then as they are now.

    Attributes:
        objects: Objects now, by id.
        initial: Objects when the episode began; empty if the facts do not go back so far.
        relations: (name, a, b) that hold now.
        before: (name, a, b) that held when the episode began.
        events: The log as far as it was told, in order.
        actions: Own actions as far as they were told, in order.
    """

    objects: Mapping[int, ObjectFact]
    initial: Mapping[int, ObjectFact]
    relations: frozenset[Related]
    before: frozenset[Related]
    events: tuple[Event, ...] = ()
    actions: tuple[ActionFact, ...] = ()

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> Beliefs:
        """The belief state that the facts amount to; their order does not matter."""
        now: dict[int, ObjectFact] = {}
        first: dict[int, ObjectFact] = {}
        relations: set[Related] = set()
        before: set[Related] = set()
        events: list[Event] = []
        actions: list[ActionFact] = []
        for fact in facts:
            if isinstance(fact, ObjectFact):
                (first if fact.initial else now)[fact.id] = fact
            elif isinstance(fact, RelationFact):
                (before if fact.initial else relations).add((fact.name, fact.a, fact.b))
            elif isinstance(fact, EventFact):
                events.append(fact.event)
            else:
                actions.append(fact)
        if first or before or events:
            later = {event.object for event in events if event.kind == Kind.APPEAR}
            first = {i: replace(fact, initial=True) for i, fact in now.items() if i not in later} | first
        return cls(
            objects=dict(sorted(now.items())),
            initial=dict(sorted(first.items())),
            relations=frozenset(relations | _untold(relations, now, actions, bool(events))),
            before=frozenset(before or relations_of(first.values())),
            events=tuple(sorted(events, key=lambda event: event.sequence)),
            actions=tuple(sorted(actions, key=lambda done: done.action.index)),
        )

    def resolve(self, goal: Goal) -> dict[str, int]:
        """The goal's names → ids. A name of which no object is known is left out.

        Objects of a label are counted from left to right as they were at the start; those that were first seen later
        come after them.
        """
        # Perception may have erred at the start, so the label is the one believed now.
        places = {**self.objects, **self.initial}
        found: dict[str, int] = {}
        for referent in goal.referents:
            alike = [fact for i, fact in places.items() if self.label(i) == referent.label]
            # Ids are given from left to right: they stand in for places that are not told.
            told = all(fact.position is not None for fact in alike)
            alike.sort(
                key=lambda fact: (
                    fact.id not in self.initial and bool(self.initial),
                    _leftness(fact) if told else 0.0,
                    fact.id,
                )
            )
            if referent.index < len(alike):
                found[referent.name] = alike[referent.index].id
        return found

    # What is where

    def label(self, identity: int) -> str:
        """Its label, or ``object 7`` if it is not known."""
        fact = self.objects.get(identity) or self.initial.get(identity)
        return f"object {identity}" if fact is None else fact.label

    def called(self, identity: int) -> str:
        """Its label and id, for sentences: ``red cube 3``."""
        label = self.label(identity)
        return label if label.startswith("object ") else f"{label} {identity}"

    def can(self, identity: int) -> Affordances:
        """What the object can do."""
        return affordances(self.label(identity))

    def known(self, identity: int) -> bool:
        """Whether there is a geometry to act on."""
        fact = self.objects.get(identity)
        return fact is not None and fact.position is not None and fact.visibility != Visibility.LOST

    def centre(self, identity: int) -> Point | None:
        """Centre of the object's box."""
        return centre(self.objects.get(identity))

    def top(self, identity: int) -> float:
        """Height of its top, 0 (the table) if it is not known."""
        fact = self.objects.get(identity)
        return 0.0 if fact is None or fact.high is None else fact.high[2]

    def size(self, identity: int) -> Point | None:
        """Extents of its box."""
        fact = self.objects.get(identity) or self.initial.get(identity)
        if fact is None or fact.low is None or fact.high is None:
            return None
        return (fact.high[0] - fact.low[0], fact.high[1] - fact.low[1], fact.high[2] - fact.low[2])

    @property
    def held(self) -> int | None:
        """What the robot holds."""
        for name, a, _ in sorted(self.relations):
            if name == "held":
                return a
        return next((i for i, fact in self.objects.items() if fact.visibility == Visibility.HELD), None)

    def related(self, name: str, a: int | None = None, b: int | None = None) -> list[tuple[int, int]]:
        """Pairs of which the relation holds now, in order; ``a`` and ``b`` restrict them."""
        found = ((x, y) for relation, x, y in self.relations if relation == name)
        return sorted((x, y) for x, y in found if a in (None, x) and b in (None, y))

    def support(self, identity: int) -> int | None:
        """What the object rests on; None is the table, or nothing known."""
        return next((b for _, b in self.related("on", a=identity)), None)

    def on_top(self, identity: int) -> list[int]:
        """What rests on the object itself, except in the hand."""
        return [a for a, _ in self.related("on", b=identity) if a != self.held]

    def cover(self, identity: int) -> int | None:
        """The cover that the object is under: the outermost is found by asking again."""
        return next((b for _, b in self.related("covered", a=identity) if b != self.held), None)

    def container(self, identity: int) -> int | None:
        """The open container that it is in."""
        return next((b for _, b in self.related("inside", a=identity)), None)

    def contents(self, identity: int) -> list[int]:
        """What is under the cover or in the container."""
        return [a for name in ("covered", "inside") for a, _ in self.related(name, b=identity)]

    def before_support(self, identity: int) -> int | None:
        """What it rested on when the episode began."""
        return next((b for name, a, b in sorted(self.before) if name == "on" and a == identity), None)

    # What was when

    @property
    def steps_told(self) -> int:
        """How many steps the log says were reached; a COMPLETE event names the step's index as ``other``."""
        return max((1 + (e.other or 0) for e in self.events if e.kind == Kind.COMPLETE), default=0)

    @property
    def last_step_time(self) -> float | None:
        """When the last step was reached."""
        return max((event.time for event in self.events if event.kind == Kind.COMPLETE), default=None)

    def position_at(self, identity: int, time: float) -> Point | None:
        """Where the object rested at a time, by the log; where it was at the start if nothing happened to it."""
        place = centre(self.initial.get(identity))
        for event in self.events:
            if event.object == identity and event.end is not None and event.time <= time + 1e-6:
                place = event.end
        return place

    def done(self, name: str, target: int, reference: int | None = None) -> bool:
        """Whether an own action of this kind on this target is told to have come off."""
        return any(
            fact.action.name == name
            and fact.action.target == target
            and reference in (None, fact.action.reference)
            and fact.outcome in (Outcome.OK, Outcome.PARTIAL)
            for fact in self.actions
        )


def centre(fact: ObjectFact | None) -> Point | None:
    """Centre of the fact's box, or its median point if it has none."""
    if fact is None:
        return None
    if fact.low is None or fact.high is None:
        return fact.position
    x, y, z = ((low + high) / 2 for low, high in zip(fact.low, fact.high, strict=True))
    return (x, y, z)


def footprint(fact: ObjectFact, margin: float = 0.0) -> Box | None:
    """The box of the object seen from above, grown by ``margin`` metres."""
    if fact.low is None or fact.high is None:
        return None
    return (fact.low[0] - margin, fact.low[1] - margin, fact.high[0] + margin, fact.high[1] + margin)


def distance(one: Point, other: Point | tuple[float, float]) -> float:
    """Distance seen from above, metres."""
    return math.hypot(one[0] - other[0], one[1] - other[1])


def relations_of(objects: Iterable[ObjectFact]) -> set[Related]:
    """``on``, ``inside`` and ``held`` as the boxes of one moment tell them. What is not seen has no relation."""
    facts = [fact for fact in objects if fact.low is not None and fact.high is not None]
    found: set[Related] = {("held", f.id, f.id) for f in facts if f.visibility == Visibility.HELD}
    resting_ones = [f for f in facts if f.visibility != Visibility.HELD and not affordances(f.label).actor]
    low, high = (np.array([getattr(f, end) for f in resting_ones]).reshape(-1, 3) for end in ("low", "high"))
    ids, labels = [f.id for f in resting_ones], [f.label for f in resting_ones]
    thin = np.array([affordances(label).fixed for label in labels], bool) & (high[:, 2] < _THIN)
    high[thin, 2] = 0.0  # a pad is as high as the table, whatever noise makes of it
    return found | resting(ids, labels, low, high, (), MemoryConfig())


def _untold(
    told: set[Related], objects: Mapping[int, ObjectFact], actions: Iterable[ActionFact], logged: bool
) -> set[Related]:
    """Relations that follow although they are not told.

    What is in sight rests on or is in what its box is over: memories tell nothing of what they think is moving. Of what
    is not in sight a memory with a log tells all it knows; where there is none, it is where the robot put it, or under
    the cover that stands where it was last.
    """
    placed = {a for name, a, _ in told if name in ("on", "inside", "covered", "held")}
    in_sight = (Visibility.VISIBLE, Visibility.PARTIAL)
    seen = {i for i, fact in objects.items() if fact.visibility in in_sight} - placed
    found = {r for r in relations_of(objects.values()) if r[1] in seen}
    if logged:
        return found
    hidden = {i for i, fact in objects.items() if fact.visibility == Visibility.OCCLUDED} - placed
    done = {r for r in _put(actions) if r[1] in hidden}
    covers = [f for f in objects.values() if affordances(f.label).covers and f.visibility == Visibility.VISIBLE]
    under = {
        ("covered", i, cover.id)
        for i in hidden - {a for _, a, _ in done}
        for cover in covers
        if cover.id != i and _encloses(cover, objects[i])
    }
    return found | done | under


def _put(actions: Iterable[ActionFact]) -> set[Related]:
    """Where own actions left things, as far as no later one undid it."""
    found: dict[int, Related] = {}
    for fact in sorted(actions, key=lambda fact: fact.action.index):
        target, reference = fact.action.target, fact.action.reference
        if fact.outcome not in (Outcome.OK, Outcome.PARTIAL) or target is None:
            continue
        found = {a: r for a, r in found.items() if a != target and (r[0] != "covered" or r[2] != target)}
        if fact.action.name == "cover" and reference is not None:
            found[reference] = ("covered", reference, target)
        elif fact.action.name in ("place_on", "place_in") and reference is not None:
            found[target] = ("on" if fact.action.name == "place_on" else "inside", target, reference)
    return set(found.values())


def _encloses(cover: ObjectFact, fact: ObjectFact) -> bool:
    if cover.low is None or cover.high is None or fact.low is None or fact.high is None:
        return False
    return encloses(np.array(cover.low), np.array(cover.high), np.array(fact.low), np.array(fact.high))


def _leftness(fact: ObjectFact) -> float:
    middle = centre(fact)
    return 0.0 if middle is None else -middle[1]
