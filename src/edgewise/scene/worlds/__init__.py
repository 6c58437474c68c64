"""Simulated tables with things, a camera, a gripper and somebody else's hand; what is true of them is known.

Names are loaded when first used.
"""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.scene.worlds.spec": ("STILL", "Randomisation", "Thing", "WorldSpec"),
        "edgewise.scene.worlds.world": ("World",),
        "edgewise.scene.worlds.hand": ("Carry",),
        "edgewise.scene.worlds.truth": ("Truth", "TruthEvent", "TruthLog"),
        "edgewise.scene.worlds.render": ("gl_problem",),
    }
)
