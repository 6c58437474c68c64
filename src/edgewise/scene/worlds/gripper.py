"""The robot's gripper: where it is told to go, what it holds and what it knows of itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from edgewise.scene.types import Point, RobotState
from edgewise.scene.worlds.mjcf import FINGERS, JOINTS, OPENING, REACH_HIGH, REACH_LOW, STEP

SPEED, TURN, CLOSING = 0.5, 3.0, 0.25  # m/s, rad/s and m/s of each finger
GAP = 0.004  # fingers that were told to close and are further apart than this hold something, metres
_ARRIVED = 0.0015  # metres
_SLIPPING = 0.2  # seconds that a slipping grasp takes
_PATIENCE = 0.4  # seconds to settle at a waypoint

Waypoint = tuple[Point, float]


class Gripper:
    """Moves the gripper's actuators.

    With ``weld`` what both fingers touch while they close is welded to the gripper, so that a grasp never slips;
    without, friction alone holds it. Either may miss: fingers that meet nothing close altogether.

    Args:
        model: MuJoCo model of a world.
        data: Its state.
        bodies: Body ids of the things that can be held, by name.
        weld: Kind of gripper.
        slip: Chance that a welded grasp is lost while it is lifted.
        rng: For ``slip``.
    """

    def __init__(
        self, model: Any, data: Any, bodies: dict[str, int], weld: bool, slip: float, rng: np.random.Generator
    ) -> None:
        self._model, self._data, self._weld, self._slip, self._rng = model, data, weld, slip, rng
        self._names = {body: name for name, body in bodies.items()}
        self._welds = {name: Weld(model, data, f"robot:{name}") for name in bodies} if weld else {}
        self._fingers = [model.body(name).id for name in FINGERS]
        self._body = model.body("robot").id
        self._at = [model.joint(name).qposadr[0] for name in JOINTS]
        self._finger_at = [model.joint(name).qposadr[0] for name in FINGERS]
        self._home = np.array(model.body_pos[self._body])
        self._arm = [model.actuator(name).id for name in JOINTS]
        self._finger_arm = [model.actuator(name).id for name in FINGERS]
        self.closed = False
        self._lost_above: float | None = None  # height at which the present grasp will be lost
        self._open_for = 0  # steps until the fingers of a lost grasp close on nothing

    def state(self) -> RobotState:
        """By its own sensors."""
        joints = self._data.qpos[self._at]
        opening = OPENING - float(self._data.qpos[self._finger_at].sum())
        x, y, z = (float(v) for v in self._home + joints[:3])
        return RobotState((x, y, z), float(joints[3]), opening, self.closed and opening > GAP)

    def touched(self) -> str | None:
        """Name of the thing that both fingers touch."""
        bodies = self._model.geom_bodyid[self._data.contact.geom[: self._data.ncon]]
        sides = []
        for finger in self._fingers:
            rows = bodies[(bodies == finger).any(axis=1)]
            sides.append({int(body) for body in rows.ravel()} & self._names.keys())
        both = sorted(sides[0] & sides[1])
        return self._names[both[0]] if both else None

    def held(self) -> str | None:
        """Name of the thing that is held."""
        if not self.closed:
            return None
        welded = next((name for name, weld in self._welds.items() if weld.active), None)
        return welded or self.touched()

    def step(self) -> None:
        """Lose a grasp that slips: the fingers give way and close on nothing."""
        if self._lost_above is not None and self.state().position[2] > self._lost_above:
            self._let_go()
            self._data.ctrl[self._finger_arm] = 0.0
            self._open_for = int(_SLIPPING / STEP)
        elif self._open_for:
            self._open_for -= 1
            if not self._open_for and self.closed:
                self._data.ctrl[self._finger_arm] = OPENING / 2

    def follow(
        self, waypoints: Sequence[Waypoint], closed: bool | None, opening: float, speed: float
    ) -> Iterator[None]:
        """Set the actuators for one physics step per item: along the waypoints, then open or close the fingers."""
        for position, yaw in waypoints:
            yield from self._move(np.array(position), yaw, speed)
        if closed is not None:
            yield from self._grasp() if closed else self._release(opening)

    def _move(self, goal: np.ndarray, yaw: float, speed: float) -> Iterator[None]:
        control = self._data.ctrl
        goal = np.clip(goal, REACH_LOW, REACH_HIGH) - self._home
        start, turn = control[self._arm[:3]].copy(), float(control[self._arm[3]])
        duration = max(float(np.linalg.norm(goal - start)) / speed, abs(yaw - turn) / TURN, STEP)
        steps = math.ceil(duration / STEP)
        for k in range(1, steps + 1):
            share = k / steps
            control[self._arm[:3]] = start + share * (goal - start)
            control[self._arm[3]] = turn + share * (yaw - turn)
            yield
        for _ in range(int(_PATIENCE / STEP)):
            if np.linalg.norm(self._data.qpos[self._at[:3]] - goal) < _ARRIVED:
                return
            yield

    def _grasp(self) -> Iterator[None]:
        self.closed = True
        yield from self._fingers_to(0.0)
        if self._weld and (name := self.touched()) is not None:
            self._welds[name].hold()
            if self._rng.random() < self._slip:
                self._lost_above = self.state().position[2] + float(self._rng.uniform(0.03, 0.08))

    def _release(self, opening: float) -> Iterator[None]:
        self._let_go()
        self.closed = False
        yield from self._fingers_to(opening)

    def _fingers_to(self, opening: float) -> Iterator[None]:
        control, goal = self._data.ctrl, (OPENING - opening) / 2
        start = float(self._data.qpos[self._finger_at].mean())
        steps = max(1, math.ceil(abs(goal - start) / CLOSING / STEP))
        for k in range(1, steps + 1):
            control[self._finger_arm] = start + k / steps * (goal - start)
            yield
        for _ in range(int(0.12 / STEP)):
            yield

    def _let_go(self) -> None:
        self._lost_above = None
        for weld in self._welds.values():
            weld.let_go()


class Weld:
    """An equality constraint that holds a thing as it is at the moment.

    Args:
        model: MuJoCo model.
        data: Its state.
        name: Of the constraint, between the body that holds and the thing.
    """

    def __init__(self, model: Any, data: Any, name: str) -> None:
        self._model, self._data = model, data
        self._id = model.equality(name).id
        self._bodies = int(model.eq_obj1id[self._id]), int(model.eq_obj2id[self._id])

    @property
    def active(self) -> bool:
        """It holds."""
        return bool(self._data.eq_active[self._id])

    def hold(self) -> None:
        """Hold the thing where it is relative to the body that holds it."""
        holder, thing = self._bodies
        rotation = self._data.xmat[holder].reshape(3, 3)
        place = rotation.T @ (self._data.xpos[thing] - self._data.xpos[holder])
        w, x, y, z = self._data.xquat[holder]
        turn = _product((w, -x, -y, -z), self._data.xquat[thing])
        # Anchor at the thing's centre, place and turn of the thing in the holder's frame, torque scale.
        self._model.eq_data[self._id, :11] = [0, 0, 0, *place, *turn, 1]
        self._data.eq_active[self._id] = 1

    def let_go(self) -> None:
        """Hold no longer."""
        self._data.eq_active[self._id] = 0


def _product(a: Sequence[float], b: Sequence[float]) -> list[float]:
    """Of two quaternions."""
    w, x, y, z = a
    p, q, r, s = b
    return [
        w * p - x * q - y * r - z * s,
        w * q + x * p + y * s - z * r,
        w * r - x * s + y * p + z * q,
        w * s + x * r - y * q + z * p,
    ]
