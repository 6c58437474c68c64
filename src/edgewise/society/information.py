"""What one thing says about another, in bits; how well a score tells two kinds of episodes apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise.core.estimate import Estimate, Measure, NotMeasured

Floats = NDArray[np.float64]

_SHUFFLES = 200
_METHOD = "mutual information, adjusted for chance; shuffles and jackknife over trials"


def mutual_information(pairs: Sequence[tuple[ArrayLike, ArrayLike]], sizes: tuple[int, int], seed: int = 0) -> Measure:
    """Mutual information of two discrete variables within a trial, in bits for each pair of values, mean over trials.

    Every trial may have a code of its own; pooling their tables would hide what each pair understands.

    The plug-in estimate is too high, by about (a - 1)(b - 1)/(2 n ln 2) for independent variables of a and b values,
    and hardly at all for a perfect code: taking the first off everywhere would cheat the second. So it is adjusted for
    chance as in Vinh, Epps and Bailey (2010): H (I - E)/(M - E), where E is the mean over shuffles of the second
    variable within trials, M, the smaller of the two plug-in entropies, the most that I could be, and H the same with
    Miller's correction. 0 stands for chance; values a little below it occur.

    The interval covers 0 unless I is beyond the shuffles' central 95 %; where sampling of trials (delete-one jackknife,
    Student) spreads it wider than shuffling, that is the interval.

    Args:
        pairs: For each trial, values of both variables, integers from 0; trials of fewer than two are left out.
        sizes: How many values each variable has.
        seed: Of the shuffles.
    """
    known = [(np.asarray(x, dtype=int), np.asarray(y, dtype=int)) for x, y in pairs if np.size(x) > 1]
    if len(known) < 2:
        return NotMeasured(reason="fewer than two trials in which both were seen twice")
    rng = np.random.default_rng([seed, len(known)])
    real = np.array([_table(x, y, sizes) for x, y in known])
    first, second = real.sum(-1), real.sum(-2)
    most = np.minimum(_entropy(first), _entropy(second))
    full = np.minimum(_unbiased_entropy(first), _unbiased_entropy(second))
    found = _information(real)
    shuffled = ([_table(x, rng.permutation(y), sizes) for x, y in known] for _ in range(_SHUFFLES))
    chance = np.array([_information(np.array(tables)) for tables in shuffled])

    def adjusted(kept: NDArray[np.bool_], values: Floats) -> Floats:
        expected = chance[:, kept].mean()
        room = most[kept].mean() - expected
        scale = full[kept].mean() / room if room > 1e-12 else 0.0
        return np.asarray(scale * (values[..., kept].mean(-1) - expected))

    from scipy.special import stdtrit

    n = len(known)
    everyone = np.ones(n, dtype=bool)
    value, null = float(adjusted(everyone, found)), adjusted(everyone, chance)
    without = np.array([adjusted(kept, found) for kept in ~np.eye(n, dtype=bool)])
    half = float(stdtrit(n - 1, 0.975) * np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum()))
    low, high = np.quantile(null, [0.025, 0.975])
    return Estimate(value=value, low=value - max(half, high), high=value + max(half, -low), n=n, method=_METHOD)


def _table(x: NDArray[np.int_], y: NDArray[np.int_], sizes: tuple[int, int]) -> Floats:
    return np.bincount(x * sizes[1] + y, minlength=sizes[0] * sizes[1]).reshape(sizes).astype(float)


def _entropy(counts: Floats) -> Floats:
    """In bits, over the last axis."""
    p = counts / counts.sum(-1, keepdims=True)
    return np.asarray(-(p * np.log2(np.where(p > 0, p, 1))).sum(-1))


def _unbiased_entropy(counts: Floats) -> Floats:
    return np.asarray(_entropy(counts) + ((counts > 0).sum(-1) - 1) / (2 * np.log(2) * counts.sum(-1)))


def _information(tables: Floats) -> Floats:
    """Plug-in mutual information over the last two axes."""
    joint = tables.reshape(*tables.shape[:-2], -1)
    return np.asarray(_entropy(tables.sum(-1)) + _entropy(tables.sum(-2)) - _entropy(joint))


def capacity(channel: ArrayLike, tolerance: float = 1e-9) -> float:
    """The most bits that a use of a channel can carry (Blahut 1972, Arimoto 1972).

    Args:
        channel: Shape (sent, received); rows are distributions.
        tolerance: Of the result, in bits.
    """
    rows = np.asarray(channel, dtype=float)
    p = np.full(len(rows), 1 / len(rows))
    low = 0.0
    for _ in range(100_000):
        received = p @ rows
        with np.errstate(divide="ignore", invalid="ignore"):
            gains = np.exp2(np.where(rows > 0, rows * np.log2(rows / received), 0).sum(1))
        low, high = float(np.log2(p @ gains)), float(np.log2(gains.max()))
        if high - low < tolerance:
            break
        p = p * gains / (p @ gains)
    return max(low, 0.0)


def auroc(positive: Sequence[float], negative: Sequence[float]) -> Measure:
    """Probability that a positive scores above a negative, ties one half; interval of DeLong et al. (1988).

    Where they are told apart without a fault the variance vanishes; the end near the middle is then that of the rule
    of three for the smaller group.
    """
    a, b = np.asarray(positive, dtype=float), np.asarray(negative, dtype=float)
    if min(len(a), len(b)) < 2:
        return NotMeasured(reason="fewer than two episodes of a kind")
    wins = (a[:, None] > b).astype(float) + 0.5 * (a[:, None] == b)
    value = float(wins.mean())
    half = 1.96 * float(np.sqrt(wins.mean(1).var(ddof=1) / len(a) + wins.mean(0).var(ddof=1) / len(b)))
    n = min(len(a), len(b))
    least = min(3 / n, 1.0) if value in (0.0, 1.0) else half
    half = max(half, least)
    return Estimate(value=value, low=max(value - half, 0.0), high=min(value + half, 1.0), n=n, method="DeLong")
