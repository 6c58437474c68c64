"""Pairwise judgments in the same frame: Bradley-Terry with an advantage of the first place, by judge.

logit P(first wins) = ability(first) - ability(second) + advantage(judge). What item it was does not enter: it is the
same for both. A tie is half a win for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewise.character.facets.estimates import solve
from edgewise.character.facets.types import Floats, Integers
from edgewise.core.errors import BadInput, EdgewiseError
from edgewise.core.tables import open_table

REQUIRED = ("model_a", "model_b", "judge", "winner")
_OUTCOMES = {"model_a": 1.0, "a": 1.0, "model_b": 0.0, "b": 0.0, "tie": 0.5}
_PULL = 0.3  # wins or losses lent to a model that never lost or never won


@dataclass(frozen=True, eq=False)
class Comparisons:
    """A long table of judgments, of one dimension.

    Attributes:
        first, second: Indices of the models, in the order shown.
        judge: Index.
        outcome: 1 if the first won, 0 if the second, 1/2 for a tie.
    """

    first: Integers
    second: Integers
    judge: Integers
    outcome: Floats


@dataclass(frozen=True, eq=False)
class PairFit:
    """Abilities sum to 0; ``advantage`` is by how many logits a judge favours what stands first.

    Attributes:
        ability, advantage: Estimates, in logits.
        covariance: Of (abilities, advantages).
        loglik: At the end.
    """

    ability: Floats
    advantage: Floats
    covariance: Floats
    loglik: float


def read_comparisons(
    files: Sequence[Path],
) -> tuple[dict[str, Comparisons], tuple[str, ...], tuple[str, ...]]:
    """Read judgments by dimension, and the names of models and judges.

    ``winner`` is model_a, model_b, tie, a, b, or the name of either model.

    Raises:
        BadInput: A file, row or field is wrong; it is named.
    """
    rows: list[tuple[str, str, str, str, float]] = []
    for path in files:
        source = open_table(path)
        missing = [name for name in REQUIRED if name not in source.names]
        if missing:
            raise BadInput(f"there is no column {missing[0]!r}", file=path, fix=f"needed: {', '.join(REQUIRED)}")
        row = 0
        for batch in source.batches:
            for entry in batch.to_pylist():
                row += 1
                a, b, judge, winner = (entry[name] for name in REQUIRED)
                if None in (a, b, judge, winner):
                    field = REQUIRED[[a, b, judge, winner].index(None)]
                    raise BadInput("the cell is empty", file=path, row=row, field=field)
                a, b, winner = str(a), str(b), str(winner)
                if a == b:
                    raise BadInput(f"{a!r} is compared with itself", file=path, row=row, field="model_b")
                outcome = {a: 1.0, b: 0.0}.get(winner, _OUTCOMES.get(winner.lower()))
                if outcome is None:
                    raise BadInput(f"{winner!r} is neither model, nor tie", file=path, row=row, field="winner")
                rows.append((str(entry.get("dimension", "score")), a, b, str(judge), outcome))
    if not rows:
        raise BadInput("there are no judgments", file=files[0])
    models = tuple(sorted({name for row in rows for name in row[1:3]}))
    judges = tuple(sorted({row[3] for row in rows}))
    place, seat = {m: i for i, m in enumerate(models)}, {j: i for i, j in enumerate(judges)}
    found = {}
    for dimension in sorted({row[0] for row in rows}):
        own = [row for row in rows if row[0] == dimension]
        found[dimension] = Comparisons(
            np.array([place[row[1]] for row in own]),
            np.array([place[row[2]] for row in own]),
            np.array([seat[row[3]] for row in own]),
            np.array([row[4] for row in own]),
        )
    return found, models, judges


def fit_pairs(table: Comparisons, models: int, judges: int) -> PairFit:
    """Maximum likelihood by Newton's method.

    Raises:
        BadInput: Not all models are connected by comparisons.
        EdgewiseError: It does not converge.
    """
    n = len(table.outcome)
    x = np.zeros((n, models + judges))
    rows = np.arange(n)
    x[rows, table.first], x[rows, table.second] = 1.0, -1.0
    x[rows, models + table.judge] = 1.0
    _connected(table, models)
    wins = np.bincount(table.first, table.outcome, models) + np.bincount(table.second, 1 - table.outcome, models)
    played = np.bincount(table.first, minlength=models) + np.bincount(table.second, minlength=models)
    wins_first = np.bincount(table.judge, table.outcome, judges)
    judged = np.bincount(table.judge, minlength=judges)
    pull = _PULL * np.concatenate(
        [(wins == 0).astype(float) - (wins == played), (wins_first == 0).astype(float) - (wins_first == judged)]
    )
    basis = np.zeros((models + judges, models - 1 + judges))
    basis[: models - 1, : models - 1] = np.eye(models - 1)
    basis[models - 1, : models - 1] = -1
    basis[models:, models - 1 :] = np.eye(judges)
    free = np.zeros(basis.shape[1])
    for _ in range(60):
        p = 1 / (1 + np.exp(-x @ (basis @ free)))
        gradient = basis.T @ (x.T @ (table.outcome - p) + pull)
        normal = basis.T @ (x.T @ ((p * (1 - p))[:, None] * x)) @ basis
        step = solve(normal, gradient)
        longest = float(np.abs(step).max(initial=0.0))
        free = free + step * min(1.0, 2 / max(longest, 1e-12))
        if longest < 1e-8:
            loglik = float((table.outcome * np.log(p) + (1 - table.outcome) * np.log1p(-p)).sum())
            full = basis @ free
            covariance = basis @ np.linalg.pinv(normal, hermitian=True) @ basis.T
            return PairFit(full[:models], full[models:], covariance, loglik)
    raise EdgewiseError("the estimates do not settle in 60 steps")


def _connected(table: Comparisons, models: int) -> None:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(table.first)), (table.first, table.second)), shape=(models, models))
    played = np.unique(np.concatenate([table.first, table.second]))
    label = connected_components(graph, directed=False)[1][played]
    if np.ptp(label) > 0:
        raise BadInput(f"comparisons leave {len(np.unique(label))} sets of models unconnected", field="model_a")
