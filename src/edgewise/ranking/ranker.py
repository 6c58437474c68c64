"""One call from responses to a ranking: scores and ranks of models, difficulties and faults of items, and how sure."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.stats import kendalltau, rankdata

from edgewise.core.errors import BadInput
from edgewise.ranking import rivals, uncertainty
from edgewise.ranking.anchoring import Anchor, anchored_scores
from edgewise.ranking.diagnostics import DependentPair, ItemDiagnostics, dependent_pairs, diagnose
from edgewise.ranking.matrix import Floats, ResponseMatrix
from edgewise.ranking.methods import DEFAULT, METHODS, Options, Scores, fit

if TYPE_CHECKING:
    import pyarrow as pa

Over = Literal["items", "models", "both"]
_COVERAGE = 0.8
_MOST_PAIRED = 20_000  # items among which dependent pairs are looked for: five seconds
_MODEL_DRAWS = 200  # replicates for the intervals of items, which rest on the models


@dataclass(frozen=True, eq=False)
class Ranking:
    """A ranking of models and items.

    Attributes:
        method: Name of the method.
        matrix: What was ranked, in the order of ids.
        scores: What the method says.
        rank: Competition ranks, 1 the best, ties alike, shape (models).
        low, high: 95 % interval of each model's score; NaN without bootstrap.
        rank_low, rank_high: 95 % interval of each rank; NaN without bootstrap.
        difficulty_low, difficulty_high: 95 % interval of each difficulty under other models of the same kind.
        above: How often each model is above each other, shape (models, models); 0.5 everywhere without bootstrap.
        accuracy: Plain mean score of each model, on what it answered.
        error_rate: Plain failure rate of each item.
        diagnostics: What is wrong with items.
        pairs: Items that depend on each other; not looked for among more than 20,000.
        replicates: Bootstrap replicates.
        seconds: Time the fit took, without bootstrap and diagnostics.
        notes: What a reader should know of this ranking.
    """

    method: str
    matrix: ResponseMatrix
    scores: Scores
    rank: Floats
    low: Floats
    high: Floats
    rank_low: Floats
    rank_high: Floats
    difficulty_low: Floats
    difficulty_high: Floats
    above: Floats
    accuracy: Floats
    error_rate: Floats
    diagnostics: ItemDiagnostics
    pairs: tuple[DependentPair, ...]
    replicates: int
    seconds: float
    notes: tuple[str, ...] = ()
    options: Options = field(default_factory=Options)

    @property
    def order(self) -> list[int]:
        """Positions of the models, the best first; ties by id."""
        return sorted(range(len(self.rank)), key=lambda j: (self.rank[j], self.matrix.models[j]))

    def models_table(self) -> pa.Table:
        """One row per model, the best first."""
        import pyarrow as pa

        order = self.order
        answered = self.matrix.observed().sum(0)
        columns: dict[str, Any] = {"model": [self.matrix.models[j] for j in order]}
        for name, values in (
            ("score", self.scores.score),
            ("low", self.low),
            ("high", self.high),
            ("rank", self.rank),
            ("rank_low", self.rank_low),
            ("rank_high", self.rank_high),
            ("accuracy", self.accuracy),
        ):
            kind = pa.int64() if name.startswith("rank") else pa.float64()
            columns[name] = pa.array(_or_none(values[order], integer=name.startswith("rank")), type=kind)
        columns["n_items"] = pa.array(answered[order].astype(np.int64))
        return pa.table(columns)

    def items_table(self) -> pa.Table:
        """One row per item, the hardest first."""
        import pyarrow as pa

        difficulty = self.scores.difficulty
        weight = np.full(len(difficulty), np.nan) if self.scores.item_weight is None else self.scores.item_weight
        order = sorted(
            range(len(difficulty)),
            key=lambda q: (-difficulty[q] if np.isfinite(difficulty[q]) else np.inf, self.matrix.items[q]),
        )
        columns: dict[str, Any] = {"item_id": [self.matrix.items[q] for q in order]}
        for name, values in (
            ("difficulty", difficulty),
            ("low", self.difficulty_low),
            ("high", self.difficulty_high),
            ("percentile", percentiles(difficulty)),
            ("weight", weight),
            ("error_rate", self.error_rate),
            ("discrimination", self.diagnostics.discrimination),
            ("infit", self.diagnostics.infit),
            ("outfit", self.diagnostics.outfit),
        ):
            columns[name] = pa.array(_or_none(values[order]), type=pa.float64())
        columns["flags"] = pa.array([list(self.diagnostics.flags[q]) for q in order], type=pa.list_(pa.string()))
        return pa.table(columns)

    def pairs_table(self) -> pa.Table:
        """One row per pair of dependent items, the strongest first."""
        import pyarrow as pa

        items, text, real = self.matrix.items, pa.string(), pa.float64()
        rows = [(items[p.first], items[p.second], p.correlation, p.p_value) for p in self.pairs]
        columns = zip(*rows, strict=True) if rows else ((),) * 4
        names = (("item", text), ("other", text), ("correlation", real), ("p_value", real))
        return pa.table([pa.array(c, t) for c, (_, t) in zip(columns, names, strict=True)], schema=pa.schema(names))


def rank(
    matrix: ResponseMatrix,
    method: str = DEFAULT,
    *,
    bootstrap: int = 200,
    over: Over = "items",
    seed: int = 0,
    options: Options | None = None,
    anchor: Anchor | None = None,
) -> Ranking:
    """Rank the models and the items of a response matrix.

    Args:
        matrix: Responses. Order does not matter: ids are sorted first.
        method: A name of ``METHODS``.
        bootstrap: Replicates for the intervals; 0 for none.
        over: What is resampled for the models' intervals: items (another test of the same kind), models (another pool)
            or both. Intervals of difficulties are always over models.
        seed: Of the bootstrap.
        options: Parameters of the method. Weights go by position, so with them ids are not sorted.
        anchor: Items of known difficulty whose scale is to be kept, for ``edgewise`` only.

    Raises:
        BadInput: Unknown method, or an option out of range.
    """
    if anchor is not None and method != DEFAULT:
        raise BadInput(f"{method} has no scale that can be anchored; {DEFAULT} has", field="anchor")
    if bootstrap < 0:
        raise BadInput(f"bootstrap is {bootstrap}; need 0 or more", field="bootstrap")
    if over not in ("items", "models", "both"):
        raise BadInput(f"over is {over!r}; need items, models or both", field="over")
    options = options or Options()
    if options.item_weights is None and options.model_weights is None:
        matrix = matrix.sorted()
    started = time.perf_counter()
    scores = fit(matrix, method, options) if anchor is None else anchored_scores(matrix, anchor)[0]
    seconds = time.perf_counter() - started
    n_items, n_models = matrix.shape
    plain, error = rivals.accuracy(matrix, np.ones(n_items))
    nothing = np.full(n_models, np.nan)
    low = high = rank_low = rank_high = nothing
    difficulty_low = difficulty_high = np.full(n_items, np.nan)
    above = np.full((n_models, n_models), 0.5)
    if bootstrap:
        rng = np.random.default_rng(seed)
        draws = min(bootstrap, _MODEL_DRAWS) if over == "items" else bootstrap
        pools = uncertainty.bootstrap_models(matrix, method, options, draws, rng, items=over == "both")
        if anchor is not None:
            replicates = uncertainty.bootstrap_anchored(matrix, anchor, bootstrap, rng)
        elif over == "items":
            replicates = uncertainty.bootstrap_items(matrix, method, options, bootstrap, rng)
        else:
            replicates = pools.scores
        low, high = uncertainty.interval(replicates, 0.025)
        rank_low, rank_high = uncertainty.rank_intervals(replicates)
        above = uncertainty.probability_above(replicates)
        assert pools.difficulties is not None
        difficulty_low, difficulty_high = uncertainty.interval(pools.difficulties, 0.025)
        # An interval of resampled models need not hold the value; one that is shown does.
        difficulty_low = np.minimum(difficulty_low, scores.difficulty)
        difficulty_high = np.maximum(difficulty_high, scores.difficulty)
        low, high = np.minimum(low, scores.score), np.maximum(high, scores.score)
    rasch = rivals.bradley_terry(matrix, np.ones(n_items))
    return Ranking(
        method=method,
        matrix=matrix,
        scores=scores,
        rank=uncertainty.ranks(scores.score),
        low=low,
        high=high,
        rank_low=rank_low,
        rank_high=rank_high,
        difficulty_low=difficulty_low,
        difficulty_high=difficulty_high,
        above=above,
        accuracy=plain,
        error_rate=error,
        diagnostics=diagnose(matrix, *rasch),
        pairs=tuple(dependent_pairs(matrix, *rasch)) if n_items <= _MOST_PAIRED else (),
        replicates=bootstrap,
        seconds=seconds,
        notes=tuple(_notes(matrix, method, scores)),
        options=options,
    )


@dataclass(frozen=True, eq=False)
class Comparison:
    """All methods on one matrix.

    Attributes:
        scores: By method.
        model_tau: Kendall's tau-b of the models' scores, by pair of methods.
        item_tau: The same of the items' difficulties.
        seconds: By method.
    """

    scores: dict[str, Scores]
    model_tau: dict[tuple[str, str], float]
    item_tau: dict[tuple[str, str], float]
    seconds: dict[str, float]


def compare_methods(
    matrix: ResponseMatrix, methods: list[str] | None = None, options: Options | None = None
) -> Comparison:
    """Rank by several methods (all of them unless named), and say how far they agree."""
    scores, seconds = {}, {}
    for method in methods or list(METHODS):
        started = time.perf_counter()
        scores[method] = fit(matrix, method, options)
        seconds[method] = time.perf_counter() - started
    pairs = [(a, b) for a in scores for b in scores if a < b]
    return Comparison(
        scores,
        {(a, b): tau(scores[a].score, scores[b].score) for a, b in pairs},
        {(a, b): tau(scores[a].difficulty, scores[b].difficulty) for a, b in pairs},
        seconds,
    )


def tau(a: Floats, b: Floats) -> float:
    """Kendall's tau-b over what both have; NaN where that is not defined."""
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 2:
        return float("nan")
    return float(kendalltau(a[both], b[both]).statistic)


