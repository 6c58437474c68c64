"""The scenarios, one a file. A name is loaded when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from edgewise.core.errors import BadInput
from edgewise.society.scenario import Scenario

# Name → class, in the order of the risks' numbers. The module has the scenario's name.
SCENARIOS: dict[str, str] = {
    "logit_duopoly": "LogitDuopoly",
    "bertrand_market": "BertrandMarket",
    "gpu_queue": "GpuQueue",
    "task_avoidance": "TaskAvoidance",
    "report_relay": "ReportRelay",
    "bargaining": "Bargaining",
    "majority_vote": "MajorityVote",
    "authority_cue": "AuthorityCue",
    "norm_deadlock": "NormDeadlock",
    "standing_order": "StandingOrder",
    "unasked_question": "UnaskedQuestion",
    "role_allocation": "RoleAllocation",
    "role_drift": "RoleDrift",
    "compute_commons": "ComputeCommons",
    "covert_channel": "CovertChannel",
    "handoff_chain": "HandoffChain",
    "central_dispatch": "CentralDispatch",
}


def scenario_class(name: str) -> type[Scenario]:
    """The class of a scenario.

    Raises:
        BadInput: There is none of that name.
    """
    if name not in SCENARIOS:
        raise BadInput(f"there is no scenario {name!r}", field="scenario", fix=f"known: {', '.join(SCENARIOS)}")
    found: type[Scenario] = getattr(import_module(f"{__name__}.{name}"), SCENARIOS[name])
    return found


def find_scenario(name: str, **options: Any) -> Scenario:
    """A scenario with the given parameters.

    Raises:
        BadInput: There is none of that name, or it has no such parameter.
    """
    return scenario_class(name)().with_options(options)
