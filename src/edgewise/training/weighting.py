"""How dimensions' losses are put together in a batch: one rule for each method, all of one form.

A rule sees each dimension's mean loss over a batch and says what each mean is multiplied by. Means, not sums: a rare
dimension is then not outvoted, however few of its pairs are in the batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from edgewise.core.errors import BadInput
from edgewise.training.lagrangian import Multipliers

Means = Mapping[str, tuple[float, int]]  # by dimension: mean loss in nats, and number of pairs


class Weighting(Protocol):
    """A rule, and its state.

    Attributes:
        stratified: Whether its batches hold every dimension, however rare.
    """

    stratified: bool

    def weigh(self, means: Means) -> dict[str, float]:
        """What each dimension's mean is multiplied by in this batch; the state moves on."""
        ...

    def logged(self) -> dict[str, float]:
        """Figures for the training log."""
        ...

    def state(self) -> dict[str, Any]:
        """All that ``restore`` needs, as JSON data."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        ...


class Pooled:
    """Every pair counts the same, whatever its dimension: DPO as it stands (Rafailov et al. 2023)."""

    stratified = False

    def weigh(self, means: Means) -> dict[str, float]:
        """Shares of the batch."""
        total = sum(count for _, count in means.values())
        return {name: count / total for name, (_, count) in means.items()}

    def logged(self) -> dict[str, float]:
        """Nothing."""
        return {}

    def state(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing to do."""


class Fixed(Pooled):
    """Weights that somebody set, divided by their sum.

    Args:
        weights: By dimension, at least 0, not all 0.
    """

    stratified = True

    def __init__(self, weights: Mapping[str, float]) -> None:
        total = sum(weights.values())
        if total <= 0 or any(w < 0 or not math.isfinite(w) for w in weights.values()):
            raise BadInput("weights must be at least 0, and not all 0", field="weights")
        self._weights = {name: w / total for name, w in weights.items()}

    def weigh(self, means: Means) -> dict[str, float]:
        """The weights of what is in the batch."""
        return {name: self._weights[name] for name in means}


class GroupRobust:
    """Group distributionally robust optimisation (Sagawa et al. 2020, algorithm 1): the worse, the more weight.

    Args:
        dimensions: Names.
        rate: Of the exponentiated ascent.
    """

    stratified = True

    def __init__(self, dimensions: Sequence[str], rate: float = 0.1) -> None:
        self._rate = rate
        self._share = dict.fromkeys(dimensions, 1 / len(dimensions))

    def weigh(self, means: Means) -> dict[str, float]:
        """Shares after this batch's losses."""
        for name, (loss, _) in means.items():
            self._share[name] *= math.exp(min(self._rate * loss, 50.0))
        total = sum(self._share.values())
        self._share = {name: share / total for name, share in self._share.items()}
        return {name: self._share[name] for name in means}

    def logged(self) -> dict[str, float]:
        """Shares by dimension."""
        return {f"share/{name}": share for name, share in self._share.items()}

    def state(self) -> dict[str, Any]:
        """Shares."""
        return {"share": dict(self._share)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from shares."""
        self._share = dict(state["share"])


class Lagrangian:
    """Weights and multipliers of tolerant constraints.

    Args:
        multipliers: They move with every batch.
    """

    stratified = True

    def __init__(self, multipliers: Multipliers) -> None:
        self.multipliers = multipliers

    def weigh(self, means: Means) -> dict[str, float]:
        """Effective weights after this batch's losses."""
        self.multipliers.update({name: loss for name, (loss, _) in means.items()})
        weights = self.multipliers.weights
        return {name: weights[name] for name in means}

    def logged(self) -> dict[str, float]:
        """Multipliers and averaged violations."""
        found = {f"lambda/{name}": value for name, value in self.multipliers.values.items()}
        known = {name: v for name, v in self.multipliers.violations.items() if v is not None}
        return found | {f"violation/{name}": value for name, value in known.items()}

    def state(self) -> dict[str, Any]:
        """The multipliers' state."""
        return self.multipliers.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from it."""
        self.multipliers.restore(state)
