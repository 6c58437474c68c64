"""The door itself: one path for every call, whatever answers it.

digest → the run's memory → cache → budget → a free connection → attempts with backoff → a durable record → the answer.
"""

from __future__ import annotations

import asyncio
import copy
import secrets
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from edgewise.core.errors import BudgetExhausted, ModelFault, Unsupported
from edgewise.core.instrument import Capability
from edgewise.core.memo import Memo
from edgewise.core.run import Run
from edgewise.models.budget import Budget, Reservation
from edgewise.models.cache import Cache
from edgewise.models.calls import Backend, Call
from edgewise.models.faults import REFUSED, Breaker, Retry
from edgewise.models.types import Prompt, Response, Scored, Settings, Usage, as_messages

A = TypeVar("A", Response, Scored)


class Model:
    """A model that can be asked. Made by ``open_model`` or ``scripted_model``.

    Attributes:
        name: Short name, as shown in reports.
        spec: What ``open_model`` was given.
        identity: Names the model in caches and runs: the spec, and the digest of local weights.
        role: What it is used as: ``target``, ``generator``, ``judge`` ...
        capabilities: What it can do.
        budget: Limits, and what was spent within them.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        name: str,
        spec: str,
        identity: str,
        role: str = "target",
        memo: Memo | None = None,
        cache: Cache | None = None,
        budget: Budget | None = None,
        max_connections: int = 8,
        timeout: float = 600.0,
        retry: Retry | None = None,
    ) -> None:
        self.name, self.spec, self.identity, self.role = name, spec, identity, role
        self.capabilities: frozenset[Capability] = backend.capabilities
        self.budget = budget or Budget()
        self._backend, self._memo, self._cache = backend, memo, cache
        self._gate = _Gate(max_connections)
        self._timeout, self._retry, self._breaker = timeout, retry or Retry(), Breaker()
        self._scope = ""
        if memo is not None:
            self._introduce(memo)

    def bind(self, run: Run) -> Model:
        """The same model, its calls remembered by ``run``: paid for once, however often the run is killed."""
        bound = copy.copy(self)
        bound._memo = run.memo
        bound._introduce(run.memo)
        return bound

    def _introduce(self, memo: Memo) -> None:
        """Write down who will answer, so that a recording says what it is a recording of."""
        known = memo.log.get("model", self.identity)
        if known is None:
            known = self.describe() | {"scope": secrets.token_hex(8)}
            memo.log.append("model", known, key=self.identity)
        self._scope = known["scope"]

    def describe(self) -> dict[str, Any]:
        """Name, spec, identity, role and capabilities as JSON data."""
        return {
            "name": self.name,
            "spec": self.spec,
            "identity": self.identity,
            "role": self.role,
            "capabilities": sorted(self.capabilities),
        }

    async def generate(self, prompt: Prompt, settings: Settings | None = None, *, sample: int = 0) -> Response:
        """Ask for an answer.

        Args:
            prompt: A string (one user message) or messages.
            settings: How to generate.
            sample: Number of the draw: calls that differ in nothing else are still different calls.

        Raises:
            ModelFault: There was no answer after all attempts.
            BudgetExhausted: The call could overrun the budget and was not made.
        """
        messages = as_messages(prompt)
        call = Call(messages=messages, settings=settings or Settings(), sample=sample, scope=self._scope)
        if any(m.images for m in call.messages) and Capability.VISION not in self.capabilities:
            raise Unsupported(f"{self.name} takes no pictures", fix="say --can text,vision if it does")
        return await self._answer(call, Response)

    async def score(self, prompt: Prompt, continuation: str) -> Scored:
        """Log-probability of a given answer to ``prompt``, token by token, in nats.

        Raises:
            Unsupported: The backend cannot score (the embedded model and ``hf/`` models can).
        """
        if Capability.SCORE not in self.capabilities:
            raise Unsupported(f"{self.name} cannot score a given text", fix="use `embedded` or an hf/ model")
        call = Call(kind="score", messages=as_messages(prompt), continuation=continuation, scope=self._scope)
        return await self._answer(call, Scored)

    async def _answer(self, call: Call, kind: type[A]) -> A:
        key = f"{self.identity}/{call.digest}"
        if self._memo is None:
            return kind.model_validate((await self._record(call, key))["response"])
        known = await self._memo.once(key, lambda: self._record(call, key), kind="call")
        return kind.model_validate(known["response"])

    async def _record(self, call: Call, key: str) -> dict[str, Any]:
        """The call and its answer as JSON data, from the cache or from the model."""
        record = {"model": self.name, "role": self.role, "request": call.request()}
        cached = None if self._cache is None else self._cache.get(key)
        if cached is not None:
            return record | {"response": cached, "usage": Usage(cached=1).counted()}
        usage = _Spending(self.budget)
        try:
            answer = await self._attempt(call, key, usage)
        except ModelFault as fault:
            self._breaker.failed(fault)
            if self._memo is not None:
                what = {"kind": fault.kind, "message": str(fault), "usage": usage.total.counted()}
                await self._memo.log.put("fault", record | what, key)
            raise
        self._breaker.answered()
        response = answer.model_dump(mode="json", exclude_defaults=True)
        if self._cache is not None:
            self._cache.put(key, response)
        return record | {"response": response, "usage": (usage.total + Usage(calls=1)).counted()}

    async def _attempt(self, call: Call, key: str, usage: _Spending) -> Response | Scored:
        attempt = 0
        while True:
            attempt += 1
            try:
                async with self._gate.slot():
                    self._breaker.check()
                    return await self._send(call, key, usage)
            except ModelFault as fault:
                wait = self._retry.wait(fault, attempt)
                if wait is None or self._over(wait):
                    fault.attempts = attempt if fault.attempts else attempt - 1
                    fault.where = fault.where or self.name
                    raise
            await asyncio.sleep(wait)

    def _over(self, wait: float) -> bool:
        left = self.budget.seconds_left
        return left is not None and wait >= left

    async def _send(self, call: Call, key: str, usage: _Spending) -> Response | Scored:
        """One request. What it may cost is set aside and noted down before it goes out."""
        while (held := usage.reserve(call)) is None:
            await asyncio.sleep(0.01)
        if self._memo is not None:
            self._memo.log.append("sent", {"call": key, **usage.held_as_data(held)}, durable=False)
        left = self.budget.seconds_left
        seconds = self._timeout if left is None else min(self._timeout, left)
        try:
            async with asyncio.timeout(seconds):
                if call.kind == "score":
                    answer: Response | Scored = await self._backend.score(call)
                else:
                    answer = await self._backend.generate(call)
        except TimeoutError:
            usage.settle(held, held.input_tokens, held.output_tokens)
            if left is not None and seconds == left:
                raise BudgetExhausted(f"the budget of {self.budget.limits.seconds:g} seconds is spent") from None
            raise ModelFault(f"no answer within {seconds:g} s", kind="timeout") from None
        except ModelFault as fault:
            refused = fault.kind in REFUSED
            usage.settle(held, *((0, 0) if refused else (held.input_tokens, held.output_tokens)))
            raise
        except BaseException:
            usage.settle(held, held.input_tokens, held.output_tokens)
            raise
        usage.settle(held, *_tokens(answer, held))
        return answer

    def close(self) -> None:
        """Release the backend."""
        self._backend.close()


def _tokens(answer: Response | Scored, held: Reservation) -> tuple[int, int]:
    if isinstance(answer, Scored):
        return held.input_tokens, 0
    if not answer.input_tokens:  # the backend does not count; every prompt has a token
        return held.input_tokens, held.output_tokens
    return answer.input_tokens, answer.output_tokens


class _Spending:
    """What one call has cost so far, over its attempts."""

    def __init__(self, budget: Budget) -> None:
        self.budget, self.total = budget, Usage()

    def reserve(self, call: Call) -> Reservation | None:
        return self.budget.reserve(call.input_bound, 0 if call.kind == "score" else call.settings.max_tokens)

    def held_as_data(self, held: Reservation) -> dict[str, Any]:
        data: dict[str, Any] = {"input": held.input_tokens, "output": held.output_tokens}
        cost = self.budget.cost(held.input_tokens, held.output_tokens)
        return data if cost is None else data | {"cost": cost}

    def settle(self, held: Reservation, input_tokens: int, output_tokens: int) -> None:
        self.budget.settle(held, input_tokens, output_tokens)
        self.total += Usage(
            attempts=1,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost=self.budget.cost(input_tokens, output_tokens),
        )


class _Gate:
    """At most so many requests in flight. A semaphore belongs to one event loop; a model may be used from several."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    def slot(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        if loop not in self._slots:
            self._slots[loop] = asyncio.Semaphore(self.limit)
        return self._slots[loop]
