"""A recording that answers: the calls of a run, or of a file written with ``record=``, without any model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from edgewise.core.errors import BadInput, ModelFault
from edgewise.core.events import read_events
from edgewise.core.instrument import Capability
from edgewise.models.calls import Call
from edgewise.models.types import Response, Scored


class ReplayBackend:
    """Answers exactly the requests that were recorded, bit for bit; any other is a fault of kind ``not_recorded``.

    Args:
        path: A run folder, or a recording.
        name: Which model of the recording; needed only where there are several and none of them is the target.

    Raises:
        BadInput: There is no recording at ``path``, or it does not say which of several models is meant.
        CorruptRecord: The recording is damaged; names file and line.
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        self.path = path
        file = path / "events.jsonl" if path.is_dir() else path
        if not file.is_file():
            raise BadInput("no recording here", file=path, field="model", fix="give a run folder or a recording")
        recorded: dict[str, dict[str, Any]] = {}
        answers: dict[str, dict[str, bytes]] = {}
        for event in read_events(file):
            if event.kind == "model":
                recorded[event.key] = event.data
            elif event.kind == "call":
                identity, _, digest = event.key.rpartition("/")
                # Kept as bytes: parsed, a long recording would take several times its size.
                answers.setdefault(identity, {})[digest] = orjson.dumps(event.data["response"])
        self.model = _choose(list(recorded.values()), name, path)
        self._answers = answers.get(self.model["identity"], {})

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the recorded model could do."""
        return frozenset(Capability(c) for c in self.model["capabilities"])

    async def generate(self, call: Call) -> Response:
        """The recorded answer."""
        return Response.model_validate(self._find(call))

    async def score(self, call: Call) -> Scored:
        """The recorded log-probabilities."""
        return Scored.model_validate(self._find(call))

    def _find(self, call: Call) -> dict[str, Any]:
        raw = self._answers.get(call.digest)
        if raw is None:
            raise ModelFault(
                f"request {call.digest[:12]} is not in the recording", kind="not_recorded", where=str(self.path)
            )
        answer: dict[str, Any] = orjson.loads(raw)
        return answer

    def close(self) -> None:
        """Nothing to release."""


def _choose(models: list[dict[str, Any]], name: str | None, path: Path) -> dict[str, Any]:
    known = ", ".join(sorted({m["name"] for m in models})) or "none"
    if name is not None:
        found = [m for m in models if m["name"] == name]
    elif len(models) > 1:
        found = [m for m in models if m["role"] == "target"]
    else:
        found = models
    if len(found) != 1:
        fix = f"replay:{path}#NAME with one of: {known}"
        raise BadInput("the recording does not say which model to replay", file=path, field="model", fix=fix)
    return found[0]
