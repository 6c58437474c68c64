"""Scene: object memory that survives occlusion, and worlds to test it in (RoboStream)."""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.scene.memory": ("Memory",),
        "edgewise.scene.config": ("MemoryConfig",),
        "edgewise.scene.types": ("Action", "Camera", "Detection", "Event", "Observation", "RobotState", "Segmentation"),
    }
)
