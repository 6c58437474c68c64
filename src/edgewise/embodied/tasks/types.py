"""Records of tasks: what is drawn from a seed and what somebody else does in the course of an episode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgewise.embodied.types import Goal, Predicate
from edgewise.scene.worlds.hand import Carry
from edgewise.scene.worlds.spec import WorldSpec


@dataclass(frozen=True, slots=True)
class Exchange:
    """Two things change places at once while neither is seen, as by a trapdoor: no picture shows it happen."""

    a: str
    b: str


@dataclass(frozen=True, slots=True)
class Intervention:
    """Something that somebody else does, once.

    It begins as soon as all of this holds, and, unless ``holding`` says otherwise, the robot's hand is empty.

    Attributes:
        script: What the hand does, one thing after the other.
        after: Steps of the goal that have been reached.
        when: Conditions that hold,
        seconds: and have held for so long.
        holding: Name of what the robot holds.
    """

    script: tuple[Carry | Exchange, ...]
    after: int = 0
    when: tuple[Predicate, ...] = ()
    seconds: float = 0.0
    holding: str = ""


class Scenario(NamedTuple):
    """One episode's beginning."""

    spec: WorldSpec
    goal: Goal
    interventions: tuple[Intervention, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """A family of episodes.

    Attributes:
        name: In lower case with underscores.
        suite: ``long-horizon``, ``adversarial``, ``building``, ``disassembly`` or ``hide-and-restore``.
        build: Draws a scenario.
        difficulty: ``easy``, ``medium`` or ``hard``, or nothing.
    """

    name: str
    suite: str
    build: Callable[[np.random.Generator], Scenario]
    difficulty: str = ""

    def make(self, seed: int | np.random.Generator) -> Scenario:
        """The scenario of a seed."""
        return self.build(np.random.default_rng(seed))
