"""The toy of the specification: regions of questions, some of which have a defect. World and target at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.probing.search.tree import Regime
from edgewise.probing.types import Case

_TRIES = 400  # questions looked at for each wanted one
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Planted:
    """A world of regions, some of which have a defect; the toy of the specification, with questions to read.

    It is world and target at once: in a defective region a question fails with probability ``bad``, elsewhere with
    ``good``.

    Args:
        rng: Of the world, its draws and the target's failures.
        regions: How many kinds of questions there are.
        defects: How many of them are defective.
        bad: Failure rate in a defective region.
        good: Failure rate elsewhere.
        fresh: Probability that macro finds a region not asked yet, while there is one.
        near: Probability that micro stays in its region.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        *,
        regions: int = 40,
        defects: int = 8,
        bad: float = 0.7,
        good: float = 0.1,
        fresh: float = 0.7,
        near: float = 0.9,
    ) -> None:
        self._rng, self._fresh, self._near = rng, fresh, near
        self.rates = np.full(regions, good)
        self.defective = frozenset(int(r) for r in rng.permutation(regions)[:defects])
        self.rates[list(self.defective)] = bad
        self._seen: set[int] = set()
        self._count = 0

    def seeds(self, count: int) -> list[Case]:
        """From random regions."""
        return [self._case(int(self._rng.integers(len(self.rates)))) for _ in range(count)]

    def propose(self, regime: Regime, anchor: Case | None) -> Case | None:
        """See the arguments ``fresh`` and ``near``."""
        anywhere = int(self._rng.integers(len(self.rates)))
        if anchor is None:
            return self._case(anywhere)
        if regime == "micro":
            return self._case(region_of(anchor) if self._rng.random() < self._near else anywhere)
        unseen = [r for r in range(len(self.rates)) if r not in self._seen]
        new = bool(unseen) and self._rng.random() < self._fresh
        return self._case(unseen[int(self._rng.integers(len(unseen)))] if new else anywhere)

    def holdout(self, wanted: Callable[[Case], bool], count: int) -> list[Case]:
        """From random regions."""
        found: list[Case] = []
        for _ in range(_TRIES * count):
            if len(found) == count:
                break
            case = self._case(int(self._rng.integers(len(self.rates))))
            if wanted(case):
                found.append(case)
        return found

    def topic(self, region: int) -> str:
        """The group of a region's questions."""
        return _spelled(region)

    def fails(self, case: Case) -> bool:
        """Whether the target fails on a question, drawn anew each time."""
        return bool(self._rng.random() < self.rates[region_of(case)])

    def _case(self, region: int) -> Case:
        self._seen.add(region)
        self._count += 1
        question = f"Question {self._count} on topic {_spelled(region)}: what follows?"
        return Case(
            case_id=f"p{self._count}", question=question, answer="yes", group=_spelled(region), truth="executed"
        )


def region_of(case: Case) -> int:
    """Which region of a planted world a question is from."""
    return _LETTERS.index(case.group[0]) * len(_LETTERS) + _LETTERS.index(case.group[1])


def _spelled(region: int) -> str:
    return _LETTERS[region // len(_LETTERS)] + _LETTERS[region % len(_LETTERS)] + "topic"
