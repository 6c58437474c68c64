"""Society: games that show what a group of agents does and no single one would, with indicators, probes, mitigations.

Names are loaded when first used.
"""

from __future__ import annotations

from edgewise.core.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    {
        "edgewise.society.agents.base": ("Agent", "RuleAgent"),
        "edgewise.society.agents.chat": ("ChatAgent",),
        "edgewise.society.engine": ("Session", "play", "play_async"),
        "edgewise.society.instrument": ("Society",),
        "edgewise.society.scenario": ("Scenario",),
        "edgewise.society.scenarios": ("SCENARIOS", "find_scenario"),
        "edgewise.society.types": ("Episode", "Move", "Observation"),
    }
)
