"""Helpers for tests on simulated worlds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from edgewise.scene.worlds.render import gl_problem
from edgewise.scene.worlds.spec import KNOB
from edgewise.scene.worlds.truth import Truth
from edgewise.scene.worlds.world import World


def needs_pictures() -> None:
    """Skip the module where no picture can be drawn."""
    pytest.importorskip("mujoco")
    if problem := gl_problem():
        pytest.skip(problem, allow_module_level=True)


def go(motion: Iterator[None]) -> int:
    """Let it run to its end; how many pictures were due."""
    return sum(1 for _ in motion)


def pick(world: World, name: str, high: float = 0.2) -> None:
    """Grasp a thing from above and lift it."""
    x, y, z = world.position(name)
    thing = world.spec[name]
    grip = z + (thing.size[2] + KNOB[2] if thing.can.covers else 0.0)
    go(world.follow([((x, y, high), thing.yaw), ((x, y, grip), thing.yaw)], closed=True))
    go(world.follow([((x, y, high + 0.05), thing.yaw)]))


def place(world: World, name: str, x: float, y: float, bottom: float = 0.0) -> None:
    """Put down what was picked with its lower face at ``bottom``."""
    thing = world.spec[name]
    grip = bottom + thing.size[2] + 0.002 + (thing.size[2] + KNOB[2] if thing.can.covers else 0.0)
    go(world.follow([((x, y, 0.25), thing.yaw), ((x, y, grip), thing.yaw)], closed=False))
    go(world.follow([((x, y, 0.25), thing.yaw)]))


def truth(time: float = 0.0, things: dict[str, tuple] | None = None, **given: object) -> Truth:
    """A hand-made truth of cubes of 4 cm: centres by name; everything else as if all were seen on the table."""
    things = things or {}
    names = tuple(things)
    positions = np.array([things[name] for name in names], float).reshape(-1, 3)
    count = len(names)
    fields = {
        "time": time,
        "names": names,
        "labels": tuple(f"{name} cube" for name in names),
        "positions": positions,
        "quaternions": np.tile([1.0, 0, 0, 0], (count, 1)),
        "low": positions - 0.02,
        "high": positions + 0.02,
        "map": np.zeros((0, 0), np.int16),
        "visible": np.ones(count),
        "by_robot": np.zeros(count),
        "occluders": {},
        "contacts": frozenset(),
        "held": None,
        "moved_by_others": frozenset(),
        "covered": {},
        "inside": {},
        "on": dict.fromkeys(names, "table"),
        "supports": dict.fromkeys(names, ("table",)),
        "pulled": {},
    }
    return Truth(**(fields | given))  # type: ignore[arg-type]
