"""Work that is done once in the life of a log: paid for, written down, and read back ever after."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from edgewise.core.errors import RunError
from edgewise.core.events import EventLog


class Memo:
    """Remembers results in an event log under (kind, key)."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self._in_flight: dict[tuple[str, str], asyncio.Future[dict[str, Any]]] = {}

    async def once(
        self, key: str, compute: Callable[[], Awaitable[dict[str, Any]]], *, kind: str = "unit"
    ) -> dict[str, Any]:
        """The remembered result for ``key``, or that of ``compute``, durable before it is returned.

        Concurrent callers with one key share one computation. An exception is not remembered. The result must be a
        JSON object; what a fresh caller gets has been through JSON, so that a resumed one gets the same.
        """
        known = self.log.get(kind, key)
        if known is not None:
            return known
        running = self._in_flight.get((kind, key))
        if running is not None:
            return await asyncio.shield(running)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._in_flight[kind, key] = future
        try:
            result: dict[str, Any] = orjson.loads(orjson.dumps(await compute()))
            await self.log.put(kind, result, key)
            future.set_result(result)
            return result
        except BaseException as error:
            future.set_exception(error if isinstance(error, Exception) else RunError(f"interrupted ({error!r})"))
            future.exception()  # mark as retrieved: nobody may be waiting
            raise
        finally:
            del self._in_flight[kind, key]
