"""Ground truth: where everything is, how much of it is seen, and what happened, with its true cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgewise.scene.types import Floats, Kind, Point, Source, as_point
from edgewise.scene.worlds.spec import HAND, ROBOT_NAME

REST, DISPLACED, LIFTED = 0.005, 0.015, 0.02  # metres, see the meaning of events
HIDDEN, SHOWN = 0.1, 0.3  # shares of a thing that are seen
GONE = -0.05  # a thing whose centre is lower has left the table, metres
AFTERMATH = 1.0  # seconds after an action in which what comes to rest is still put down to it


@dataclass(frozen=True, slots=True)
class Truth:
    """The state of a world at one moment, as the simulator knows it. Never shown to memories and planners.

    Attributes:
        time: Seconds.
        names: Of the n things.
        labels: What perception calls them.
        positions: (n, 3) centres in metres.
        quaternions: (n, 4).
        low: (n, 3) least coordinates of their boxes.
        high: (n, 3) greatest coordinates, knobs and handles included.
        map: (h, w) int16 as in ``Segmentation``: k for thing k - 1, n + 1 for somebody's hand, -1 for the robot.
            Empty, as are the shares, if no picture was wanted.
        visible: (n,) share of the pixels that a thing would have if it were alone that are seen as its own.
        by_robot: (n,) share of those pixels at which the robot is seen instead.
        occluders: What else is seen there most, by the name of the thing that it hides in part.
        contacts: Unordered pairs of names that touch, ``table``, ``floor``, ``robot`` and things; pairs are sorted.
        held: Name of what the robot's gripper holds.
        moved_by_others: Names of what somebody's hand holds, and of what was exchanged since the last picture.
        covered: Cover by the name of the thing under it.
        inside: Container by the name of the thing in it.
        on: What a thing rests on, ``table`` included; the support that it overlaps most.
        supports: All things that a thing rests on.
        pulled: How far each drawer is pulled out, metres.
        hand: Somebody's hand is at work.
    """

    time: float
    names: tuple[str, ...]
    labels: tuple[str, ...]
    positions: Floats
    quaternions: Floats
    low: Floats
    high: Floats
    map: npt.NDArray[np.int16]
    visible: Floats
    by_robot: Floats
    occluders: Mapping[str, str]
    contacts: frozenset[tuple[str, str]]
    held: str | None
    moved_by_others: frozenset[str]
    covered: Mapping[str, str]
    inside: Mapping[str, str]
    on: Mapping[str, str]
    supports: Mapping[str, tuple[str, ...]]
    pulled: Mapping[str, float]
    hand: bool = False

    def index(self, name: str) -> int:
        """Row of a thing."""
        return self.names.index(name)


@dataclass(frozen=True, slots=True)
class TruthEvent:
    """Something that happened; ``Event`` with names in place of ids.

    Attributes:
        time: Seconds.
        kind: As memories log it.
        name: Of the thing that it happened to.
        other: The occluder, the support, or what pushed it.
        start: Where it rested before.
        end: Where it is after.
        source: Action, external (somebody's hand), or inferred (it was carried by what contains or covers it).
        action: Index of the action in whose course it happened.
        cause: Index in ``TruthLog.events`` of what brought it about.
        seen: The thing, or what carried it, was seen at some moment while it moved. What was not can only be known
            afterwards, if at all.
    """

    time: float
    kind: Kind
    name: str | None
    other: str | None = None
    start: Point | None = None
    end: Point | None = None
    source: Source = Source.START
    action: int | None = None
    cause: int | None = None
    seen: bool = True


@dataclass(slots=True)
class _State:
    """What the log remembers of one thing since it last rested."""

    rest: Floats  # where that was
    last: Floats  # where it was a moment ago
    rested: float = 0.0  # when that was
    carrier: str | None = None  # what covered or contained it then
    support: str | None = None  # what it rested on then
    by_hand: bool = False  # somebody's hand held it
    shoved: bool = False  # it touched what somebody's hand held
    hit: str | None = None  # it touched the robot or what the robot held
    lifted: bool = False
    seen: bool = False  # while it moved
    known: bool = False
    moved: tuple[float, Source] = (-1.0, Source.UNKNOWN)  # when, and by whom, it was moved last
    unseen: int = 0  # pictures in a row in which it was hidden
    behind: str | None = None  # what hides it
    gone: bool = False


class TruthLog:
    """Turns ground truth into events by the same meanings as a memory's.

    A motion is one event, told when the thing has come to rest. What moved in the course of an action that was not
    about it was hit (``COLLIDE``), unless somebody's hand moved it or what covers or contains it took it along.

    Attributes:
        events: So far, in order.
    """

    def __init__(self) -> None:
        self.events: list[TruthEvent] = []
        self._states: dict[str, _State] = {}
        self._action: int | None = None
        self._targets: tuple[str, ...] = ()
        self._under_way = False
        self._ended = self._time = -float("inf")

    def start(self, action: int, *targets: str) -> None:
        """An action begins; ``targets`` are what it moves, not what things are put on."""
        self._action, self._targets, self._under_way = action, targets, True

    def finish(self) -> None:
        """The action under way has ended."""
        self._under_way, self._ended = False, self._time

    def complete(self) -> None:
        """A step of the task was reached."""
        self.events.append(TruthEvent(self._time, Kind.COMPLETE, None, source=Source.ACTION, action=self._action))

    def update(self, truth: Truth) -> None:
        """Take in the next picture's truth."""
        self._time = truth.time
        kind, source = (Kind.APPEAR, Source.UNKNOWN) if self._states else (Kind.INITIALISE, Source.START)
        for k, name in enumerate(truth.names):
            place = truth.positions[k]
            state = self._states.get(name)
            if state is None:
                state = self._states[name] = _State(place.copy(), place.copy(), truth.time)
                self._settle(truth, name)
            if not state.known and truth.visible[k] >= HIDDEN:
                state.known = True
                self._log(kind, name, end=place, source=source)
        resting = {name for k, name in enumerate(truth.names) if self._rests(truth, k, name)}
        # What carries comes first, so that its event can be named as the cause.
        for name in sorted(resting, key=lambda name: self._states[name].carrier is not None):
            carrier = self._states[name].carrier
            if carrier is None or carrier in resting or self._states[carrier].gone:
                self._come_to_rest(truth, name)
        for k, name in enumerate(truth.names):
            self._look(truth, k, name)

    def _rests(self, truth: Truth, k: int, name: str) -> bool:
        """Keep account of a thing's motion; whether it is at rest and in nobody's grip."""
        state, place = self._states[name], truth.positions[k].copy()
        still = bool(np.linalg.norm(place - state.last) < REST)
        state.last = place
        if state.gone:
            return False
        touching = {other for pair in truth.contacts if name in pair for other in pair} - {name}
        state.hit = state.hit or next((other for other in (truth.held, ROBOT_NAME) if other in touching), None)
        state.shoved |= bool(truth.moved_by_others & touching)
        state.by_hand |= name in truth.moved_by_others
        state.seen |= bool(not still and truth.visible[k] > 0)
        if name == truth.held or name in truth.moved_by_others:
            state.moved = truth.time, Source.ACTION if name == truth.held else Source.EXTERNAL
        if place[2] < GONE:
            state.gone = True
            self._log(Kind.LOSE, name, start=state.rest, end=place, source=self._blame(name), seen=state.seen)
        elif truth.held == name and not state.lifted and place[2] - state.rest[2] >= LIFTED:
            state.lifted = True
            self._log(Kind.PICK, name, state.support, start=state.rest, source=Source.ACTION)
        return still and truth.held != name and not state.gone

    def _come_to_rest(self, truth: Truth, name: str) -> None:
        state = self._states[name]
        if state.lifted or np.linalg.norm(state.last - state.rest) > DISPLACED:
            self._tell(truth, name)
            state.rest = state.last
        self._settle(truth, name)

    def _settle(self, truth: Truth, name: str) -> None:
        """Begin to keep account anew."""
        state = self._states[name]
        state.rested, state.hit = truth.time, None
        state.by_hand = state.shoved = state.lifted = state.seen = False
        state.carrier = truth.covered.get(name) or truth.inside.get(name)
        state.support = truth.on.get(name)

    def _tell(self, truth: Truth, name: str) -> None:
        """Why and how a thing came to where it rests now."""
        state = self._states[name]
        kind, other, seen = Kind.MOVE, truth.inside.get(name) or truth.on.get(name), state.seen
        carried = self._cause(state.carrier, state.rested)
        if state.lifted:
            kind, source, cause = Kind.PLACE, Source.ACTION, None
        elif state.by_hand:
            source, cause = Source.EXTERNAL, None
        elif carried is not None:
            source, cause, other = Source.INFERRED, carried, state.carrier
            seen |= self.events[carried].seen
        else:
            source, cause = self._blame(name), self._cause(state.support, state.rested)
            if source == Source.ACTION and name not in self._targets:
                kind, other = Kind.COLLIDE, state.hit
        self._log(kind, name, other, state.rest, state.last, source, cause, seen)

    def _cause(self, name: str | None, since: float) -> int | None:
        """Index of the last motion of a thing, if there was one since then."""
        moving = (Kind.MOVE, Kind.COLLIDE, Kind.PICK, Kind.PLACE)
        for k in range(len(self.events) - 1, -1, -1):
            event = self.events[k]
            if event.time <= since:
                return None
            if event.name == name and event.kind in moving:
                return k
        return None

    def _blame(self, name: str) -> Source:
        """Whose doing it was, of something that nobody held."""
        state = self._states[name]
        active = self._under_way or self._time - self._ended <= AFTERMATH
        return Source.ACTION if active and (state.hit or not state.shoved) else Source.EXTERNAL

    def _look(self, truth: Truth, k: int, name: str) -> None:
        """Whether a thing went out of sight behind another, or came back."""
        state, seen, by_robot = self._states[name], float(truth.visible[k]), float(truth.by_robot[k])
        # What the robot hides is left out of account, unless it hides nearly all.
        hidden = name in truth.occluders and seen < HIDDEN * (1 - by_robot) and by_robot < 1 - HIDDEN
        state.unseen = state.unseen + 1 if hidden else 0
        if state.known and state.behind is None and state.unseen == 2:
            state.behind = truth.covered.get(name) or truth.occluders[name]
            self._log(Kind.OCCLUDE, name, state.behind, end=state.last, source=self._mover(name, state.behind))
        elif state.behind is not None and hidden:
            state.behind = truth.covered.get(name) or truth.occluders[name]
        elif state.behind is not None and seen >= SHOWN:
            self._log(Kind.REVEAL, name, state.behind, end=state.last, source=self._mover(name, state.behind))
            state.behind = None

    def _mover(self, *names: str) -> Source:
        """Who moved one of these last."""
        if HAND in names:
            return Source.EXTERNAL
        return max((self._states[name].moved for name in names), key=lambda moved: moved[0])[1]

    def _log(
        self,
        kind: Kind,
        name: str,
        other: str | None = None,
        start: Floats | None = None,
        end: Floats | None = None,
        source: Source = Source.UNKNOWN,
        cause: int | None = None,
        seen: bool = True,
    ) -> None:
        action = self._action if source == Source.ACTION else None
        before, after = (None if place is None else as_point(place) for place in (start, end))
        self.events.append(TruthEvent(self._time, kind, name, other, before, after, source, action, cause, seen))
