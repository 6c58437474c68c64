"""Perception: from a frame to labelled regions. Simulator masks, a classical segmenter, models, recorded frames.

Names are loaded when first used.
"""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.scene.perception.catalogue": ("Catalogue", "Colour", "Form", "Part"),
        "edgewise.scene.perception.classical": ("ClassicalSegmenter",),
        "edgewise.scene.perception.frames": ("RecordedFrames", "write_frames"),
        "edgewise.scene.perception.models": ("ModelSegmenter", "SamBoxes", "TransformersMasks"),
        "edgewise.scene.perception.noise": ("SensorNoise",),
        "edgewise.scene.perception.simulated": ("SimulatorMasks",),
        "edgewise.scene.perception.types": ("Perception",),
    }
)
