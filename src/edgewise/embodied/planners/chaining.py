"""Backward chaining: from a condition that does not hold yet to the next primitive, on beliefs alone.

The preconditions and effects are those of ``primitives``. What stands in the way is cleared first, from the top: things
on others, covers over others, things where something is to stand. A cover that is lifted leaves what it hides; to
move it together with what it hides, it is slid (``place_at`` of a cover that is not in the hand).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgewise.core.errors import EdgewiseError
from edgewise.embodied.beliefs import Beliefs, Box, distance, footprint
from edgewise.embodied.conditions import AXES, OPENED, Names, drawer_out, holds, moved_from, plain
from edgewise.embodied.space import blockers_at, clear_paths, free_spot, half_extents, table_grid
from edgewise.embodied.types import Predicate
from edgewise.scene.types import Action, Kind, Outcome, Point


class Stuck(EdgewiseError):
    """No primitive helps; the message says why."""


class Missing(EdgewiseError):
    """The beliefs know no object of that name; the message is the name."""


_LIFTING = 3.0  # seconds in which a cover is lifted and what is under it is missed
_PLACING = ("on", "at", "returned", "bridged", "standing")


@dataclass(frozen=True)
class Chain:
    """What leads to the conditions of one step.

    Attributes:
        beliefs: What is believed.
        names: The goal's names → ids.
        step: Conditions of the step that is being worked for.
        later: Conditions of the steps after it, whose places are kept free.
        fresh: The step before was reached just now, which the log does not say yet.
    """

    beliefs: Beliefs
    names: Names
    step: tuple[Predicate, ...]
    later: tuple[Predicate, ...] = ()
    fresh: bool = False

    def next_action(self) -> Action | None:
        """The next primitive, None if every condition of the step is believed to hold.

        Raises:
            Stuck: None can be named.
        """
        condition = self.first_open()
        return None if condition is None else self.achieve(condition)

    def first_open(self) -> Predicate | None:
        """The condition to work for: what others stand on comes first, what is to be moved with content last."""
        open_ones = [c for c in self.step if holds(c, self.beliefs, self.names) is not True]
        return min(open_ones, key=lambda c: (c.name == "moved", self._height(c), self.step.index(c)), default=None)

    def achieve(self, condition: Predicate) -> Action:
        """The next primitive towards a condition that does not hold.

        Raises:
            Stuck: None can be named.
        """
        condition = plain(condition)
        a, *others = [self._id(name) for name in condition.arguments]
        match condition.name:
            case "on":
                return self._put(a, "place_on", others[0])
            case "inside":
                return self._put(a, "place_in", others[0])
            case "bridged":
                return self._put(a, "bridge", others[0], others[1])
            case "covered":
                return self._cover(a, others[0])
            case "uncovered":
                return self._with_free_hand() or self._freed(a) or _look("it is not seen although nothing covers it")
            case "at":
                assert condition.position is not None
                return self._put_at(a, condition.position)
            case "standing":
                return self._put_at(a, self._spot(a))
            case "returned":
                return self._return(a)
            case "moved":
                return self._move(a, condition)
            case _:
                name = "open" if condition.name == "open" else "close"
                return self._with_free_hand() or Action(0, name, a)

    def put_away(self, held: int) -> Action:
        """Where what is in the hand goes: where the step wants it if it is its turn, else to a free spot."""
        turn = self.first_open()
        for condition in self.step if turn is not None else ():
            mine = condition.name in ("on", "inside", "at", "moved") and self.names.get(condition.arguments[0]) == held
            if mine and turn is not None and self._height(condition) <= self._height(turn) and self._ready(condition):
                return self.achieve(condition)
        x, y = self._spot(held)
        return Action(0, "place_at", held, position=(x, y, 0.0), why="the hand must be free")

    # Placing

    def _put(self, a: int, verb: str, reference: int, second: int | None = None) -> Action:
        targets = [reference] if second is None else [reference, second]
        if self.beliefs.held == a:
            if any(self._in_the_way(target, a) or self._to_be_moved(target) for target in targets):
                return self._set_down(a)
            return Action(0, verb, a, reference, second)
        first = self._with_free_hand()
        for target in targets:
            for below in self._to_be_moved(target):
                first = first or self._freed(below)
            first = first or self._freed(target, keep=None if verb == "place_in" else a)
        first = first or (self._opened(reference) if verb == "place_in" else None)
        return first or self._freed(a) or Action(0, "pick", a)

    def _put_at(self, a: int, place: tuple[float, float]) -> Action:
        blockers = [b for b in blockers_at(self.beliefs, a, place) if b != a]
        if self.beliefs.held == a:
            if blockers:
                return self._set_down(a)
            return Action(0, "place_at", a, position=(place[0], place[1], 0.0))
        first = self._with_free_hand()
        for blocker in blockers:
            first = first or self._freed(blocker) or Action(0, "pick", blocker, why="it stands where another goes")
        return first or self._freed(a) or Action(0, "pick", a)

    def _cover(self, a: int, cover: int) -> Action:
        middle = self.beliefs.centre(a)
        below = self.beliefs.support(a)
        around = [] if middle is None else blockers_at(self.beliefs, cover, (middle[0], middle[1]), 0.0)
        around = [b for b in around if b not in (a, below)]
        if self.beliefs.held == cover:
            if around or self._in_the_way(a, cover):
                return self._set_down(cover)
            return Action(0, "cover", cover, a)
        first = self._with_free_hand() or self._freed(a)
        for other in around:
            first = first or self._freed(other) or Action(0, "pick", other, why="it stands where the cover goes")
        return first or self._freed(cover) or Action(0, "pick", cover)

    def _return(self, a: int) -> Action:
        support = self.beliefs.before_support(a)
        if support is not None and not self.beliefs.can(support).fixed:
            return self._put(a, "place_on", support)
        held_in = next((b for name, x, b in sorted(self.beliefs.before) if name == "inside" and x == a), None)
        if held_in is not None:
            return self._put(a, "place_in", held_in)
        then = self.beliefs.position_at(a, 0.0)
        if then is None:
            raise Stuck(f"unknown: where {self.beliefs.called(a)} was at the start")
        return self._put_at(a, (then[0], then[1]))

    def _move(self, a: int, condition: Predicate) -> Action:
        start = (None if self.fresh else moved_from(self.beliefs, a)) or self.beliefs.centre(a)
        if start is None:
            return self._search(a)
        stays = [c for c in self.step if c.name == "covered" and self.names.get(c.arguments[1]) == a]
        slides = bool(stays) and self.beliefs.held != a
        x, y = AXES[condition.direction]
        aim = condition.distance + 0.03
        spots = table_grid(self.beliefs, a)
        along = (spots[:, 0] - start[0]) * x + (spots[:, 1] - start[1]) * y
        spots = spots[along >= condition.distance + 0.02]
        if slides:
            spots = spots[clear_paths(self.beliefs, a, spots)]
        near = (start[0] + aim * x, start[1] + aim * y)
        spot = free_spot(self.beliefs, a, reserved=self._reserved(a), keep=spots, near=near)
        if spot is None:
            raise Stuck(f"there is no room to move {self.beliefs.called(a)} {condition.direction}")
        if slides:
            why = "slid, so that what it hides comes along"
            return self._with_free_hand() or Action(0, "place_at", a, position=(*spot, 0.0), why=why)
        if self.beliefs.held == a:
            return Action(0, "place_at", a, position=(*spot, 0.0))
        return self._with_free_hand() or self._freed(a) or Action(0, "pick", a)

    # Clearing

    def _with_free_hand(self) -> Action | None:
        held = self.beliefs.held
        return None if held is None else self.put_away(held)

    def _set_down(self, held: int) -> Action:
        x, y = self._spot(held)
        return Action(0, "place_at", held, position=(x, y, 0.0), why="what it is meant for is not clear")

    def _freed(self, x: int, keep: int | None = None) -> Action | None:
        """The primitive that uncovers or clears ``x``, or finds it; None if it is clear. ``keep`` may stay on it."""
        beliefs = self.beliefs
        if not beliefs.known(x):
            return self._search(x)
        cover = beliefs.cover(x)
        if cover is not None:
            return self._freed(cover) or Action(0, "pick", cover, why=f"it covers {self.beliefs.called(x)}")
        for top in beliefs.on_top(x):
            if top != keep:
                return self._freed(top) or Action(0, "pick", top, why=f"it stands on {self.beliefs.called(x)}")
        container = beliefs.container(x)
        return None if container is None else self._opened(container)

    def _opened(self, container: int) -> Action | None:
        """Opens a drawer that is shut."""
        if not self.beliefs.label(container).endswith("drawer"):
            return None
        out = drawer_out(self.beliefs, container)
        return Action(0, "open", container) if out is None or out < OPENED else None

    def _in_the_way(self, x: int, held: int) -> bool:
        beliefs = self.beliefs
        return not beliefs.known(x) or beliefs.cover(x) is not None or any(b != held for b in beliefs.on_top(x))

    def _ready(self, condition: Predicate) -> bool:
        """Whether what is in the hand can go straight to its place."""
        if condition.name in ("at", "moved"):
            return True
        target = self.names.get(condition.arguments[1])
        if target is None or self._to_be_moved(target):
            return False
        return not self._in_the_way(target, self.names[condition.arguments[0]])

    def _to_be_moved(self, x: int) -> list[int]:
        """What ``x`` stands on, directly or not, that the step wants elsewhere: nothing is built on that."""
        open_ones = [c for c in self.step if holds(c, self.beliefs, self.names) is not True]
        moving = {self.names.get(c.arguments[0]) for c in open_ones if c.name in _PLACING}
        found: list[int] = []
        below = self.beliefs.support(x)
        while below is not None and below not in found:
            found.append(below)
            below = self.beliefs.support(below)
        return [one for one in found if one in moving]

    # Finding

    def _search(self, x: int | None, label: str = "") -> Action:
        """Looks again; then under the covers that were not lifted since, the nearest to where it was last first."""
        beliefs = self.beliefs
        fact = None if x is None else beliefs.objects.get(x)
        since = 0.0 if fact is None else max(fact.time, self._missed(fact.id) - _LIFTING)
        called = label if x is None else self.beliefs.called(x)
        if beliefs.actions and beliefs.actions[-1].action.name != "look":
            return _look(f"{called} is not seen")
        free = self._with_free_hand()
        last = None if fact is None else fact.position
        covers = [c for c in beliefs.objects if beliefs.can(c).covers and c != beliefs.held and c != x]
        unsearched = [c for c in covers if beliefs.known(c) and not self._lifted(c, x, since)]
        if not unsearched:
            raise Stuck(f"unknown: {called} is not seen, and under no cover")
        place = last or (0.45, 0.0, 0.0)
        nearest = min(unsearched, key=lambda c: (distance(beliefs.centre(c) or place, place), c))
        return free or self._freed(nearest) or Action(0, "pick", nearest, why=f"{called} may be under it")

    def _missed(self, x: int) -> float:
        """When the object was found not to be where it should be, 0 if it was not."""
        return max((e.time for e in self.beliefs.events if e.kind == Kind.LOSE and e.object == x), default=0.0)

    def _lifted(self, cover: int, x: int | None, since: float) -> bool:
        """Whether the cover was lifted after ``since`` by the log or, where there is none, after ``x`` was handled."""
        beliefs = self.beliefs
        if beliefs.events:
            picks = (e for e in beliefs.events if e.kind == Kind.PICK and e.object == cover)
            return any(e.time > since for e in picks)
        about = [f.action for f in beliefs.actions if f.outcome != Outcome.REFUSED]
        handled = max((a.index for a in about if x is not None and x in (a.target, a.reference)), default=-1)
        return any(a.name == "pick" and a.target == cover and a.index > handled for a in about)

    # Places

    def _spot(self, a: int) -> tuple[float, float]:
        spot = free_spot(self.beliefs, a, reserved=self._reserved(a))
        if spot is None:
            raise Stuck(f"there is no free place for {self.beliefs.called(a)}")
        return spot

    def _reserved(self, a: int) -> list[Box]:
        """Footprints that later conditions need, and those where putting things down failed."""
        found: list[Box] = []
        for condition in (*self.step, *self.later):
            identity = self.names.get(condition.arguments[0]) if condition.arguments else None
            if identity is None or identity == a:
                continue
            if condition.name == "at" and condition.position is not None:
                half_x, half_y, _ = half_extents(self.beliefs, identity)
                found.append(_box(condition.position, half_x, half_y))
            elif condition.name == "returned" and (then := self.beliefs.initial.get(identity)) is not None:
                box = footprint(then)
                found += [] if box is None else [box]
            elif condition.name == "covered" and (cover := self.names.get(condition.arguments[1])) not in (None, a):
                middle, half = self.beliefs.centre(identity), half_extents(self.beliefs, cover or 0)
                found += [] if middle is None else [_box(middle, half[0], half[1])]
        failed = [f.action.position for f in self.beliefs.actions if f.outcome in (Outcome.FAILED, Outcome.REFUSED)]
        return found + [_box(place, 0.01, 0.01) for place in failed if place is not None]

    def _height(self, condition: Predicate, depth: int = 0) -> int:
        """How many of the step's conditions must hold before this one because it builds on them."""
        below: int | None = None
        if condition.name in ("on", "bridged", "covered", "inside"):
            # What is covered must stand where it is to stand before it is covered.
            below = self.names.get(condition.arguments[0 if condition.name == "covered" else 1])
        elif condition.name == "returned" and condition.arguments[0] in self.names:
            below = self.beliefs.before_support(self.names[condition.arguments[0]])
        if below is None or depth > len(self.step):
            return depth
        placing = (c for c in self.step if c != condition and c.name in _PLACING)
        under = [c for c in placing if self.names.get(c.arguments[0]) == below]
        return max((self._height(c, depth + 1) for c in under), default=depth)

    def _id(self, name: str) -> int:
        if name not in self.names:
            raise Missing(name)
        return self.names[name]

    def find(self, label: str) -> Action:
        """The next primitive to find an object of which nothing is known but its label."""
        return self._search(None, label)


def _look(why: str) -> Action:
    return Action(0, "look", why=why)


def _box(place: Point | tuple[float, float], half_x: float, half_y: float) -> Box:
    return (place[0] - half_x, place[1] - half_y, place[0] + half_x, place[1] + half_y)


def exchangeable(x: int, y: int, remaining: Sequence[Sequence[Predicate]], names: Names) -> bool:
    """Whether what is still to be reached stays the same if two objects are exchanged."""
    swap = {x: y, y: x}

    def stated(condition: Predicate, exchange: bool) -> tuple[object, ...]:
        ids = [names.get(name, -math.inf) for name in condition.arguments]
        if exchange:
            ids = [swap.get(i, i) if isinstance(i, int) else i for i in ids]
        place = (condition.position, condition.direction, condition.distance)
        return (condition.name, *ids, *place)

    for step in remaining:
        if any(c.name in ("returned", "moved") and {names.get(n) for n in c.arguments} & {x, y} for c in step):
            return False  # these speak of where the very object was
        if {stated(c, False) for c in step} != {stated(c, True) for c in step}:
            return False
    return True
