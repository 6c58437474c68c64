"""Loopholes: what a model learns to exploit, and how to know before training (the vulnerability games)."""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.loopholes.types": ("Environment", "Grade", "Task"),
        "edgewise.loopholes.tokens.games": ("token_game",),
        "edgewise.loopholes.text.games": ("text_game",),
        "edgewise.loopholes.audit.result": ("AuditConfig",),
        "edgewise.loopholes.monitor.monitor": ("Monitor", "MonitorConfig"),
        "edgewise.loopholes.study.job": ("StudyConfig",),
    }
)
