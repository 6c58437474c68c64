"""Where questions come from: recorded ones, procedural families, and a world with planted defects.

A world hands out seeds, makes a question for a ticket (far from what was asked, or close to a node), and fresh ones to
confirm a mode with. All of these do so without a model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgewise.core.errors import BadInput
from edgewise.probing.tree import Regime
from edgewise.probing.types import Case

_NEAREST = 5  # neighbours among which micro draws
_TRIES = 400  # questions looked at for each wanted one


class World(Protocol):
    """A source of questions. What it gives depends on its seed and on the order it is asked in, and on nothing else."""

    def seeds(self, count: int) -> list[Case]:
        """Questions to start from, spread over all kinds."""

    def propose(self, regime: Regime, anchor: Case | None) -> Case | None:
        """A question not given before: somewhere new, or close to ``anchor``; ``None`` if there is none."""

    def holdout(self, wanted: Callable[[Case], bool], count: int) -> list[Case]:
        """Up to ``count`` fresh questions that fit."""


class Pool:
    """Recorded questions, each given once. Kinds of questions are the regions of their embeddings.

    Args:
        cases: The questions.
        vectors: Of their texts, of length 1, shape (cases, dimension).
        rng: For the draws.
        held: Share of the questions that the search does not get, so that modes can be confirmed with them.
    """

    def __init__(
        self, cases: Sequence[Case], vectors: NDArray[np.float32], rng: np.random.Generator, *, held: float = 0.3
    ) -> None:
        from sklearn.cluster import MiniBatchKMeans

        if not cases:
            raise BadInput("there are no questions")
        self.cases, self._vectors, self._rng = list(cases), vectors, rng
        self._place = {case.case_id: i for i, case in enumerate(self.cases)}
        self._free = rng.random(len(cases)) >= held if len(cases) > 50 else np.ones(len(cases), dtype=bool)
        self._held = ~self._free
        k = max(1, min(100, round(np.sqrt(len(cases) / 2))))
        means = MiniBatchKMeans(k, random_state=int(rng.integers(2**31)), n_init=1, batch_size=2048)
        self._region = means.fit_predict(vectors) if k > 1 else np.zeros(len(cases), dtype=int)
        self._asked = np.zeros(k)

    def seeds(self, count: int) -> list[Case]:
        """One from each of the largest regions, then more of them."""
        return [case for case in (self.propose("macro", None) for _ in range(count)) if case is not None]

    def propose(self, regime: Regime, anchor: Case | None) -> Case | None:
        """Macro: from the region asked least. Micro: one of the nearest to the anchor."""
        free = np.flatnonzero(self._free)
        if not len(free):
            return None
        if regime == "micro" and anchor is not None:
            near = self._vectors[free] @ self._vectors[self._place[anchor.case_id]]
            best = free[np.argsort(-near, kind="stable")[:_NEAREST]]
            return self._give(int(self._rng.choice(best)))
        left = np.bincount(self._region[free], minlength=len(self._asked))
        # Least asked first; of equals the one with most left.
        order = np.lexsort((-left, self._asked))
        region = next(int(r) for r in order if left[r])
        return self._give(int(self._rng.choice(free[self._region[free] == region])))

    def holdout(self, wanted: Callable[[Case], bool], count: int) -> list[Case]:
        """From the questions held back, then from those not asked yet."""
        held, free = (self._rng.permutation(np.flatnonzero(which)) for which in (self._held, self._free))
        found: list[Case] = []
        for place in (*held.tolist(), *free.tolist()):
            if len(found) == count:
                break
            if wanted(self.cases[place]):
                self._free[place] = self._held[place] = False
                found.append(self.cases[place])
        return found

    def _give(self, place: int) -> Case:
        self._free[place] = False
        self._asked[self._region[place]] += 1
        return self.cases[place]


def read_recorded(path: Path) -> tuple[list[Case], dict[str, tuple[str | None, str | None]]]:
    """Questions with a model's recorded answers: columns item_id, question, gold, pred, and options, category, output.

    Returns:
        The questions; and by case id what the model answered (``None`` if nothing was parsed) and all it wrote.

    Raises:
        BadInput: The file cannot be read, lacks a column, or has a question twice or without its truth.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"this is no whole Parquet file: {str(error)[:200]}", file=path) from None
    for name in ("item_id", "question", "gold", "pred"):
        if name not in table.column_names:
            raise BadInput("there is no such column", file=path, field=name)
    cases: list[Case] = []
    answers: dict[str, tuple[str | None, str | None]] = {}
    for row, record in enumerate(table.to_pylist(), 1):
        for name in ("item_id", "question", "gold"):
            if record[name] in (None, ""):
                raise BadInput("it is empty", file=path, row=row, field=name)
        case_id = str(record["item_id"])
        if case_id in answers:
            raise BadInput(f"{case_id!r} is there twice", file=path, row=row, field="item_id")
        options = tuple(str(option) for option in record.get("options") or ())
        cases.append(
            Case(
                case_id=case_id,
                question=str(record["question"]),
                answer=str(record["gold"]),
                options=options,
                group=str(record.get("category") or ""),
            )
        )
        pred = record["pred"]
        answers[case_id] = (None if pred is None else str(pred), record.get("output"))
    return cases, answers


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


_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _spelled(region: int) -> str:
    return _LETTERS[region // len(_LETTERS)] + _LETTERS[region % len(_LETTERS)] + "topic"
