"""Errors of a depth camera and of a segmenter, with settings to sweep (ours)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from pydantic import Field

from edgewise.core.records import Record
from edgewise.scene.types import Detection, Observation, Segmentation

REFERENCE = 0.9  # metres at which a standard deviation of depth is stated
STEP = 0.02  # a jump of depth between neighbours, metres, that counts as an edge


class SensorNoise(Record):
    """How far a camera and a segmenter are from perfect. All zero: exact.

    Attributes:
        depth: Standard deviation of depth at 0.9 m, metres.
        growth: The deviation grows with this power of distance. 2 is that of triangulation (structured light, stereo).
        dropout: Share of depth readings that are missing anywhere.
        edge_dropout: Share that is missing beside a jump of depth, where a projector's pattern is cut off.
        boundary: Share of pixels along a region's edge that go to the neighbouring region.
        missed: Probability that a detection is missing from a frame.
        confusion: Probability that a detection has the label of another thing in the frame.
    """

    depth: float = Field(default=0.002, ge=0)
    growth: float = Field(default=2.0, ge=0)
    dropout: float = Field(default=0.002, ge=0, le=1)
    edge_dropout: float = Field(default=0.3, ge=0, le=1)
    boundary: float = Field(default=0.1, ge=0, le=1)
    missed: float = Field(default=0.002, ge=0, le=1)
    confusion: float = Field(default=0.001, ge=0, le=1)

    @classmethod
    def none(cls) -> SensorNoise:
        """A perfect sensor and segmenter."""
        return cls(depth=0, growth=0, dropout=0, edge_dropout=0, boundary=0, missed=0, confusion=0)

    def scaled(self, factor: float) -> SensorNoise:
        """The same kinds of error, ``factor`` times as large; probabilities stop at 1."""
        shares = ("dropout", "edge_dropout", "boundary", "missed", "confusion")
        return SensorNoise(
            depth=self.depth * factor,
            growth=self.growth,
            **{name: min(1.0, getattr(self, name) * factor) for name in shares},
        )


def sense(observation: Observation, noise: SensorNoise, rng: Generator) -> Observation:
    """The observation with the depth that a real sensor would give; without depth, or without noise, unchanged."""
    depth = observation.depth
    if depth is None or not (noise.depth or noise.dropout or noise.edge_dropout):
        return observation
    distance = depth / np.float32(REFERENCE)
    spread = distance * distance if noise.growth == 2 else distance ** np.float32(noise.growth)
    spread *= np.float32(noise.depth)
    spread *= rng.standard_normal(depth.shape, dtype=np.float32)
    spread += depth
    missing = rng.random(depth.shape, dtype=np.float32)
    absent = missing < noise.dropout
    absent |= _edges(depth, STEP) & (missing < noise.edge_dropout)
    absent |= depth <= 0
    spread[absent] = 0
    np.maximum(spread, 0, out=spread)
    return replace(observation, depth=spread)


def disturb(segmentation: Segmentation, noise: SensorNoise, rng: Generator) -> Segmentation:
    """The segmentation with frayed edges, missed detections and confused labels."""
    regions = segmentation.map
    if noise.boundary:
        regions = _fray(regions, noise.boundary, rng)
    detections = list(segmentation.detections)
    if detections and (noise.missed or noise.confusion):
        chance = rng.random((2, len(detections)))
        keep = chance[0] >= noise.missed
        labels = [detection.label for detection in detections]
        for k in np.flatnonzero(chance[1] < noise.confusion):
            others = sorted({label for label in labels if label != labels[k]})
            if others:
                detections[k] = Detection(others[rng.integers(len(others))], detections[k].score)
        if not keep.all():
            number = np.zeros(len(detections) + 2, dtype=np.int16)  # the last entry is that of ROBOT, -1
            number[1:-1] = np.where(keep, np.cumsum(keep), 0)
            number[-1] = -1
            regions = number[regions]
            detections = [detection for detection, kept in zip(detections, keep, strict=True) if kept]
    return Segmentation(regions, tuple(detections))


def _edges(depth: npt.NDArray[np.float32], step: float) -> npt.NDArray[np.bool_]:
    """Pixels beside a jump of depth, on both sides of it."""
    edges = np.zeros(depth.shape, dtype=bool)
    across = np.abs(depth[:, 1:] - depth[:, :-1]) > step
    down = np.abs(depth[1:] - depth[:-1]) > step
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    edges[1:] |= down
    edges[:-1] |= down
    return edges


def _fray(regions: npt.NDArray[np.int16], share: float, rng: Generator) -> npt.NDArray[np.int16]:
    """A share of the pixels along edges take the value of a random neighbour."""
    edges = np.zeros(regions.shape, dtype=bool)
    across, down = regions[:, 1:] != regions[:, :-1], regions[1:] != regions[:-1]
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    edges[1:] |= down
    edges[:-1] |= down
    rows, columns = np.nonzero(edges)
    chosen = rng.random(len(rows)) < share
    rows, columns = rows[chosen], columns[chosen]
    step = np.array([[0, 1], [0, -1], [1, 0], [-1, 0]])[rng.integers(4, size=len(rows))]
    height, width = regions.shape
    frayed = regions.copy()
    frayed[rows, columns] = regions[
        np.clip(rows + step[:, 0], 0, height - 1), np.clip(columns + step[:, 1], 0, width - 1)
    ]
    return frayed
