"""Questions made as they are wanted: procedural families, their difficulties, and edits that keep the answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import count

import numpy as np

from edgewise.probing.tree import Regime
from edgewise.probing.types import Case
from edgewise.questions.draw import open_sequence, sound_items
from edgewise.questions.families import DIFFICULTIES, Difficulty, find_family
from edgewise.questions.types import Item

_EDITED = 0.5  # share of micro's questions that are edits of their anchor
_TRIES = 60  # questions looked at for each wanted one
_ASIDES = (
    "My neighbour mentioned this while watering 12 plants.",
    "It was raining, and 3 buses had gone by.",
    "For the record, the library closes at 6 today.",
)


def _distract(question: str) -> str:
    return f"{_ASIDES[len(question) % len(_ASIDES)]} {question}"


def _reword(question: str) -> str:
    return f"Here is something I would like you to work out for me. {question} Thank you."


def _quote(question: str) -> str:
    return "\n".join(f"> {line}" for line in question.splitlines())


def _urge(question: str) -> str:
    return f"Quick, answer at once, without thinking! {question}"


# Edits by rule that cannot change the answer.
EDITS: dict[str, Callable[[str], str]] = {
    "distractor": _distract,
    "paraphrase": _reword,
    "format": _quote,
    "hurry": _urge,
}


class Families:
    """A world of procedural questions. Kinds are family and difficulty; edits are tried on what was asked.

    Args:
        names: Families.
        seed: Of all draws.
    """

    def __init__(self, names: Sequence[str], seed: int) -> None:
        self._rng = np.random.default_rng([seed, 0])
        self._cells: list[tuple[str, Difficulty]] = [(name, level) for name in names for level in DIFFICULTIES]
        self._asked = np.zeros(len(self._cells))
        self._sequences = [self._sequence(i, seed) for i in range(len(self._cells))]
        self._edited: dict[str, set[str]] = {}

    def seeds(self, count: int) -> list[Case]:
        """One of each kind, in random order, then more."""
        return [case for case in (self.propose("macro", None) for _ in range(count)) if case is not None]

    def propose(self, regime: Regime, anchor: Case | None) -> Case | None:
        """Macro: of a kind asked least. Micro: the anchor edited, another of its kind, or the next difficulty."""
        if regime == "micro" and anchor is not None:
            left = [name for name in EDITS if anchor.edit is None and name not in self._edited.get(anchor.case_id, ())]
            if left and self._rng.random() < _EDITED:
                name = left[int(self._rng.integers(len(left)))]
                self._edited.setdefault(anchor.case_id, set()).add(name)
                return edited(anchor, name)
            cell = self._cells.index((anchor.group, anchor.knobs["difficulty"]))  # type: ignore[arg-type]
            if self._rng.random() < 0.3:
                level = cell % len(DIFFICULTIES)
                step = 1 if level == 0 or (level == 1 and self._rng.random() < 0.5) else -1
                cell += step
            return self._draw(cell)
        least = np.flatnonzero(self._asked == self._asked.min())
        return self._draw(int(least[self._rng.integers(len(least))]))

    def holdout(self, wanted: Callable[[Case], bool], count: int) -> list[Case]:
        """Fresh questions of random kinds, edited or not."""
        found: list[Case] = []
        for _ in range(_TRIES * count):
            if len(found) == count:
                break
            case = self._draw(int(self._rng.integers(len(self._cells))))
            if case is None:
                continue
            variants = [case, *(edited(case, name) for name in EDITS)]
            fitting = [each for each in variants if wanted(each)]
            if fitting:
                found.append(fitting[int(self._rng.integers(len(fitting)))])
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
    about = {
        "family": item.family,
        "difficulty": item.difficulty,
        "question": item.question,
        "metadata": item.metadata,
    }
    return Case(
        case_id=item.item_id,
        question=item.question,
        answer=item.answer,
        group=item.family,
        knobs={"difficulty": item.difficulty},
        truth="executed",
        evidence="reasoning-gym",
        metadata=json.dumps(about),
    )


def edited(case: Case, name: str) -> Case:
    """A case with an edit that keeps its answer."""
    return case.model_copy(
        update={
            "case_id": f"{case.case_id}~{name}",
            "question": EDITS[name](case.question),
            "truth": "inherited",
            "evidence": f"edit by rule of {case.case_id}",
            "parent": case.case_id,
            "edit": name,
        }
    )
