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

    def shortfall(self, cost: Cost) -> list[str]:
        """Which limits an estimated examination would pass, in words; made before the first call."""
        tokens = cost.input_tokens + cost.output_tokens
        found = []
        if self.calls is not None and cost.calls > self.calls:
            found.append(f"up to {cost.calls} calls are planned, the budget has {self.calls}")
        if self.tokens is not None and tokens > self.tokens:
            found.append(f"up to {tokens} tokens are planned, the budget has {self.tokens}")
        return found


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

    def reserve(self, input_tokens: int, output_tokens: int) -> Reservation:
        """Set aside one request.

        Raises:
            BudgetExhausted: It could overrun a limit. Nothing was set aside.
        """
        problem = self._problem(input_tokens, output_tokens)
        if problem is not None:
            self.refused += 1
            raise BudgetExhausted(problem)
        self._calls += 1
        self._held_input += input_tokens
        self._held_output += output_tokens
        return Reservation(input_tokens, output_tokens)

    def _problem(self, input_tokens: int, output_tokens: int) -> str | None:
        """Which limit the next request could overrun, in words."""
        limits = self.limits
        if limits.calls is not None and self._calls + 1 > limits.calls:
            return f"the budget of {limits.calls} calls is spent"
        into = self._input + self._held_input + input_tokens
        out = self._output + self._held_output + output_tokens
        if limits.tokens is not None and into + out > limits.tokens:
            spent = self._input + self._output
            return (
                f"the next call may need {input_tokens + output_tokens} tokens; "
                f"{spent} of {limits.tokens} are spent and {self._held_input + self._held_output} set aside"
            )
        if limits.cost is not None and self.prices is not None and self.prices.cost(into, out) > limits.cost:
            return f"the next call could pass the budget of ${limits.cost:g}"
        left = self.seconds_left
        if left is not None and left <= 0:
            return f"the budget of {limits.seconds:g} seconds is spent"
        return None

    def settle(self, held: Reservation, input_tokens: int, output_tokens: int) -> None:
        """Replace a reservation by what the request did cost."""
        self._held_input -= held.input_tokens
        self._held_output -= held.output_tokens
        self._input += input_tokens
        self._output += output_tokens

    def cost(self, input_tokens: int, output_tokens: int) -> float | None:
        """Price of a call in dollars, or ``None`` without prices."""
        return None if self.prices is None else self.prices.cost(input_tokens, output_tokens)
