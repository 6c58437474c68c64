"""The embedded model: SmolLM2-135M-Instruct, on two CPU cores, without network or key."""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.models.embedded.engine": ("EmbeddedBackend",),
        "edgewise.models.embedded.scorer": ("TorchScorer",),
        "edgewise.models.embedded.weights": ("cache_folder", "embedded_available", "load_torch_model"),
    }
)
