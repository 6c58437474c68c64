"""A grader that cannot harm who calls it: one grade for each answer, whatever it does, and faults are counted."""

from __future__ import annotations

import copy
import math
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewise.loopholes.types import Environment, Grade, Task

_NOTHING = float("nan")


class Contained:
    """An environment whose ``grade`` never raises, never hangs and never changes its arguments.

    It is an ``Environment`` itself. A grade that cannot be had is a fault, with NaN for every figure: never a reward.
    What was contained is counted in ``counts``, by kind: ``raised``, ``not a number``, ``wrong length``, ``no grade``,
    ``slow``, ``changed its input``, and ``fault`` for those that the grader itself reports.

    Args:
        environment: Whose graders are contained.
        timeout: Seconds that grading a batch may take; without end unless given. A grader that is still at work then is
            left to its thread, and the batch is a fault.
    """

    def __init__(self, environment: Environment, *, timeout: float | None = None) -> None:
        self.environment, self.timeout = environment, timeout
        self.counts: Counter[str] = Counter()

    @property
    def name(self) -> str:
        """The environment's name."""
        return self.environment.name

    def sample(self, rng: np.random.Generator, n: int) -> list[Task]:
        """Draw n tasks; this is done before training, and what it raises is raised."""
        return self.environment.sample(rng, n)

    def grade(self, tasks: Sequence[Task], completions: Sequence[str], rng: np.random.Generator) -> list[Grade]:
        """One grade for each answer. A batch that cannot be graded is graded one by one."""
        if not tasks:
            return []
        found = self._attempt(tasks, completions, rng)
        if isinstance(found, str) and found != "slow" and len(tasks) > 1:
            alone = [self._attempt([t], [c], rng) for t, c in zip(tasks, completions, strict=True)]
            return [self._checked(one if isinstance(one, str) else one[0]) for one in alone]
        if isinstance(found, str):
            return [self._checked(found) for _ in tasks]
        return [self._checked(grade) for grade in found]

    def _attempt(
        self, tasks: Sequence[Task], completions: Sequence[str], rng: np.random.Generator
    ) -> list[Grade] | str:
        """Grades, or what went wrong with the batch as a whole."""
        given = [Task(task.prompt, copy.deepcopy(dict(task.facts))) for task in tasks]
        answers = list(completions)
        results: list[Any] = []

        def work() -> None:
            try:
                results.append(self.environment.grade(given, answers, rng.spawn(1)[0]))
            except (Exception, SystemExit) as error:
                results.append(f"raised {type(error).__name__}: {str(error)[:200]}")

        if self.timeout is None:
            work()
        else:
            thread = threading.Thread(target=work, daemon=True, name="edgewise-grader")
            thread.start()
            thread.join(self.timeout)
            if not results:
                return "slow"
        if given != [Task(task.prompt, dict(task.facts)) for task in tasks] or answers != list(completions):
            self.counts["changed its input"] += 1
        found = results[0]
        if isinstance(found, str):
            return found
        try:
            grades = list(found)
        except TypeError:
            return "no grade"
        return grades if len(grades) == len(tasks) else "wrong length"

    def _checked(self, grade: Any) -> Grade:
        """The grade, or a faulty one where it is a reason, no grade, or has no number for a reward."""
        if isinstance(grade, str):
            self.counts[grade.partition(" ")[0] if grade.startswith("raised") else grade] += 1
            return faulty(grade)
        if not isinstance(grade, Grade):
            self.counts["no grade"] += 1
            return faulty("no grade")
        if grade.fault:
            self.counts["fault"] += 1
            return faulty(grade.fault)
        try:
            finite = math.isfinite(grade.proxy)
        except TypeError:
            finite = False
        if not finite:
            self.counts["not a number"] += 1
            return faulty("not a number")
        return grade


def faulty(why: str) -> Grade:
    """A grade without figures."""
    return Grade(_NOTHING, _NOTHING, _NOTHING, _NOTHING, fault=why)
