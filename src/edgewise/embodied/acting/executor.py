"""Carries primitives out: preconditions, motion, a frame at every tick, expected against observed effects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np

from edgewise.embodied.acting import motions
from edgewise.embodied.acting.motions import Grip, Motion, NoWay
from edgewise.embodied.acting.primitives import compare, objections
from edgewise.embodied.beliefs import Beliefs
from edgewise.embodied.types import MemoryArm
from edgewise.scene.types import (
    Action,
    ActionFact,
    Fact,
    ObjectFact,
    Outcome,
    RelationFact,
    RobotState,
    Visibility,
)

INTERRUPTED = "somebody was at work; what was planned may no longer fit"
ATTEMPTS = 3  # the grasp that is tried first, and two that vary it
_GLANCE = 0.2  # seconds of looking before what was done is judged
_SETTLE = 0.4  # seconds of looking after something was let go


class Body(Protocol):
    """What the executor needs of a world."""

    def robot(self) -> RobotState:
        """What the robot knows of itself."""
        ...

    def follow(
        self, waypoints: list[motions.Waypoint], closed: bool | None, opening: float, speed: float
    ) -> Iterator[None]:
        """Move; an item for each frame that is due."""
        ...

    def wait(self, seconds: float) -> Iterator[None]:
        """Let time pass; an item for each frame that is due."""
        ...


class Executor:
    """Carries out one primitive after the other.

    Args:
        body: The robot.
        memory: What is believed comes from here; it is told of every action.
        frame: Takes in one frame: called at every tick.
        pause: Waits while somebody else is at work, and says whether it had to.
        rng: For varied grasps.
        budget: Tokens of the facts that beliefs are made from.
    """

    def __init__(
        self,
        body: Body,
        memory: MemoryArm,
        frame: Callable[[], None],
        pause: Callable[[], bool],
        rng: np.random.Generator,
        budget: int | None = None,
    ) -> None:
        self._body, self._memory, self._frame, self._pause = body, memory, frame, pause
        self._rng, self._budget = rng, budget
        self._grip: Grip | None = None

    def facts(self) -> tuple[Fact, ...]:
        """What the memory tells, and what the fingers feel."""
        return felt(self._memory.facts(self._budget), self._body.robot())

    def beliefs(self) -> Beliefs:
        """What is believed now."""
        return Beliefs.of(self.facts())

    def run(self, action: Action) -> tuple[Outcome, str]:
        """Carry the action out and say what it came to, by what was observed, and why.

        A precondition that does not hold refuses it, and nothing is done. A grasp that misses is tried again, after
        another look, with another grasp.
        """
        against = objections(action, self.beliefs(), self._body.robot())
        if against:
            return Outcome.REFUSED, "; ".join(against)
        self._memory.start(action)
        try:
            outcome, reason = self._carry_out(action)
        except NoWay as error:
            outcome, reason = Outcome.FAILED, error.message
        self._memory.finish(outcome, reason)
        return outcome, reason

    def look(self, seconds: float = _SETTLE) -> None:
        """Take in frames without moving."""
        for _ in self._body.wait(seconds):
            self._frame()

    def _carry_out(self, action: Action) -> tuple[Outcome, str]:
        if action.name == "look":
            self._follow(motions.home(self.beliefs(), self._body.robot()))
            self.look()
            return Outcome.OK, ""
        assert action.target is not None
        if action.name == "pick":
            return self._pick(action, action.target)
        if action.name in ("open", "close"):
            ways = motions.drawer(self.beliefs(), action.target, self._body.robot(), action.name == "open")
            return self._move(action, ways, None)
        if not self._body.robot().holding:
            assert action.position is not None
            spot = (action.position[0], action.position[1])
            return self._move(action, motions.slide(self.beliefs(), action.target, self._body.robot(), spot), spot)
        return self._place(action, action.target)

    def _pick(self, action: Action, target: int) -> tuple[Outcome, str]:
        reason = ""
        for attempt in range(ATTEMPTS):
            beliefs = self.beliefs()
            if attempt and (target not in beliefs.objects or not beliefs.known(target)):
                return Outcome.FAILED, f"{reason}; then it was not seen"
            approach, close, lift = motions.pick(beliefs, target, self._body.robot(), attempt, self._rng)
            if self._follow([approach]) == INTERRUPTED:
                return Outcome.FAILED, INTERRUPTED
            self._follow([close])
            robot = self._body.robot()
            grip = motions.grip_of(beliefs, target, robot)
            if robot.holding:
                self._follow([lift])
            self.look(_GLANCE)
            if self._body.robot().holding:
                self._grip = grip
                outcome, reason = compare(action, self.beliefs(), None)
                # The fingers feel that they hold something; that it is not seen there is no proof that they do not.
                return (Outcome.OK, "") if outcome != Outcome.FAILED else (Outcome.PARTIAL, reason)
            reason = "the fingers closed on nothing" if not robot.holding else "it slipped out of the fingers"
            self._follow(self._let_go())
            self.look()
        return Outcome.FAILED, f"{reason}, {ATTEMPTS} times"

    def _place(self, action: Action, target: int) -> tuple[Outcome, str]:
        beliefs, robot = self.beliefs(), self._body.robot()
        grip = self._grip if self._grip is not None and self._grip.object == target else None
        grip = grip or motions.grip_of(beliefs, target, robot)
        spot, level, yaw = _destination(action, beliefs, target)
        return self._move(action, motions.place(beliefs, grip, robot, spot, level, yaw), spot)

    def _move(self, action: Action, ways: list[Motion], aim: tuple[float, float] | None) -> tuple[Outcome, str]:
        lost = self._follow(ways)
        if lost == INTERRUPTED:
            return Outcome.FAILED, lost
        if lost:
            self._follow(self._let_go())
        self.look()
        if lost:
            return Outcome.FAILED, lost
        self._grip = None
        return compare(action, self.beliefs(), aim)

    def _let_go(self) -> list[Motion]:
        robot = self._body.robot()
        return [Motion((), False), *motions.home(self.beliefs(), robot)]

    def _follow(self, ways: list[Motion]) -> str:
        """Follow the motions, a frame at every tick; why it was broken off, if it was."""
        for way in ways:
            if way.waits and self._pause():
                return INTERRUPTED
            for _ in self._body.follow(list(way.waypoints), way.closed, way.opening, way.speed):
                self._frame()
            if way.holds and way.closed is not False and not self._body.robot().holding:
                return "it slipped out of the fingers" if way.closed is None else "the fingers closed on nothing"
        return ""


def felt(facts: tuple[Fact, ...], robot: RobotState) -> tuple[Fact, ...]:
    """The facts; if the fingers hold something of which they say nothing, it is what was picked up last.

    A memory that keeps no actions does not know what that was.
    """
    told = any(isinstance(fact, RelationFact) and fact.name == "held" and not fact.initial for fact in facts)
    done = max((f for f in facts if isinstance(f, ActionFact)), key=lambda f: f.action.index, default=None)
    if told or not robot.holding or done is None or done.action.name != "pick" or done.outcome == Outcome.FAILED:
        return facts
    target = done.action.target
    if target is None:
        return facts

    def held(fact: Fact) -> Fact:
        now = isinstance(fact, ObjectFact) and fact.id == target and not fact.initial
        return replace(fact, visibility=Visibility.HELD) if now else fact  # type: ignore[arg-type]

    return (*(held(fact) for fact in facts), RelationFact("held", target, target))


def _destination(action: Action, beliefs: Beliefs, target: int) -> tuple[tuple[float, float], float, float]:
    """Where the held object's centre goes, on what height it comes to stand, and the yaw of its long side."""
    if action.name == "place_at":
        assert action.position is not None
        spot = (action.position[0], action.position[1])
        then = beliefs.initial.get(target)
        yaw = then.yaw if then is not None and then.yaw is not None else 0.0
        return spot, max(motions.level_below(beliefs, target, spot), action.position[2]), yaw
    assert action.reference is not None
    reference = beliefs.centre(action.reference)
    fact = beliefs.objects[action.reference]
    if reference is None or fact.low is None or fact.high is None:
        raise NoWay(f"it is not known where {fact.label} {action.reference} is")
    spot = (reference[0], reference[1])
    yaw = motions.yaw_of(beliefs, action.reference)
    match action.name:
        case "place_in":
            return motions.spot_in(beliefs, target, action.reference), fact.low[2] + 0.01, yaw
        case "cover":
            return spot, fact.low[2], yaw
        case "bridge":
            assert action.second is not None
            other = beliefs.centre(action.second)
            if other is None:
                raise NoWay("it is not known where the other support is")
            middle = ((spot[0] + other[0]) / 2, (spot[1] + other[1]) / 2)
            level = max(beliefs.top(action.reference), beliefs.top(action.second))
            return middle, level, float(np.arctan2(other[1] - spot[1], other[0] - spot[0]))
        case _:
            return spot, fact.high[2], yaw if not beliefs.can(action.reference).fixed else 0.0
