"""Many-facet Rasch measurement: what a model can do, apart from who judged it and on what."""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.character.facets.job": ("measure_files",),
        "edgewise.character.facets.bias": ("bias_tests",),
        "edgewise.character.facets.measure": ("FacetFit", "judge_rest_correlation", "measure", "reliability"),
        "edgewise.character.facets.pairwise": ("fit_pairs", "read_comparisons"),
        "edgewise.character.facets.planning": ("plan",),
        "edgewise.character.facets.ratings": ("read_ratings",),
        "edgewise.character.facets.simulate": ("Truth", "draw_ratings"),
        "edgewise.character.facets.types": ("FacetsConfig", "Ratings"),
    }
)
