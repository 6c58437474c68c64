"""From a primitive with ids to waypoints of the gripper: the deterministic half of the planner.

All geometry is believed geometry. The gripper comes from above; at yaw 0 its fingers close along Y.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgewise.core.errors import EdgewiseError
from edgewise.embodied.beliefs import Beliefs, footprint
from edgewise.embodied.conditions import drawer_out
from edgewise.scene.relations import affordances
from edgewise.scene.types import ObjectFact, Point, RobotState, Visibility
from edgewise.scene.worlds.world import HOME

Waypoint = tuple[Point, float]

_DEPTH = 0.017  # metres below an object's top where the fingers take it
_TIP = 0.013  # metres that the fingers reach below the point between them
_KNOB = 0.011  # metres below a cover's top where its knob is taken
_KNOB_WIDTH = 0.024
_COVER_HEIGHT = 0.094  # metres, knob included
_ROOM = 0.012  # metres that open fingers stay away from an object on either side
_RELEASE = 0.004  # metres above its support where an object is let go
_FLOOR = 0.004  # thickness of a container's bottom, metres
_APART = 0.075  # metres between the middles of things in a container that leave room for the fingers
_OVER = 0.035  # metres between what is carried and what it is carried over
_LIFT = 0.06  # metres at least that something is lifted
_FAST, _SLOW = 0.8, 0.35  # m/s in free space and near things
_PULL = 0.1  # metres that a drawer is pulled out
_OPENING = 0.08  # greatest distance of the fingers, metres


@dataclass(frozen=True)
class Motion:
    """A stretch of the gripper's way.

    Attributes:
        waypoints: Points (x, y, z) with yaws.
        closed: Close or open the fingers at its end, or leave them.
        opening: Of the fingers if they are opened, metres.
        speed: Metres per second.
        holds: Something must be between the fingers after it.
        waits: It is not begun while somebody else is at work.
    """

    waypoints: tuple[Waypoint, ...]
    closed: bool | None = None
    opening: float = _OPENING
    speed: float = _FAST
    holds: bool = False
    waits: bool = False


@dataclass(frozen=True)
class Grip:
    """How the hand holds an object, as it was believed when the fingers closed.

    Attributes:
        object: Id.
        below: From the point between the fingertips down to the object's lower face, metres.
        turn: Yaw of the object's long side less that of the gripper, radians.
    """

    object: int
    below: float
    turn: float


class NoWay(EdgewiseError):
    """The beliefs do not say how the primitive could be carried out."""


def pick(beliefs: Beliefs, target: int, robot: RobotState, attempt: int, rng: np.random.Generator) -> list[Motion]:
    """Open above the object, go down, close, lift. ``attempt`` 1 and later vary the grasp."""
    fact = beliefs.objects[target]
    (x, y, z), yaw, width = grasp(beliefs, fact)
    if attempt:
        x, y = x + float(rng.uniform(-0.006, 0.006)), y + float(rng.uniform(-0.006, 0.006))
        z = max(z - 0.004 * attempt, _TIP)
        if attempt == 1 and _squarish(fact):
            yaw = _wrap(yaw + math.pi / 2, math.pi)
    opening = min(_OPENING, width + 2 * _ROOM)
    above = (x, y, min(z + 0.09, 0.55))
    lifted = (x, y, max(travel_height(beliefs, target, z - _low(fact)), z + _LIFT))
    return [
        Motion((*_rise(robot, beliefs), (above, yaw)), False, opening, waits=True),
        Motion((((x, y, z), yaw),), True, speed=_SLOW, holds=True),
        Motion(((lifted, yaw),), None, speed=_SLOW, holds=True),
    ]


def place(
    beliefs: Beliefs, grip: Grip, robot: RobotState, spot: tuple[float, float], level: float, long_side: float
) -> list[Motion]:
    """Carry what is held over the spot, down to ``level`` (the height of its support), let go, rise.

    Args:
        beliefs: What stands where.
        grip: How it is held.
        robot: The gripper now.
        spot: Where its centre goes.
        level: Height that its lower face comes to, metres.
        long_side: Yaw that its long side gets.
    """
    square = _squarish(beliefs.objects[grip.object])
    turn = _wrap(long_side - (robot.yaw + grip.turn), math.pi / 2 if square else math.pi)
    yaw = robot.yaw + turn
    height = max(travel_height(beliefs, grip.object, grip.below), level + grip.below + 0.02)
    x, y = spot
    x0, y0, z0 = robot.position
    down = level + grip.below + _RELEASE
    opening = min(_OPENING, robot.opening + 2 * _ROOM)
    up = (x, y, min(max(down + 0.08, 0.15), 0.55))
    return [
        Motion((((x0, y0, max(z0, height)), robot.yaw), ((x, y, max(z0, height)), yaw)), holds=True, waits=True),
        Motion((((x, y, down), yaw),), False, opening, _SLOW, waits=True),
        Motion(((up, yaw), (HOME, 0.0)), None),
    ]


def slide(beliefs: Beliefs, target: int, robot: RobotState, spot: tuple[float, float]) -> list[Motion]:
    """Take a cover by its knob and draw it along the table with what it hides."""
    (x, y, z), yaw, width = grasp(beliefs, beliefs.objects[target])
    above = (x, y, min(z + 0.09, 0.55))
    there = (spot[0], spot[1], z)
    return [
        Motion((*_rise(robot, beliefs), (above, yaw)), False, width + 2 * _ROOM, waits=True),
        Motion((((x, y, z), yaw),), True, speed=_SLOW, holds=True),
        Motion(((there, yaw),), False, width + 2 * _ROOM, 0.15, holds=True),
        Motion((((spot[0], spot[1], z + 0.1), yaw), (HOME, 0.0)), None),
    ]


def drawer(beliefs: Beliefs, target: int, robot: RobotState, opens: bool) -> list[Motion]:
    """Take a drawer by its handle and pull it towards the near side, or push it back."""
    fact = beliefs.objects[target]
    if fact.low is None or fact.high is None:
        raise NoWay("it is not known where the drawer is")
    x, y = fact.low[0] + 0.007, (fact.low[1] + fact.high[1]) / 2
    z = fact.high[2] - 0.016
    out = drawer_out(beliefs, target) or 0.0
    end = x - max(_PULL - out, 0.0) if opens else x + (out or _PULL) + 0.01
    return [
        Motion((*_rise(robot, beliefs), ((x, y, z + 0.1), 0.0)), False, 0.065, waits=True),
        Motion((((x, y, z), 0.0),), True, speed=_SLOW, holds=True),
        Motion((((end, y, z), 0.0),), False, 0.065, 0.2, holds=True),
        Motion((((end, y, z + 0.12), 0.0), (HOME, 0.0)), None),
    ]


def home(beliefs: Beliefs, robot: RobotState) -> list[Motion]:
    """Out of the camera's way."""
    return [Motion((*_rise(robot, beliefs), (HOME, 0.0)))]


