"""Sets of points that are compared by dominance: which are not dominated, and how much they dominate together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import BadInput
from edgewise.stats.checks import Floats


def non_dominated(points: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Which points no other dominates, smaller being better in every column. Equal points do not dominate each other.

    Args:
        points: Finite, shape (n, dimensions).

    Returns:
        Shape (n,).

    Raises:
        BadInput: Points of another shape, or not finite.
    """
    x = _checked(points)
    no_worse = np.all(x[:, None] <= x[None], axis=2)
    better = np.any(x[:, None] < x[None], axis=2)
    found: npt.NDArray[np.bool_] = ~np.any(no_worse & better, axis=0)
    return found


def hypervolume(points: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Volume of what the points dominate up to a reference point, smaller being better; exact.

    A point adds what it dominates less what the points after it dominate of that (While, Bradstreet and Barone 2012,
    without their sorting by objective): for the tens of points in up to about six dimensions of a sweep, no more is
    needed.

    Args:
        points: Finite, shape (n, dimensions). Those that are not better than the reference in all columns add nothing.
        reference: Shape (dimensions,).

    Raises:
        BadInput: Shapes that do not fit, or numbers that are not finite.
    """
    x, corner = _checked(points), np.asarray(reference, dtype=np.float64)
    if corner.shape != x.shape[1:] or not np.all(np.isfinite(corner)):
        raise BadInput("must be one finite number for each dimension of the points", field="reference")
    # Lengths from the reference on, larger being better.
    return _volume(corner - x[np.all(x < corner, axis=1)])


def _volume(lengths: Floats) -> float:
    if len(lengths) > 1:
        lengths = np.unique(lengths, axis=0)
        lengths = lengths[non_dominated(-lengths)]
    total = 0.0
    for k, own in enumerate(lengths):
        total += float(np.prod(own))
        if k + 1 < len(lengths):
            total -= _volume(np.minimum(lengths[k + 1 :], own))
    return total


def _checked(points: npt.ArrayLike) -> Floats:
    x = np.asarray(points, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] == 0:
        raise BadInput(f"must have the shape (n, dimensions), has {x.shape}", field="points")
    if not np.all(np.isfinite(x)):
        raise BadInput("must be finite", field="points")
    return x
