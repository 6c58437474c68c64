"""Free places on the table, by what is believed to stand there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgewise.embodied.beliefs import Beliefs, Box, footprint
from edgewise.scene.relations import affordances
from edgewise.scene.types import Floats, ObjectFact, Visibility

TABLE: Box = (0.30, -0.30, 0.65, 0.30)  # metres; where things can stand, be seen and be reached
FINGERS = 0.03  # metres that the open gripper takes beside what it holds
_STEP = 0.02
_ENOUGH = 0.05  # metres of clearance beyond which more is no better
_TALL = 0.1  # metres, what comes to a place that is reserved, a cover perhaps
_SHADOW = 0.6  # metres behind an object that lie in its shadow, per metre of its height


def free_spot(
    beliefs: Beliefs,
    identity: int,
    *,
    reserved: Sequence[Box] = (),
    keep: Floats | None = None,
    near: tuple[float, float] | None = None,
) -> tuple[float, float] | None:
    """Where the object can be put down without touching, covering or hiding another.

    The best spot has up to 5 cm of clearance, lies in nobody's line of sight, and is near.

    Args:
        beliefs: What stands where.
        identity: What is to be put down.
        reserved: Footprints that must stay free for later.
        keep: Candidate spots, shape (n, 2); a grid over the table if not given.
        near: Where it should be close to; where it is if not given.

    Returns:
        x and y, or None if there is no room.
    """
    half_x, half_y, height = half_extents(beliefs, identity)
    spots = table_grid(beliefs, identity) if keep is None else keep
    if not len(spots):
        return None
    others = [fact for fact in beliefs.objects.values() if _in_the_way(fact, beliefs, identity)]
    boxes = [box for fact in others if (box := footprint(fact)) is not None]
    room = _clearance(spots, half_x, half_y, [*boxes, *reserved])
    usable = room >= FINGERS
    if not usable.any():
        usable = room >= 0.005
        if not usable.any():
            return None
    start = near or beliefs.centre(identity) or (0.45, 0.0)
    away = np.hypot(spots[:, 0] - start[0], spots[:, 1] - start[1])
    standing = [fact for fact in others if not affordances(fact.label).fixed]
    tall = [(box, fact.high[2]) for fact in standing if fact.high and (box := footprint(fact)) is not None]
    hidden = sum(
        (_hides(spots, half_y, height, *one) for one in (*tall, *((box, _TALL) for box in reserved))),
        np.zeros(len(spots)),
    )
    score = np.minimum(room, _ENOUGH) - 0.1 * away - 0.1 * hidden
    best = int(np.argmax(np.where(usable, score, -np.inf)))
    return float(spots[best, 0]), float(spots[best, 1])


def blockers_at(beliefs: Beliefs, identity: int, spot: tuple[float, float], margin: float = 0.005) -> list[int]:
    """Objects other than pads that stand where the object is to be put."""
    half_x, half_y, _ = half_extents(beliefs, identity)
    spots = np.array([spot])
    found = []
    for fact in beliefs.objects.values():
        box = footprint(fact)
        if box is None or affordances(fact.label).fixed or not _in_the_way(fact, beliefs, identity):
            continue
        if _clearance(spots, half_x, half_y, [box])[0] < margin:
            found.append(fact.id)
    return found


def table_grid(beliefs: Beliefs, identity: int) -> Floats:
    """Spots, shape (n, 2), where the object stands on the table with its whole footprint."""
    half_x, half_y, _ = half_extents(beliefs, identity)
    xs = np.arange(TABLE[0] + half_x, TABLE[2] - half_x + 1e-9, _STEP)
    ys = np.arange(TABLE[1] + half_y, TABLE[3] - half_y + 1e-9, _STEP)
    return np.stack(np.meshgrid(xs, ys, indexing="ij"), axis=-1).reshape(-1, 2)


def clear_paths(beliefs: Beliefs, identity: int, spots: Floats, margin: float = 0.008) -> npt.NDArray[np.bool_]:
    """Which spots (n, 2) the object can be slid to in a straight line without touching another."""
    half_x, half_y, _ = half_extents(beliefs, identity)
    start = np.array((beliefs.centre(identity) or (0.45, 0.0, 0.0))[:2])
    others = [fact for fact in beliefs.objects.values() if _in_the_way(fact, beliefs, identity)]
    boxes = [box for f in others if not affordances(f.label).fixed and (box := footprint(f)) is not None]
    clear = np.ones(len(spots), dtype=bool)
    for part in np.linspace(0.2, 1.0, 9):
        clear &= _clearance(start + part * (spots - start), half_x, half_y, boxes) >= margin
    return clear


def half_extents(beliefs: Beliefs, identity: int) -> tuple[float, float, float]:
    """Half the object's footprint along x and y, and its height; those of a 4 cm cube if it has no geometry."""
    size = beliefs.size(identity)
    return (0.02, 0.02, 0.04) if size is None else (size[0] / 2, size[1] / 2, size[2])


def _in_the_way(fact: ObjectFact, beliefs: Beliefs, identity: int) -> bool:
    """Everything but the object itself, what it holds or hides, what is in the hand or lost, and people."""
    mine = fact.id == identity or fact.id in beliefs.contents(identity)
    elsewhere = fact.visibility in (Visibility.HELD, Visibility.LOST)
    return not mine and not elsewhere and not affordances(fact.label).actor


def _clearance(spots: Floats, half_x: float, half_y: float, boxes: Sequence[Box]) -> Floats:
    """Distance from the object's footprint at each spot to the nearest box, negative where they overlap."""
    room = np.full(len(spots), np.inf)
    for x0, y0, x1, y1 in boxes:
        gap_x = np.maximum(x0 - spots[:, 0], spots[:, 0] - x1) - half_x
        gap_y = np.maximum(y0 - spots[:, 1], spots[:, 1] - y1) - half_y
        outside = np.hypot(np.maximum(gap_x, 0), np.maximum(gap_y, 0))
        inside = np.minimum(np.maximum(gap_x, gap_y), 0)
        room = np.minimum(room, outside + inside)
    return room


def _hides(spots: Floats, half_y: float, height: float, box: Box, top: float) -> Floats:
    """1 where an object at the spot would stand between the camera, at the near side, and what is in the box, or the
    other way round."""
    beside = (spots[:, 1] + half_y < box[1]) | (spots[:, 1] - half_y > box[3])
    before = (spots[:, 0] < box[0]) & (box[0] - spots[:, 0] < _SHADOW * height + half_y + 0.02)
    behind = (spots[:, 0] > box[2]) & (spots[:, 0] - box[2] < _SHADOW * top + 0.02)
    return np.where(~beside & (before | behind), 1.0, 0.0)