def grasp(beliefs: Beliefs, fact: ObjectFact) -> tuple[Point, float, float]:
    """Point between the fingertips, yaw of the gripper and width of what is taken.

    Raises:
        NoWay: No geometry is known.
    """
    middle, size = beliefs.centre(fact.id), beliefs.size(fact.id)
    if middle is None or size is None or fact.high is None or fact.low is None:
        raise NoWay(f"it is not known where {fact.label} {fact.id} is")
    yaw = fact.yaw or 0.0
    if beliefs.can(fact.id).covers:
        # Seen from afar the knob is a few pixels, which robust extrema leave out.
        seen = size[2] > _COVER_HEIGHT - 0.01
        top = fact.high[2] if seen else fact.low[2] + _COVER_HEIGHT
        return (middle[0], middle[1], top - _KNOB), yaw, _KNOB_WIDTH
    depth = 0.022 if not beliefs.can(fact.id).flat else _DEPTH
    z = max(fact.high[2] - depth, fact.low[2] + _TIP, _TIP)
    if _squarish(fact):
        return (middle[0], middle[1], z), _roomier(beliefs, fact, yaw), max(size[0], size[1])
    return (middle[0], middle[1], z), yaw, _short_side(size, yaw)


def level_below(beliefs: Beliefs, held: int, spot: tuple[float, float]) -> float:
    """Height of what the held object would come to stand on at a spot: pads and the table."""
    level = 0.0
    for fact in beliefs.objects.values():
        box = footprint(fact)
        if fact.id == held or box is None or fact.high is None or not beliefs.can(fact.id).fixed:
            continue
        if box[0] <= spot[0] <= box[2] and box[1] <= spot[1] <= box[3]:
            level = max(level, fact.high[2] if fact.high[2] < 0.01 else 0.0)
    return level


