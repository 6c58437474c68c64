"""Beliefs made by hand, and a table on which primitives come off as the table of effects says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from edgewise.embodied.beliefs import Beliefs
from edgewise.embodied.types import Goal, Predicate, Referent, Step
from edgewise.scene.render import told
from edgewise.scene.types import (
    Action,
    ActionFact,
    Event,
    EventFact,
    Fact,
    Kind,
    ObjectFact,
    Outcome,
    Point,
    Provenance,
    RelationFact,
    Source,
    Visibility,
)


def seen(identity: int, label: str, at: Point, size: Point = (0.04, 0.04, 0.04), **changes: object) -> ObjectFact:
    """An object that is measured; ``at`` is the middle of its lower face."""
    low = (at[0] - size[0] / 2, at[1] - size[1] / 2, at[2])
    high = (at[0] + size[0] / 2, at[1] + size[1] / 2, at[2] + size[2])
    middle = (at[0], at[1], at[2] + size[2] / 2)
    fact = ObjectFact(identity, label, middle, low, high, 0.0, Visibility.VISIBLE, Provenance.MEASURED, 0.0)
    return replace(fact, **changes)  # type: ignore[arg-type]


def predicate(text: str, **fields: object) -> Predicate:
    """``on(a, b)`` as a record."""
    name, _, rest = text.partition("(")
    arguments = tuple(part.strip() for part in rest.rstrip(")").split(",") if part.strip())
    return Predicate(name=name, arguments=arguments, **fields)  # type: ignore[arg-type]


def goal(labels: dict[str, str], *steps: str | Predicate, final: tuple[str | Predicate, ...] = ()) -> Goal:
    """A goal of one condition a step; names that share a label are counted from left to right."""
    counts: dict[str, int] = {}
    referents = []
    for name, label in labels.items():
        counts[label] = counts.get(label, -1) + 1
        referents.append(Referent(name=name, label=label, index=counts[label]))
    made = [[predicate(s) if isinstance(s, str) else s for s in group] for group in (steps, final)]
    return Goal(
        text="Do it.",
        referents=tuple(referents),
        steps=tuple(Step(conditions=(c,), text=f"{c.name}({', '.join(c.arguments)})") for c in made[0]),
        final=tuple(made[1]),
    )


def event(kind: Kind, identity: int | None, time: float, number: int = 0, **fields: object) -> EventFact:
    """Something that happened."""
    return EventFact(Event(number, time, kind, identity, source=Source.UNKNOWN, **fields))  # type: ignore[arg-type]


@dataclass
class Tabletop:
    """Things on a table, and a memory of them that is always right.

    Attributes:
        places: Middle of the lower face of each thing, by id.
        labels: By id.
        sizes: By id; 4 cm cubes if not given.
        relations: ``on``, ``inside``, ``covered`` and ``held``.
    """

    places: dict[int, Point]
    labels: dict[int, str]
    sizes: dict[int, Point] = field(default_factory=dict)
    relations: set[tuple[str, int, int]] = field(default_factory=set)
    happened: list[EventFact] = field(default_factory=list)
    actions: list[ActionFact] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._first = [replace(fact, initial=True) for fact in self._objects()]
        self._first_relations = [RelationFact(*r, initial=True) for r in sorted(self.relations)]
        self.time = 0.0

    def facts(self) -> tuple[Fact, ...]:
        """What is and was."""
        now = [RelationFact(*relation) for relation in sorted(self.relations)]
        facts = (*self._objects(), *now, *self._first, *self._first_relations, *self.happened, *self.actions)
        return tuple(told(fact) for fact in facts)

    def beliefs(self) -> Beliefs:
        """The same as beliefs."""
        return Beliefs.of(self.facts())

    def complete(self, step: int) -> None:
        """A step is reached."""
        self._note(Kind.COMPLETE, None, other=step)

    def act(self, action: Action) -> None:
        """Carry a primitive out as it should come off."""
        self.time += 1.0
        a, b = action.target, action.reference
        assert a is not None
        if action.name == "pick":
            assert not {r for r in self.relations if r[0] == "held"}, "two things in one hand"
            assert not {r for r in self.relations if r[0] == "on" and r[2] == a}, "something stands on it"
            assert not {r for r in self.relations if r[0] == "covered" and r[1] == a}, "it is covered"
            self.relations = {r for r in self.relations if r[1] != a and not (r[0] == "covered" and r[2] == a)}
            self.relations.add(("held", a, a))
            self._note(Kind.PICK, a)
        else:
            slides = ("held", a, a) not in self.relations
            assert not slides or (action.name == "place_at" and "box" in self.labels[a]), "it is not in the hand"
            self.relations.discard(("held", a, a))
            self._put(action, a, b, slides)
        self.actions.append(ActionFact(replace(action, index=len(self.actions) + 1), Outcome.OK, ""))

    def _put(self, action: Action, a: int, b: int | None, slides: bool) -> None:
        if action.name == "place_at":
            assert action.position is not None
            self.places[a] = (action.position[0], action.position[1], 0.0)
            if slides:
                for _, content, _ in [r for r in self.relations if r[0] == "covered" and r[2] == a]:
                    self.places[content] = self.places[a]
        else:
            assert b is not None
            x, y, z = self.places[b]
            top = z + self.sizes.get(b, (0, 0, 0.04))[2]
            self.places[a] = (x, y, z if action.name in ("cover", "place_in") else top)
            name = {"place_on": "on", "place_in": "inside", "cover": "covered"}[action.name]
            self.relations.add((name, b, a) if name == "covered" else (name, a, b))
        x, y, z = self.places[a]
        self._note(Kind.MOVE if slides else Kind.PLACE, a, end=(x, y, z + self.sizes.get(a, (0, 0, 0.04))[2] / 2))

    def _objects(self) -> list[ObjectFact]:
        held = {r[1] for r in self.relations if r[0] == "held"}
        hidden = {r[1] for r in self.relations if r[0] == "covered"}
        found = []
        for identity, place in self.places.items():
            size = self.sizes.get(identity, (0.04, 0.04, 0.04))
            how = (
                Visibility.HELD
                if identity in held
                else Visibility.CONTAINED
                if identity in hidden
                else Visibility.VISIBLE
            )
            found.append(seen(identity, self.labels[identity], place, size, visibility=how))
        return found

    def _note(self, kind: Kind, identity: int | None, **fields: object) -> None:
        self.happened.append(event(kind, identity, self.time, len(self.happened), **fields))
