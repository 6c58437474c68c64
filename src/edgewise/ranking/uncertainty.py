"""How sure an order is: bootstrap over items, models or both, rank intervals, and stability under removal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr

from edgewise.core.errors import BadInput
from edgewise.ranking.anchoring import Anchor, anchored_scores
from edgewise.ranking.matrix import Block, Floats, ResponseMatrix
from edgewise.ranking.methods import WEIGH_MODELS, Options, fit, model_weights
from edgewise.ranking.mutual import MutualRates, model_weight, mutual_rates
from edgewise.ranking.rankllm import Statistics, sum_statistics

_OUTER = 1 << 21  # products of two models' scores in work at a time


@dataclass(frozen=True, eq=False)
class Replicates:
    """Scores under resampling.

    Attributes:
        scores: Shape (replicates, models).
        difficulties: Shape (replicates, items), or ``None`` where only models were asked for.
    """

    scores: Floats
    difficulties: Floats | None = None


def ranks(scores: Floats) -> Floats:
    """Competition ranks, 1 for the highest, along the last axis; scores that differ by rounding only are tied.

    NaN ranks last.
    """
    filled = np.where(np.isnan(scores), -np.inf, scores)
    top = np.abs(np.where(np.isfinite(filled), filled, 0)).max(-1, keepdims=True)
    rounded = np.where(np.isfinite(filled), np.round(filled / np.where(top > 0, top, 1), 12), filled)
    return np.asarray(rankdata(-rounded, method="min", axis=-1), dtype=np.float64)


def bootstrap_items(
    matrix: ResponseMatrix,
    method: str,
    options: Options,
    replicates: int,
    rng: np.random.Generator,
    groups: NDArray[np.int64] | None = None,
) -> Floats:
    """Scores under resampled items, shape (replicates, models).

    RankLLM and edgewise are functions of sums over items, so all replicates come from one pass over the data; the other
    methods are fitted anew each time.

    Args:
        matrix: Responses.
        method: A name of ``methods.METHODS``.
        options: Its options.
        replicates: How many.
        rng: Source of the draws.
        groups: Items of a group (a passage, a repository) are drawn together. Shape (items).
    """
    draws = _draws(matrix.shape[0], replicates, rng, groups)
    given = options.weights_of(matrix)
    if method == "rankllm":
        return _rankllm_replicates(matrix, options, draws, given)
    if method == "edgewise":
        return _edgewise_replicates(matrix, options, draws, given)
    return np.array([fit(matrix, method, replace(options, item_weights=given * draw)).score for draw in draws])


def bootstrap_models(
    matrix: ResponseMatrix,
    method: str,
    options: Options,
    replicates: int,
    rng: np.random.Generator,
    *,
    items: bool = False,
) -> Replicates:
    """Scores and difficulties under resampled models, and under resampled items at the same time with ``items``.

    A model that was not drawn has no influence. The methods that weigh models still score it; the others do not (NaN).
    """
    n_items, n_models = matrix.shape
    given = options.weights_of(matrix)
    scores, difficulties = np.full((replicates, n_models), np.nan), np.empty((replicates, n_items))
    clones = model_weights(matrix, method, options) if method in WEIGH_MODELS else np.ones(0)
    whole = _whole(matrix, options) if method == "edgewise" else None
    for i in range(replicates):
        drawn = np.sort(rng.integers(n_models, size=n_models))
        weights = given * np.bincount(rng.integers(n_items, size=n_items), minlength=n_items) if items else given
        told = replace(options, item_weights=weights if weights.any() else given, shrink=False)
        if method in WEIGH_MODELS:
            copies = np.bincount(drawn, minlength=n_models)
            found = fit(matrix, method, replace(told, model_weights=clones * copies))
            scores[i] = found.score
        else:
            found = fit(ResponseMatrix.from_array(matrix.values[:, drawn], items=matrix.items), method, told)
            scores[i, drawn] = found.score
        difficulties[i] = found.difficulty
    if whole is not None:  # how far to draw rates to the mean is not estimated anew
        return Replicates(whole.models.apply(scores), whole.items.apply(difficulties))
    return Replicates(scores, difficulties)


def bootstrap_anchored(matrix: ResponseMatrix, anchor: Anchor, replicates: int, rng: np.random.Generator) -> Floats:
    """Anchored scores under resampled items, shape (replicates, models)."""
    draws = _draws(matrix.shape[0], replicates, rng, None)
    found = anchored_scores(matrix, anchor, draws.astype(np.float64))[1]
    assert found is not None
    return found


def rank_intervals(scores: Floats, level: float = 0.95) -> tuple[Floats, Floats]:
    """Lowest and highest rank number of each model over replicates (rows), at ``level``; two arrays, shape (models).

    Where models have no score, the ranks of the others are stretched to the whole pool.
    """
    known = ~np.isnan(scores)
    stretch = (scores.shape[1] - 1) / np.maximum(known.sum(1, keepdims=True) - 1, 1)
    places = np.where(known, 1 + (ranks(scores) - 1) * stretch, np.nan)
    low, high = interval(places, (1 - level) / 2)
    return np.floor(low), np.ceil(high)


def interval(values: Floats, tail: float) -> tuple[Floats, Floats]:
    """Percentile interval over replicates (rows), NaN left out; NaN where nothing is left."""
    some = ~np.isnan(values).all(0)
    found = np.full((2, values.shape[1]), np.nan)
    quantile = np.nanquantile if np.isnan(values).any() else np.quantile
    found[:, some] = quantile(values[:, some], [tail, 1 - tail], axis=0)
    return found[0], found[1]


def probability_above(scores: Floats) -> Floats:
    """How often each model (row) is above each other (column), ties counting half, shape (models, models)."""
    n_models = scores.shape[1]
    above = np.full((n_models, n_models), 0.5)
    for j in range(n_models):
        difference = scores[:, [j]] - scores
        known = ~np.isnan(difference)
        wins = (difference > 0).sum(0) + 0.5 * (difference == 0).sum(0)
        above[j] = np.where(known.any(0), wins / np.maximum(known.sum(0), 1), 0.5)
    return above


@dataclass(frozen=True)
class Stability:
    """Agreement (Spearman) of a ranking with that of a random part of its data; median and 2.5 to 97.5 % of draws.

    Attributes:
        removed: How many models or items were removed.
        models: Correlation of the scores of the models that are left.
        items: Correlation of the difficulties of the items that are left.
    """

    removed: int
    models: tuple[float, float, float]
    items: tuple[float, float, float]


def stability(
    matrix: ResponseMatrix,
    method: str,
    options: Options,
    rng: np.random.Generator,
    *,
    remove: int,
    what: Literal["models", "items"] = "models",
    draws: int = 50,
) -> Stability:
    """Remove models or items at random and rank again, as in the paper's section on robustness.

    Raises:
        BadInput: Fewer than two would be left.
    """
    total = matrix.shape[1] if what == "models" else matrix.shape[0]
    if not 0 <= remove <= total - 2:
        raise BadInput(f"removing {remove} of {total} {what} leaves nothing to rank", field="remove")
    whole = fit(matrix, method, options)
    found = []
    for _ in range(draws):
        left = np.sort(rng.permutation(total)[: total - remove])
        part = matrix.select(models=left) if what == "models" else matrix.select(items=left)
        weights = options.item_weights
        if weights is not None and what == "items":
            weights = weights[left]
        again = fit(part, method, replace(options, item_weights=weights))
        kept_models, kept_items = (left, slice(None)) if what == "models" else (slice(None), left)
        found.append(
            (
                _correlation(whole.score[kept_models], again.score),
                _correlation(whole.difficulty[kept_items], again.difficulty),
            )
        )
    middle = np.nanquantile(np.array(found), [0.5, 0.025, 0.975], axis=0)
    models, items = (tuple(float(x) for x in middle[:, k]) for k in (0, 1))
    return Stability(remove, models, items)  # type: ignore[arg-type]


def _correlation(a: Floats, b: Floats) -> float:
    known = ~np.isnan(a) & ~np.isnan(b)
    if known.sum() < 2 or np.ptp(a[known]) == 0 or np.ptp(b[known]) == 0:
        return float("nan")
    return float(spearmanr(a[known], b[known]).statistic)


def _draws(
    n_items: int, replicates: int, rng: np.random.Generator, groups: NDArray[np.int64] | None
) -> NDArray[np.uint8]:
    """How often each item is drawn, shape (replicates, items)."""
    if groups is None:
        groups = np.arange(n_items)
    _, group = np.unique(groups, return_inverse=True)
    n_groups = int(group.max()) + 1
    counts = np.empty((replicates, n_items), np.uint8)
    for i in range(replicates):
        drawn = np.bincount(rng.integers(n_groups, size=n_groups), minlength=n_groups)
        counts[i] = np.minimum(drawn, 255)[group]
    return counts


def _parts(blocks: Iterator[Block], n_models: int) -> Iterator[Block]:
    """Smaller blocks, so that the products of all pairs of models fit."""
    step = max(1, _OUTER // n_models**2)
    for rows, right, wrong in blocks:
        for start in range(0, len(right), step):
            part = slice(start, start + step)
            yield Block(slice(rows.start + start, rows.start + start + len(right[part])), right[part], wrong[part])


def _products(draws: Floats, left: Floats, right: Floats) -> Floats:
    """Sum over items of draw * left[j] * right[k], shape (replicates, models, models)."""
    n, m = left.shape
    return (draws @ (left[:, :, None] * right[:, None, :]).reshape(n, m * m)).reshape(len(draws), m, m)


def _rankllm_replicates(matrix: ResponseMatrix, options: Options, draws: NDArray[np.uint8], given: Floats) -> Floats:
    b, m = len(draws), matrix.shape[1]
    u = model_weights(matrix, "rankllm", options)
    if m**2 * b > 2e8:  # too much to hold at once: one replicate after the other
        return np.array(
            [sum_statistics(matrix.blocks(), u, given * draw).competency(options.alpha, u) for draw in draws]
        )
    flow, failures, restart, items = np.zeros((b, m, m)), np.zeros((b, m)), np.zeros((b, m)), np.zeros(b)
    for rows, right, wrong in _parts(matrix.blocks(), m):
        solved = right @ u
        weights = given[rows] * ((solved > 0) & (wrong @ u > 0))
        share = right * np.divide(weights, solved, out=np.zeros_like(solved), where=weights > 0)[:, None]
        drawn = draws[:, rows].astype(np.float64)
        flow += _products(drawn, share, wrong)
        failures += drawn @ (weights[:, None] * wrong)
        restart += drawn @ share
        items += drawn @ weights
    return np.array(
        [Statistics(*each).competency(options.alpha, u) for each in zip(flow, failures, restart, items, strict=True)]
    )


def _edgewise_replicates(matrix: ResponseMatrix, options: Options, draws: NDArray[np.uint8], given: Floats) -> Floats:
    """Scores are ratios of sums over items that are bilinear in draws and weights.

    An item's expected failures, which matter only where answers are missing, are those of the whole data.
    """
    b, m = len(draws), matrix.shape[1]
    u = model_weights(matrix, "edgewise", options)
    whole = _whole(matrix, replace(options, model_weights=u))
    raw = _whole(matrix, replace(options, model_weights=u, shrink=False))
    if m**2 * b > 2e8:
        anew = (fit(matrix, "edgewise", _drawn(options, u, given * draw)).score for draw in draws)
        return whole.models.apply(np.array(list(anew)))
    complete = bool(matrix.observed().all())
    solved, expected = np.zeros((b, m, m)), np.zeros((b, m, m))
    base, total = np.zeros((b, m)), np.zeros((b, m))
    for rows, right, wrong in _parts(matrix.blocks(), m):
        failed = wrong @ raw.weight
        difficulty = np.nan_to_num(raw.difficulty[rows])
        per_weight = np.divide(difficulty, failed, out=np.zeros_like(failed), where=failed > 0)
        drawn = draws[:, rows] * given[rows]
        failure = wrong * per_weight[:, None]
        solved += _products(drawn, right, failure)
        total += drawn @ failure
        if not complete:
            easy = failure * (1 - difficulty)[:, None]
            expected += _products(drawn, right + wrong, easy)
            base += drawn @ easy
    return whole.models.apply(_fixed_point(solved, expected, base, total, raw.score, u, options, complete))


def _fixed_point(
    solved: Floats,
    expected: Floats,
    base: Floats,
    total: Floats,
    start: Floats,
    clones: Floats,
    options: Options,
    complete: bool,
) -> Floats:
    """Scores of all replicates at once, shape (replicates, models)."""
    score = np.repeat(start[None], len(solved), axis=0)
    for _ in range(1000):
        weight = model_weight(clones, score, options.alpha)
        mass = (total * weight).sum(1)
        up = np.einsum("bjk,bk->bj", solved, weight)
        if complete:
            new = up / np.where(mass > 0, mass, 1)[:, None]
        else:
            down = np.einsum("bjk,bk->bj", expected, weight)
            mean = (base * weight).sum(1) / np.where(mass > 0, mass, 1)
            new = np.clip(mean[:, None] * np.divide(up, down, out=np.zeros_like(up), where=down > 1e-300), 0, 1)
        new[mass <= 0] = 1  # nobody failed anything that was drawn
        change, score = abs(new - score).max(), new
        if change < options.tol:
            break
    return score


def _drawn(options: Options, model_weights: Floats, item_weights: Floats) -> Options:
    return replace(options, model_weights=model_weights, item_weights=item_weights, shrink=False)


def _whole(matrix: ResponseMatrix, options: Options) -> MutualRates:
    return mutual_rates(
        matrix,
        alpha=options.alpha,
        tol=options.tol,
        model_weights=model_weights(matrix, "edgewise", options),
        item_weights=options.weights_of(matrix),
        shrink=options.shrink,
    )
