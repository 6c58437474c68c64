"""Training: one policy, several objectives, none of which may fall."""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.training.lagrangian": ("Constraint", "Controller", "Multipliers"),
        "edgewise.training.tabular": ("PreferenceStrata", "minimise", "train"),
    }
)
