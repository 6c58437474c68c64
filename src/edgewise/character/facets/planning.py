"""Which judge should look at which item next: the cell that makes abilities most precise, one after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewise.character.facets.bias import item_variance, precision
from edgewise.character.facets.measure import FacetFit
from edgewise.character.facets.moments import moments
from edgewise.character.facets.types import Floats, Integers
from edgewise.core.errors import BadInput


@dataclass(frozen=True, eq=False)
class Plan:
    """Cells to buy in this order.

    Attributes:
        judge, item: Indices in the design; the judge rates all answers to the item that it has not rated.
        error: Expected mean standard error of abilities about their mean, after each cell; extreme models left out.
        before: The same now.
    """

    judge: Integers
    item: Integers
    error: Floats
    before: float


def plan(found: FacetFit, cells: int) -> Plan:
    """Choose ``cells`` incomplete cells greedily (A-optimal for differences of abilities).

    A cell is worth what its ratings' information takes off the summed variance of abilities about their mean, to first
    order; what was bought enters the information exactly before the next is chosen, an item's own uncertainty included.

    Raises:
        BadInput: The design is full, or has thresholds by judge or by item.
    """
    design, estimates = found.design, found.estimates
    models, items, judges = design.sizes
    if design.groups > 1:
        raise BadInput("planning needs one set of thresholds", field="plan", fix="--thresholds scale")
    missing = np.ones((judges, models, items), dtype=bool)
    missing[design.judge, design.model, design.item] = False
    free = np.asarray(missing.any(axis=1))
    if (design.extreme["model"] != 0).all():
        raise BadInput("no model has both high and low ratings yet", field="plan")
    if not free.any():
        raise BadInput("every judge has rated every answer already", field="plan")
    ability, severity, steps, _ = design.split(estimates.parameters)
    posterior = item_variance(found)
    basis = design.basis
    covariance = np.linalg.pinv(precision(found), hermitian=True)
    columns = np.zeros((judges, models, basis.shape[1]))  # of a rating's predictor, in free parameters
    for j in range(judges):
        columns[j] = basis[:models] - basis[models + j]
    # Models with extreme totals have no information to gain to speak of, and would drown the others' errors.
    moderate = np.flatnonzero(design.extreme["model"] == 0)
    about_mean = (np.eye(len(moderate)) - 1 / len(moderate)) @ basis[moderate]
    target = about_mean.T @ about_mean
    eta = ability[None, :, None] - severity[:, None, None] - estimates.difficulty[None, None, :]
    variance = moments(eta.ravel(), steps.T, np.zeros(eta.size, dtype=np.int64)).variance.reshape(eta.shape) * missing
    chosen: list[tuple[int, int]] = []
    errors = []

    def mean_error() -> float:
        return float(np.sqrt(np.einsum("mi,ij,mj->m", about_mean, covariance, about_mean)).mean())

    before = mean_error()
    for _ in range(min(cells, int(free.sum()))):
        worth = covariance @ target @ covariance
        each = np.einsum("jmp,pq,jmq->jm", columns, worth, columns)
        gain = np.where(free, np.einsum("jm,jmi->ji", each, variance), -np.inf)
        j, i = (int(x) for x in np.unravel_index(int(gain.argmax()), gain.shape))
        free[j, i] = False
        chosen.append((j, i))
        x, v = columns[j], variance[j, :, i]
        # The item's difficulty is common to the new ratings: what is known of it bounds what they tell of the level.
        through = v @ x
        added = x.T @ (v[:, None] * x) - np.outer(through, through) / (1 / posterior[i] + v.sum())
        posterior[i] = 1 / (1 / posterior[i] + v.sum())
        covariance = np.linalg.pinv(np.linalg.pinv(covariance, hermitian=True) + added, hermitian=True)
        errors.append(mean_error())
    judge, item = np.array(chosen, dtype=np.int64).T
    return Plan(judge, item, np.array(errors), before)
