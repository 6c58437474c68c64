"""Ratings in, measures out: every dimension fitted, with fit statistics and reliability.

Abilities, difficulties, thresholds and a judge's severity differ by dimension, so that dimensions are fitted apart. A
judge's severity is the mean over dimensions, and what a dimension differs by is its interaction with the judge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from edgewise.character.facets import joint, marginal
from edgewise.character.facets.design import Design, comparable
from edgewise.character.facets.estimates import Estimates
from edgewise.character.facets.moments import moments, row_steps
from edgewise.character.facets.types import Floats, Integers, Method, Ratings, Thresholds
from edgewise.core.errors import BadInput

_NAMED = 6


@dataclass(frozen=True, eq=False)
class FacetFit:
    """The facets of one dimension, in logits.

    Attributes:
        dimension: Its name.
        component: Number of the subset of models that can be compared; 0 for the only or the largest one.
        design: Ratings, sorted by item.
        estimates: Abilities, where the items' mean difficulty is 0; severities, difficulties and each set of thresholds
            sum to 0; effects of covariates, per standard deviation.
        residuals: (N,) standardised.
        information: (N,) variance of ratings at the estimates.
    """

    dimension: str
    component: int
    design: Design
    estimates: Estimates
    residuals: Floats
    information: Floats

    @property
    def errors(self) -> Floats:
        """Standard errors in the order of ``estimates.parameters``."""
        return np.asarray(np.sqrt(np.clip(np.diag(self.estimates.covariance), 0, None)))

    def fit_of(self, facet: str) -> tuple[Floats, Floats, Integers]:
        """Infit and outfit mean squares and numbers of ratings (Wright and Masters 1982) of a facet's elements.

        Outfit is the mean of squared residuals, infit the mean weighted by information: 1 if ratings are as random as
        the model says, above 1 if they are more so.
        """
        place = getattr(self.design, facet)
        size = int(place.max()) + 1
        count = np.bincount(place, minlength=size)
        squared = self.residuals**2
        weight = np.bincount(place, self.information, size)
        infit = np.bincount(place, squared * self.information, size) / np.where(weight > 0, weight, np.nan)
        return infit, np.bincount(place, squared, size) / count, count


@dataclass(frozen=True)
class Reliability:
    """How well a facet's elements are told apart.

    Attributes:
        separation: Standard deviation of true values over the root mean square standard error.
        reliability: Share of the variance of estimates that is true: G^2 / (1 + G^2).
        chi_squared, degrees, p: Test of all being equal.
    """

    separation: float
    reliability: float
    chi_squared: float
    degrees: int
    p: float


def measure(
    ratings: Ratings,
    *,
    method: Method = "marginal",
    thresholds: Thresholds = "scale",
    per_component: bool = False,
) -> list[FacetFit]:
    """Fit every dimension.

    Args:
        ratings: The table.
        method: ``marginal`` or ``joint``.
        thresholds: What has thresholds of its own.
        per_component: Fit subsets of models that cannot be compared one by one.

    Raises:
        BadInput: Some models cannot be compared, a dimension has one category, or nothing can be estimated.
        EdgewiseError: It does not converge.
    """
    found = []
    for number, name in enumerate(ratings.labels["dimension"]):
        rows = np.flatnonzero(ratings.dimension == number)
        if len(ratings.categories[number]) < 2:
            continue
        whole = Design.of(ratings, rows, "scale")
        sets, benches = comparable(whole.model, whole.item, whole.judge)
        if len(sets) > 1 and not per_component:
            raise BadInput(
                f"{name}: the design falls into {len(sets)} sets of models that it cannot compare: "
                + "; ".join(_listed(ratings, whole, members) for members in sets),
                fix="let a judge rate answers of models of both sets, or fit them apart: --per-component",
            )
        if method == "joint" and len(sets) == 1 and len(benches) > 1:
            raise BadInput(
                f"{name}: judges share no items, so their severity cannot be told from the items' difficulty",
                fix="--method marginal tells them apart if items were given out by chance",
            )
        for component, members in enumerate(sets):
            part = rows if len(sets) == 1 else whole.rows[np.isin(whole.model, members)]
            if len(np.unique(ratings.score[part])) < 2:
                continue
            found.append(fit(Design.of(ratings, part, thresholds), name, method, component))
    if not found:
        raise BadInput("in no dimension do ratings differ", field="score")
    return found


def fit(design: Design, dimension: str = "score", method: Method = "marginal", component: int = 0) -> FacetFit:
    """Fit one connected design."""
    estimates = (marginal if method == "marginal" else joint).estimate(design)
    eta = design.eta(estimates.parameters) - estimates.difficulty[design.item]
    at = moments(eta, row_steps(design, design.split(estimates.parameters)[2]), design.score)
    spread = np.sqrt(np.maximum(at.variance, 1e-12))
    return FacetFit(dimension, component, design, estimates, (design.score - at.expected) / spread, at.variance)


def reliability(values: Floats, errors: Floats) -> Reliability | None:
    """Separation, reliability and the fixed chi-squared test of at least two elements (Wright and Masters 1982)."""
    known = np.isfinite(values) & (errors > 0)
    values, errors = values[known], errors[known]
    if len(values) < 2:
        return None
    noise = float((errors**2).mean())
    true = max(float(values.var(ddof=1)) - noise, 0.0)
    weight = 1 / errors**2
    statistic = float((weight * values**2).sum() - (weight * values).sum() ** 2 / weight.sum())
    degrees = len(values) - 1
    return Reliability(
        math.sqrt(true / noise), true / (true + noise), statistic, degrees, float(chi2.sf(statistic, degrees))
    )


def judge_rest_correlation(found: FacetFit) -> Floats:
    """Of each judge: correlation of its ratings with the others' mean rating of the same answer.

    NaN for a judge that shares fewer than three answers with others, or where either side is constant.
    """
    design = found.design
    answer = np.unique(design.item * design.sizes[0] + design.model, return_inverse=True)[1]
    total, count = np.bincount(answer, design.score), np.bincount(answer)
    result = np.full(design.sizes[2], np.nan)
    for j in range(len(result)):
        mine = design.judge == j
        own = np.bincount(answer[mine], minlength=len(count))
        sums = np.bincount(answer[mine], design.score[mine], len(count))
        shared = np.flatnonzero((own > 0) & (count > own))
        ratings, others = sums[shared] / own[shared], (total - sums)[shared] / (count - own)[shared]
        if len(shared) >= 3 and np.ptp(ratings) > 0 and np.ptp(others) > 0:
            result[j] = np.corrcoef(ratings, others)[0, 1]
    return result


def _listed(ratings: Ratings, design: Design, members: Integers) -> str:
    names: Sequence[str] = [ratings.labels["model"][design.names["model"][m]] for m in members]
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
