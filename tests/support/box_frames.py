"""Frames of boxes on a table by casting rays: exact depth and masks without a graphics library."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewise.scene.types import ROBOT, Camera, Detection, Observation, Segmentation


@dataclass(frozen=True)
class Box:
    """An axis-aligned box by its two corners; the label ``robot`` is the robot."""

    label: str
    low: tuple[float, float, float]
    high: tuple[float, float, float]

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Box:
        by = np.array((x, y, z))
        return Box(self.label, tuple(np.array(self.low) + by), tuple(np.array(self.high) + by))  # type: ignore[arg-type]


def cube(label: str, x: float, y: float, z: float = 0.0, side: float = 0.04) -> Box:
    """A cube that stands at (x, y) with its foot at z."""
    half = side / 2
    return Box(label, (x - half, y - half, z), (x + half, y + half, z + side))


def camera(width: int = 320, height: int = 240, eye: tuple[float, float, float] = (-0.35, 0.0, 0.75)) -> Camera:
    """At the near side, above, looking at the middle of the table."""
    position, target = np.array(eye), np.array((0.45, 0.0, 0.0))
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, (0, 0, 1))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2], pose[:3, 3] = right, np.cross(forward, right), forward, position
    focal = 0.5 * height / np.tan(np.radians(45) / 2)
    return Camera(width, height, (focal, focal), (width / 2, height / 2), pose)


def render(
    boxes: list[Box], time: float, view: Camera, rng: np.random.Generator | None = None, noise: float = 0.0
) -> tuple[Observation, Segmentation]:
    """The frame; ``noise`` is the standard deviation of the depth in metres."""
    rows, columns = np.mgrid[0 : view.height, 0 : view.width]
    rays = (
        np.stack(
            (
                (columns + 0.5 - view.centre[0]) / view.focal[0],
                (rows + 0.5 - view.centre[1]) / view.focal[1],
                np.ones(rows.shape),
            ),
            axis=-1,
        ).reshape(-1, 3)
        @ view.pose[:3, :3].T
    )
    origin = view.pose[:3, 3]
    with np.errstate(divide="ignore"):
        inverse = 1 / rays
    depth = np.where(rays[:, 2] < 0, -origin[2] * inverse[:, 2], 0.0)
    labels = np.zeros(len(rays), np.int16)
    for k, box in enumerate(boxes, 1):
        pixels, _ = view.project(np.array(np.meshgrid(*zip(box.low, box.high, strict=True))).reshape(3, -1).T)
        c0, r0 = np.floor(pixels.min(0)).astype(int)
        c1, r1 = np.ceil(pixels.max(0)).astype(int)
        mine = np.zeros((view.height, view.width), bool)
        mine[max(r0, 0) : max(r1 + 1, 0), max(c0, 0) : max(c1 + 1, 0)] = True
        these = np.flatnonzero(mine.ravel())
        one, other = ((np.array(end) - origin) * inverse[these] for end in (box.low, box.high))
        enter, leave = np.minimum(one, other).max(1), np.maximum(one, other).min(1)
        hit = (enter <= leave) & (enter > 0) & ((enter < depth[these]) | (depth[these] == 0))
        depth[these[hit]] = enter[hit]
        labels[these[hit]] = ROBOT if box.label == "robot" else k
    if rng is not None and noise:
        depth = np.where(depth > 0, depth + rng.normal(0, noise, depth.shape), 0)
    shape = (view.height, view.width)
    observation = Observation(time, np.zeros((*shape, 3), np.uint8), depth.reshape(shape).astype(np.float32), view)
    return observation, Segmentation(labels.reshape(shape), tuple(Detection(box.label) for box in boxes))
