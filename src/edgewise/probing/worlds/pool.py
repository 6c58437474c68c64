"""A fixed set of questions, each of which is given once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edgewise.core.errors import BadInput
from edgewise.probing.search.tree import Regime
from edgewise.probing.types import Case

_NEAREST = 5  # neighbours among which micro draws
_REGIONS = 100


class Pool:
    """Given questions. Kinds of questions are the regions of their embeddings.

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
        k = max(1, min(_REGIONS, round(np.sqrt(len(cases) / 2))))
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
        place = None if anchor is None else self._place.get(anchor.case_id, self._place.get(anchor.parent or ""))
        if regime == "micro" and place is not None:
            near = self._vectors[free] @ self._vectors[place]
            best = free[np.argpartition(-near, min(_NEAREST, len(free)) - 1)[:_NEAREST]]
            return self._give(int(self._rng.choice(np.sort(best))))
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
