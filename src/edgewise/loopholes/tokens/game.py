"""What a token game is: fresh prompts, honest demonstrations of limited skill, and a grader, all on arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from edgewise.core.records import Record
from edgewise.loopholes.tokens.vocabulary import END, PAD, SPOKEN, Tokens, to_row, to_text
from edgewise.loopholes.types import Bools, Grade, Grades, Optimum, Task


@dataclass(frozen=True, slots=True)
class Batch:
    """Prompts of a game.

    Attributes:
        prompts: Tokens, shape (n, prompt length).
        facts: What the grader knows, arrays of n rows, by name.
    """

    prompts: Tokens
    facts: Mapping[str, npt.NDArray[Any]]

    def __len__(self) -> int:
        return len(self.prompts)

    def repeated(self, times: int) -> Batch:
        """Each prompt several times in a row."""
        facts = {name: np.repeat(values, times, axis=0) for name, values in self.facts.items()}
        return Batch(np.repeat(self.prompts, times, axis=0), facts)


class TokenGame(Record, ABC):
    """A game on token sequences.

    Its parameters are fields. ``secure`` closes the loophole. Demonstrations are honest: no game's demonstrations are
    better or worse for its loophole, they have skill ``skill`` and, at a rate of ``noise``, mistakes without aim.

    Attributes:
        secure: Whether the loophole is closed.
        skill: Chance that a demonstration gets right what can be got right.
        noise: Chance of a mistake without aim; what that is, is the game's business.
    """

    kind: ClassVar[str]
    prompt_length: ClassVar[int]
    answer_length: ClassVar[int]
    steps: ClassVar[int] = 300  # of training until it has converged, about
    lessons: ClassVar[int] = 2  # how often it is demonstrated, for one demonstration of the easiest game
    secure: bool = False
    skill: float = 0.6
    noise: float = 0.05

    @abstractmethod
    def sample(self, rng: np.random.Generator, n: int) -> Batch:
        """Draw n prompts."""

    def practice(self) -> TokenGame:
        """The game whose prompts are demonstrated; a game may show what can be learned more often than it comes."""
        return self

    @abstractmethod
    def demonstrate(self, batch: Batch, rng: np.random.Generator) -> Tokens:
        """Honest answers of limited skill, shape (n, answer length), padded after their end."""

    @abstractmethod
    def grade(self, batch: Batch, answers: Tokens, rng: np.random.Generator) -> Grades:
        """Grade answers, shape (n, answer length), padded after their end."""

    @abstractmethod
    def honest_optimum(self) -> Optimum:
        """Expected figures of the best honest policy."""

    @abstractmethod
    def exploit_optimum(self) -> Optimum:
        """Expected figures of the policy that pays most."""

    @property
    def exploit_words(self) -> tuple[str, ...]:
        """Words without which the loophole cannot be used, where there are such."""
        return ()

    @property
    def name(self) -> str:
        """Kind and variant."""
        return f"{self.kind}-secure" if self.secure else self.kind


class TokenEnvironment:
    """A token game as an ``Environment``: the same prompts and graders, as text of words with spaces between them."""

    vocabulary: ClassVar[tuple[str, ...]] = SPOKEN

    def __init__(self, game: TokenGame) -> None:
        self.game = game

    @property
    def name(self) -> str:
        """The game's name."""
        return self.game.name

    def sample(self, rng: np.random.Generator, n: int) -> list[Task]:
        """Draw n tasks."""
        batch = self.game.sample(rng, n)
        return [
            Task(to_text(row), {"prompt": row.tolist(), **{k: v[i].tolist() for k, v in batch.facts.items()}})
            for i, row in enumerate(batch.prompts)
        ]

    def grade(self, tasks: Sequence[Task], completions: Sequence[str], rng: np.random.Generator) -> list[Grade]:
        """Grade one completion of each task; words that the vocabulary lacks are dropped."""
        answers = np.array([to_row(text, self.game.answer_length) for text in completions])
        return self.game.grade(self._batch(tasks), answers, rng).rows()

    def examples(self, tasks: Sequence[Task], rng: np.random.Generator) -> list[str]:
        """An honest demonstration of each task."""
        return [to_text(row) for row in self.game.demonstrate(self._batch(tasks), rng)]

    @staticmethod
    def _batch(tasks: Sequence[Task]) -> Batch:
        names = [name for name in tasks[0].facts if name != "prompt"]
        facts = {name: np.array([task.facts[name] for task in tasks]) for name in names}
        return Batch(np.array([task.facts["prompt"] for task in tasks], dtype=np.int64), facts)


def ended(answers: Tokens) -> Tokens:
    """Number of tokens of each answer before its end, shape (n,)."""
    stop = (answers == END) | (answers == PAD)
    return np.asarray(np.where(stop.any(axis=1), stop.argmax(axis=1), answers.shape[1]))


def packed(rows: Sequence[Sequence[int]], length: int) -> Tokens:
    """Answers of different lengths as one array, each with its end, padded."""
    out = np.full((len(rows), length), PAD, dtype=np.int64)
    for i, row in enumerate(rows):
        cut = [*row[: length - 1], END]
        out[i, : len(cut)] = cut
    return out


def chance(rng: np.random.Generator, p: float, shape: int | tuple[int, ...]) -> Bools:
    """Independent events of probability p."""
    return rng.random(shape) < p
