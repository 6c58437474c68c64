"""Tasks that only an agent with object permanence can do: somebody moves, hides and exchanges things meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgewise.embodied.tasks.layout import (
    CUBE,
    FAR,
    NEAR,
    SIDE,
    covered,
    goal,
    on,
    places,
    returned,
    standing,
    step,
    uncovered,
)
from edgewise.embodied.tasks.long_horizon import turn
from edgewise.embodied.tasks.types import Exchange, Intervention, Scenario
from edgewise.embodied.types import Step
from edgewise.scene.types import Point
from edgewise.scene.worlds.hand import Carry
from edgewise.scene.worlds.spec import WorldSpec, box, cube, cuboid, cup, pad

_COVERED = 0.032  # height of a standing cover's centre, metres
_STANDING = 0.02  # of a cube's
Spot = tuple[float, float]


def _near(rng: np.random.Generator, x: float, y: float, width: float = 0.015) -> Spot:
    return x + float(rng.uniform(-width, width)), y + float(rng.uniform(-width, width))


def _side(rng: np.random.Generator) -> int:
    return 1 if rng.random() < 0.5 else -1


def swap_same_colour(rng: np.random.Generator) -> Scenario:
    """Somebody exchanges two alike cubes in plain sight; the one that was on the left must be used."""
    left, right = _near(rng, 0.5, 0.22), _near(rng, 0.5, 0.06)
    green, yellow, blue = places(rng, [CUBE.within((NEAR, FAR, -SIDE, -0.07))] * 3)
    spec = WorldSpec(
        (
            cube("red", *left, yaw=turn(rng), name="left_red"),
            cube("red", *right, yaw=turn(rng), name="right_red"),
            cube("green", *green, yaw=turn(rng)),
            cube("yellow", *yellow, yaw=turn(rng)),
            cube("blue", *blue, yaw=turn(rng)),
        )
    )
    steps = (
        step("Put the yellow cube on the blue cube.", on("yellow", "blue")),
        step("Put the red cube that was on the left at the start on the green cube.", on("left_red", "green")),
    )
    final = (on("yellow", "blue"), on("left_red", "green"), standing("right_red"))
    aside = (*_near(rng, 0.37, 0.14), _STANDING)
    swap = (Carry("left_red", aside), Carry("right_red", "left_red"), Carry("left_red", "right_red"))
    text = " ".join(part.text for part in steps) + " Leave the other red cube on the table."
    return Scenario(spec, goal(spec, text, steps, final), (Intervention(swap, holding="yellow"),))


def swap_under_cover(rng: np.random.Generator) -> Scenario:
    """What is under two cups is exchanged and nothing shows it.

    No memory can know; an agent must not be led astray by the cube that it finds instead, but look under the other cup.
    """
    spec = _two_cups(rng)
    steps = (
        *_cover_both(),
        step("Put the red cube on the orange pad.", on("red", "pad")),
    )
    text = " ".join(part.text for part in steps)
    final = (on("red", "pad"), uncovered("red"))
    return Scenario(spec, goal(spec, text, steps, final), (Intervention((Exchange("red", "green"),), after=2),))


def two_covers(rng: np.random.Generator) -> Scenario:
    """Two alike cups with different cubes under them change places in plain sight."""
    spec = _two_cups(rng)
    steps = (
        *_cover_both(),
        step("Put the red cube on the orange pad.", on("red", "pad")),
        step("Put the green cube on the red cube.", on("green", "red")),
    )
    final = (on("red", "pad"), on("green", "red"))
    red, green = spec["red"].position, spec["green"].position
    aside = (0.5, 0.0, _COVERED)
    swap = (_slide("left_cup", aside), _slide("right_cup", red), _slide("left_cup", green))
    text = " ".join(part.text for part in steps)
    return Scenario(spec, goal(spec, text, steps, final), (Intervention(swap, after=2),))


def _two_cups(rng: np.random.Generator) -> WorldSpec:
    side = _side(rng)
    red, green = _near(rng, 0.38, 0.1 * side), _near(rng, 0.38, -0.1 * side)
    return WorldSpec(
        (
            cube("red", *red, yaw=turn(rng)),
            cube("green", *green, yaw=turn(rng)),
            cup("grey", *_near(rng, 0.56, 0.2), name="left_cup"),
            cup("grey", *_near(rng, 0.56, -0.2), name="right_cup"),
            pad("orange", *_near(rng, 0.6, 0.0), name="pad"),
        )
    )


def _cover_both() -> tuple[Step, ...]:
    return (
        step("Cover the red cube with the grey cup that was on the left.", covered("red", "left_cup")),
        step("Cover the green cube with the other grey cup.", covered("green", "right_cup")),
    )


def _slide(thing: str, to: Point, via: Sequence[Spot] = ()) -> Carry:
    return Carry(thing, (to[0], to[1], _COVERED), slide=True, via=tuple(via))


def cup_shuffle(rng: np.random.Generator) -> Scenario:
    """Three alike cups, a cube under one, and somebody shuffles them in plain sight."""
    side = _side(rng)
    here = _near(rng, 0.36, 0.0)
    slots: list[Spot] = [_near(rng, 0.5, 0.18), here, _near(rng, 0.5, -0.18)]
    names = ["left_cup", "middle_cup", "right_cup"]
    spec = WorldSpec(
        (
            cube("red", *here, yaw=turn(rng)),
            cup("grey", *slots[0], name=names[0]),
            cup("grey", *_near(rng, 0.54, 0.0), name=names[1]),
            cup("grey", *slots[2], name=names[2]),
            pad("orange", *_near(rng, 0.36, 0.21 * side), name="pad"),
        )
    )
    script: list[Carry] = []
    where = dict(zip(names, slots, strict=True))
    for turn_ in range(3):
        # The full cup is in the first exchange, so that the cube moves.
        a, b = (str(n) for n in rng.permutation(names)[:2])
        if turn_ == 0 and "middle_cup" not in (a, b):
            a = "middle_cup"
        script += [_slide(a, (0.62, 0.0, 0.0)), _slide(b, (*where[a], 0.0)), _slide(a, (*where[b], 0.0))]
        where[a], where[b] = where[b], where[a]
    steps = (
        step("Cover the red cube with the grey cup in the middle.", covered("red", "middle_cup")),
        step("Put the red cube on the orange pad.", on("red", "pad")),
    )
    text = " ".join(part.text for part in steps)
    return Scenario(spec, goal(spec, text, steps, (on("red", "pad"),)), (Intervention(tuple(script), after=1),))


def slid_cover(rng: np.random.Generator) -> Scenario:
    """Somebody slides a box with what is under it, in plain sight."""
    side = _side(rng)
    red = _near(rng, 0.42, 0.04 * side)
    spec = WorldSpec(
        (
            cube("red", *red, yaw=turn(rng)),
            cube("blue", *_near(rng, 0.6, 0.2 * side), yaw=turn(rng)),
            box("brown", *_near(rng, 0.56, -0.08 * side), name="box"),
            pad("orange", *_near(rng, 0.4, -0.2 * side), name="pad"),
        )
    )
    steps = _cover_and_use()
    away = _slide("box", (*_near(rng, 0.42, 0.22 * side), 0.0))
    text = " ".join(part.text for part in steps)
    return Scenario(spec, goal(spec, text, steps, (on("red", "pad"),)), (Intervention((away,), after=1),))


def _cover_and_use() -> tuple[Step, ...]:
    return (
        step("Cover the red cube with the brown box.", covered("red", "box")),
        step("Put the red cube on the orange pad.", on("red", "pad")),
    )


def moved_while_hidden(rng: np.random.Generator) -> Scenario:
    """Somebody slides a box with what is under it while a board stands before both."""
    side = _side(rng)
    red = _near(rng, 0.45, -0.04 * side, 0.01)
    goes = _near(rng, 0.45, 0.09 * side, 0.01)
    board = cuboid("cyan board", *_near(rng, 0.63, 0.18 * side), (0.012, 0.14, 0.1), name="board")
    spec = WorldSpec(
        (
            cube("red", *red, yaw=turn(rng)),
            box("brown", *_near(rng, 0.58, -0.1 * side), name="box"),
            replace(board, density=200.0),
            pad("orange", *_near(rng, 0.38, -0.22 * side), name="pad"),
        )
    )
    steps = _cover_and_use()
    before = (0.34, 0.03 * side, board.size[2])
    # Around the place where the robot's gripper may wait.
    around = ((0.63, 0.27 * side), (0.34, 0.27 * side))
    script = (
        Carry("board", before, via=around),
        _slide("box", (*goes, 0.0)),
        Carry("board", "board", via=around[::-1]),
    )
    text = " ".join(part.text for part in steps)
    return Scenario(spec, goal(spec, text, steps, (on("red", "pad"),)), (Intervention(script, after=1),))


def premature_done(rng: np.random.Generator) -> Scenario:
    """Somebody undoes a step in the robot's back, and something hidden must be shown again in the end."""
    side = _side(rng)
    yellow, green = _near(rng, 0.55, 0.1 * side), _near(rng, 0.42, 0.2 * side)
    spec = WorldSpec(
        (
            cube("red", *_near(rng, 0.4, 0.0), yaw=turn(rng)),
            box("brown", *_near(rng, 0.58, -0.06 * side), name="box"),
            cube("yellow", *yellow, yaw=turn(rng)),
            cube("green", *green, yaw=turn(rng)),
            cube("blue", *_near(rng, 0.38, -0.13 * side), yaw=turn(rng)),
            pad("orange", *_near(rng, 0.5, -0.22 * side), name="pad"),
        )
    )
    steps = (
        step("Cover the red cube with the brown box.", covered("red", "box")),
        step("Put the green cube on the yellow cube.", on("green", "yellow")),
        step("Put the blue cube on the orange pad.", on("blue", "pad")),
    )
    final = (on("green", "yellow"), uncovered("red"), returned("red"))
    undo = Carry("green", (*_near(rng, 0.58, 0.23 * side), _STANDING))
    text = " ".join(part.text for part in steps)
    text += " In the end green is on yellow, blue is on the pad, and the red cube stands uncovered where it stood."
    return Scenario(spec, goal(spec, text, steps, final), (Intervention((undo,), after=2, holding="blue"),))
