"""The oracle: the symbolic planner on facts made from the simulator's truth. It shows what tasks and executor allow."""

from __future__ import annotations

import math

from edgewise.scene.render import told, within
from edgewise.scene.types import (
    Action,
    ActionFact,
    Event,
    EventFact,
    Fact,
    Floats,
    Kind,
    ObjectFact,
    Observation,
    Outcome,
    Point,
    Provenance,
    RelationFact,
    RobotState,
    Segmentation,
    Source,
    Visibility,
    as_point,
)
from edgewise.scene.worlds.truth import Truth
from edgewise.scene.worlds.world import World

_MOVED = 0.005  # metres
_FALLEN = -0.05


class TruthArm:
    """A memory that looks into the simulator. Ids are the things' places in the world's list, counted from 1."""

    name = "truth"

    def __init__(self, world: World) -> None:
        self._world = world
        self._initial = world.truth(pictures=False)
        self._events: list[Event] = []
        self._actions: list[ActionFact] = []
        self._action: Action | None = None
        self._rest: dict[int, Point] = {}
        self._note_moves(self._initial)

    def update(self, observation: Observation, segmentation: Segmentation, robot: RobotState | None = None) -> None:
        """Frames are not needed."""

    def start(self, action: Action) -> None:
        """An action begins."""
        self._action = action

    def finish(self, outcome: Outcome, reason: str = "") -> None:
        """The action under way has ended."""
        if self._action is not None:
            self._actions.append(ActionFact(self._action, outcome, reason))
            self._action = None
        self._note_moves(self._world.truth(pictures=False))

    def complete(self, step: int, text: str) -> None:
        """A step of the task was found to be reached."""
        truth = self._world.truth(pictures=False)
        self._note_moves(truth)
        self._note(truth.time, Kind.COMPLETE, None, f"step {step + 1} is reached: {text}", other=step)

    def facts(self, budget: int | None = None) -> tuple[Fact, ...]:
        """The truth as facts."""
        truth = self._world.truth(pictures=False)
        facts: list[Fact] = [*self._objects(truth, False), *_relations(truth, False)]
        facts += [*self._objects(self._initial, True), *_relations(self._initial, True)]
        facts += [EventFact(event) for event in self._events]
        facts += self._actions
        return within((told(fact) for fact in facts), None)

    def _objects(self, truth: Truth, initial: bool) -> list[ObjectFact]:
        found = []
        for k, thing in enumerate(self._world.spec.things):
            low, high = as_point(truth.low[k]), as_point(truth.high[k])
            yaw = _yaw(truth.quaternions[k]) + (0.0 if thing.size[0] >= thing.size[1] else math.pi / 2)
            name = truth.names[k]
            seen = Visibility.VISIBLE
            if truth.held == name:
                seen = Visibility.HELD
            elif name in truth.covered:
                seen = Visibility.CONTAINED
            elif truth.positions[k][2] < _FALLEN:
                seen = Visibility.LOST
            middle = as_point((truth.low[k] + truth.high[k]) / 2)
            found.append(
                ObjectFact(k + 1, truth.labels[k], middle, low, high, math.remainder(yaw, math.pi), seen,
                           Provenance.MEASURED, truth.time, initial=initial)
            )  # fmt: skip
        return found

    def _note_moves(self, truth: Truth) -> None:
        for k, name in enumerate(truth.names):
            place = as_point((truth.low[k] + truth.high[k]) / 2)
            before = self._rest.get(k)
            if name != truth.held and (before is None or math.dist(before, place) > _MOVED):
                kind = Kind.INITIALISE if before is None else Kind.MOVE
                self._rest[k] = place
                self._note(truth.time, kind, k + 1, f"{truth.labels[k]} [{k + 1}]: {kind}", end=place)

    def _note(self, time: float, kind: Kind, identity: int | None, text: str, **fields: object) -> None:
        event = Event(len(self._events), time, kind, identity, source=Source.UNKNOWN, text=text, **fields)  # type: ignore[arg-type]
        self._events.append(event)


def _relations(truth: Truth, initial: bool) -> list[RelationFact]:
    place = {name: k + 1 for k, name in enumerate(truth.names)}
    found = [("on", a, b) for a, below in truth.supports.items() for b in below if b in place]
    found += [("inside", a, b) for a, b in truth.inside.items()]
    found += [("covered", a, b) for a, b in truth.covered.items() if b != truth.held]
    found = [relation for relation in found if relation[1] != truth.held]
    found += [("held", truth.held, truth.held)] if truth.held else []
    return [RelationFact(name, place[a], place[b], initial) for name, a, b in found]


def _yaw(quaternion: Floats) -> float:
    w, x, y, z = (float(v) for v in quaternion)
    return math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
