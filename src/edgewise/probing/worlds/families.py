"""Questions made as they are wanted: procedural families and their difficulties."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import get_args

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.probing.search.tree import Regime
from edgewise.probing.types import Case
from edgewise.questions.draw import open_sequence, sound_items
from edgewise.questions.families import DIFFICULTIES, QUICK_FAMILIES, Difficulty, find_family
from edgewise.questions.types import Item

NAME = "reasoning-gym"
_TRIES = 200  # questions looked at for each wanted one
_STEP = 0.3  # how often micro goes to the next difficulty
# What a generator says it did that is a size of the question, not a hint at its answer.
_SIZES = frozenset((
    "complexity", "family_size", "grid_size", "n_sides", "num_animals", "num_digits", "num_rotations", "num_statements",
    "num_terms", "num_words", "source_base", "span_length", "target_base", "word_len", "word_length",
))  # fmt: skip


def family_names(spec: str) -> tuple[str, ...]:
    """The families of ``reasoning-gym:name,name``; those with short questions where none is named.

    Raises:
        BadInput: There is no such family.
    """
    listed = [name.strip() for name in spec.removeprefix(NAME).lstrip(":").split(",") if name.strip()]
    for name in listed:
        find_family(name)
    if len(set(listed)) < len(listed):
        raise BadInput("a family is named twice", field="seeds")
    return tuple(listed) or QUICK_FAMILIES


class Families:
    """A world of procedural questions. Kinds are family and difficulty.

    Args:
        names: Families.
        seed: Of all draws.
    """

    def __init__(self, names: Sequence[str], seed: int) -> None:
        self._rng = np.random.default_rng([seed, 0])
        self._cells: list[tuple[str, Difficulty]] = [(name, level) for name in names for level in DIFFICULTIES]
        self._asked = np.zeros(len(self._cells))
        self._sequences = [self._sequence(i, seed) for i in range(len(self._cells))]

    def seeds(self, count: int) -> list[Case]:
        """One of each kind, in random order, then more."""
        return [case for case in (self.propose("macro", None) for _ in range(count)) if case is not None]

    def propose(self, regime: Regime, anchor: Case | None) -> Case | None:
        """Macro: of a kind asked least. Micro: another of the anchor's kind, or of the next difficulty."""
        if regime == "micro" and anchor is not None and anchor.knobs.get("difficulty") in get_args(Difficulty):
            cell = self._cells.index((anchor.group, anchor.knobs["difficulty"]))  # type: ignore[arg-type]
            if self._rng.random() < _STEP:
                level = cell % len(DIFFICULTIES)
                cell += 1 if level == 0 or (level == 1 and self._rng.random() < 0.5) else -1
            return self._draw(cell)
        least = np.flatnonzero(self._asked == self._asked.min())
        return self._draw(int(least[self._rng.integers(len(least))]))

    def holdout(self, wanted: Callable[[Case], bool], count: int) -> list[Case]:
        """Fresh questions of random kinds; soon only of kinds that have had a wanted one."""
        found: list[Case] = []
        hits = np.full(len(self._cells), 0.5)
        for _ in range(_TRIES * count):
            if len(found) == count:
                break
            cell = int(self._rng.choice(len(self._cells), p=hits / hits.sum()))
            case = self._draw(cell)
            fits = case is not None and wanted(case)
            hits[cell] = min(2.0, hits[cell] + 0.5) if fits else 0.8 * hits[cell] + 0.002
            if case is not None and fits:
                found.append(case)
        return found

    def _draw(self, cell: int) -> Case | None:
        self._asked[cell] += 1
        item = next(self._sequences[cell], None)
        return None if item is None else as_case(item)

    def _sequence(self, cell: int, seed: int) -> Iterator[Item]:
        name, level = self._cells[cell]
        family = find_family(name)
        place = int(np.random.default_rng([seed, 1, cell]).integers(2**31))
        return sound_items(family, level, open_sequence(family, level, place), count())


def as_case(item: Item) -> Case:
    """An item of a family as a case; a program made its answer."""
    sizes = {k: str(v) for k, v in json.loads(item.metadata).items() if k in _SIZES and isinstance(v, int)}
    return Case(
        case_id=item.item_id,
        question=item.question,
        answer=item.answer,
        group=item.family,
        knobs={"difficulty": item.difficulty, **sizes},
        truth="executed",
        evidence=NAME,
        metadata=item.model_dump_json(include={"family", "difficulty", "question", "metadata"}),
    )
