"""Arguments checked in one place, so that every function complains in the same words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import BadInput

Floats = npt.NDArray[np.float64]
Numbers = Sequence[float] | npt.NDArray[np.floating | np.integer | np.bool_]


def vector(
    name: str, values: Numbers, *, low: float | None = None, high: float | None = None, least: int = 0
) -> Floats:
    """``values`` as a one-dimensional float array.

    Raises:
        BadInput: It has another shape, a NaN or an infinity, a value out of range, or fewer than ``least`` values.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise BadInput(f"must be one-dimensional, has shape {array.shape}", field=name)
    if array.size < least:
        raise BadInput(f"needs at least {least} values, has {array.size}", field=name)
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise BadInput("is not a finite number", field=name, row=int(bad[0]) + 1)
    outside = np.zeros(array.shape, dtype=bool)
    if low is not None:
        outside |= array < low
    if high is not None:
        outside |= array > high
    if outside.any():
        place = int(np.flatnonzero(outside)[0])
        raise BadInput(f"{array[place]:g} is outside [{low}, {high}]", field=name, row=place + 1)
    return array


def same_length(**arrays: Floats) -> None:
    """Raise ``BadInput`` unless all have the same length."""
    lengths = {name: array.shape[0] for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise BadInput(
            f"lengths differ: {', '.join(f'{n} has {k}' for n, k in lengths.items())}", field=next(iter(arrays))
        )


def check_level(level: float) -> None:
    """Raise ``BadInput`` unless ``level`` is a coverage."""
    if not 0 < level < 1:
        raise BadInput(f"{level} is not between 0 and 1", field="level")


def codes(name: str, labels: Sequence[object] | npt.NDArray[np.generic], length: int) -> npt.NDArray[np.intp]:
    """Labels as integers 0 … k-1, in order of first appearance in sorted order."""
    _, found = np.unique(np.asarray(labels), return_inverse=True)
    if found.shape != (length,):
        raise BadInput(f"needs one label for each of {length} values, has shape {found.shape}", field=name)
    return found