def known(value: float) -> float | None:
    """The value, or ``None`` in place of NaN: JSON and tables have no NaN."""
    return value if np.isfinite(value) else None


def percentiles(difficulty: Floats) -> Floats:
    """Share of the items that are easier (ties half), in percent, shape (items)."""
    some = np.isfinite(difficulty)
    result = np.full(len(difficulty), np.nan)
    if some.any():
        result[some] = 100 * (rankdata(np.round(difficulty[some], 12)) - 0.5) / some.sum()
    return result


def _notes(matrix: ResponseMatrix, method: str, scores: Scores) -> list[str]:
    notes = []
    if not scores.converged:
        notes.append(f"{method} did not get to its tolerance in {scores.steps} steps.")
    coverage = matrix.observed().mean(0)
    sparse = [matrix.models[j] for j in np.flatnonzero(coverage < _COVERAGE)]
    if sparse:
        some = ", ".join(sparse[:3]) + (f" and {len(sparse) - 3} more" if len(sparse) > 3 else "")
        notes.append(f"Under 80 % of the items were answered by {some}.")
    parts = _pools(matrix)
    if parts > 1:
        notes.append(f"The models fall into {parts} pools with no item in common: their scores cannot be compared.")
    if np.nanmax(scores.score) - np.nanmin(scores.score) <= 0 and matrix.shape[1] > 1:
        notes.append("No item tells the models apart.")
    return notes


def _pools(matrix: ResponseMatrix) -> int:
    """Number of groups of models that share no item, directly or by way of others."""
    from scipy.sparse.csgraph import connected_components

    together = np.zeros((matrix.shape[1],) * 2)
    for _, right, wrong in matrix.blocks():
        seen = right + wrong
        together += seen.T @ seen
    used = np.diag(together) > 0
    if not used.any():
        return 0
    parts, _ = connected_components(together[np.ix_(used, used)] > 0, directed=False)
    return int(parts)


def _or_none(values: Floats, *, integer: bool = False) -> list[float | int | None]:
    return [None if not np.isfinite(x) else int(x) if integer else float(x) for x in values]
