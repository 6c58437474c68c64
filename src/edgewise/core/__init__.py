"""Floor 0: records, runs, errors and fan-out. Everything else stands on this.

Names are loaded when first used, so that ``import edgewise`` stays quick.
"""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.core.errors": (
            "BadInput", "BudgetExhausted", "CorruptRecord", "EdgewiseError", "MissingExtra", "ModelFault", "RunError",
            "RunLocked", "Unsupported",
        ),
        "edgewise.core.estimate": ("Estimate", "Measure", "NotMeasured"),
        "edgewise.core.instrument": (
            "Capability", "Control", "Cost", "Instrument", "InstrumentConfig", "Subject", "Treatment",
        ),
        "edgewise.core.profile": ("Change", "Comparison", "Evidence", "Panel", "Profile", "Turn", "Verdict"),
        "edgewise.core.run": ("Manifest", "Run"),
        "edgewise.core.section": ("Figure", "Section", "Table", "Text", "Transcript"),
    }
)  # fmt: skip
