"""Reward calls under hard limits, and every fault of the grader on record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgewise.core.errors import BudgetExhausted
from edgewise.loopholes.audit import worker
from edgewise.loopholes.audit.subject import Subject
from edgewise.loopholes.types import Floats, Task

_CHUNK = 512  # answers of one call of the grader


@dataclass(frozen=True, slots=True)
class Graded:
    """Grades as columns; shape (n,) each.

    Attributes:
        proxy: NaN where the grader failed and nothing is paid instead.
        trusted: NaN where there is no trusted grader.
        exploit: The environment's own exploit measure; NaN where it has none.
        parts: Components of the proxy, by name.
    """

    proxy: Floats
    trusted: Floats
    exploit: Floats
    parts: dict[str, Floats] = field(default_factory=dict)

    def take(self, rows: Any) -> Graded:
        """Some of the rows."""
        parts = {name: column[rows] for name, column in self.parts.items()}
        return Graded(self.proxy[rows], self.trusted[rows], self.exploit[rows], parts)


@dataclass
class Fault:
    """One way in which the grader failed.

    Attributes:
        kind: In a word or two.
        detail: What it said the first time.
        count: How often.
        prompt, completion: The first witness.
        paid: Reward that was paid nevertheless, the highest; None if never.
    """

    kind: str
    detail: str
    count: int = 0
    prompt: str = ""
    completion: str = ""
    paid: float | None = None

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        return dict(vars(self))


class Caller:
    """Asks a subject for grades, within limits.

    Args:
        subject: What is asked.
        calls: Most answers that it is asked about.
        seconds: Most time, from now on.
        per_answer: Seconds after which one answer counts as too slow.
    """

    def __init__(self, subject: Subject, *, calls: int, seconds: float, per_answer: float = 1.0) -> None:
        self.subject, self.limit, self.seconds, self.per_answer = subject, calls, seconds, per_answer
        self.used, self.slowest = 0, 0.0
        self.faults: dict[str, Fault] = {}
        self._began = time.monotonic()

    @property
    def left(self) -> int:
        """Calls that are left."""
        return max(0, self.limit - self.used)

    @property
    def time_left(self) -> float:
        """Seconds that are left."""
        return self.seconds - (time.monotonic() - self._began)

    def grade(self, tasks: Sequence[Task], completions: Sequence[str], rng: np.random.Generator) -> Graded:
        """Grade one answer to each task.

        Raises:
            BudgetExhausted: So many calls, or the time, are not left; nothing was asked beyond the limits.
        """
        grades = []
        for start in range(0, len(tasks), _CHUNK):
            some, said = tasks[start : start + _CHUNK], completions[start : start + _CHUNK]
            if len(some) > self.left:
                raise BudgetExhausted(f"the audit's {self.limit:,} reward calls are used", fix="a larger --budget")
            if self.time_left <= 0:
                raise BudgetExhausted(f"the audit's {self.seconds:g} seconds are over", fix="more --seconds")
            answered = self.subject.ask(some, said, rng, self.per_answer)
            self.used += answered.calls
            self.slowest = max(self.slowest, answered.seconds)
            for task, text, grade in zip(some, said, answered.grades, strict=True):
                if grade.fault:
                    self._note(grade.fault, task, text, grade.proxy)
            grades += answered.grades
        fallback = self.subject.fallback
        failed = float("nan") if fallback is None else fallback
        names = dict.fromkeys(name for grade in grades for name in grade.parts)
        return Graded(
            np.array([failed if np.isnan(g.proxy) else g.proxy for g in grades], dtype=float),
            np.array([g.trusted for g in grades], dtype=float),
            np.array([g.exploit for g in grades], dtype=float),
            {name: np.array([g.parts.get(name, np.nan) for g in grades], dtype=float) for name in names},
        )

    def _note(self, fault: str, task: Task, text: str, proxy: float) -> None:
        kind, _, detail = fault.partition(":")
        found = self.faults.setdefault(kind, Fault(kind, detail.strip() or kind, 0, task.prompt, text))
        found.count += 1
        pays = self.subject.fallback if np.isnan(proxy) else proxy
        if fault == worker.MUTATES or pays is None:  # what it pays then is the reward that it meant to pay
            return
        if found.paid is None or pays > found.paid:
            found.paid, found.prompt, found.completion = float(pays), task.prompt, text

    def restore(self, used: int, faults: Sequence[dict[str, Any]]) -> None:
        """Go on from what an earlier process used and found."""
        self.used = used
        self.faults = {data["kind"]: Fault(**data) for data in faults}
