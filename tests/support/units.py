"""Units of work that other processes can import."""

from __future__ import annotations

import os

import numpy as np


def draw(unit: int, rng: np.random.Generator) -> tuple[int, float]:
    """The unit with a number of its own."""
    return unit, float(rng.random())


def where(unit: int, rng: np.random.Generator) -> int:
    """The process that did the unit."""
    return os.getpid()


def fail_at_three(unit: int, rng: np.random.Generator) -> int:
    """Fails on one unit."""
    if unit == 3:
        raise ValueError("three")
    return unit
