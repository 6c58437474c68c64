"""Persona dimensions (arXiv 2604.00979): checkers, PersonaKnob, the check-up's panel, and ratings apart from raters."""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.character.checkers": ("CHECKERS", "Facts"),
        "edgewise.character.dimensions": ("Dimension", "load_dimensions"),
        "edgewise.character.instrument": ("Character",),
        "edgewise.character.types": ("CharacterConfig",),
    }
)
