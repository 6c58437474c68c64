"""Records of PersonaKnob: a scenario, its answers by knob setting, and the pairs that the product order decides."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from edgewise.character.checkers import Facts

SCHEMA = "persona-knob/1"
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
Kind = Literal["cover", "chain"]


def record_id(family: str, messages: Sequence[Mapping[str, str]], responses: Sequence[KnobResponse]) -> str:
    """Family and digest of all words: the same record has the same id in every data set."""
    words = "\n".join([*(message["content"] for message in messages), *(response.text for response in responses)])
    return f"{family}-{hashlib.sha256(words.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class KnobResponse:
    """An answer that realises one setting.

    Attributes:
        k: Level by dimension, of those that vary.
        text: The answer.
        source: ``composed``, or the model that wrote it.
        checks: Score of each varying dimension's checker, 0 to 1; ``None`` where it has nothing to go by.
    """

    k: dict[str, int]
    text: str
    source: str
    checks: dict[str, float | None]


@dataclass(frozen=True)
class KnobPair:
    """Two answers of which the order decides which is better.

    Attributes:
        chosen, rejected: Numbers of answers in the record.
        dims: Dimensions that differ.
        kind: ``cover`` where they are one step apart in one dimension.
    """

    chosen: int
    rejected: int
    dims: tuple[str, ...]
    kind: Kind


@dataclass(frozen=True)
class KnobRecord:
    """One scenario.

    Attributes:
        id: Unique in its data set.
        family: Of scenarios.
        messages: The prompt: ``role`` and ``content``, alternating, the user first and last.
        locked: Dimensions that do not vary here.
        responses: Answers by setting.
        pairs: Those to train on.
        incomparable: Pairs of answers each of which is better in something: never a preference.
        facts: What checkers are told.
        tension: Dimensions of which a naive rise in one costs the other.
        provenance: Content, template and wordings that it was made of.
        split: All of the record is in this one.
    """

    id: str
    family: str
    messages: tuple[Mapping[str, str], ...]
    locked: tuple[str, ...]
    responses: tuple[KnobResponse, ...]
    pairs: tuple[KnobPair, ...]
    incomparable: tuple[tuple[int, int], ...]
    facts: Facts
    tension: tuple[tuple[str, str], ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    split: Split = "train"

    @property
    def content(self) -> str:
        """What it is about."""
        return "/".join(self.provenance["content"])

    def data(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "schema": SCHEMA,
            "id": self.id,
            "family": self.family,
            "messages": [dict(message) for message in self.messages],
            "locked": list(self.locked),
            "tension": [list(pair) for pair in self.tension],
            "responses": [{"k": r.k, "text": r.text, "source": r.source, "checks": r.checks} for r in self.responses],
            "pairs": [
                {"chosen": p.chosen, "rejected": p.rejected, "dims": list(p.dims), "kind": p.kind} for p in self.pairs
            ],
            "incomparable": [list(pair) for pair in self.incomparable],
            "facts": self.facts.data(),
            "provenance": dict(self.provenance),
            "split": self.split,
        }

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> KnobRecord:
        """From JSON data; a missing field is a ``KeyError``, another schema a ``ValueError``."""
        if data["schema"] != SCHEMA:
            raise ValueError(f"schema is {data['schema']!r}, this edgewise reads {SCHEMA!r}")
        return cls(
            id=data["id"],
            family=data["family"],
            messages=tuple(data["messages"]),
            locked=tuple(data["locked"]),
            responses=tuple(KnobResponse(r["k"], r["text"], r["source"], r["checks"]) for r in data["responses"]),
            pairs=tuple(KnobPair(p["chosen"], p["rejected"], tuple(p["dims"]), p["kind"]) for p in data["pairs"]),
            incomparable=tuple((a, b) for a, b in data["incomparable"]),
            facts=Facts.of(data["facts"]),
            tension=tuple((a, b) for a, b in data["tension"]),
            provenance=data["provenance"],
            split=data["split"],
        )

    def rows(self) -> list[dict[str, Any]]:
        """The pairs as TRL takes them, with dimension and record. A pair that differs in several has no dimension."""
        found = []
        for number, pair in enumerate(self.pairs):
            chosen, rejected = self.responses[pair.chosen], self.responses[pair.rejected]
            found.append(
                {
                    "id": f"{self.id}-{number}",
                    "record": self.id,
                    "prompt": [dict(message) for message in self.messages],
                    "chosen": [{"role": "assistant", "content": chosen.text}],
                    "rejected": [{"role": "assistant", "content": rejected.text}],
                    "dimension": pair.dims[0] if pair.kind == "cover" else None,
                    "dims": list(pair.dims),
                    "kind": pair.kind,
                }
            )
        return found
