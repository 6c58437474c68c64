"""One dimension's ratings as a design: columns of the linear predictor, what can be compared, what is extreme.

The model is log P(x = k) / P(x = k - 1) = ability - difficulty - severity + covariates - threshold_k (Linacre 1989). So
log P(x) is linear in sufficient statistics: x for what enters the predictor, -[x >= k] for the k-th threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from edgewise.character.facets.types import Floats, Integers, Ratings, Thresholds

_PULL = 0.3  # score points by which an extreme total is moved inwards, as is usual for measures of extreme scores


@dataclass(frozen=True, eq=False)
class Design:
    """Ratings sorted by item.

    Attributes:
        model, item, judge: Indices from 0 without gaps, each of length N.
        score: From 0 to ``top``.
        covariates: (N, C).
        rows: Places of the ratings in the table.
        names: Indices of the labels, by facet.
        thresholds: What has thresholds of its own.
    """

    model: Integers
    item: Integers
    judge: Integers
    score: Integers
    top: int
    covariates: Floats
    rows: Integers
    names: dict[str, Integers]
    thresholds: Thresholds

    @classmethod
    def of(cls, ratings: Ratings, rows: Integers, thresholds: Thresholds) -> Design:
        """The design of some rows, all of one dimension."""
        rows = rows[np.argsort(ratings.item[rows], kind="stable")]
        names, places = {}, {}
        for facet in ("model", "item", "judge"):
            names[facet], places[facet] = np.unique(getattr(ratings, facet)[rows], return_inverse=True)
        covariates = np.column_stack([np.zeros((len(rows), 0)), *(c[rows] for c in ratings.covariates.values())])
        score = ratings.score[rows]
        dimension = int(ratings.dimension[rows[0]])
        top = len(ratings.categories[dimension]) - 1
        return cls(places["model"], places["item"], places["judge"], score, top, covariates, rows, names, thresholds)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Models, items, judges."""
        return len(self.names["model"]), len(self.names["item"]), len(self.names["judge"])

    @cached_property
    def group(self) -> Integers:
        """Which set of thresholds each rating has."""
        if self.thresholds == "scale":
            return np.zeros(len(self.score), dtype=np.int64)
        return self.judge if self.thresholds == "judge" else self.item

    @property
    def groups(self) -> int:
        """How many sets of thresholds there are."""
        return 1 if self.thresholds == "scale" else len(self.names[self.thresholds])

    @cached_property
    def predictor(self) -> sparse.csr_array:
        """(N, models + judges + covariates): what multiplies abilities, severities, effects."""
        (models, _, judges), n = self.sizes, len(self.score)
        rows = np.arange(n)
        left = sparse.csr_array((np.ones(n), (rows, self.model)), shape=(n, models))
        middle = sparse.csr_array((-np.ones(n), (rows, self.judge)), shape=(n, judges))
        return sparse.csr_array(sparse.hstack([left, middle, sparse.csr_array(self.covariates)], format="csr"))

    @cached_property
    def basis(self) -> Floats:
        """From free parameters to (abilities, severities, thresholds, effects): sums are 0 where they must be."""
        models, _, judges = self.sizes
        blocks = [np.eye(models), _contrasts(judges), *[_contrasts(self.top)] * self.groups]
        return np.asarray(
            sparse.block_diag([*blocks, np.eye(self.covariates.shape[1])], format="csr").toarray(), dtype=float
        )

    def split(self, parameters: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Abilities, severities, thresholds (groups, top), effects."""
        models, _, judges = self.sizes
        ability, severity, steps, effects = np.split(parameters, np.cumsum([models, judges, self.groups * self.top]))
        return ability, severity, steps.reshape(self.groups, self.top), effects

    def eta(self, parameters: Floats) -> Floats:
        """Linear predictor of every rating without its item's difficulty."""
        ability, severity, _, effects = self.split(parameters)
        return np.asarray(ability[self.model] - severity[self.judge] + self.covariates @ effects)

    @cached_property
    def extreme(self) -> dict[str, Floats]:
        """By facet: 1 for those with nothing but the highest category, -1 for nothing but the lowest, else 0."""
        found = {}
        for facet, size in zip(("model", "item", "judge"), self.sizes, strict=True):
            place = getattr(self, facet)
            total = np.bincount(place, self.score, size)
            most = self.top * np.bincount(place, minlength=size)
            found[facet] = (total == most).astype(float) - (total == 0)
        return found

    @cached_property
    def pull(self) -> Floats:
        """Score points added to the gradient, so that extreme models and judges have finite estimates."""
        tail = np.zeros(self.groups * self.top + self.covariates.shape[1])
        return np.concatenate([-_PULL * self.extreme["model"], _PULL * self.extreme["judge"], tail])

    @cached_property
    def item_pull(self) -> Floats:
        """The same for items' difficulties, where they are estimated jointly."""
        return np.asarray(_PULL * self.extreme["item"])


def comparable(model: Integers, item: Integers, judge: Integers) -> tuple[list[Integers], list[Integers]]:
    """Sets of models, and sets of judges, whose differences the design determines, largest first.

    Two models can be compared if their difference is the same in all solutions: if their rows are equal in a basis of
    the null space of the design, items eliminated. A connected graph is not enough: with judges nested in models, a
    model's ability and its judges' severity cannot be told apart though they share all items.

    Args:
        model, item, judge: Indices from 0 without gaps.
    """
    models, items, judges = (int(x.max()) + 1 for x in (model, item, judge))
    n = np.arange(len(model))
    ones = np.ones(len(model))
    columns = sparse.csr_array(
        (np.concatenate([ones, ones]), (np.concatenate([n, n]), np.concatenate([model, models + judge]))),
        shape=(len(model), models + judges),
    )
    by_item = sparse.csr_array((ones, (n, item)), shape=(len(model), items))
    cross = (by_item.T @ columns).toarray()
    normal = (columns.T @ columns).toarray() - cross.T @ (cross / by_item.sum(axis=0)[:, None])
    values, vectors = np.linalg.eigh(normal)
    null = vectors[:, values < 1e-9 * max(1.0, values[-1])]
    return _alike(null[:models]), _alike(null[models:])


def _alike(rows: Floats) -> list[Integers]:
    """Sets of equal rows."""
    sets: list[list[int]] = []
    for n, row in enumerate(rows):
        for known in sets:
            if np.allclose(row, rows[known[0]], atol=1e-7):
                known.append(n)
                break
        else:
            sets.append([n])
    return [np.array(known) for known in sorted(sets, key=len, reverse=True)]


def _contrasts(size: int) -> Floats:
    """(size, size - 1): columns that sum to 0."""
    return np.vstack([np.eye(size - 1), -np.ones(size - 1)]) if size > 1 else np.zeros((size, 0))
