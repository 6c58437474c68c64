"""Scan of the logs of multi-agent systems: which signs of a group's risks are in them, and in which rows.

Names are loaded when first used.
"""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.society.scan.readers": ("FORMATS", "read_traces"),
        "edgewise.society.scan.report": ("build_section",),
        "edgewise.society.scan.result": ("Scan", "scan"),
        "edgewise.society.scan.trace": ("Problem", "Said", "Trace"),
    }
)
