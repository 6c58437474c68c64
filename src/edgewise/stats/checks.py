"""Arguments checked and results made in one place, so that every function speaks in the same words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Measure, from_interval

Floats = npt.NDArray[np.float64]
Numbers = Sequence[float] | npt.NDArray[np.floating | np.integer | np.bool_]
Labels = Sequence[object] | npt.NDArray[np.generic]


def vector(
    name: str, values: Numbers, *, low: float | None = None, high: float | None = None, least: int = 0
) -> Floats:
    """``values`` as a one-dimensional float array.

    Raises:
        BadInput: It has another shape, a NaN or an infinity, a value out of range, or fewer than ``least`` values.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise BadInput("must be numbers, in one row", field=name) from None
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


def check_choice(name: str, value: str, choices: object) -> None:
    """Raise ``BadInput`` unless ``value`` is one of ``choices``, a ``Literal`` type."""
    allowed = get_args(choices)
    if value not in allowed:
        raise BadInput(f"{value!r} is none of {', '.join(allowed)}", field=name)


def codes(name: str, labels: Labels, length: int) -> npt.NDArray[np.intp]:
    """Labels as integers 0 … k-1, in sorted order of the labels.

    Raises:
        BadInput: Not one label for each of ``length`` values, a missing label, or labels that cannot be compared.
    """
    array = np.asarray(labels)
    if array.shape != (length,):
        raise BadInput(f"needs one label for each of {length} values, has shape {array.shape}", field=name)
    # A missing label would silently make one group of all that lack one.
    missing = np.array([label is None or label != label for label in array.tolist()], dtype=bool)
    if missing.any():
        raise BadInput("the label is missing", field=name, row=int(np.flatnonzero(missing)[0]) + 1)
    try:
        return np.unique(array, return_inverse=True)[1]
    except TypeError:
        raise BadInput("the labels are of kinds that cannot be compared", field=name) from None


def make_measure(value: float, low: float, high: float, n: int, method: str, level: float) -> Measure:
    """An ``Estimate`` at coverage ``level``, or ``NotMeasured`` where ``n`` is 0 or a number is not finite."""
    measure = from_interval(value, (low, high), n, method)
    return measure.model_copy(update={"level": level}) if measure.measured else measure
