"""Probing: a budgeted tree search for questions that a model fails, and the failure modes behind them (ProbeLLM).

Names are loaded when first used.
"""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.probing.instrument": ("Probing", "ProbingConfig"),
        "edgewise.probing.modes.confirm": ("confirm_modes",),
        "edgewise.probing.modes.find": ("find_modes",),
        "edgewise.probing.probe": ("Probe", "probe"),
        "edgewise.probing.search.policies": ("POLICIES", "Search", "find_policy"),
        "edgewise.probing.search.runner": ("Step", "Trail", "explore"),
        "edgewise.probing.targets": ("ModelTarget", "PlantedModel", "PlantedTarget", "Replay", "Rule"),
        "edgewise.probing.tools.bench": ("Workbench",),
        "edgewise.probing.tools.edits": ("RuleEdits",),
        "edgewise.probing.types": ("Case", "Mode", "Outcome"),
        "edgewise.probing.worlds.families": ("Families",),
        "edgewise.probing.worlds.planted": ("Planted",),
        "edgewise.probing.worlds.pool": ("Pool",),
        "edgewise.probing.worlds.reading": ("read_questions",),
    }
)
