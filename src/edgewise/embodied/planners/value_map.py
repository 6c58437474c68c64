"""The baseline in the manner of VoxPoser: value maps over a grid, composed, and followed greedily.

VoxPoser (arXiv 2307.05973) lets a language model write code that composes maps of affordance and avoidance over voxels.
Here the maps come from the item of a step list; a map over the table (columns of voxels) says where the held thing
goes, the height of the column how high. There is no rotation map: things are put down as they were at the start.
"""

from __future__ import annotations

import numpy as np

from edgewise.embodied.beliefs import Beliefs, footprint
from edgewise.embodied.conditions import AXES
from edgewise.embodied.planners.step_list import ListPlanner, Move
from edgewise.embodied.space import TABLE, half_extents
from edgewise.scene.relations import affordances
from edgewise.scene.types import Action, Floats

CELL = 0.01  # metres
_AVOID = 4.0  # weight of what is to be avoided
_AROUND = 0.03  # metres around things in which avoidance falls to zero
_WALL = 0.02  # metres that a container's wall and the fingers take
_MARGIN = 0.06  # metres beyond the table's usual part


class ValueMapPlanner(ListPlanner):
    """Puts things where the sum of target and avoidance maps is best."""

    name = "value_map"

    def _put(self, move: Move, beliefs: Beliefs, names: dict[str, int]) -> Action | None:
        target = names[move.target]
        others = [names[name] for name in move.condition.arguments if name in names and names[name] != target]
        supports = others if move.condition.name in ("on", "inside", "bridged", "covered") else []
        height = 0.0
        if move.condition.name in ("on", "bridged"):
            height = max(beliefs.top(support) for support in supports)
        elif move.condition.name == "inside":
            fact = beliefs.objects[supports[0]]
            height = (0.0 if fact.low is None else fact.low[2]) + 0.01
        avoided = avoidance_map(beliefs, target, supports, height)
        value = target_map(move, beliefs, target, supports) - _AVOID * avoided
        row, column = np.unravel_index(int(np.argmax(value)), value.shape)
        xs, ys = _axes()
        return Action(0, "place_at", target, position=(float(xs[row]), float(ys[column]), height))


def target_map(move: Move, beliefs: Beliefs, target: int, supports: list[int]) -> Floats:
    """(nx, ny) how good each column is as the place of the target: 0 at best, less by the metre away from there."""
    xs, ys = _axes()
    x, y = np.meshgrid(xs, ys, indexing="ij")
    start = beliefs.centre(target) or (0.45, 0.0, 0.0)
    condition = move.condition
    if condition.name == "inside" and (box := footprint(beliefs.objects[supports[0]])) is not None:
        half_x, half_y, _ = half_extents(beliefs, target)
        room_x, room_y = half_x + _WALL, half_y + _WALL
        beyond_x = np.maximum(np.maximum(box[0] + room_x - x, x - box[2] + room_x), 0)
        beyond_y = np.maximum(np.maximum(box[1] + room_y - y, y - box[3] + room_y), 0)
        return _nearness(beyond_x, beyond_y)
    if supports:
        places = [place for support in supports if (place := beliefs.centre(support)) is not None]
        goal = np.mean(places, axis=0) if places else np.array(start)
        return _nearness(x - goal[0], y - goal[1])
    if condition.name == "at" and condition.position is not None:
        return _nearness(x - condition.position[0], y - condition.position[1])
    if condition.name == "moved":
        u, v = AXES[condition.direction]
        along = (x - start[0]) * u + (y - start[1]) * v
        return _nearness(along - condition.distance - 0.02, 0.2 * ((x - start[0]) * v + (y - start[1]) * u))
    return _nearness(x - start[0], y - start[1])  # anywhere free, near


def _nearness(x: Floats, y: Floats) -> Floats:
    near: Floats = -np.hypot(x, y)
    return near


def avoidance_map(beliefs: Beliefs, target: int, supports: list[int], height: float) -> Floats:
    """(nx, ny) 1 where the target, at ``height``, would run into another thing, falling to 0 some way around it."""
    xs, ys = _axes()
    x, y = np.meshgrid(xs, ys, indexing="ij")
    half_x, half_y, _ = half_extents(beliefs, target)
    found = np.zeros_like(x)
    for fact in beliefs.objects.values():
        box = footprint(fact)
        if fact.id in (target, *supports) or box is None or fact.id == beliefs.held or affordances(fact.label).actor:
            continue
        if fact.high is None or fact.high[2] < height + 0.01:
            continue
        gap_x = np.maximum(box[0] - x, x - box[2]) - half_x
        gap_y = np.maximum(box[1] - y, y - box[3]) - half_y
        gap = np.maximum(gap_x, gap_y)
        found = np.maximum(found, np.clip(1 - gap / _AROUND, 0, 1))
    return found


def _axes() -> tuple[Floats, Floats]:
    xs = np.arange(TABLE[0] - _MARGIN, TABLE[2] + _MARGIN, CELL)
    ys = np.arange(TABLE[1] - _MARGIN, TABLE[3] + _MARGIN, CELL)
    return xs, ys
