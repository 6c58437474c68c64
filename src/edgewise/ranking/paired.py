"""Two models on the same items: the difference, weighted by difficulty, with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Measure
from edgewise.ranking.matrix import Floats, ResponseMatrix
from edgewise.stats import bootstrap, holm, paired_difference, permutation_test


@dataclass(frozen=True)
class PairedComparison:
    """How two models differ on the items that both answered.

    Attributes:
        first: Id of one model.
        second: Id of the other.
        difference: Mean score of the first less that of the second.
        weighted: The same with items weighted by difficulty.
        p_value: Of no difference in the weighted mean, by swapping the two on items at random.
        only_first: Items where the first scored higher.
        only_second: Items where the second did.
    """

    first: str
    second: str
    difference: Measure
    weighted: Measure
    p_value: float
    only_first: int
    only_second: int


def compare_pair(
    matrix: ResponseMatrix, first: str, second: str, difficulty: Floats, rng: np.random.Generator
) -> PairedComparison:
    """Compare two models, item by item.

    Args:
        matrix: Responses.
        first: Id of one model.
        second: Id of the other.
        difficulty: Weight of each item, shape (items); those of a ranking will do.
        rng: For the bootstrap and the permutations.

    Raises:
        BadInput: There is no such model, or no item that both answered.
    """
    places = []
    for model in (first, second):
        if model not in matrix.models:
            raise BadInput(f"there is no model {model!r}", field="model")
        places.append(matrix.models.index(model))
    values = ResponseMatrix(matrix.items, ("first", "second"), matrix.values[:, places]).dense()
    both = ~np.isnan(values).any(1) & np.isfinite(difficulty)
    if not both.any():
        raise BadInput(f"{first!r} and {second!r} have no item in common", field="item_id")
    a, b, weight = values[both, 0], values[both, 1], difficulty[both]
    gap = a - b
    if weight.sum() <= 0:
        weight = np.ones_like(weight)
    weighted = bootstrap(_weighted_mean, np.stack([gap, weight], axis=1), rng=rng, vectorized=True).estimate()
    return PairedComparison(
        first,
        second,
        paired_difference(a, b, rng=rng),
        weighted,
        permutation_test(weight * gap, rng=rng),
        int((gap > 0).sum()),
        int((gap < 0).sum()),
    )


def _weighted_mean(rows: Floats) -> Floats:
    values, weights = rows[..., 0], rows[..., 1]
    return np.asarray((values * weights).sum(-1) / np.maximum(weights.sum(-1), 1e-300))


def adjust(comparisons: list[PairedComparison]) -> Floats:
    """P-values for several comparisons at once (Holm)."""
    return np.asarray(holm([each.p_value for each in comparisons]))
