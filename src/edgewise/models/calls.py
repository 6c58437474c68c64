"""A call to a model as a record: what was asked, and the digest that names it."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any, Literal, Protocol

import orjson

from edgewise.core.instrument import Capability
from edgewise.core.records import Record
from edgewise.models.types import Message, Response, Scored, Settings


class Call(Record):
    """One request, independent of which model answers it.

    Attributes:
        kind: ``generate`` or ``score``.
        sample: Which of several draws with the same settings this is.
        continuation: The text to score, for ``score``.
        scope: Names the run that asks, so that a request sent again after a crash is known to be the same one, and
            that of another run is not. No part of the digest.
    """

    kind: Literal["generate", "score"] = "generate"
    messages: tuple[Message, ...]
    settings: Settings = Settings()
    sample: int = 0
    continuation: str | None = None
    scope: str = ""

    def request(self) -> dict[str, Any]:
        """The request as JSON data, defaults left out."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"scope"})

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical request: its name in caches, runs and recordings."""
        return hashlib.sha256(orjson.dumps(self.request(), option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def input_bound(self) -> int:
        """Upper bound of the prompt's tokens: a token covers at least one byte, a template adds a few per message."""
        text = sum(len(m.text.encode("utf-8", "surrogatepass")) + 32 + 2048 * len(m.images) for m in self.messages)
        return text + 64 + len((self.continuation or "").encode("utf-8", "surrogatepass"))


class Backend(Protocol):
    """What answers calls: the embedded engine, a script, a recording, or any provider that Inspect knows.

    ``generate`` and ``score`` raise ``ModelFault`` where there is no answer; its kind says whether trying again can
    help (``edgewise.models.faults``). They must stand being called many at a time.
    """

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do."""
        ...

    async def generate(self, call: Call) -> Response:
        """Answer a prompt."""
        ...

    async def score(self, call: Call) -> Scored:
        """Log-probabilities of ``call.continuation``; asked only of a backend with ``Capability.SCORE``."""
        ...

    def close(self) -> None:
        """Release what it holds."""
        ...
