"""Many calls at a time, with faults as values."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from edgewise.core.errors import BadInput, BudgetExhausted, ModelFault

T = TypeVar("T")


async def gather_calls(
    jobs: Sequence[Callable[[], Awaitable[T]]],
    *,
    limit: int = 8,
    progress: Callable[[int, int], None] | None = None,
) -> list[T | ModelFault | BudgetExhausted]:
    """Run ``jobs``, at most ``limit`` at a time, and return what each yielded, in order.

    A fault of the model or an exhausted budget is a value in the list; any other exception stops everything and is
    raised. Memory grows with the results, not with the number of jobs in flight.

    Args:
        jobs: Functions without arguments that start a call.
        progress: Called with (done, total) after each.
    """
    if limit < 1:
        raise BadInput("at least one call must be allowed at a time", field="limit")
    results: list[T | ModelFault | BudgetExhausted | None] = [None] * len(jobs)
    numbered = iter(enumerate(jobs))
    done = 0

    async def work() -> None:
        nonlocal done
        for i, job in numbered:
            try:
                results[i] = await job()
            except (ModelFault, BudgetExhausted) as missing:
                results[i] = missing
            done += 1
            if progress is not None:
                progress(done, len(jobs))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(limit, len(jobs))):
                group.create_task(work())
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    return results  # type: ignore[return-value]  # every place is filled: no worker ended early


def within_budget(results: Sequence[T | ModelFault | BudgetExhausted]) -> list[T | ModelFault]:
    """The results, unless the budget ran out among them.

    Raises:
        BudgetExhausted: It did.
    """
    found: list[T | ModelFault] = []
    for result in results:
        if isinstance(result, BudgetExhausted):
            raise result
        found.append(result)
    return found
