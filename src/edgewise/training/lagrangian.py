"""Multipliers of tolerant constraints on several losses (arXiv 2604.00979, "tolerant constrained Lagrangian").

Minimise sum_d w_d l_d subject to l_d - target_d <= tolerance_d. The Lagrangian is sum_d (w_d + lambda_d) l_d less
constants: a policy descends on it, and its multipliers ascend on averaged violations, held between 0 and a ceiling.
Inside its tolerance a dimension's multiplier falls back to 0, so that it only weighs what its owners gave it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from edgewise.core.errors import BadInput
from edgewise.core.records import Record


class Constraint(Record):
    """One dimension's part of the objective.

    Attributes:
        weight: w, at least 0.
        target: Loss that is asked for, in nats: what training on this dimension alone reaches, or a share of log 2.
        tolerance: By how many nats the loss may be above the target.
    """

    weight: float = Field(default=1.0, ge=0)
    target: float = 0.0
    tolerance: float = Field(default=0.5, ge=0)


class Controller(Record):
    """How multipliers follow violations.

    Attributes:
        rule: ``ascent`` adds rate x violation; ``log`` multiplies by exp(rate x violation), so that a multiplier never
            quite reaches 0; ``pid`` is Stooke, Achiam and Abbeel 2020, algorithm 2: proportional to the violation, to
            its sum and to its rise.
        rate: Of ``ascent`` and ``log``; gain of the sum in ``pid``.
        proportional, derivative: Further gains of ``pid``.
        average: Weight of the past in the averaged loss.
        warmup: Updates that only average.
        every: Multipliers move at every so-many-th update.
        ceiling: Largest multiplier.
        normalise: Whether effective weights are divided by their sum, so that the step size does not grow with them.
    """

    SCHEMA: ClassVar[str] = "controller/1"
    rule: Literal["ascent", "log", "pid"] = "ascent"
    rate: float = Field(default=0.1, gt=0)
    proportional: float = Field(default=0.0, ge=0)
    derivative: float = Field(default=0.0, ge=0)
    average: float = Field(default=0.9, ge=0, lt=1)
    warmup: int = Field(default=0, ge=0)
    every: int = Field(default=1, ge=1)
    ceiling: float = Field(default=10.0, gt=0)
    normalise: bool = True

    @model_validator(mode="after")
    def _gains_used(self) -> Self:
        if self.rule != "pid" and (self.proportional or self.derivative):
            raise ValueError("proportional and derivative gains belong to the rule pid")
        return self


_LEAST = 1e-4  # multiplier that the rule ``log`` starts with and cannot fall below


class Multipliers:
    """The dual variables of a training run.

    Args:
        constraints: By dimension.
        controller: How they move.
    """

    def __init__(self, constraints: Mapping[str, Constraint], controller: Controller | None = None) -> None:
        if not constraints:
            raise BadInput("there is no dimension to constrain", field="constraints")
        if not any(c.weight for c in constraints.values()):
            raise BadInput("all weights are 0: there is nothing to minimise", field="weight")
        self.constraints = dict(constraints)
        self.controller = controller or Controller()
        start = _LEAST if self.controller.rule == "log" else 0.0
        self._value = dict.fromkeys(self.constraints, start)
        self._sum = dict.fromkeys(self.constraints, 0.0)
        self._last: dict[str, float | None] = dict.fromkeys(self.constraints)
        self._average: dict[str, float | None] = dict.fromkeys(self.constraints)
        self._updates = 0

    @property
    def values(self) -> dict[str, float]:
        """The multipliers."""
        return dict(self._value)

    @property
    def violations(self) -> dict[str, float | None]:
        """Averaged loss less target and tolerance; ``None`` before a dimension was seen."""
        return {
            name: None if (mean := self._average[name]) is None else mean - c.target - c.tolerance
            for name, c in self.constraints.items()
        }

    @property
    def weights(self) -> dict[str, float]:
        """What each dimension's loss is multiplied by: w + lambda, divided by the sum if so asked."""
        found = {name: c.weight + self._value[name] for name, c in self.constraints.items()}
        total = sum(found.values()) if self.controller.normalise else 1.0
        return {name: value / total for name, value in found.items()}

    def update(self, losses: Mapping[str, float]) -> None:
        """Take a batch's mean losses by dimension; a dimension that the batch lacks keeps its average and multiplier.

        Raises:
            BadInput: A loss is not a number, or of an unknown dimension. Nothing is changed then.
        """
        for name, loss in losses.items():
            if name not in self.constraints:
                raise BadInput(f"there is no dimension {name!r}", field="losses")
            if not math.isfinite(loss):
                raise BadInput(f"the loss of {name} is {loss}", field="losses")
        self._updates += 1
        keep = self.controller.average
        for name, loss in losses.items():
            mean = self._average[name]
            self._average[name] = loss if mean is None else keep * mean + (1 - keep) * loss
        past = self._updates - self.controller.warmup
        if past <= 0 or past % self.controller.every:
            return
        for name, violation in self.violations.items():
            if name in losses and violation is not None:
                self._move(name, violation)

    def _move(self, name: str, violation: float) -> None:
        how = self.controller
        if how.rule == "log":
            raised = self._value[name] * math.exp(min(how.rate * violation, 50.0))
            self._value[name] = min(max(raised, _LEAST), how.ceiling)
            return
        if how.rule == "ascent":
            self._value[name] = min(max(self._value[name] + how.rate * violation, 0.0), how.ceiling)
            return
        # The sum is held to what the ceiling can use: a long violation must not take as long to be forgotten.
        self._sum[name] = min(max(self._sum[name] + how.rate * violation, 0.0), how.ceiling)
        last = self._last[name]
        rise = 0.0 if last is None else max(violation - last, 0.0)
        self._last[name] = violation
        raw = how.proportional * violation + self._sum[name] + how.derivative * rise
        self._value[name] = min(max(raw, 0.0), how.ceiling)

    def state(self) -> dict[str, Any]:
        """All that ``restore`` needs to go on exactly here, as JSON data."""
        return {
            "value": dict(self._value),
            "sum": dict(self._sum),
            "last": dict(self._last),
            "average": dict(self._average),
            "updates": self._updates,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state.

        Raises:
            BadInput: It is that of other dimensions.
        """
        if set(state["value"]) != set(self.constraints):
            raise BadInput(
                f"the state is of {', '.join(sorted(state['value']))}, not of {', '.join(sorted(self.constraints))}",
                field="multipliers",
            )
        self._value, self._sum = dict(state["value"]), dict(state["sum"])
        self._last, self._average = dict(state["last"]), dict(state["average"])
        self._updates = int(state["updates"])
