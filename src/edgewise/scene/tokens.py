"""STF-Tokens: what one frame says of each object, from its mask and the depth (RoboStream, section on STF-Tokens)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgewise.scene.config import MemoryConfig
from edgewise.scene.types import Camera, Floats, Observation, Segmentation, STFToken

_FACE = 0.012  # metres: points that differ less along an axis belong to one face


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of the n regions of a frame that have enough depth, as columns.

    Attributes:
        labels: (n,) what perception calls them.
        centroid: (n, 3) per-axis median of the points, world frame.
        shape: (n, 3, 4) mean, standard deviation, least and greatest coordinate along each axis.
        low: (n, 3) least coordinates of the box that was seen, see ``_box``.
        high: (n, 3) greatest coordinates.
        pixels: (n,) pixels of the mask, whether or not they have depth.
        colour: (n, 3) mean RGB in [0, 1].
        region: (n,) index of the detection.
        points: (n, k, 3) the points used, NaN where there are fewer than k.
        border: (n,) whether the region touches the image's border.
        time: Of the frame.
    """

    labels: tuple[str, ...]
    centroid: Floats
    shape: Floats
    low: Floats
    high: Floats
    pixels: npt.NDArray[np.intp]
    colour: Floats
    region: npt.NDArray[np.intp]
    points: Floats
    border: npt.NDArray[np.bool_]
    time: float

    def __len__(self) -> int:
        return len(self.labels)

    def token(self, index: int) -> STFToken:
        """One of them as a record."""
        return STFToken(self.time, self.labels[index], self.centroid[index], self.shape[index], self.colour[index])

    def subset(self, kept: npt.NDArray[np.intp]) -> Tokens:
        """Those of the given places."""
        columns = ("centroid", "shape", "low", "high", "pixels", "colour", "region", "points", "border")
        rows = {name: getattr(self, name)[kept] for name in columns}
        return Tokens(labels=tuple(self.labels[k] for k in kept), time=self.time, **rows)


def encode(observation: Observation, segmentation: Segmentation, config: MemoryConfig) -> Tokens:
    """Tokens of a frame; regions with fewer than ``config.least_points`` usable points have none.

    The frame must have depth.
    """
    assert observation.depth is not None
    depth, labels = observation.depth, segmentation.map
    count = len(segmentation.detections)
    pixels = np.bincount(labels[labels > 0], minlength=count + 1)[1 : count + 1]
    usable = _interior(labels, depth, config.edge)
    flat = np.flatnonzero(usable)
    order = flat[np.argsort(labels.ravel()[flat], kind="stable")]
    found = np.bincount(labels.ravel()[order], minlength=count + 1)[1 : count + 1]
    starts = np.cumsum(found) - found
    kept = np.flatnonzero(found >= config.least_points)
    most = config.most_points
    taken = np.minimum(found[kept], most)
    # Evenly spread positions within each region's run of pixels, padded with its last one.
    steps = np.arange(most)[None, :]
    inside = steps < taken[:, None]
    spread = np.floor(np.minimum(steps, taken[:, None] - 1) * (found[kept] / np.maximum(taken, 1))[:, None])
    chosen = order[(starts[kept][:, None] + spread.astype(np.intp)).ravel()]
    rows, columns = np.divmod(chosen, labels.shape[1])
    points = observation.camera.back_project(rows, columns, depth.ravel()[chosen].astype(float)).reshape(-1, most, 3)
    colour = observation.rgb.reshape(-1, 3)[chosen].reshape(-1, most, 3).mean(1) / 255.0
    points[~inside] = np.nan
    centroid, shape, quantiles = _summary(points, taken, config.extrema)
    low, high = _box(centroid, shape, quantiles, observation.camera)
    edges = np.concatenate((labels[0], labels[-1], labels[:, 0], labels[:, -1]))
    return Tokens(
        labels=tuple(segmentation.detections[k].label for k in kept),
        centroid=centroid,
        shape=shape,
        low=low,
        high=high,
        pixels=pixels[kept],
        colour=colour,
        region=kept,
        points=points,
        border=np.isin(kept + 1, edges),
        time=observation.time,
    )


