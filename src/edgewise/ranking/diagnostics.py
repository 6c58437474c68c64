"""What is wrong with an item: dead, unable to tell models apart, keyed wrongly, or a copy of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from edgewise.ranking.matrix import Floats, ResponseMatrix
from edgewise.stats import benjamini_hochberg

_LEVEL = 0.05
_MISFIT = 1.5  # Linacre's rule (2002): a mean square above 1.5 makes a measurement worse
_LEAST_OF_BOTH = 5  # right and wrong answers for a correlation of residuals to mean something
_PAIRS = 1 << 22  # correlations of items in work at a time


@dataclass(frozen=True, eq=False)
class ItemDiagnostics:
    """Figures per item, each of shape (items), NaN where an item does not allow them.

    Attributes:
        discrimination: Correlation of an item's scores with the models' mean scores on the other items (corrected
            item-total correlation).
        infit: Information-weighted mean square of the residuals from a Rasch model; 1 is expected, less for graded
            scores.
        outfit: Plain mean square of the standardised residuals; sensitive to single surprises.
        flags: For each item what is suspicious: ``unanswered``, ``all_right``, ``all_wrong``;
            ``negative_discrimination`` (below 0 beyond chance, 5 % of them false: Benjamini-Hochberg);
            ``suspected_key`` (the same, and the stronger half of the models does worse than the weaker: the key may be
            wrong, or the item misleads who knows more); ``misfit`` (outfit above 1.5).
    """

    discrimination: Floats
    infit: Floats
    outfit: Floats
    flags: tuple[tuple[str, ...], ...]


def diagnose(matrix: ResponseMatrix, ability: Floats, difficulty: Floats) -> ItemDiagnostics:
    """Examine every item.

    Args:
        matrix: Responses.
        ability: Of each model on the Rasch scale, in logits, shape (models).
        difficulty: Of each item on the same scale, shape (items).
    """
    n_items, n_models = matrix.shape
    totals, counts = np.zeros(n_models), np.zeros(n_models)
    for _, right, wrong in matrix.blocks():
        totals, counts = totals + right.sum(0), counts + (right + wrong).sum(0)
    strong = ability >= np.median(ability)
    n, mean, discrimination, infit, outfit, gap = (np.full(n_items, np.nan) for _ in range(6))
    for rows, right, wrong in matrix.blocks():
        seen = right + wrong
        n[rows] = seen.sum(1)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean[rows] = right.sum(1) / n[rows]
            rest = np.where(seen > 0, (totals - right) / np.maximum(counts - seen, 1), 0)
            discrimination[rows] = _correlation(right, rest, seen)
            p = 1 / (1 + np.exp(difficulty[rows, None] - ability))
            variance = np.where(seen > 0, p * (1 - p), 0)
            squared = np.where(seen > 0, (right - p) ** 2, 0)
            infit[rows] = squared.sum(1) / variance.sum(1)
            outfit[rows] = (squared / np.where(variance > 0, variance, 1)).sum(1) / n[rows]
            gap[rows] = _mean(right, seen, strong) - _mean(right, seen, ~strong)
    alive = (n > 0) & (mean > 0) & (mean < 1)
    for figures in (discrimination, infit, outfit):
        figures[~alive] = np.nan
    testable = np.isfinite(discrimination) & (n >= 4)
    negative = np.zeros(n_items, bool)
    r = np.clip(discrimination[testable], -0.999999, 0.999999)
    df = n[testable] - 2
    negative[testable] = _significant(stats.t.cdf(r * np.sqrt(df / (1 - r**2)), df))
    marks = {
        "unanswered": n == 0,
        "all_right": mean == 1,
        "all_wrong": mean == 0,
        "negative_discrimination": negative,
        "suspected_key": negative & (gap < 0),
        "misfit": np.nan_to_num(outfit) > _MISFIT,
    }
    flags: list[list[str]] = [[] for _ in range(n_items)]
    for name, mark in marks.items():
        for row in np.flatnonzero(mark):
            flags[row].append(name)
    return ItemDiagnostics(discrimination, infit, outfit, tuple(tuple(each) for each in flags))


@dataclass(frozen=True)
class DependentPair:
    """Two items whose residuals go together: copies, or parts of one task.

    Attributes:
        first: Position of one item.
        second: Position of the other.
        correlation: Yen's Q3 (1984), the correlation of the residuals from a Rasch model, less the mean of all pairs.
        p_value: Two-sided, by Fisher's z; adjusted for the number of pairs (Benjamini-Hochberg).
    """

    first: int
    second: int
    correlation: float
    p_value: float


def dependent_pairs(
    matrix: ResponseMatrix, ability: Floats, difficulty: Floats, *, at_most: int = 50
) -> list[DependentPair]:
    """Pairs of items that depend on each other beyond what difficulty and ability explain, strongest first.

    All pairs are looked at, in time that grows with the square of the items and memory that does not. Missing cells
    count as answers that were expected. Needs at least five models.
    """
    values = matrix.dense()
    residual = np.nan_to_num(values - 1 / (1 + np.exp(difficulty[:, None] - ability)), nan=0.0)
    residual -= residual.mean(1, keepdims=True)
    norm = np.linalg.norm(residual, axis=1)
    # Items that only a few models failed (or solved) correlate fully as soon as they are the same few, weak ones.
    rare = np.minimum(np.nansum(values, 1), np.nansum(1 - values, 1)) < _LEAST_OF_BOTH
    use = np.flatnonzero((norm > 1e-9) & ~rare & np.isfinite(difficulty))
    n_models = matrix.shape[1]
    if len(use) < 3 or n_models < 5:
        return []
    unit = residual[use] / norm[use, None]
    n_pairs = len(use) * (len(use) - 1) // 2
    mean = (np.square(unit.sum(0)).sum() - len(use)) / (2 * n_pairs)
    found: list[tuple[float, int, int]] = []
    step = max(1, _PAIRS // len(use))
    for start in range(0, len(use), step):
        part = unit[start : start + step] @ unit.T - mean
        part[np.arange(len(use)) <= np.arange(start, start + len(part))[:, None]] = 0  # each pair once
        for place in _largest(np.abs(part).ravel(), at_most):
            i, j = divmod(place, len(use))
            found.append((float(part[i, j]), int(use[start + i]), int(use[j])))
        found = sorted(found, key=lambda each: (-abs(each[0]), each[1], each[2]))[:at_most]
    pairs = []
    for place, (r, first, second) in enumerate(found, 1):
        z = np.arctanh(np.clip(abs(r), 0, 0.999999)) * np.sqrt(n_models - 3)
        p = min(1.0, 2 * float(stats.norm.sf(z)) * n_pairs / place)
        if p < _LEVEL:
            pairs.append(DependentPair(first, second, r, p))
    return pairs


def _largest(values: Floats, count: int) -> list[int]:
    """Places of the largest values."""
    if len(values) <= count:
        return list(range(len(values)))
    places: list[int] = np.argpartition(-values, count)[:count].tolist()
    return places


def _correlation(x: Floats, y: Floats, seen: Floats) -> Floats:
    """Of each row of ``x`` with that of ``y`` over the cells that were seen."""
    n = seen.sum(1, keepdims=True)
    dx = np.where(seen > 0, x - (x * seen).sum(1, keepdims=True) / n, 0)
    dy = np.where(seen > 0, y - (y * seen).sum(1, keepdims=True) / n, 0)
    return np.asarray((dx * dy).sum(1) / np.sqrt((dx**2).sum(1) * (dy**2).sum(1)))


def _mean(right: Floats, seen: Floats, group: NDArray[np.bool_]) -> Floats:
    return np.asarray(right[:, group].sum(1) / seen[:, group].sum(1))


def _significant(p_values: Floats) -> NDArray[np.bool_]:
    if not len(p_values):
        return np.zeros(0, bool)
    return np.asarray(np.asarray(benjamini_hochberg(p_values)) < _LEVEL)
