"""Hard budgets: what a call could cost at most is set aside before it is made, so no limit is ever overrun."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Self

from pydantic import Field

from edgewise.core.errors import BadInput, BudgetExhausted
from edgewise.core.instrument import Cost
from edgewise.core.records import Record
from edgewise.models.types import Usage


class Prices(Record):
    """Prices in US dollars per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """Price of a call, in dollars."""
        return (input_tokens * self.input + output_tokens * self.output) / 1e6


class Limits(Record):
    """Hard limits; ``None`` is no limit.

    Attributes:
        calls: Requests sent, retries included.
        tokens: Input and output tokens together.
        cost: US dollars; needs prices.
        seconds: Wall time from the opening of the budget.
    """

    calls: int | None = Field(default=None, ge=0)
    tokens: int | None = Field(default=None, ge=0)
    cost: float | None = Field(default=None, ge=0)
    seconds: float | None = Field(default=None, ge=0)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``"calls=200,tokens=1e5,cost=2.50,seconds=300"``.

        Raises:
            BadInput: An unknown limit, or a value that is not a non-negative number.
        """
        found: dict[str, float] = {}
        for part in filter(None, (p.strip() for p in text.split(","))):
            name, _, value = part.partition("=")
            if name not in cls.model_fields:
                raise BadInput(f"unknown limit {name!r}", field="--budget", fix="calls=, tokens=, cost= or seconds=")
            try:
                found[name] = float(value)
            except ValueError:
                raise BadInput(f"{value!r} is not a number", field=f"--budget {name}") from None
            if not 0 <= found[name] < float("inf"):
                raise BadInput(f"{value!r} is not a non-negative number", field=f"--budget {name}")
        whole = {k: int(v) if k in ("calls", "tokens") else v for k, v in found.items()}
        return cls.model_validate(whole)

    def shortfall(self, plan: Cost, cost: float | None = None) -> list[str]:
        """Which limits an estimated examination would pass, in words; made before the first call.

        Args:
            plan: Upper estimate of calls and tokens.
            cost: Its price in dollars, if known.
        """
        planned = {"calls": plan.calls, "tokens": plan.input_tokens + plan.output_tokens, "cost": cost}
        limits = {"calls": self.calls, "tokens": self.tokens, "cost": self.cost}
        return [
            f"up to {planned[name]:,} {name} are planned, the budget has {limit:,}"
            for name, limit in limits.items()
            if limit is not None and (planned[name] or 0) > limit
        ]


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one request may cost at most."""

    input_tokens: int
    output_tokens: int


class Budget:
    """Keeps limits over everything that is asked through it; share one among several models to share the limits.

    ``reserve`` before a request, then ``settle`` with what it did cost: nothing where it was refused, its full
    reservation where it may have been charged although no answer came (a time-out).

    Attributes:
        limits: The limits kept.
        prices: What tokens cost, if known.
        refused: Number of requests that were not made.
    """

    def __init__(self, limits: Limits | None = None, prices: Prices | None = None) -> None:
        self.limits, self.prices = limits or Limits(), prices
        if self.limits.cost is not None and prices is None:
            raise BadInput("a cost limit needs prices", field="--budget cost", fix="give --price IN,OUT per 1e6 tokens")
        self.refused = 0
        self._started = time.monotonic()
        self._calls = 0
        self._input = self._output = 0
        self._held_input = self._held_output = 0

    def charge(self, usage: Usage) -> None:
        """Count what was spent earlier, e.g. before a run was resumed."""
        self._calls += usage.attempts
        self._input += usage.input_tokens
        self._output += usage.output_tokens

    @property
    def spent(self) -> Usage:
        """What was spent within this budget: requests sent, tokens, dollars."""
        return Usage(
            attempts=self._calls,
            input_tokens=self._input,
            output_tokens=self._output,
            cost=self.cost(self._input, self._output),
        )

    @property
    def seconds_left(self) -> float | None:
        """Wall time left, or ``None`` where it is not limited."""
        if self.limits.seconds is None:
            return None
        return self.limits.seconds - (time.monotonic() - self._started)

    def reserve(self, input_tokens: int, output_tokens: int) -> Reservation | None:
        """Set aside one request, or ``None`` where requests in flight must be settled first to know whether it fits.

        Raises:
            BudgetExhausted: It could overrun a limit. Nothing was set aside.
        """
        problem = self._problem(input_tokens, output_tokens)
        if problem is not None:
            self.refused += 1
            raise BudgetExhausted(problem)
        if not self._fits(self._held_input + input_tokens, self._held_output + output_tokens):
            return None
        self._calls += 1
        self._held_input += input_tokens
        self._held_output += output_tokens
        return Reservation(input_tokens, output_tokens)

    def _problem(self, input_tokens: int, output_tokens: int) -> str | None:
        """Which limit the next request could overrun even if those in flight turned out to cost nothing."""
        limits, left = self.limits, self.seconds_left
        if limits.calls is not None and self._calls + 1 > limits.calls:
            return f"the budget of {limits.calls} calls is spent"
        if left is not None and left <= 0:
            return f"the budget of {limits.seconds:g} seconds is spent"
        if self._fits(input_tokens, output_tokens):
            return None
        kept = [f"{limits.tokens} tokens"] if limits.tokens is not None else []
        kept += [f"${limits.cost:g}"] if limits.cost is not None else []
        spent = self._input + self._output
        need = input_tokens + output_tokens
        return f"{spent} tokens are spent, the next call may need {need}, the budget is {' and '.join(kept)}"

    def _fits(self, input_tokens: int, output_tokens: int) -> bool:
        into, out = self._input + input_tokens, self._output + output_tokens
        if self.limits.tokens is not None and into + out > self.limits.tokens:
            return False
        return self.limits.cost is None or self.prices is None or self.prices.cost(into, out) <= self.limits.cost

    def settle(self, held: Reservation, input_tokens: int, output_tokens: int) -> None:
        """Replace a reservation by what the request did cost."""
        self._held_input -= held.input_tokens
        self._held_output -= held.output_tokens
        self._input += input_tokens
        self._output += output_tokens

    def cost(self, input_tokens: int, output_tokens: int) -> float | None:
        """Price of a call in dollars, or ``None`` without prices."""
        return None if self.prices is None else self.prices.cost(input_tokens, output_tokens)
