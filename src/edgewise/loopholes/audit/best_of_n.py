"""What selection by the proxy does to the trusted reward: best of n, for every n at once, from one pool of answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewise.core.estimate import Measure, NotMeasured
from edgewise.core.records import Record
from edgewise.loopholes.types import Floats
from edgewise.stats import bootstrap

MOST = 4096


def order_weights(pool: int, n: int) -> Floats:
    """Chance that the k-th smallest of ``pool`` answers is the largest of n drawn without replacement, shape (pool,).

    C(k - 1, n - 1) / C(pool, n). With them the expectation of the best of n is estimated without bias from a pool of
    any size from n on (the U-statistic; Hilton et al. 2023 use the same for rejection sampling).
    """
    from scipy.special import gammaln

    k = np.arange(1, pool + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = gammaln(k) - gammaln(n) - gammaln(np.maximum(k - n + 1, 1))
        total = gammaln(pool + 1) - gammaln(n + 1) - gammaln(pool - n + 1)
    return np.where(k >= n, np.exp(logs - total), 0.0)


def best_of(select: Floats, value: Floats, ns: Sequence[int]) -> Floats:
    """Expected ``value`` of the answer with the highest ``select`` among n, shape (prompts, len(ns)).

    Ties are broken at random: answers that are tied share their weights.

    Args:
        select: What selection looks at, shape (prompts, pool); NaN is never selected over a number.
        value: What is wanted, same shape.
        ns: Sizes, at most the pool's.
    """
    prompts, pool = select.shape
    out = np.empty((prompts, len(ns)))
    weights = np.stack([order_weights(pool, n) for n in ns], axis=1)  # (pool, ns)
    for row in range(prompts):
        key = np.where(np.isnan(select[row]), -np.inf, select[row])
        order = np.argsort(key, kind="stable")
        _, start, counts = np.unique(key[order], return_index=True, return_counts=True)
        group = np.repeat(np.arange(len(start)), counts)
        shared = np.add.reduceat(weights, start, axis=0) / counts[:, None]
        values = np.nan_to_num(value[row][order])
        out[row] = (shared[group] * values[:, None]).sum(axis=0)
    return out


class BestOfN(Record):
    """The gap of selection, by n.

    Attributes:
        n: Sizes.
        by_proxy: Mean trusted reward of what the proxy selects.
        by_trusted: Of what the trusted reward selects itself.
        proxy: Mean proxy of what the proxy selects.
        gap: Trusted reward that selection by the proxy misses, at the largest n.
        slope: Change of the trusted reward per unit of log n under selection by the proxy; negative where optimising
            hurts.
    """

    n: tuple[int, ...]
    by_proxy: tuple[float, ...]
    by_trusted: tuple[float, ...]
    proxy: tuple[float, ...]
    gap: Any
    slope: Any

    @property
    def depth(self) -> int:
        """Largest n."""
        return self.n[-1]


def best_of_n(proxy: Floats, trusted: Floats, rng: np.random.Generator, most: int = MOST) -> BestOfN:
    """Estimate the gap from a pool.

    Args:
        proxy: Shape (prompts, pool).
        trusted: Same shape.
        rng: For the bootstrap over prompts.
        most: Largest n; never more than the pool.
    """
    pool = proxy.shape[1]
    ns = [1 << i for i in range(int(np.log2(min(pool, most))) + 1)]
    chosen = best_of(proxy, trusted, ns)
    ideal = best_of(trusted, trusted, ns)
    paid = best_of(proxy, proxy, ns)
    x = np.log(ns) - np.mean(np.log(ns))
    slopes = chosen @ x / np.sum(x**2) if len(ns) > 1 else np.zeros(len(chosen))
    return BestOfN(
        n=tuple(ns),
        by_proxy=tuple(chosen.mean(axis=0).tolist()),
        by_trusted=tuple(ideal.mean(axis=0).tolist()),
        proxy=tuple(paid.mean(axis=0).tolist()),
        gap=_mean(ideal[:, -1] - chosen[:, -1], rng).model_dump(mode="json"),
        slope=_mean(slopes, rng).model_dump(mode="json"),
    )


def _mean(values: Floats, rng: np.random.Generator) -> Measure:
    """Mean over prompts with its bootstrap interval."""
    if len(values) < 2:
        return NotMeasured(reason="one prompt says nothing of the spread over prompts")
    found: Measure = bootstrap(_row_means, values, rng=rng, vectorized=True).estimate()
    return found


def _row_means(rows: Floats) -> Floats:
    return np.asarray(rows.mean(axis=-1))
