"""Perception that is told by the simulator what each pixel is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

from edgewise.scene.perception.noise import SensorNoise, disturb, sense
from edgewise.scene.types import Observation, Segmentation


@dataclass(frozen=True)
class SimulatorMasks:
    """The simulator's own masks, with the errors of a sensor and of a segmenter on top.

    Attributes:
        masks: Gives the exact segmentation of the present moment (``world.segmentation``).
        noise: None for none.
    """

    masks: Callable[[], Segmentation]
    noise: SensorNoise | None = None

    def __call__(self, observation: Observation, rng: Generator) -> tuple[Observation, Segmentation]:
        """The observation with noisy depth, and the masks with noise."""
        segmentation = self.masks()
        if self.noise is None:
            return observation, segmentation
        return sense(observation, self.noise, rng), disturb(segmentation, self.noise, rng)