def spot_in(beliefs: Beliefs, held: int, container: int) -> tuple[float, float]:
    """Where in a container the held object has the most room."""
    fact = beliefs.objects[container]
    if fact.low is None or fact.high is None:
        raise NoWay(f"it is not known where {fact.label} {container} is")
    size, mine = beliefs.size(container), beliefs.size(held) or (0.04, 0.04, 0.04)
    assert size is not None
    back = fact.low[0], fact.high[0]
    if fact.label.endswith("drawer"):
        # Of an open drawer only the part before the cabinet can be reached from above; its handle is before it.
        out = drawer_out(beliefs, container) or 0.0
        back = fact.low[0] + 0.05, fact.low[0] + 0.05 + max(out, 0.05)
    x = (back[0] + back[1]) / 2
    y = (fact.low[1] + fact.high[1]) / 2
    across = max(0.0, size[1] / 2 - mine[1] / 2 - 0.03)
    along = max(0.0, (back[1] - back[0]) / 2 - mine[0] / 2 - 0.02)
    within = (fact.low[0], fact.low[1], fact.high[0], fact.high[1])
    others = [beliefs.centre(other) for other in beliefs.objects if other not in (held, container)]
    taken = [p for p in others if p is not None and within[0] < p[0] < within[2] and within[1] < p[1] < within[3]]
    if not taken and across < 0.04:
        return x, y
    spots = [(x + i * along, y + j * across) for i in (0, -1, 1) for j in (-1, 1, 0)]
    room = [min((math.hypot(u - p[0], v - p[1]) for p in taken), default=0.0) for u, v in spots]
    # In the middle of the length where that is far enough from the others: near a wall the fingers have less room.
    return next((spot for spot, far in zip(spots, room, strict=True) if far >= _APART), spots[int(np.argmax(room))])


def travel_height(beliefs: Beliefs, held: int, below: float) -> float:
    """Height of the gripper from which what it holds passes over everything else."""
    tops = [
        fact.high[2]
        for fact in beliefs.objects.values()
        if fact.high is not None
        and fact.id != held
        and fact.visibility not in (Visibility.HELD, Visibility.LOST)
        and not beliefs.can(fact.id).actor
    ]
    return min(max(tops, default=0.0) + below + _OVER, 0.5)


def yaw_of(beliefs: Beliefs, identity: int) -> float:
    """Yaw of the object's long side, 0 if it is not known."""
    fact = beliefs.objects.get(identity)
    return 0.0 if fact is None or fact.yaw is None else fact.yaw


def grip_of(beliefs: Beliefs, target: int, robot: RobotState) -> Grip:
    """How an object is held that has just been gripped, or that the beliefs say is held."""
    fact = beliefs.objects[target]
    turn = _wrap(yaw_of(beliefs, target) - robot.yaw, math.pi)
    return Grip(target, robot.position[2] - _low(fact), turn)


def _rise(robot: RobotState, beliefs: Beliefs) -> tuple[Waypoint, ...]:
    """First straight up, so that nothing is swept aside."""
    x, y, z = robot.position
    tops = [f.high[2] for f in beliefs.objects.values() if f.high is not None and not beliefs.can(f.id).actor]
    safe = min(max(tops, default=0.1) + 0.06, 0.5)
    return (((x, y, safe), robot.yaw),) if z < safe else ()


def _low(fact: ObjectFact) -> float:
    return 0.0 if fact.low is None else fact.low[2]


def _squarish(fact: ObjectFact) -> bool:
    return affordances(fact.label).square


def _short_side(size: Point, yaw: float) -> float:
    """Width across the long side of a footprint whose axis-parallel box is known, metres."""
    c, s = abs(math.cos(yaw)), abs(math.sin(yaw))
    if abs(c * c - s * s) < 0.2:  # near 45 degrees the box says little
        return min(size[0], size[1]) / (c + s)
    # size = (long c + short s, long s + short c)
    return max(0.015, (size[1] * c - size[0] * s) / (c * c - s * s))


def _roomier(beliefs: Beliefs, fact: ObjectFact, yaw: float) -> float:
    """Of the two ways to take a square thing, the one that leaves the fingers more room."""
    middle = beliefs.centre(fact.id)
    if middle is None or fact.low is None:
        return yaw
    best, most = yaw, -1.0
    for turned in (yaw, _wrap(yaw + math.pi / 2, math.pi)):
        room = 0.03
        for side in (-1, 1):
            # Middle of a finger, 3.6 cm beside the object's middle along the gripper's own y axis.
            u = middle[0] - side * 0.036 * math.sin(turned)
            v = middle[1] + side * 0.036 * math.cos(turned)
            for other in beliefs.objects.values():
                box = footprint(other)
                if other.id == fact.id or box is None or other.high is None or other.high[2] < fact.low[2] + 0.01:
                    continue
                if beliefs.can(other.id).actor:
                    continue
                gap = max(box[0] - u, u - box[2], box[1] - v, v - box[3])
                room = min(room, gap)
        if room > most + 0.004:
            best, most = turned, room
    return best


def _wrap(angle: float, period: float) -> float:
    """The angle in (-period/2, period/2]."""
    turned = math.fmod(angle, period)
    if turned > period / 2:
        turned -= period
    elif turned <= -period / 2:
        turned += period
    return turned
