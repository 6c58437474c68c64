"""Kinds of fault: which are worth another attempt, which were certainly not charged, and how long to wait."""

from __future__ import annotations

import random
from dataclasses import dataclass

from edgewise.core.errors import ModelFault

# Worth another attempt.
RETRIED = frozenset({"rate_limit", "timeout", "connection", "server", "malformed", "empty"})
# The server said no before doing any work, so nothing was charged. After all others it may have been.
REFUSED = frozenset({"rate_limit", "auth", "bad_request", "context", "not_recorded", "unreachable"})
# No other call will fare better.
FATAL = frozenset({"auth"})

_BY_STATUS = {401: "auth", 403: "auth", 408: "timeout", 409: "server", 425: "server", 429: "rate_limit"}


def kind_of_status(status: int) -> str:
    """Kind of fault that an HTTP status stands for."""
    return _BY_STATUS.get(status, "server" if status >= 500 else "bad_request")


@dataclass(frozen=True)
class Retry:
    """When to try again: exponential backoff with full jitter, or as long as the server asks.

    Attributes:
        attempts: Requests per call, the first one included.
        base: Upper end of the first wait, in seconds; it doubles each time.
        cap: Longest wait, in seconds. A server that asks for more is not tried again.
    """

    attempts: int = 5
    base: float = 0.5
    cap: float = 60.0

    def wait(self, fault: ModelFault, attempt: int) -> float | None:
        """Seconds to wait after attempt number ``attempt`` (from 1), or ``None`` to give up."""
        if fault.kind not in RETRIED or attempt >= self.attempts:
            return None
        if fault.retry_after is not None:
            return fault.retry_after if fault.retry_after <= self.cap else None
        return random.uniform(0, min(self.cap, self.base * 2 ** (attempt - 1)))


class Breaker:
    """Stops asking a model that no longer answers, so that a dead server does not cost hours of patience."""

    def __init__(self, threshold: int = 20) -> None:
        self.threshold = threshold
        self._in_a_row = 0
        self._last: ModelFault | None = None

    def check(self) -> None:
        """Raise a fault of kind ``unreachable`` if the model is given up on."""
        if self._last is None:
            return
        if self._last.kind in FATAL or self._in_a_row >= self.threshold:
            raise ModelFault(
                f"not asked: the model is given up on after {self._in_a_row} calls in a row without an answer "
                f"(last: {self._last.message})",
                kind="unreachable",
                attempts=0,
                where=self._last.where,
            )

    def answered(self) -> None:
        """A call was answered."""
        self._in_a_row, self._last = 0, None

    def failed(self, fault: ModelFault) -> None:
        """A call ended in a fault that says something about the model rather than about the call."""
        if fault.kind not in {"bad_request", "context", "not_recorded", "unreachable"}:
            self._in_a_row, self._last = self._in_a_row + 1, fault
