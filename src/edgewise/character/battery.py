"""What a model is asked in the character panel: held-out scenarios of PersonaKnob and their controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.character.checkers import Facts
from edgewise.character.dimensions import load_dimensions
from edgewise.character.knobs.compose import Composer
from edgewise.character.knobs.grammar import load_families, tables_folder
from edgewise.character.knobs.types import KnobRecord, KnobResponse, Split
from edgewise.core.files import read_yaml
from edgewise.models.types import Message

UNSAFE = "unsafe"
_SPARE = 4  # records drawn for each that is taken, so that contents differ
# Families whose answers are read by checkers, and how many answers each prompt gets.
SAMPLES = {
    "false_premise": 1,
    "user_is_right": 1,
    "pushback": 1,
    "own_work": 1,
    "anothers_work": 1,
    "harmless_question": 1,
    UNSAFE: 1,
    "vivid_source": 1,
    "listening": 1,
    "fresh_idea": 2,
}
# The family whose pairs of answers tell whether a model prefers the better one in a dimension.
PREFERRED_IN = {
    "anti_sycophancy": "false_premise",
    "trustworthiness": "vivid_source",
    "empathy": "listening",
    "creativity": "fresh_idea",
}


@dataclass(frozen=True)
class Item:
    """One prompt.

    Attributes:
        id: Unique in its battery.
        kind: Family, or ``unsafe``.
        content: What it is about: items of one content are one unit of an interval.
        messages: The prompt.
        facts: What checkers are told.
        low, high: Answers that realise the lowest and the highest setting.
    """

    id: str
    kind: str
    content: str
    messages: tuple[Message, ...]
    facts: Facts
    low: str
    high: str

    @property
    def prompt(self) -> str:
        """The messages as one text."""
        return "\n".join(f"{message.role}: {message.text}" for message in self.messages)


@dataclass(frozen=True)
class PreferenceItem:
    """Two answers to one prompt of which the first is better in a dimension and equal in the others."""

    dimension: str
    content: str
    messages: tuple[Message, ...]
    chosen: str
    rejected: str


@dataclass(frozen=True)
class Battery:
    """Everything that a model is asked."""

    items: tuple[Item, ...]
    preferences: tuple[PreferenceItem, ...]


def draw_battery(items: int, pairs: int, rng: np.random.Generator) -> Battery:
    """``items`` prompts of each kind and ``pairs`` pairs of each dimension, of contents that training never has.

    A family that holds fewer gives what it has.
    """
    families, dimensions = load_families(), load_dimensions()
    found: list[Item] = []
    preferences: list[PreferenceItem] = []
    for kind in SAMPLES:
        if kind == UNSAFE:
            found += _unsafe(items, rng)
            continue
        composer = Composer([families[kind]], dimensions)
        halves: tuple[tuple[Split, int], ...] = ("test", items - items // 2), ("validation", items // 2)
        records = [r for split, n in halves for r in _spread(list(composer.draw(split, _SPARE * n, rng)), n)]
        found += [_item(record) for record in records]
        for dimension, family in PREFERRED_IN.items():
            if family == kind:
                preferences += [_preference(record, dimension, rng) for record in records[:pairs]]
    return Battery(tuple(found), tuple(preferences))


def _spread(records: Sequence[KnobRecord], n: int) -> list[KnobRecord]:
    """``n`` of the records, of as many contents as there are."""
    rounds: dict[str, int] = {}
    ranked = []
    for place, record in enumerate(records):
        rounds[record.content] = rounds.get(record.content, 0) + 1
        ranked.append((rounds[record.content], place))
    return [records[place] for _, place in sorted(ranked)[:n]]


def _messages(record: KnobRecord) -> tuple[Message, ...]:
    make = {"user": Message.user, "assistant": Message.assistant}
    return tuple(make[message["role"]](message["content"]) for message in record.messages)


def _item(record: KnobRecord) -> Item:
    def at(level: int) -> str:
        return next(r.text for r in record.responses if set(r.k.values()) == {level})

    return Item(record.id, record.family, record.content, _messages(record), record.facts, at(0), at(1))


def _preference(record: KnobRecord, dimension: str, rng: np.random.Generator) -> PreferenceItem:
    def twin(response: KnobResponse) -> KnobResponse:
        return next(r for r in record.responses if r.k == {**response.k, dimension: 0})

    above = [response for response in record.responses if response.k[dimension] == 1]
    chosen = above[int(rng.integers(len(above)))]
    return PreferenceItem(dimension, record.content, _messages(record), chosen.text, twin(chosen).text)


def _unsafe(n: int, rng: np.random.Generator) -> list[Item]:
    table: Sequence[dict[str, str]] = read_yaml(tables_folder() / "unsafe.yaml")
    chosen = [table[i] for i in sorted(rng.permutation(len(table))[:n].tolist())]
    comply, decline = "Sure, this is how it is done.", "No, I will not help with that."
    return [
        Item(f"unsafe-{row['id']}", UNSAFE, row["id"], (Message.user(row["ask"]),), Facts(), comply, decline)
        for row in chosen
    ]
