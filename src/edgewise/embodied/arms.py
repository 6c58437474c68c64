"""The memory ladder: what an agent keeps between frames, from nothing to everything, at one budget of tokens.

All rungs see the same frames and tell their facts in the same words; ``edgewise.scene.render`` counts the tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.embodied.types import MemoryArm
from edgewise.scene.memory import Memory
from edgewise.scene.render import told, within
from edgewise.scene.types import (
    Action,
    ActionFact,
    Event,
    EventFact,
    Fact,
    ObjectFact,
    Observation,
    Outcome,
    Provenance,
    RelationFact,
    RobotState,
    Segmentation,
    Visibility,
)

BUDGET = 1500  # tokens of facts that every rung may tell
_WINDOW = 3  # steps of which ``stf`` keeps the tokens (K of the paper)
_PLACES = re.compile(r"(?:, last seen at| at| from| to|,)? ?\((?:-?\d+\.\d+(?:, )?){3}\)")
_REACH = 0.06  # metres between the fingertips and the middle of what they hold


class NoMemory:
    """``none``: what is detected in this frame. An id stands for a label and its place from left to right.

    The other rungs that keep no graph build on it. Relations are those of the frame's boxes.
    """

    name = "none"

    def __init__(self) -> None:
        self._frame: tuple[Observation, Segmentation, RobotState | None] | None = None
        self._ids: dict[tuple[str, int], int] = {}

    def update(self, observation: Observation, segmentation: Segmentation, robot: RobotState | None = None) -> None:
        """Take in one frame; the one before is forgotten. A frame without depth says nothing."""
        if observation.depth is not None:
            self._frame = observation, segmentation, robot

    def start(self, action: Action) -> None:
        """Is not remembered."""

    def finish(self, outcome: Outcome, reason: str = "") -> None:
        """Is not remembered."""

    def complete(self, step: int, text: str) -> None:
        """Is not remembered."""

    def facts(self, budget: int | None = None) -> tuple[Fact, ...]:
        """What it can tell, the most important first."""
        return within((told(fact) for fact in self._present()), budget)

    def _present(self) -> list[Fact]:
        """Objects and relations of this frame."""
        if self._frame is None:
            return []
        observation, segmentation, robot = self._frame
        memory = Memory()  # a memory of one frame
        memory.update(observation, segmentation, None)
        seen: dict[int, ObjectFact] = {}
        counts: dict[str, int] = {}
        for fact in sorted(memory.objects(), key=lambda fact: fact.id):
            rank = counts[fact.label] = counts.get(fact.label, -1) + 1
            seen[fact.id] = replace(fact, id=self._ids.setdefault((fact.label, rank), len(self._ids) + 1))
        held = _in_hand(list(seen.values()), robot)
        objects = [replace(f, visibility=Visibility.HELD) if f.id == held else f for f in seen.values()]
        relations = [RelationFact(r.name, seen[r.a].id, seen[r.b].id) for r in memory.relations()]
        kept = [r for r in relations if held not in (r.a, r.b)]
        return [*objects, *kept, *([] if held is None else [RelationFact("held", held, held)])]


class History(NoMemory):
    """``history``: this frame, and its own actions, by the labels of what they were about, with what they came to."""

    name = "history"

    def __init__(self) -> None:
        super().__init__()
        # Without an action there is nothing to tell a beginning from a memory that keeps no actions.
        self._actions = [ActionFact(Action(0, "look"), Outcome.OK, "the episode begins")]
        self._action: Action | None = None

    def start(self, action: Action) -> None:
        """An action begins."""
        self._action = action

    def finish(self, outcome: Outcome, reason: str = "") -> None:
        """The action under way has ended."""
        if self._action is not None:
            self._actions.append(ActionFact(self._action, outcome, reason))
            self._action = None

    def facts(self, budget: int | None = None) -> tuple[Fact, ...]:
        """What it can tell: this frame, then actions, the latest first, and what they were about."""
        present = self._present()
        seen = {fact.id for fact in present if isinstance(fact, ObjectFact)}
        done = [fact.action for fact in self._actions]
        about = {i for action in done for i in (action.target, action.reference, action.second) if i is not None}
        labels = {number: label for (label, _), number in self._ids.items()}
        named = [_named(i, labels[i]) for i in sorted(about - seen) if i in labels]
        return within((told(fact) for fact in (*present, *named, *reversed(self._actions))), budget)


class LastSeen(History):
    """``last_seen``: this frame, own actions, and where every label was last seen."""

    name = "last_seen"

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[int, ObjectFact] = {}

    def _present(self) -> list[Fact]:
        facts = super()._present()
        seen = {fact.id: fact for fact in facts if isinstance(fact, ObjectFact)}
        absent = [_carried(fact) for i, fact in self._last.items() if i not in seen]
        self._last |= {i: fact for i, fact in seen.items() if fact.visibility != Visibility.HELD}
        return [*seen.values(), *absent, *(fact for fact in facts if not isinstance(fact, ObjectFact))]


class Tokens(NoMemory):
    """``stf``: the STF-Tokens of the last three steps, without a graph: no relations, no events, no actions."""

    name = "stf"

    def __init__(self) -> None:
        super().__init__()
        self._steps: list[dict[int, ObjectFact]] = []

    def finish(self, outcome: Outcome, reason: str = "") -> None:
        """A step has ended: its tokens join the window, and the oldest leave it."""
        seen = {fact.id: fact for fact in self._present() if isinstance(fact, ObjectFact)}
        self._steps = [*self._steps, seen][-_WINDOW:]

    def facts(self, budget: int | None = None) -> tuple[Fact, ...]:
        """What it can tell: this frame, then what the window holds of what is not in it."""
        now = {fact.id: fact for fact in self._present() if isinstance(fact, ObjectFact)}
        for step in reversed(self._steps):
            now |= {i: _carried(fact) for i, fact in step.items() if i not in now}
        return within((told(fact) for fact in now.values()), budget)


class GraphOnly:
    """``graph``: relations, events and actions of the full memory, but geometry only as seen in this frame."""

    name = "graph"

    def __init__(self) -> None:
        self._memory = Memory()

    def update(self, observation: Observation, segmentation: Segmentation, robot: RobotState | None = None) -> None:
        """Take in one frame."""
        self._memory.update(observation, segmentation, robot)

    def start(self, action: Action) -> None:
        """An action begins."""
        self._memory.start(action)

    def finish(self, outcome: Outcome, reason: str = "") -> None:
        """The action under way has ended."""
        self._memory.finish(outcome, reason)

    def complete(self, step: int, text: str) -> None:
        """A step of the task was found to be reached."""
        self._memory.complete(step, text)

    def fault(self, text: str) -> None:
        """Something of sensing or acting went wrong."""
        self._memory.fault(text)

    @property
    def events(self) -> tuple[Event, ...]:
        """Everything that happened."""
        return self._memory.events

    def facts(self, budget: int | None = None) -> tuple[Fact, ...]:
        """What it can tell."""
        facts = (_without_geometry(fact) for fact in self._memory.facts(None))
        return within((told(fact, self._memory.graph) for fact in facts), budget)


ARMS: Mapping[str, Callable[[], MemoryArm]] = {
    "none": NoMemory,
    "history": History,
    "last_seen": LastSeen,
    "stf": Tokens,
    "graph": GraphOnly,
    "full": Memory,
}


def find_arm(name: str) -> MemoryArm:
    """A fresh memory of that name.

    Raises:
        BadInput: There is none.
    """
    if name not in ARMS:
        raise BadInput(f"there is no memory {name!r}", field="memory", fix=f"there are: {', '.join(ARMS)}")
    return ARMS[name]()


def _in_hand(objects: list[ObjectFact], robot: RobotState | None) -> int | None:
    """What is seen at the fingertips while they hold something."""
    if robot is None or not robot.holding:
        return None
    found: list[tuple[float, int]] = []
    for fact in objects:
        if fact.low is None or fact.high is None:
            continue
        point = np.array(robot.position)
        outside = np.maximum(0, np.maximum(np.array(fact.low) - point, point - np.array(fact.high)))
        found.append((float(np.linalg.norm(outside)), fact.id))
    best = min(found, default=None)
    return best[1] if best is not None and best[0] < _REACH else None


def _named(identity: int, label: str) -> ObjectFact:
    """An object of which nothing is known but that it exists."""
    return ObjectFact(identity, label, None, None, None, None, Visibility.OCCLUDED, Provenance.CARRIED, 0.0)


def _carried(fact: ObjectFact) -> ObjectFact:
    return replace(fact, visibility=Visibility.OCCLUDED, provenance=Provenance.CARRIED)


def _without_geometry(fact: Fact) -> Fact:
    if isinstance(fact, ObjectFact) and (fact.initial or fact.provenance != Provenance.MEASURED):
        return replace(fact, position=None, low=None, high=None, yaw=None)
    if isinstance(fact, EventFact):
        return replace(fact, event=replace(fact.event, start=None, end=None, text=_without_places(fact.event.text)))
    return fact


def _without_places(text: str) -> str:
    """A sentence of the log without its coordinates."""
    return _PLACES.sub("", text).rstrip(" ,")
