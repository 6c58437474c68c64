"""Ranking: the competence instrument, whose response table `edgewise rank` reads.

Names are loaded when first used.
"""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.ranking.families": ("FAMILIES", "Family"),
        "edgewise.ranking.instrument": ("Competence",),
        "edgewise.ranking.items": ("ItemSet", "draw_items"),
        "edgewise.ranking.table": ("read_items", "read_rows"),
        "edgewise.ranking.types": ("CompetenceConfig", "Item", "ResponseRow"),
    }
)
