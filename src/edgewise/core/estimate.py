"""An estimate with its interval, and the honest absence of one."""

from __future__ import annotations

import math
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from edgewise.core.records import Record


class Estimate(Record):
    """A measured value with its interval.

    Attributes:
        value: Point estimate.
        low: Lower end of the interval.
        high: Upper end of the interval.
        n: Number of independent units (items, clusters) behind the value.
        method: How the interval was made, e.g. ``"wilson"`` or ``"BCa bootstrap, 2000 replicates"``.
        level: Coverage of the interval, 0.95 unless said.
    """

    value: float
    low: float
    high: float
    n: int = Field(ge=0)
    method: str
    level: float = Field(default=0.95, gt=0, lt=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"interval [{self.low}, {self.high}] does not contain the value {self.value}")
        return self

    @property
    def measured(self) -> Literal[True]:
        """Always true; ``NotMeasured`` says false."""
        return True

    def minus(self, other: Estimate) -> Estimate:
        """Difference of two independent estimates, interval by variance recovery.

        The limits are recovered from the two intervals (MOVER: Zou and Donner 2008, eq. 3; for proportions with Wilson
        intervals this is Newcombe 1998, method 10). For positively correlated estimates, such as two models on the
        same items, the interval is too wide, never too narrow.
        """
        value = self.value - other.value
        low = value - math.hypot(self.value - self.low, other.high - other.value)
        high = value + math.hypot(self.high - self.value, other.value - other.low)
        n = min(self.n, other.n)
        return Estimate(value=value, low=low, high=high, n=n, method="MOVER", level=min(self.level, other.level))

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] n={self.n}"


class NotMeasured(Record):
    """A dimension that was not measured, and why. Its JSON has the shape of an ``Estimate`` with null numbers."""

    value: None = None
    low: None = None
    high: None = None
    n: Literal[0] = 0
    reason: str

    @property
    def measured(self) -> Literal[False]:
        """Always false; ``Estimate`` says true."""
        return False

    def __str__(self) -> str:
        return f"not measured: {self.reason}"


Measure = Estimate | NotMeasured


def from_interval(value: float, interval: tuple[float, float] | Any, n: int, method: str) -> Measure:
    """An ``Estimate``, or ``NotMeasured`` where there was nothing to estimate from (``n == 0`` or a NaN)."""
    low, high = float(interval[0]), float(interval[1])
    if n == 0 or not all(math.isfinite(x) for x in (value, low, high)):
        return NotMeasured(reason="no usable observations" if n == 0 else f"undefined on {n} observations")
    # Rounding may leave the value an ulp outside its own interval.
    return Estimate(value=value, low=min(low, value), high=max(high, value), n=n, method=method)
