"""What a run has spent, read from its events: the answer is the same however often the run was killed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from edgewise.core.events import Event
from edgewise.models.types import Usage


@dataclass
class Ledger:
    """Sum of a run's calls.

    Attributes:
        usage: Calls answered, requests sent, tokens, cost. A request that was in flight when the run was killed counts
            with all that was set aside for it, since it may have been charged.
        faults: Calls that got no answer since the run was last started, by kind. A session asks again for whatever it
            still needs; what only an earlier one needed (a question that followed another answer) is no longer missing.
    """

    usage: Usage = field(default_factory=Usage)
    faults: Counter[str] = field(default_factory=Counter)


def read_ledger(events: Iterable[Event]) -> Ledger:
    """Add up ``sent``, ``call`` and ``fault`` events; ``started`` begins a session."""
    in_flight: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    faults: dict[str, str] = {}
    usage = Usage()
    for event in events:
        if event.kind == "started":
            faults.clear()
        elif event.kind == "sent":
            in_flight[event.data["call"]].append(event.data)
        elif event.kind in ("call", "fault"):
            spent = Usage.model_validate(event.data["usage"])
            usage += spent
            sent = in_flight[event.key]
            del sent[len(sent) - min(spent.attempts, len(sent)) :]
            if event.kind == "fault":
                faults[event.key] = event.data["kind"]
            else:
                faults.pop(event.key, None)
    for left in in_flight.values():
        for held in left:
            usage += Usage(attempts=1, input_tokens=held["input"], output_tokens=held["output"], cost=held.get("cost"))
    return Ledger(usage.model_copy(update={"faults": len(faults)}), Counter(faults.values()))
