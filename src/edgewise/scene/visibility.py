"""Why an object is not seen: its believed surface is projected into the frame and compared with what is there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from edgewise.scene.config import MemoryConfig
from edgewise.scene.types import ROBOT, Floats, Observation, Segmentation


class Absence(StrEnum):
    """What the frame says of a place where an object was expected and not found."""

    OUTSIDE = "outside"  # not in the picture
    BEHIND_ROBOT = "behind_robot"
    BEHIND = "behind"  # something nearer is seen there
    GONE = "gone"  # something farther is seen there: it is not at this place
    THERE = "there"  # a surface at its depth: perception missed it
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Sight:
    """An absence, and the region that is in front where there is one (index of the detection).

    ``taken``: the surface at its depth belongs to something else, so that a container may hide it after all.
    """

    absence: Absence
    region: int | None = None
    taken: bool = False


_SIDE = (np.arange(6) + 0.5) / 6
_GRID = np.stack(np.meshgrid(_SIDE, _SIDE), axis=-1).reshape(-1, 2)


def surface(low: Floats, high: Floats) -> Floats:
    """(k, 3) points on the near face and on the top of a box: what a camera at the near side, above, sees."""
    size = high - low
    near = np.empty((len(_GRID), 3))
    near[:, 0] = low[0]
    near[:, 1:] = low[1:] + _GRID * size[1:]
    top = np.empty((len(_GRID), 3))
    top[:, :2] = low[:2] + _GRID * size[:2]
    top[:, 2] = high[2]
    return np.concatenate((near, top)) if size[2] > 0.01 else top


def explain_absence(
    low: Floats, high: Floats, observation: Observation, segmentation: Segmentation, config: MemoryConfig
) -> Sight:
    """Why nothing was found of a box (two corners, (3,) each)."""
    assert observation.depth is not None
    points = surface(low, high)
    pixels, expected = observation.camera.project(points)
    height, width = observation.depth.shape
    inside = (expected > 0.01) & (pixels >= 0).all(1) & (pixels[:, 0] < width) & (pixels[:, 1] < height)
    if inside.mean() < 1 - config.share:
        return Sight(Absence.OUTSIDE)
    columns, rows = pixels[inside].astype(np.intp).T
    measured, regions = observation.depth[rows, columns], segmentation.map[rows, columns]
    robot = regions == ROBOT
    if robot.mean() >= 0.5:
        return Sight(Absence.BEHIND_ROBOT)
    valid = (measured > 0) & ~robot
    if valid.sum() < 4:
        return Sight(Absence.UNCLEAR)
    difference = measured[valid] - expected[inside][valid]
    nearer, farther = difference < -config.depth_margin, difference > config.depth_margin
    if nearer.mean() >= config.share:
        return Sight(Absence.BEHIND, _majority(regions[valid][nearer]))
    if farther.mean() >= config.share:
        return Sight(Absence.GONE)
    other = _majority(regions[valid][~farther])
    taken = bool((~farther & (regions[valid] > 0)).mean() >= config.share)
    if (nearer | farther).mean() <= 1 - config.share:
        return Sight(Absence.THERE, other, taken)
    if robot.mean() > 0.2:
        return Sight(Absence.BEHIND_ROBOT)
    return Sight(Absence.UNCLEAR, other, taken)


def _majority(regions: npt.NDArray[np.int16]) -> int | None:
    """Index of the detection that most of the pixels belong to; None if most belong to none."""
    if not len(regions):
        return None
    found = int(np.bincount(np.maximum(regions, 0)).argmax())
    return found - 1 if found else None
