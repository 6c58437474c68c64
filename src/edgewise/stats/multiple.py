"""Many tests at once: adjusted p-values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import BadInput
from edgewise.stats.checks import Floats, Numbers, vector


def benjamini_hochberg(p_values: Numbers) -> Floats:
    """Adjusted p-values that control the false discovery rate (Benjamini and Hochberg 1995).

    Reject where the result is at most the rate. Valid for independent and for positively dependent tests.

    Args:
        p_values: In [0, 1], shape (n,); NaN for a test that was not made, which stays NaN and is not counted.

    Raises:
        BadInput: A p-value outside [0, 1], or another shape.
    """
    p, made = _made(p_values)
    order = np.argsort(p)[::-1]
    steps = p[order] * p.size / np.arange(p.size, 0, -1)
    return _restore(np.minimum.accumulate(steps), order, made)


def holm(p_values: Numbers) -> Floats:
    """Adjusted p-values that control the family-wise error rate under any dependence (Holm 1979).

    Arguments, result and errors as for ``benjamini_hochberg``.
    """
    p, made = _made(p_values)
    order = np.argsort(p)
    steps = p[order] * np.arange(p.size, 0, -1)
    return _restore(np.maximum.accumulate(steps), order, made)


def _made(p_values: Numbers) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The p-values of the tests that were made, and which those are."""
    every = np.asarray(p_values, dtype=np.float64)
    if every.ndim != 1:
        raise BadInput(f"must be one-dimensional, has shape {every.shape}", field="p_values")
    made = ~np.isnan(every)
    return vector("p_values", every[made], low=0, high=1), made


def _restore(steps: Floats, order: npt.NDArray[np.intp], made: npt.NDArray[np.bool_]) -> Floats:
    adjusted = np.empty_like(steps)
    adjusted[order] = np.minimum(steps, 1.0)
    result = np.full(made.shape, np.nan)
    result[made] = adjusted
    return result
