"""The smallest part of a benchmark that keeps the order of its models. Ours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewise.core.errors import BadInput
from edgewise.ranking.matrix import Floats, ResponseMatrix
from edgewise.ranking.methods import Options, fit
from edgewise.ranking.ranker import tau

_GROWTH = 1.25
_SPLITS = 20


@dataclass(frozen=True, eq=False)
class Subset:
    """A sub-benchmark.

    Attributes:
        items: Positions of its items.
        tau: Kendall's tau-b of scores on the subset with scores on all items, for models that had no part in choosing
            the items; mean over random halves of the models.
        low: 5th percentile of that tau over the halves.
        reached: Whether ``tau`` came up to what was asked for.
    """

    items: NDArray[np.int64]
    tau: float
    low: float
    reached: bool


def smallest_subset(
    matrix: ResponseMatrix, *, tau_wanted: float = 0.95, rng: np.random.Generator, options: Options | None = None
) -> Subset:
    """The fewest items, alike in difficulty to the whole, on which models come in nearly the same order.

    Items are taken evenly over the range of difficulty, and of neighbours in difficulty the one that tells models apart
    best. Sizes grow by a quarter until the order is kept by models that were not looked at in choosing; the choice is
    then made anew with all models.

    Args:
        matrix: Responses of eight models or more.
        tau_wanted: Agreement of the orders to reach, Kendall's tau-b.
        rng: Of the halves.
        options: Of the method ``edgewise``.

    Raises:
        BadInput: Too few models, or a tau outside (0, 1].
    """
    n_items, n_models = matrix.shape
    if n_models < 8:
        raise BadInput(f"{n_models} models are too few to try an order on models that had no part in it; need 8")
    if not 0 < tau_wanted <= 1:
        raise BadInput(f"tau is {tau_wanted}; need a number above 0 and at most 1", field="tau_wanted")
    whole = fit(matrix, options=options).score
    halves = [rng.permutation(n_models) for _ in range(_SPLITS)]
    size = 8
    while True:
        size = min(size, n_items)
        found = []
        for half in halves:
            seen, unseen = half[: n_models // 2], half[n_models // 2 :]
            chosen = _choose(matrix.select(models=np.sort(seen)), size)
            part = fit(matrix.select(items=chosen, models=unseen), options=options).score
            found.append(tau(part, whole[unseen]))
        agreement = float(np.nanmean(found))
        if agreement >= tau_wanted or size == n_items:
            low = float(np.nanquantile(found, 0.05))
            return Subset(_choose(matrix, size), agreement, low, agreement >= tau_wanted)
        size = int(np.ceil(size * _GROWTH))


def _choose(matrix: ResponseMatrix, size: int) -> NDArray[np.int64]:
    """Of each stretch of equal numbers of items in order of difficulty, the most discriminating one."""
    difficulty, discrimination = _item_figures(matrix)
    order = np.argsort(difficulty, kind="stable")
    stretches = np.array_split(order, size)
    return np.sort(np.array([part[np.argmax(discrimination[part])] for part in stretches], dtype=np.int64))


def _item_figures(matrix: ResponseMatrix) -> tuple[Floats, Floats]:
    """Error rate, and covariance with the models' mean scores, per item."""
    values = matrix.dense()
    seen = ~np.isnan(values)
    filled = np.where(seen, values, 0)
    mean = filled.sum(1) / np.maximum(seen.sum(1), 1)
    ability = filled.sum(0) / np.maximum(seen.sum(0), 1)
    centred = np.where(seen, values - mean[:, None], 0)
    return 1 - mean, np.asarray(centred @ (ability - ability.mean()))
