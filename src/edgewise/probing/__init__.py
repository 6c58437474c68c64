"""Probing: a budgeted tree search for questions that a model fails, and the failure modes behind them.

Names are loaded when first used. The command, the report and the regression pack are not built yet.
"""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.probing.families": ("Families",),
        "edgewise.probing.modes": ("confirm_modes", "find_modes"),
        "edgewise.probing.policies": ("POLICIES", "Search", "find_policy"),
        "edgewise.probing.runner": ("explore",),
        "edgewise.probing.targets": ("ModelTarget", "Replay"),
        "edgewise.probing.types": ("Case", "Mode"),
        "edgewise.probing.worlds": ("Planted", "Pool"),
    }
)
