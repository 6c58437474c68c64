"""Many tests at once: adjusted p-values."""

from __future__ import annotations

import numpy as np

from edgewise.stats.checks import Floats, Numbers, vector


def benjamini_hochberg(p_values: Numbers) -> Floats:
    """Adjusted p-values that control the false discovery rate (Benjamini and Hochberg 1995).

    Reject where the result is at most the rate. Valid for independent and positively dependent tests. Shape (n,).
    """
    p = vector("p_values", p_values, low=0, high=1)
    order = np.argsort(p)[::-1]
    steps = p[order] * p.size / np.arange(p.size, 0, -1)
    return _restore(np.minimum(np.minimum.accumulate(steps), 1.0), order)


def holm(p_values: Numbers) -> Floats:
    """Adjusted p-values that control the family-wise error rate under any dependence (Holm 1979). Shape (n,)."""
    p = vector("p_values", p_values, low=0, high=1)
    order = np.argsort(p)
    steps = p[order] * np.arange(p.size, 0, -1)
    return _restore(np.minimum(np.maximum.accumulate(steps), 1.0), order)


def _restore(values: Floats, order: np.ndarray) -> Floats:
    result = np.empty_like(values)
    result[order] = values
    return result
