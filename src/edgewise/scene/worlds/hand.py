"""Somebody else's hand: carries, slides and lifts things while the robot is at work, in the camera's sight."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.scene.types import Point
from edgewise.scene.worlds.gripper import Weld
from edgewise.scene.worlds.mjcf import PARKED, STEP
from edgewise.scene.worlds.spec import HAND

SPEED, EMPTY = 0.4, 1.2  # m/s, with something and on the way to or from it
CLEARANCE = 0.16  # height of things that it carries over others, metres
_REST = 0.1  # seconds before it lets go and after


@dataclass(frozen=True, slots=True)
class Carry:
    """One thing that somebody's hand does: take a thing and put it elsewhere.

    Attributes:
        thing: Name of what is moved.
        to: Where its centre comes to stand, or, by name, where that thing stood when the hand came.
        slide: Along the table (a cover takes along what is under it) and not through the air.
        via: Points (x, y) that it passes on the way.
        height: Added to where it comes to stand, metres: ``to`` by name plus a height puts it on top.
    """

    thing: str
    to: Point | str
    slide: bool = False
    via: tuple[tuple[float, float], ...] = ()
    height: float = 0.0


class Hand:
    """Moves somebody's hand.

    Args:
        model: MuJoCo model of a world.
        data: Its state.
        bodies: Body ids of the things that can be moved, by name.
    """

    def __init__(self, model: Any, data: Any, bodies: dict[str, int]) -> None:
        self._data, self._bodies = data, bodies
        self._mocap = int(model.body(HAND).mocapid[0])
        self._welds = {name: Weld(model, data, f"{HAND}:{name}") for name in bodies}
        self._tops = {name: _top(model, body) for name, body in bodies.items()}
        self._script: Iterator[None] | None = None

    @property
    def busy(self) -> bool:
        """It is at work."""
        return self._script is not None

    @property
    def holds(self) -> str | None:
        """Name of what it holds."""
        return next((name for name, weld in self._welds.items() if weld.active), None)

    @property
    def position(self) -> Point:
        """Between its fingertips."""
        x, y, z = (float(v) for v in self._data.mocap_pos[self._mocap])
        return x, y, z

    def perform(self, script: Sequence[Carry]) -> None:
        """Begin to do these things one after the other, after those under way.

        Raises:
            BadInput: There is no such thing, or it never moves.
        """
        for carry in script:
            for name in (carry.thing, carry.to):
                if isinstance(name, str) and name not in self._bodies:
                    raise BadInput(f"no thing {name!r} that can be moved", fix=f"one of: {', '.join(self._bodies)}")
        self._script = self._run(tuple(script), self._script)

    def step(self) -> None:
        """Move on by one physics step."""
        if self._script is not None and next(self._script, self) is self:
            self._script = None

    def _run(self, script: tuple[Carry, ...], before: Iterator[None] | None) -> Iterator[None]:
        if before is not None:
            yield from before
        stood = {name: self._data.xpos[body].copy() for name, body in self._bodies.items()}
        for carry in script:
            goal = np.array(stood[carry.to] if isinstance(carry.to, str) else carry.to, float)
            goal[2] += carry.height
            yield from self._carry(carry, goal)
        yield from self._move(np.array(PARKED), EMPTY)

    def _carry(self, carry: Carry, goal: np.ndarray) -> Iterator[None]:
        start = self._data.xpos[self._bodies[carry.thing]].copy()
        grip = np.array([0, 0, self._tops[carry.thing]])
        above = np.array([0, 0, 0.06])
        yield from self._move(start + grip + above, EMPTY)
        yield from self._move(start + grip)
        yield from self._pause()
        weld = self._welds[carry.thing]
        weld.hold()
        level = start[2] if carry.slide else max(start[2], goal[2]) + CLEARANCE
        if not carry.slide:
            yield from self._move(np.array([*start[:2], level]) + grip)
        for x, y in carry.via:
            yield from self._move(np.array([x, y, level]) + grip)
        yield from self._move(np.array([*goal[:2], level]) + grip)
        if not carry.slide:
            yield from self._move(goal + grip)
        yield from self._pause()
        weld.let_go()
        yield from self._pause()
        yield from self._move(goal + grip + above)

    def _move(self, goal: np.ndarray, speed: float = SPEED) -> Iterator[None]:
        position = self._data.mocap_pos[self._mocap]
        start = position.copy()
        steps = max(1, math.ceil(float(np.linalg.norm(goal - start)) / speed / STEP))
        for k in range(1, steps + 1):
            position[:] = start + k / steps * (goal - start)
            yield

    def _pause(self) -> Iterator[None]:
        for _ in range(int(_REST / STEP)):
            yield


def _top(model: Any, body: int) -> float:
    """How far a thing's top is above its centre."""
    geoms = np.flatnonzero(model.geom_bodyid == body)
    return float(max(model.geom_pos[g][2] + model.geom_aabb[g][2] + model.geom_aabb[g][5] for g in geoms))
