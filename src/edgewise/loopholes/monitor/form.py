"""Drift of form: how much of what is said was never said at the start, and how long it is."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from edgewise.core.estimate import Measure
from edgewise.stats.intervals import clustered_mean

Answer = str | Sequence[Hashable]


def words(answer: Answer) -> tuple[Hashable, ...]:
    """A text's words, or the tokens as they are."""
    return tuple(answer.split()) if isinstance(answer, str) else tuple(answer)


class Form:
    """What answers at the start look like.

    One half of them is the reference; the other says how much is new to it when nothing has changed.

    Args:
        answers: Texts, or sequences of tokens without padding.
        n: Length of n-grams; of shorter answers the whole counts as one.
    """

    def __init__(self, answers: Sequence[Answer], n: int = 2) -> None:
        self.n = n
        self._known = {gram for answer in answers[::2] for gram in self._grams(answer)}
        self.new_at_start, self.length_at_start = self.measure(answers[1::2])

    def _grams(self, answer: Answer) -> list[tuple[Hashable, ...]]:
        said = words(answer)
        return [said[i : i + self.n] for i in range(max(1, len(said) - self.n + 1))] if said else []

    def measure(self, answers: Sequence[Answer]) -> tuple[Measure, Measure]:
        """Share of an answer's n-grams that the reference lacks, and words or tokens of an answer: means."""
        new = [
            float(np.mean([gram not in self._known for gram in grams])) for a in answers if (grams := self._grams(a))
        ]
        length = [float(len(words(answer))) for answer in answers]
        return clustered_mean(new, range(len(new))), clustered_mean(length, range(len(length)))
