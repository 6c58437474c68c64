"""Rank correlations with intervals."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from edgewise.core.estimate import Measure, NotMeasured
from edgewise.stats.checks import Floats, Numbers, check_level, make_measure, same_length, vector
from edgewise.stats.intervals import unseen_share
from edgewise.stats.resampling import chunk_sizes


def kendall(x: Numbers, y: Numbers, level: float = 0.95) -> Measure:
    """Kendall's tau-b (Kendall 1945), interval by the jackknife on Fisher's z with Student's t (n - 2 degrees).

    The usual variances of rank correlations (Fieller, Hartley and Pearson 1957; Bonett and Wright 2000) hold for
    continuous numbers only; with ties they cover too little. The jackknife (Arvesen 1969, for U-statistics) holds with
    ties, too. It costs O(n²) time.

    At a perfect correlation it sees no variation. There a share u of pairs may be otherwise though none seen is
    (``unseen_share``); were all comparisons with them turned round, tau would be 2 (1 - u)² - 1.

    Args:
        x: One number per pair, shape (n,).
        y: The other, shape (n,).
        level: Coverage.

    Returns:
        The estimate; ``NotMeasured`` below five pairs, or where one side is constant, or is but for one pair.

    Raises:
        BadInput: Different lengths, a number that is not finite, a level outside (0, 1).
    """
    a, b = _checked(x, y, level)
    if (reason := _too_little(a, b)) is not None:
        return NotMeasured(reason=reason)
    # Per pair: comparisons with all others that agree less those that disagree, and those that differ in x, in y.
    rows = [
        np.stack([np.sum(of_x * of_y, axis=1), np.sum(of_x**2, axis=1), np.sum(of_y**2, axis=1)])
        for _, of_x, of_y in _comparisons(a, b)
    ]
    each = np.concatenate(rows, axis=1)
    total = each.sum(axis=1)
    # Leaving out a pair takes its comparisons away twice: as the one compared and as the other.
    without = total[:, None] - 2 * each
    tau = float(total[0] / np.sqrt(total[1] * total[2]))
    return _jackknifed(tau, without[0] / np.sqrt(without[1] * without[2]), level, "Kendall tau-b")


def spearman(x: Numbers, y: Numbers, level: float = 0.95) -> Measure:
    """Spearman's rho (with ties, the correlation of mid-ranks), interval as for ``kendall``, by the same arguments.

    At a perfect correlation, too, the interval is that of ``kendall``, for which it is derived.
    """
    from scipy.stats import rankdata

    a, b = _checked(x, y, level)
    if (reason := _too_little(a, b)) is not None:
        return NotMeasured(reason=reason)
    n = a.size
    rank_x, rank_y = rankdata(a), rankdata(b)
    without = []
    for rows, of_x, of_y in _comparisons(a, b):
        # Without the row's pair, ranks above it fall by one and ranks equal to it by a half; their mean is n / 2.
        left_x, left_y = rank_x - (1 - of_x) / 2 - n / 2, rank_y - (1 - of_y) / 2 - n / 2
        left_x[np.arange(rows.size), rows] = left_y[np.arange(rows.size), rows] = 0
        product = np.sum(left_x * left_y, axis=1)
        without.append(product / np.sqrt(np.sum(left_x**2, axis=1) * np.sum(left_y**2, axis=1)))
    rho = float(np.corrcoef(rank_x, rank_y)[0, 1])
    return _jackknifed(rho, np.concatenate(without), level, "Spearman rho")


def _comparisons(a: Floats, b: Floats) -> Iterator[tuple[npt.NDArray[np.intp], Floats, Floats]]:
    """Some pairs at a time, and whether they lie above (1), at (0) or below (-1) each pair, in x and in y."""
    start = 0
    for k in chunk_sizes(a.size, 2 * a.size):
        rows = np.arange(start, start + k)
        yield rows, np.sign(a[rows, None] - a), np.sign(b[rows, None] - b)
        start += k


def _checked(x: Numbers, y: Numbers, level: float) -> tuple[Floats, Floats]:
    check_level(level)
    a, b = vector("x", x), vector("y", y)
    same_length(x=a, y=b)
    return a, b


def _too_little(a: Floats, b: Floats) -> str | None:
    """Why these pairs do not show a rank correlation, if they do not."""
    if a.size < 5:
        return f"{a.size} pairs are too few for a rank correlation"
    for side in (a, b):
        if np.unique(side, return_counts=True)[1].max() >= side.size - 1:
            return "one side is constant, or is but for one pair"
    return None


def _jackknifed(r: float, left_out: Floats, level: float, name: str) -> Measure:
    from scipy.special import stdtrit

    n = left_out.size
    if abs(r) > 1 - 1e-12:
        r = float(np.sign(r))
        inner = r * (2 * (1 - unseen_share(n, level)) ** 2 - 1)
        return make_measure(r, min(inner, r), max(inner, r), n, f"{name}, wilson for unseen variation", level)
    variance = (n - 1) / n * np.sum((left_out - left_out.mean()) ** 2) / (1 - r**2) ** 2
    how = "jackknife"
    if variance < 1e-12:  # a symmetric pattern that no single pair changes says nothing of the spread: Fisher's own
        variance, how = 1 / (n - 3), "n - 3"
    half = float(stdtrit(n - 2, (1 + level) / 2)) * np.sqrt(variance)
    low, high = np.tanh(np.arctanh(r) + np.array([-half, half]))
    return make_measure(r, float(low), float(high), n, f"{name}, {how}, Fisher z", level)
