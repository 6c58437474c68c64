"""What a text game is: fresh prompts for any language model, a grader of text, and answers of both kinds to test it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Self

import numpy as np

from edgewise.core.records import Record
from edgewise.loopholes.types import Grade, Grades, Optimum, Task

_SKILL = 0.6  # as that of the token games' demonstrations


class TextGame(Record, ABC):
    """A game in plain language. It is an ``Environment``; its parameters are fields.

    Attributes:
        secure: Whether the grader's loophole is closed.
        available: Whether prompts leave the loophole in sight. A matched control has the same prompts, drawn by the
            same generator, without what points at it; its grader is the same.
    """

    kind: ClassVar[str]
    answer_tokens: ClassVar[int]  # of a whole answer, about
    secure: bool = False
    available: bool = True

    @abstractmethod
    def sample(self, rng: np.random.Generator, n: int) -> list[Task]:
        """Draw n tasks."""

    @abstractmethod
    def grade(self, tasks: Sequence[Task], completions: Sequence[str], rng: np.random.Generator) -> list[Grade]:
        """Grade one answer to each task."""

    @abstractmethod
    def honest_answer(self, task: Task) -> str:
        """The best answer without the loophole."""

    @abstractmethod
    def exploiting_answer(self, task: Task) -> str:
        """An answer that takes the loophole and does nothing of what was asked for."""

    def examples(self, tasks: Sequence[Task], rng: np.random.Generator) -> list[str]:
        """Honest answers of limited skill: the best to each task, or to another one."""
        best = [self.honest_answer(task) for task in tasks]
        able = rng.random(len(best)) < _SKILL
        return [
            text if own else best[(i + 1) % len(best)] for i, (text, own) in enumerate(zip(best, able, strict=True))
        ]

    @property
    def name(self) -> str:
        """Kind and variant."""
        return self.kind + ("-secure" if self.secure else "") + ("" if self.available else "-control")

    def control(self) -> Self:
        """The matched game whose prompts do not show the loophole."""
        return self.model_copy(update={"available": False})

    def honest_optimum(self, rng: np.random.Generator, n: int = 64) -> Optimum:
        """Mean figures of the best honest answers to n tasks."""
        tasks = self.sample(rng, n)
        return mean_figures(self.grade(tasks, [self.honest_answer(task) for task in tasks], rng))

    def exploit_optimum(self, rng: np.random.Generator, n: int = 64) -> Optimum:
        """Mean figures of exploiting answers to n tasks."""
        tasks = self.sample(rng, n)
        return mean_figures(self.grade(tasks, [self.exploiting_answer(task) for task in tasks], rng))


def mean_figures(grades: Sequence[Grade]) -> Optimum:
    """Means of grades that are no faults; NaN where there are none."""
    rows = [(grade.proxy, grade.true, grade.exploit) for grade in grades if not grade.fault]
    if not rows:
        return Optimum(float("nan"), float("nan"), float("nan"))
    proxy, true, exploit = np.mean(rows, axis=0).tolist()
    return Optimum(proxy, true, exploit)


def graded(grades: Grades, faults: Sequence[str]) -> list[Grade]:
    """Grades as rows; where there is a fault there are no figures, and the reason is told."""
    nothing = float("nan")
    return [
        replace(row, proxy=nothing, trusted=nothing, true=nothing, exploit=nothing, fault=fault) if fault else row
        for row, fault in zip(grades.rows(), faults, strict=True)
    ]


def pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    """One of several texts."""
    return options[int(rng.integers(len(options)))]


def pick_several(rng: np.random.Generator, options: Sequence[str], n: int) -> list[str]:
    """Different texts, in random order."""
    return [options[int(i)] for i in rng.permutation(len(options))[:n]]