def _interior(labels: npt.NDArray[np.int16], depth: npt.NDArray[np.float32], edge: float) -> npt.NDArray[np.bool_]:
    """Pixels of a region with depth whose four neighbours belong to it and lie at about the same depth."""
    usable = (labels > 0) & (depth > 0)
    for axis in (0, 1):
        first: tuple[slice, ...] = (slice(None, -1),) if axis == 0 else (slice(None), slice(None, -1))
        second: tuple[slice, ...] = (slice(1, None),) if axis == 0 else (slice(None), slice(1, None))
        # A missing reading beside a pixel says nothing of it: only readings that differ mark a silhouette.
        apart = np.abs(depth[first] - depth[second]) > edge
        apart &= (depth[first] > 0) & (depth[second] > 0)
        apart |= labels[first] != labels[second]
        usable[first] &= ~apart
        usable[second] &= ~apart
    return usable


def _summary(points: Floats, taken: npt.NDArray[np.intp], extrema: float) -> tuple[Floats, Floats, Floats]:
    """Medians (n, 3), shapes (n, 3, 4) and quantiles (n, 3, 4: .1, .25, .75, .9) of padded points (n, k, 3)."""
    ordered = np.sort(points, axis=1)  # NaN last
    each = np.arange(len(points))
    last = taken - 1

    def at(quantile: float) -> Floats:
        """Linear between the two nearest order statistics, so that the median of an even number is the usual one."""
        place = quantile * last
        below = np.floor(place).astype(np.intp)
        above = np.minimum(below + 1, last)
        weight = (place - below)[:, None]
        values: Floats = ordered[each, below] * (1 - weight) + ordered[each, above] * weight
        return values

    mean = np.nansum(points, axis=1) / np.maximum(taken, 1)[:, None]
    deviation = np.sqrt(np.nansum((points - mean[:, None]) ** 2, axis=1) / np.maximum(taken, 1)[:, None])
    shape = np.stack((mean, deviation, at(extrema / 100), at(1 - extrema / 100)), axis=2)
    return at(0.5), shape, np.stack([at(quantile) for quantile in (0.1, 0.25, 0.75, 0.9)], axis=2)


def _box(centroid: Floats, shape: Floats, quantiles: Floats, camera: Camera) -> tuple[Floats, Floats]:
    """Corners (n, 3) each of the boxes that were seen.

    A face that is seen from in front holds many points, and its extreme ones are noise: a decile stands for it. A side
    that ends in a silhouette has lost the pixel that was eroded and half of the last one: they are added.
    """
    ray = centroid - camera.pose[:3, 3]
    distance = np.linalg.norm(ray, axis=1)
    ray = ray / np.maximum(distance, 1e-6)[:, None]
    lost = 1.5 * distance[:, None] / camera.focal[0] / np.sqrt(np.maximum(1 - ray**2, 0.1))
    first, lower, upper, last = np.moveaxis(quantiles, 2, 0)
    # A face is there if a quarter of the points lie within a tenth of the extent, or if there is nothing but a face. If
    # the extreme points lie beyond it (the knob of a cover), the face is not where the object ends.
    extent = shape[:, :, 3] - shape[:, :, 2]
    thin = np.where(extent < _FACE, np.inf, 0.1 * extent)
    front = (ray > 0.3) & (lower - first < thin) & (first - shape[:, :, 2] < _FACE)
    top = (ray < -0.3) & (last - upper < thin) & (shape[:, :, 3] - last < _FACE)
    low = np.where(front, first, shape[:, :, 2] - lost)
    high = np.where(top, last, shape[:, :, 3] + lost)
    return low, np.maximum(high, low)


def footprint_yaw(points: Floats, extrema: float = 2.0) -> float | None:
    """Angle in (-pi/2, pi/2] of the long side of the smallest rectangle around points (k, 3) seen from above.

    None if there are too few points. For a square footprint the angle is one of two, the one nearer to zero.
    """
    flat = points[~np.isnan(points[:, 0]), :2]
    if len(flat) < 8:
        return None
    angles = np.deg2rad(np.arange(0.0, 90.0, 2.0))
    turned = np.stack((np.cos(angles), np.sin(angles))), np.stack((-np.sin(angles), np.cos(angles)))
    spans = []
    for axis in turned:
        along = np.sort(flat @ axis, axis=0)
        first, last = (int(q / 100 * (len(flat) - 1)) for q in (extrema, 100 - extrema))
        spans.append(along[last] - along[first])
    best = int(np.argmin(spans[0] * spans[1]))
    long, short = spans[0][best], spans[1][best]
    angle = float(angles[best])
    if abs(long - short) < 0.15 * max(long, short):
        return angle if angle <= np.pi / 4 else angle - np.pi / 2
    if short > long:
        angle += np.pi / 2
    return angle if angle <= np.pi / 2 else angle - np.pi
