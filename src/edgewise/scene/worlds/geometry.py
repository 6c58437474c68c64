"""Boxes of things, what touches, and what rests on, in and under what, from the simulator's state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewise.scene.types import Floats
from edgewise.scene.worlds.mjcf import FINGERS
from edgewise.scene.worlds.spec import FLOOR, HAND, KNOB, ROBOT_NAME, TABLE, WALL, Thing

LEVEL = 0.012  # a thing rests on another if its lower face is so close to the other's top, metres


@dataclass(frozen=True, slots=True)
class Relations:
    """What rests on, in and under what, see ``Truth``."""

    covered: dict[str, str]
    inside: dict[str, str]
    on: dict[str, str]
    supports: dict[str, tuple[str, ...]]


class Boxes:
    """Axis-parallel boxes of a model's things, and which things touch.

    Args:
        model: MuJoCo model of a world.
        things: Of its spec.
    """

    def __init__(self, model: Any, things: tuple[Thing, ...]) -> None:
        bodies = [int(model.body(thing.name).id) for thing in things]
        owner = np.array([bodies.index(b) if b in bodies else -1 for b in model.geom_bodyid.tolist()])
        order = np.argsort(owner, kind="stable")
        self._geoms = order[owner[order] >= 0]
        counts = np.bincount(owner[self._geoms], minlength=len(things))
        self._first = np.cumsum(counts) - counts
        box = model.geom_aabb[self._geoms]
        self._middle, self._half = box[:, :3], box[:, 3:]
        robot = {model.body(name).id for name in (ROBOT_NAME, *FINGERS)}
        self.bodies = np.array(bodies, int)
        name_of = {body: thing.name for body, thing in zip(bodies, things, strict=True)}
        name_of |= dict.fromkeys(robot, ROBOT_NAME) | {0: TABLE, model.body(HAND).id: HAND}
        self._name_of_geom = [name_of[int(body)] for body in model.geom_bodyid]
        self._name_of_geom[model.geom(FLOOR).id] = FLOOR
        # Values of a segmentation's map by geom, its last entry for pixels that show nothing.
        self.map_of_geom = np.zeros(model.ngeom + 1, np.int16)
        for geom, body in enumerate(model.geom_bodyid):
            value = -1 if int(body) in robot else len(things) + 1 if name_of[int(body)] == HAND else owner[geom] + 1
            self.map_of_geom[geom] = value

    def __call__(self, data: Any) -> tuple[Floats, Floats]:
        """Least and greatest coordinates (n, 3)."""
        rotation = data.geom_xmat[self._geoms].reshape(-1, 3, 3)
        middle = data.geom_xpos[self._geoms] + np.einsum("nij,nj->ni", rotation, self._middle)
        half = np.einsum("nij,nj->ni", np.abs(rotation), self._half)
        low = np.minimum.reduceat(middle - half, self._first)
        return low, np.maximum.reduceat(middle + half, self._first)

    def contacts(self, data: Any) -> frozenset[tuple[str, str]]:
        """Pairs of names that touch."""
        names = self._name_of_geom
        pairs = {tuple(sorted((names[a], names[b]))) for a, b in data.contact.geom[: data.ncon].tolist() if a >= 0 <= b}
        return frozenset((a, b) for a, b in pairs if a != b)


def relations(
    things: tuple[Thing, ...], positions: Floats, rotations: Floats, low: Floats, high: Floats, held: str | None
) -> Relations:
    """What rests on, in and under what, by geometry.

    Args:
        things: The n things.
        positions: (n, 3) centres.
        rotations: (n, 3, 3).
        low: (n, 3).
        high: (n, 3).
        held: Name of what the robot holds; it does not rest on the table.
    """
    found = Relations({}, {}, {}, {})
    for k, thing in enumerate(things):
        if thing.fixed or thing.shape == "drawer":
            continue
        for other, hollow in enumerate(things):
            if other == k or not (hollow.can.covers or hollow.can.holds):
                continue
            local = rotations[other].T @ (positions[k] - positions[other])
            upright = rotations[other][2, 2] > 0.9
            if not upright or not all(abs(local[a]) < hollow.size[a] - WALL for a in (0, 1)):
                continue
            if hollow.can.covers and low[other, 2] < positions[k, 2] < positions[other, 2] + hollow.size[2]:
                found.covered[thing.name] = hollow.name
            if hollow.can.holds and low[k, 2] < high[other, 2] - 0.01 and local[2] > -hollow.size[2]:
                found.inside[thing.name] = hollow.name
        below = _supports(k, things, positions, low, high)
        if below:
            found.supports[thing.name] = tuple(name for _, name in below)
            found.on[thing.name] = below[0][1]
        elif abs(low[k, 2]) < LEVEL and thing.name not in (held, *found.inside):
            found.supports[thing.name] = (TABLE,)
            found.on[thing.name] = TABLE
    return found


def _supports(
    k: int, things: tuple[Thing, ...], positions: Floats, low: Floats, high: Floats
) -> list[tuple[float, str]]:
    """Shares of the thing's footprint above each thing that it rests on, the greatest first."""
    found = []
    area = float(np.prod(high[k, :2] - low[k, :2]))
    for other, support in enumerate(things):
        if other == k or not support.can.flat:
            continue
        top = positions[other, 2] + support.size[2] if support.can.covers else high[other, 2]
        if support.can.covers:
            top += 2 * KNOB[2]
        if abs(low[k, 2] - top) > LEVEL or positions[k, 2] < top:
            continue
        overlap = np.minimum(high[k, :2], high[other, :2]) - np.maximum(low[k, :2], low[other, :2])
        share = float(np.prod(np.maximum(overlap, 0))) / area
        # A long block lies on either tower of a bridge with a fifth of its length.
        if share > (0.25 if support.fixed else 0.1):
            found.append((share, support.name))
    return sorted(found, reverse=True)
