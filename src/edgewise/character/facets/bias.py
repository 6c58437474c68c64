"""Is a judge partial? Score tests of interactions, each against the model without it (Rao 1948).

For a column z of the predictor with coefficient b, the score is S = sum z (x - E[x]), its information I what is left of
sum z^2 Var(x) after the estimated parameters and the items' difficulties took their part. Then S / sqrt(I) is standard
normal where b = 0, S / I is one Newton step from there to b, and 1 / sqrt(I) its standard error. Thousands of
interactions are tested without fitting any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.stats import norm

from edgewise.character.facets.measure import FacetFit
from edgewise.character.facets.moments import information, scores
from edgewise.character.facets.types import Floats, Integers
from edgewise.stats.multiple import benjamini_hochberg

_LEAST = 1e-6  # information below which the parameters have taken all there was: the column cannot be told from them


@dataclass(frozen=True, eq=False)
class Bias:
    """Tests of one kind of interaction in one dimension.

    Attributes:
        kind: ``judge x model``, or ``judge x`` a covariate.
        judge: Index in the design.
        other: Index of the model in the design; -1 for covariates.
        estimate: Logits (for covariates per standard deviation) by which ratings are higher than the model says.
        error: Standard error.
        p: Two-sided.
        adjusted: By Benjamini and Hochberg, over the tests of this kind and dimension.
        count: Ratings that it rests on.
    """

    kind: str
    judge: Integers
    other: Integers
    estimate: Floats
    error: Floats
    p: Floats
    adjusted: Floats
    count: Integers


def bias_tests(found: FacetFit, covariates: tuple[str, ...] = ()) -> list[Bias]:
    """Judge x model, and judge x each covariate. What the design cannot tell from main effects has NaN.

    Args:
        found: A fit.
        covariates: Names of the design's covariates.
    """
    design = found.design
    models, _, judges = design.sizes
    n = np.arange(len(design.score))
    tests = []
    if judges > 1 and models > 1:
        columns = sparse.csr_array(
            (np.ones(len(n)), (n, design.judge * models + design.model)), (len(n), judges * models)
        )
        used = np.flatnonzero(_total(columns))
        judge, other = used // models, used % models
        tests.append(_test("judge x model", found, sparse.csr_array(columns[:, used]), judge, other))
    for c, name in enumerate(covariates):
        columns = sparse.csr_array((design.covariates[:, c], (n, design.judge)), (len(n), judges))
        tests.append(_test(f"judge x {name}", found, columns, np.arange(judges), np.full(judges, -1)))
    return tests


def _test(kind: str, found: FacetFit, columns: sparse.csr_array, judge: Integers, other: Integers) -> Bias:
    score, left = efficient(found, columns)
    known = left > _LEAST * np.maximum(1.0, _total(columns.multiply(columns)))
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = np.where(known, score / left, np.nan)
        error = np.where(known, 1 / np.sqrt(left), np.nan)
    p = 2 * norm.sf(np.abs(estimate / error))
    count = np.bincount(columns.indices, minlength=columns.shape[1])
    return Bias(kind, judge, other, estimate, error, p, benjamini_hochberg(p), count)


def efficient(found: FacetFit, columns: sparse.csr_array) -> tuple[Floats, Floats]:
    """Score and efficient information of each of (N, B) ``columns``, taken alone."""
    design, estimates = found.design, found.estimates
    variance, items = estimates.variance, design.sizes[1]
    posterior = item_variance(found)
    by_item = sparse.csr_array(
        (np.ones(len(variance)), (design.item, np.arange(len(variance)))), (items, len(variance))
    )
    weighted = sparse.csr_array(columns.multiply(variance[:, None]))
    own = _total(weighted.multiply(columns))
    shared = sparse.csr_array(by_item @ weighted)
    own = own - _total(shared.multiply(shared).multiply(posterior[:, None]))
    of_parameters = scores(design, variance, estimates.cross)
    with_predictor = (weighted.T @ design.predictor).toarray()
    with_steps = np.stack(
        [
            -(columns.T @ sparse.csr_array((c, (np.arange(len(c)), design.group)), (len(c), design.groups))).toarray()
            for c in estimates.cross
        ],
        axis=2,
    ).reshape(columns.shape[1], -1)
    first = design.sizes[0] + design.sizes[2]
    mixed = np.hstack([with_predictor[:, :first], with_steps, with_predictor[:, first:]])
    mixed = (mixed - shared.T @ (posterior[:, None] * of_parameters)) @ design.basis
    left = own - np.einsum("bi,ij,bj->b", mixed, np.linalg.pinv(precision(found), hermitian=True), mixed)
    score = np.asarray(columns.T @ (design.score - estimates.expected)).ravel()
    return score, left


def item_variance(found: FacetFit) -> Floats:
    """Variance of each difficulty if all other parameters were known."""
    design, spread = found.design, found.estimates.spread
    weight = np.bincount(design.item, found.estimates.variance, design.sizes[1])
    return np.asarray(1 / (weight + (0.0 if np.isnan(spread) else spread**-2)))


def precision(found: FacetFit) -> Floats:
    """Information of the free parameters, items eliminated, by the normal approximation of their posteriors."""
    design, estimates = found.design, found.estimates
    normal = information(design, estimates.variance, estimates.cross, estimates.pairs)
    own = scores(design, estimates.variance, estimates.cross)
    return np.asarray(design.basis.T @ (normal - own.T @ (item_variance(found)[:, None] * own)) @ design.basis)


def _total(matrix: Any) -> Floats:
    """Sums of columns."""
    return np.asarray(matrix.sum(axis=0), dtype=float).ravel()
