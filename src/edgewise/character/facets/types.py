"""Records of many-facet Rasch measurement: what was rated, how it is modelled, what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from edgewise.core.records import Record

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Method = Literal["marginal", "joint"]
Thresholds = Literal["scale", "judge", "item"]


class FacetsConfig(Record):
    """How ratings are read and modelled.

    Attributes:
        files: Tables of ratings, or of pairwise judgments.
        method: ``marginal`` integrates over items, which are a sample of a normal population; ``joint`` estimates an
            item's difficulty as it does the rest, which is biased where an item has few ratings.
        thresholds: What has thresholds of its own: the ``scale`` of a dimension (Andrich 1978), a ``judge`` or an
            ``item`` (partial credit, Masters 1982).
        covariates: Numeric columns whose effect on ratings is estimated (``length``, ``position`` ...).
        categories: Cut scores into so many classes of equal width.
        repeats: Several ratings of one answer by one judge: refuse, take the first, or take all as independent.
        per_component: Fit subsets of models that cannot be compared one by one, instead of refusing.
        plan: How many more ratings to plan.
    """

    SCHEMA: ClassVar[str] = "facets/1"
    files: tuple[str, ...]
    method: Method = "marginal"
    thresholds: Thresholds = "scale"
    covariates: tuple[str, ...] = ()
    categories: int | None = None
    repeats: Literal["error", "first", "all"] = "error"
    per_component: bool = False
    plan: int = 0


@dataclass(frozen=True, eq=False)
class Ratings:
    """A long table of ratings: one entry of each array for each rating.

    Attributes:
        model, item, judge, dimension: Indices into ``labels`` of the same name.
        score: Whole numbers, in each dimension from 0 to its highest category.
        labels: Names by facet.
        categories: Scores as they were given, by dimension, lowest first.
        covariates: Numeric columns by name, standardised (mean 0, standard deviation 1).
        notes: What a reader should know of how the table was read.
    """

    model: Integers
    item: Integers
    judge: Integers
    dimension: Integers
    score: Integers
    labels: Mapping[str, tuple[str, ...]]
    categories: tuple[tuple[float, ...], ...]
    covariates: Mapping[str, Floats] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.score)
