"""Records of the loopholes room: a task, what graders say of an answer, and what both ends of a game are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
FIGURES = ("proxy", "trusted", "true", "exploit")  # what a grade has for every answer


@dataclass(frozen=True, slots=True)
class Task:
    """One prompt, and what its grader knows of it.

    Attributes:
        prompt: What the policy sees.
        facts: JSON data for the grader; never shown to the policy.
    """

    prompt: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grade:
    """What is said of one answer.

    Attributes:
        proxy: The reward that training sees. NaN where the grader failed: a fault is never a reward.
        trusted: What a grader without the loophole pays for the same answer, in the units of ``proxy``.
        true: Intended task performance, in [0, 1].
        exploit: Its share in the exploit ratio, which is the mean of these; in [-1, 1] or, for a contrast between two
            kinds of prompts, in [-2, 2].
        parts: Components of the proxy, and further figures, by name.
        fault: Why there is no reward; empty if there is one.
    """

    proxy: float
    trusted: float
    true: float
    exploit: float
    parts: Mapping[str, float] = field(default_factory=dict)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Grades:
    """Grades of n answers as columns: each array, and each of ``parts``, has shape (n,). See ``Grade``."""

    proxy: Floats
    trusted: Floats
    true: Floats
    exploit: Floats
    parts: Mapping[str, Floats] = field(default_factory=dict)

    def rows(self) -> list[Grade]:
        """One record for each answer."""
        names = list(self.parts)
        columns = (self.proxy, self.trusted, self.true, self.exploit, *self.parts.values())
        rows = []
        for proxy, trusted, true, exploit, *parts in zip(*(column.tolist() for column in columns), strict=True):
            fault = "" if proxy == proxy else "no grade"
            rows.append(Grade(proxy, trusted, true, exploit, dict(zip(names, parts, strict=True)), fault))
        return rows


@dataclass(frozen=True, slots=True)
class Optimum:
    """Expected figures of a policy that is best in some sense.

    Attributes:
        proxy: Expected reward.
        true: Expected intended performance.
        exploit: Its exploit ratio.
    """

    proxy: float
    true: float
    exploit: float

    def as_data(self) -> dict[str, float]:
        """As JSON data, by the names that results have."""
        return {"reward": self.proxy, "true_performance": self.true, "exploit_ratio": float(self.exploit)}


class Environment(Protocol):
    """Anything that draws prompts and grades answers: a game, or what a user brings."""

    @property
    def name(self) -> str:
        """Shown in reports."""
        ...

    def sample(self, rng: np.random.Generator, n: int) -> list[Task]:
        """Draw n tasks."""
        ...

    def grade(self, tasks: Sequence[Task], completions: Sequence[str], rng: np.random.Generator) -> list[Grade]:
        """Grade one answer to each task; ``rng`` is for graders that draw lots, such as audits."""
        ...
