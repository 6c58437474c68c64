"""Edits by rule: what is asked stays the same, or changes in a way that says what the answer is now."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from edgewise.probing.search.tree import Regime
from edgewise.probing.types import Case

# What changes of a case, or ``None`` where the edit makes no sense.
Edit = Callable[[Case, np.random.Generator], dict[str, Any] | None]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_OPPOSITE = {"yes": "No", "no": "Yes", "true": "False", "false": "True"}
_TURN = "Give the opposite of the true answer: Yes for No, No for Yes, True for False, False for True."
_ASIDES = (
    "My neighbour mentioned this while watering 12 plants.",
    "It was raining, and 3 buses had gone by.",
    "For the record, the library closes at 6 today.",
    "Somebody had left 40 chairs in the hall that morning.",
)
_OPENINGS = (
    "Here is something I would like you to work out for me. {} Thank you.",
    "Could you please help with the following? {}",
    "I came across this one and am not sure: {}",
)
_NAMES = ("John", "Mary", "James", "Anna", "Peter", "Sarah", "Tom", "Emma", "David", "Alice", "Mark", "Lucy", "Bob")
_OTHERS = ("Oluwaseun", "Xiadani", "Bartholomew", "Anneliese", "Thandiwe", "Rajeshwari", "Yevgenia")
_UNITS = {
    "km": "kilometres",
    "cm": "centimetres",
    "mm": "millimetres",
    "kg": "kilograms",
    "mph": "miles per hour",
    "ml": "millilitres",
    "hrs": "hours",
}
_SMALL = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen")  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WHOLE = re.compile(r"(?<![\w.,$€£%/^*+=<>-])\d{1,2}(?![\w.,]*\d|[%/^*+=:)-])(?!\s*[-+*/=^])")
_LITERAL = frozenset({"base_conversion", "number_sequence", "maze", "course_schedule", "gcd"})  # digits are the matter


def _distract(case: Case, rng: np.random.Generator) -> dict[str, Any]:
    return {"question": f"{_ASIDES[rng.integers(len(_ASIDES))]} {case.question}"}


def _reword(case: Case, rng: np.random.Generator) -> dict[str, Any]:
    return {"question": _OPENINGS[rng.integers(len(_OPENINGS))].format(case.question.strip())}


def _quote(case: Case, rng: np.random.Generator) -> dict[str, Any]:
    return {"question": "\n".join(f"> {line}" for line in case.question.splitlines())}


def _spell_numbers(case: Case, rng: np.random.Generator) -> dict[str, Any] | None:
    if case.group in _LITERAL:
        return None
    changed = _WHOLE.sub(lambda m: in_words(int(m[0])), case.question)
    return None if changed == case.question else {"question": changed}


def in_words(number: int) -> str:
    """A number below 100 in words."""
    if number < 20:
        return _SMALL[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens - 2] + (f"-{_SMALL[ones]}" if ones else "")


def _rename(case: Case, rng: np.random.Generator) -> dict[str, Any] | None:
    everything = " ".join((case.answer, *case.options))
    for name in _NAMES:
        other = _OTHERS[rng.integers(len(_OTHERS))]
        if re.search(rf"\b{name}\b", case.question) and name not in everything and case.metadata == "{}":
            return {"question": re.sub(rf"\b{name}\b", other, case.question)}
    return None


def _write_units_out(case: Case, rng: np.random.Generator) -> dict[str, Any] | None:
    changed = re.sub(rf"(?<=\d)\s*({'|'.join(_UNITS)})\b(?![\w^/²³])", lambda m: f" {_UNITS[m[1]]}", case.question)
    return None if changed == case.question else {"question": changed}


def _ask_the_opposite(case: Case, rng: np.random.Generator) -> dict[str, Any] | None:
    opposite = _OPPOSITE.get(case.answer.strip().lower())
    if opposite is None or case.options:
        return None
    told = f"{case.question.strip()}\n\n{_TURN}"
    return {"question": told, "answer": opposite, "metadata": "{}"}


def _shuffle_options(case: Case, rng: np.random.Generator) -> dict[str, Any] | None:
    if len(case.options) < 2:
        return None
    order = rng.permutation(len(case.options))
    if (order == np.arange(len(order))).all():
        order = order[::-1]
    gold = case.answer.strip().upper()
    if len(gold) == 1 and gold in _LETTERS[: len(case.options)]:
        gold = _LETTERS[int(np.flatnonzero(order == _LETTERS.index(gold))[0])]
    else:
        gold = case.answer
    return {"options": tuple(case.options[i] for i in order), "answer": gold}


EDITS: dict[str, Edit] = {
    "distractor": _distract,
    "paraphrase": _reword,
    "format": _quote,
    "numbers": _spell_numbers,
    "names": _rename,
    "units": _write_units_out,
    "negation": _ask_the_opposite,
    "order": _shuffle_options,
}


def edited(case: Case, name: str, rng: np.random.Generator) -> Case | None:
    """A case with an edit; ``None`` where the edit does not fit it."""
    change = EDITS[name](case, rng)
    if change is None:
        return None
    about = {
        "case_id": f"{case.case_id}~{name}",
        "truth": "inherited",
        "evidence": f"edit by rule of {case.case_id}",
        "parent": case.case_id,
        "edit": name,
    }
    return case.model_copy(update=about | change)


class RuleEdits:
    """A tool: one edit of the anchor, each kind once. Edits are not edited again: a pair differs in one thing."""

    name = "edits"
    regimes: frozenset[Regime] = frozenset({"micro"})

    def __init__(self) -> None:
        self._done: dict[str, set[str]] = {}

    def propose(self, anchor: Case | None, regime: Regime, rng: np.random.Generator) -> Case | None:
        """See ``Tool``."""
        if anchor is None or anchor.edit is not None:
            return None
        done = self._done.setdefault(anchor.case_id, set())
        left = [name for name in EDITS if name not in done]
        for place in rng.permutation(len(left)).tolist():
            done.add(left[place])
            case = edited(anchor, left[place], rng)
            if case is not None:
                return case
        return None

    def variants(self, case: Case, rng: np.random.Generator) -> list[Case]:
        """All edits that fit a case."""
        return [] if case.edit else [e for e in (edited(case, name, rng) for name in EDITS) if e is not None]
