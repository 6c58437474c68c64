"""The stateless baseline in the manner of SoFar: a scene graph of the present frame, a list of steps made once.

SoFar (arXiv 2502.13143) makes its step list from one image and the task, and each step reads the scene anew. Ours does
the same with the classical perception in place of its models; it keeps no memory of what it did or saw.
"""

from __future__ import annotations

from edgewise.embodied.beliefs import Beliefs
from edgewise.embodied.conditions import AXES
from edgewise.embodied.planners.step_list import ListPlanner, Move
from edgewise.embodied.space import free_spot, table_grid
from edgewise.scene.types import Action


class SceneGraphPlanner(ListPlanner):
    """Grounds each item of its list in the graph of the present frame."""

    name = "scene_graph"

    def _put(self, move: Move, beliefs: Beliefs, names: dict[str, int]) -> Action | None:
        target = names[move.target]
        if move.verb == "cover":
            return Action(0, "cover", target, names[move.condition.arguments[0]])
        if move.verb != "place_at":
            reference, *second = [names[name] for name in move.condition.arguments[1:]]
            return Action(0, move.verb, target, reference, second[0] if second else None)
        spot = where_to(move, beliefs, target)
        return None if spot is None else Action(0, "place_at", target, position=(*spot, 0.0))


def where_to(move: Move, beliefs: Beliefs, target: int) -> tuple[float, float] | None:
    """A free spot on the table that does what the item asks, by the present frame."""
    condition = move.condition
    if condition.name == "at":
        return condition.position
    spots = table_grid(beliefs, target)
    start = beliefs.centre(target)
    if condition.name == "moved" and start is not None:
        x, y = AXES[condition.direction]
        along = (spots[:, 0] - start[0]) * x + (spots[:, 1] - start[1]) * y
        spots = spots[along >= condition.distance + 0.02]
    return free_spot(beliefs, target, keep=spots)
