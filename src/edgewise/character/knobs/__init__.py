"""PersonaKnob: preference data with a compositional partial order of persona dimensions (arXiv 2604.00979)."""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.character.knobs.compose": ("Composer",),
        "edgewise.character.knobs.dataset": ("acceptable", "load", "load_records"),
        "edgewise.character.knobs.grammar": ("Family", "load_families"),
        "edgewise.character.knobs.job": ("KnobsConfig", "generate"),
        "edgewise.character.knobs.lattice": ("covers", "maxima", "relate", "settings"),
        "edgewise.character.knobs.types": ("KnobPair", "KnobRecord", "KnobResponse"),
    }
)
