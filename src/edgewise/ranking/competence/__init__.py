"""The competence instrument: verifiable questions, and how an answer stands up.

Names are loaded when first used.
"""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.ranking.competence.instrument": ("Competence",),
        "edgewise.ranking.competence.items": ("ItemSet", "draw_items"),
        "edgewise.ranking.competence.table": ("read_items", "read_rows"),
        "edgewise.ranking.competence.types": ("CompetenceConfig", "ResponseRow"),
    }
)
