"""Planners by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgewise.core.errors import BadInput
from edgewise.embodied.planners.language import LanguagePlanner
from edgewise.embodied.planners.scene_graph import SceneGraphPlanner
from edgewise.embodied.planners.symbolic import SymbolicPlanner
from edgewise.embodied.planners.value_map import ValueMapPlanner
from edgewise.embodied.types import Planner
from edgewise.models.door import Model

# The oracle is the symbolic planner; what makes it one is its memory, which looks into the simulator.
PLANNERS: Mapping[str, Callable[[], Planner]] = {
    "symbolic": SymbolicPlanner,
    "oracle": SymbolicPlanner,
    "scene_graph": SceneGraphPlanner,
    "value_map": ValueMapPlanner,
}


def find_planner(name: str, model: Model | None = None) -> Planner:
    """A fresh planner: one of ``PLANNERS``, or a language planner that asks ``model``.

    Raises:
        BadInput: There is no such planner, and no model.
    """
    if name in PLANNERS:
        return PLANNERS[name]()
    if model is None:
        known = ", ".join(PLANNERS)
        raise BadInput(f"there is no planner {name!r}", field="planner", fix=f"there are: {known}; or name a model")
    return LanguagePlanner(model)
