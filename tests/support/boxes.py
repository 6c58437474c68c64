"""Exact RGB-D frames of boxes on a table by casting rays in numpy: perception is tested without OpenGL."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edgewise.scene.types import ROBOT, Camera, Detection, Observation, Segmentation
from edgewise.scene.worlds.spec import COLOURS

LIGHT = np.array([-0.4, 0.25, 0.9]) / np.linalg.norm([-0.4, 0.25, 0.9])
BLACK, TABLE = (0.07, 0.07, 0.08), (0.8, 0.8, 0.8)


class Box(NamedTuple):
    """A box with its yaw; ``thing`` counts the things of the scene from 0, -1 is the robot."""

    thing: int
    rgb: tuple[float, float, float]
    centre: tuple[float, float, float]
    half: tuple[float, float, float]
    yaw: float = 0.0


class Scene:
    """Things made of boxes; ``frame`` looks at them."""

    def __init__(self) -> None:
        self.boxes: list[Box] = []
        self.labels: list[str] = []

    def add(self, label: str, *parts: tuple[Sequence[float], Sequence[float]], yaw: float = 0.0) -> Scene:
        """A thing of parts (centre, half extents) that is turned by its yaw about the first part's centre."""
        self.labels.append(label)
        rgb = COLOURS[label.split()[0]]
        middle = np.array(parts[0][0], dtype=float)
        c, s = math.cos(yaw), math.sin(yaw)
        for centre, half in parts:
            dx, dy, dz = np.array(centre) - middle
            x, y, z = middle + np.array([c * dx - s * dy, s * dx + c * dy, dz])
            self.boxes.append(Box(len(self.labels) - 1, rgb, (x, y, z), tuple(half), yaw))
        return self

    def cube(self, colour: str, x: float, y: float, bottom: float = 0.0, yaw: float = 0.0) -> Scene:
        return self.add(f"{colour} cube", ((x, y, bottom + 0.02), (0.02, 0.02, 0.02)), yaw=yaw)

    def pad(self, colour: str, x: float, y: float) -> Scene:
        return self.add(f"{colour} pad", ((x, y, 0.0005), (0.045, 0.045, 0.0005)))

    def box(self, colour: str, x: float, y: float, bottom: float = 0.0, yaw: float = 0.0) -> Scene:
        body = ((x, y, bottom + 0.032), (0.041, 0.041, 0.032))
        return self.add(f"{colour} box", body, ((x, y, bottom + 0.079), (0.012, 0.012, 0.015)), yaw=yaw)

    def bin(self, colour: str, x: float, y: float, wide: float = 0.06) -> Scene:
        walls = [((x + side * 0.063, y, 0.025), (0.002, wide, 0.025)) for side in (-1, 1)]
        walls += [((x, y + side * (wide - 0.002), 0.025), (0.065, 0.002, 0.025)) for side in (-1, 1)]
        return self.add(f"{colour} bin", *walls, ((x, y, 0.002), (0.065, wide, 0.002)))

    def gripper(self, x: float, y: float, z: float) -> Scene:
        parts = [((x, y + side * 0.024, z + 0.012), (0.009, 0.004, 0.024)) for side in (-1, 1)]
        parts += [((x, y, z + 0.048), (0.016, 0.056, 0.012)), ((x, y, z + 0.26), (0.02, 0.02, 0.2))]
        self.boxes += [Box(-1, BLACK, centre, half) for centre, half in parts]
        return self

    def frame(self, ambient: float = 0.5) -> tuple[Observation, Segmentation]:
        """An exact frame from where the worlds' camera stands."""
        camera = look_from((-0.25, 0.0, 0.55), (0.47, 0.0, 0.03))
        y, x = np.mgrid[: camera.height, : camera.width] + 0.5
        rays = np.stack(
            (
                (x - camera.centre[0]) / camera.focal[0],
                (y - camera.centre[1]) / camera.focal[1],
                np.ones_like(x),
            ),
            axis=-1,
        )
        rays = rays.reshape(-1, 3) @ camera.pose[:3, :3].T
        nearest = np.full(len(rays), 3.0)
        rgb, thing = np.full((len(rays), 3), 0.3), np.full(len(rays), -2)
        table = Box(-2, TABLE, (0.525, 0.0, -0.02), (0.475, 0.55, 0.02))
        for box in (table, *self.boxes):
            c, s = math.cos(box.yaw), math.sin(box.yaw)
            turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
            start = turn @ (camera.pose[:3, 3] - box.centre)
            along = rays @ turn.T
            with np.errstate(divide="ignore", invalid="ignore"):
                ends = (np.array([[-1], [1]])[:, None] * np.array(box.half) - start) / along
            entry, leave = ends.min(axis=0), ends.max(axis=0)
            face = entry.argmax(axis=1)
            depth = entry.max(axis=1)
            hit = (depth > 0) & (depth < leave.min(axis=1)) & (depth < nearest)
            normal = np.zeros_like(rays)
            normal[np.arange(len(rays)), face] = -np.sign(along[np.arange(len(rays)), face])
            shade = ambient + (1 - ambient) * np.maximum((normal @ turn) @ LIGHT, 0)
            nearest[hit], thing[hit] = depth[hit], box.thing
            rgb[hit] = shade[hit, None] * np.array(box.rgb)
        shape = (camera.height, camera.width)
        regions = np.select([thing >= 0, thing == -1], [thing + 1, ROBOT], 0).astype(np.int16).reshape(shape)
        depth = np.where(thing == -2, np.where(nearest < 3, nearest, 0), nearest).astype(np.float32).reshape(shape)
        pixels = np.rint(rgb * 255).astype(np.uint8).reshape(*shape, 3)
        detections = tuple(Detection(label) for label in self.labels)
        return Observation(0.0, pixels, depth, camera), Segmentation(regions, detections)


def look_from(eye: Sequence[float], target: Sequence[float], size: tuple[int, int] = (320, 240)) -> Camera:
    """A camera of 45 degrees vertical angle."""
    forward = np.subtract(target, eye) / np.linalg.norm(np.subtract(target, eye))
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack((right, np.cross(forward, right), forward), axis=1)
    pose[:3, 3] = eye
    focal = size[1] / 2 / math.tan(math.radians(22.5))
    return Camera(size[0], size[1], (focal, focal), (size[0] / 2, size[1] / 2), pose)


def overlap(truth: Segmentation, found: Segmentation, thing: int) -> tuple[str, float]:
    """Label and intersection over union of the detection that covers most of a thing."""
    mask = truth.map == thing + 1
    votes = np.bincount(np.maximum(found.map[mask], 0), minlength=len(found.detections) + 1)
    if not votes[1:].any():
        return "", 0.0
    best = int(votes[1:].argmax()) + 1
    other = found.map == best
    return found.detections[best - 1].label, float((mask & other).sum() / (mask | other).sum())
