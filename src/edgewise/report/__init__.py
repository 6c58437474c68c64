"""The report: one self-contained page per run, the same in a terminal, and a live view while a run goes on."""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.report.html": ("render_comparison", "render_report", "write_report"),
        "edgewise.report.server": ("serve",),
        "edgewise.report.terminal": ("print_comparison", "print_profile"),
        "edgewise.report.view": ("ReportView", "build_view"),
    }
)
