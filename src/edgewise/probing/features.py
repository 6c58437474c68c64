"""What can be seen of a question without a model: conditions that a trigger is made of.

A condition has a name that says it all (``group=law``, ``digits>=4``, ``"except"``), so that a trigger can be read, and
checked on a question that nobody has asked yet.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgewise.probing.types import Case

_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_WORD = re.compile(r"[^\W\d_]{3,}")
_NEGATION = re.compile(r"\b(?:not|never|no|none|neither|nor|except|cannot)\b|n't\b", re.IGNORECASE)
_FORMULA = re.compile(r"[=^\\{}]|\b(?:sqrt|sin|cos|log|int)\b")
_STEPS = {"digits": (2, 3, 4, 5, 7), "numbers": (1, 2, 3, 5, 8), "words": (15, 30, 60, 120, 250), "options": (3, 5, 8)}
_LARGEST = 40  # size up to which there are thresholds
_MOST_WORDS = 400  # terms of the vocabulary
_LEAST_WITH = 4  # cases that a term must occur in


def quantities(case: Case) -> dict[str, int]:
    """Counts that thresholds are put on."""
    numbers = _NUMBER.findall(case.question)
    return {
        "digits": max((sum(c.isdigit() for c in number) for number in numbers), default=0),
        "numbers": len(numbers),
        "words": len(case.question.split()),
        "options": len(case.options),
    }


def words(case: Case) -> set[str]:
    """Words of three letters or more that say something, in lower case."""
    return set(_WORD.findall(case.question.lower())) - _stop_words()


@lru_cache(maxsize=1)
def _stop_words() -> frozenset[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset(ENGLISH_STOP_WORDS)


class Conditions:
    """The conditions that tell some cases apart, and which case meets which.

    Args:
        cases: From which the vocabulary and the settings are taken.
        terms: Whether words count as well.
    """

    def __init__(self, cases: Sequence[Case], *, terms: bool = True) -> None:
        settings: Counter[str] = Counter()
        vocabulary: Counter[str] = Counter()
        for case in cases:
            settings.update(_settings(case))
            if terms:
                vocabulary.update(words(case))
        n = len(cases)
        names = sorted(name for name, count in settings.items() if _LEAST_WITH <= count < n)
        usual = [(count, word) for word, count in vocabulary.items() if _LEAST_WITH <= count <= 0.6 * n]
        names += [f'"{word}"' for _, word in sorted(usual, key=lambda each: (-each[0], each[1]))[:_MOST_WORDS]]
        self.names: tuple[str, ...] = tuple(names)  # settings first: of equals, they are preferred
        self._place = {name: i for i, name in enumerate(self.names)}

    def matrix(self, cases: Iterable[Case]) -> NDArray[np.bool_]:
        """Which case (row) meets which condition (column)."""
        rows = []
        for case in cases:
            row = np.zeros(len(self.names), dtype=bool)
            for name in (*_settings(case), *(f'"{word}"' for word in words(case))):
                if name in self._place:
                    row[self._place[name]] = True
            rows.append(row)
        return np.array(rows, dtype=bool).reshape(len(rows), len(self.names))


def meets(case: Case, trigger: Iterable[str]) -> bool:
    """Whether a case meets all conditions of a trigger."""
    met = {*_settings(case), *(f'"{word}"' for word in words(case))}
    return all(condition in met for condition in trigger)


def _settings(case: Case) -> list[str]:
    """Conditions that a case meets, words aside."""
    found = []
    for name, setting in case.knobs.items():
        found.append(f"{name}={setting}")
        if setting.isdecimal():  # a size: what is true of it is true of all smaller ones
            found += [f"{name}>={least}" for least in range(2, min(int(setting), _LARGEST) + 1)]
    if case.group:
        found.append(f"group={case.group}")
    if case.edit:
        found.append(f"edit={case.edit}")
    for name, value in quantities(case).items():
        found += [f"{name}>={step}" for step in _STEPS[name] if value >= step]
        if value < _STEPS[name][0]:
            found.append(f"{name}<{_STEPS[name][0]}")
    if _NEGATION.search(case.question):
        found.append("negation")
    if _FORMULA.search(case.question):
        found.append("formula")
    return found
