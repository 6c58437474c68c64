"""Relations of boxes: what rests on what, what is in what, what stands where. Deterministic, with hysteresis."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache

import numpy as np

from edgewise.scene.config import MemoryConfig
from edgewise.scene.graph import Relation
from edgewise.scene.types import NOUNS, Affordances, Floats, Point

_PLAIN = Affordances()


@cache
def affordances(label: str) -> Affordances:
    """What an object of this label can do, by its noun (the last word)."""
    return NOUNS.get(label.rpartition(" ")[2], _PLAIN)


def overlap_share(low: Floats, high: Floats) -> Floats:
    """(n, n) share of each box's footprint (row) that lies over each other box's (column); boxes are (n, 3) each."""
    shared = np.minimum(high[:, None, :2], high[None, :, :2]) - np.maximum(low[:, None, :2], low[None, :, :2])
    area = np.prod(np.maximum(high[:, :2] - low[:, :2], 1e-4), axis=1)
    share: Floats = np.prod(np.maximum(shared, 0), axis=2) / area[:, None]
    return share


def resting(
    ids: Sequence[int],
    labels: Sequence[str],
    low: Floats,
    high: Floats,
    held: Collection[Relation],
    config: MemoryConfig,
) -> set[Relation]:
    """``on`` and ``inside`` among n boxes.

    Args:
        ids: Of the objects.
        labels: Of the objects.
        low: (n, 3) least coordinates.
        high: (n, 3) greatest coordinates.
        held: Relations that hold so far: these may exceed the thresholds by ``config.hysteresis``.
        config: Thresholds.
    """
    if not len(ids):
        return set()
    place = {one: index for index, one in enumerate(ids)}
    slack = np.ones((len(ids), len(ids)))
    for _, a, b in held:
        if a in place and b in place:
            slack[place[a], place[b]] = config.hysteresis
    can = [affordances(label) for label in labels]
    holds = np.array([a.holds for a in can])
    # Covers stand over things and open containers around them: neither is a support of what is below its top.
    supports = np.array([not a.holds for a in can])
    movable = np.array([not a.fixed for a in can])
    centre = (low + high) / 2
    gap = np.abs(low[:, None, 2] - high[None, :, 2])
    on = (gap <= config.support_gap * slack) & (overlap_share(low, high) * slack >= config.support_overlap)
    on &= supports[None, :] & movable[:, None]
    within = ((centre[:, None, :2] >= low[None, :, :2]) & (centre[:, None, :2] <= high[None, :, :2])).all(2)
    inside = within & (low[:, None, 2] < high[None, :, 2] - 0.01) & holds[None, :] & movable[:, None]
    np.fill_diagonal(on, False)
    np.fill_diagonal(inside, False)
    found: set[Relation] = {("on", ids[a], ids[b]) for a, b in np.argwhere(on & ~inside).tolist()}
    return found | {("inside", ids[a], ids[b]) for a, b in np.argwhere(inside).tolist()}


def encloses(outer_low: Floats, outer_high: Floats, low: Floats, high: Floats, slack: float = 0.005) -> bool:
    """Whether the centre of a box lies in another one, seen from above, and the other one reaches down to it."""
    centre = (low + high) / 2
    flat = bool((centre[:2] >= outer_low[:2] - slack).all() and (centre[:2] <= outer_high[:2] + slack).all())
    return flat and bool(outer_low[2] < high[2] and centre[2] < outer_high[2])


def directions(a: tuple[Point, Point], b: tuple[Point, Point], near: float = 0.03) -> tuple[str, ...]:
    """Where box a is as seen from box b (``left``, ``right``, ``front``, ``behind``), and whether it is ``near``.

    The axis with the larger offset decides; there is no word where the boxes overlap on it by more than half of both
    half extents. Front is towards the camera (less x), left is greater y.
    """
    (al, ah), (bl, bh) = (np.array(a[0]), np.array(a[1])), (np.array(b[0]), np.array(b[1]))
    offset = (al + ah) / 2 - (bl + bh) / 2
    axis = int(abs(offset[1]) >= abs(offset[0]))
    words = (("front", "behind"), ("right", "left"))[axis]
    margin = 0.5 * ((ah - al)[axis] / 2 + (bh - bl)[axis] / 2)
    found = (words[int(offset[axis] > 0)],) if abs(offset[axis]) > margin else ()
    gap = np.linalg.norm(np.maximum(0, np.maximum(al - bh, bl - ah)))
    return (*found, "near") if gap <= near else found
