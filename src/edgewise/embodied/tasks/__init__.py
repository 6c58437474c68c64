"""Tasks of the embodied room."""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.embodied.tasks.suites": ("SUITES", "TASKS", "find_task", "suite"),
        "edgewise.embodied.tasks.types": ("Exchange", "Intervention", "Scenario", "Task"),
        "edgewise.embodied.tasks.referee": ("Referee",),
        "edgewise.embodied.tasks.predicates": ("Progress", "final_conditions", "holds"),
    }
)
