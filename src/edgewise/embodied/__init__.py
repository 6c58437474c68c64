"""Embodied: tasks at a table that need object memory, planners, the memory ladder, memory scored against the truth."""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.embodied.play": ("Arm", "Setting", "play"),
        "edgewise.embodied.job": ("EmbodiedConfig", "run_suite"),
        "edgewise.embodied.tasks.suites": ("TASKS", "find_task", "suite"),
        "edgewise.embodied.planners.language": ("LanguagePlanner",),
        "edgewise.embodied.types": ("Directive", "Goal", "Planner"),
    }
)
