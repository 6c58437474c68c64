"""What every kind of perception is."""

from __future__ import annotations

from typing import Protocol

from numpy.random import Generator

from edgewise.scene.types import Observation, Segmentation


class Perception(Protocol):
    """Turns what a camera delivered into regions with labels.

    The observation comes back as well, because a simulated sensor's noise is part of perception: memory must use the
    depth that the robot would really have.
    """

    def __call__(self, observation: Observation, rng: Generator) -> tuple[Observation, Segmentation]:
        """The observation as the robot has it, and what is seen in it. All randomness comes from ``rng``."""
        ...
