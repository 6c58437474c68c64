"""Ranking models and items by who solved what; and the competence instrument, whose responses it reads.

Names are loaded when first used.
"""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.ranking.competence": ("Competence",),
        "edgewise.ranking.incremental": ("Incremental",),
        "edgewise.ranking.matrix": ("ResponseMatrix",),
        "edgewise.ranking.methods": ("METHODS", "Options"),
        "edgewise.ranking.readers": ("read_responses",),
        "edgewise.ranking.streaming": ("rankllm_parquet",),
        "edgewise.ranking.ranker": ("Comparison", "Ranking", "compare_methods", "rank"),
        "edgewise.ranking.uncertainty": ("stability",),
    }
)
