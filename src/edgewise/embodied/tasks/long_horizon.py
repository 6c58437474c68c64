"""The eight long-horizon tasks of RoboStream (arXiv 2603.12939), re-created from its description; success is ours."""

from __future__ import annotations

import math

import numpy as np

from edgewise.embodied.tasks.layout import (
    BIN,
    COVER,
    CUBE,
    FAR,
    NEAR,
    PAD,
    SIDE,
    SMALL_BIN,
    colours,
    covered,
    goal,
    inside,
    on,
    pile,
    places,
    standing,
    step,
)
from edgewise.embodied.tasks.types import Scenario
from edgewise.embodied.types import Predicate, Step
from edgewise.scene.worlds.spec import (
    Thing,
    WorldSpec,
    ball,
    box,
    container,
    cube,
    cuboid,
    cylinder,
    pad,
    tower,
)

BEAM_SIZE = (0.1, 0.02, 0.015)  # half extents of the long block
GAP = 0.14  # between the middles of a bridge's towers, metres
RIGHT = 0.12  # how far a box is moved aside, metres


def turn(rng: np.random.Generator) -> float:
    """A yaw by which a cube may be turned, radians."""
    return float(rng.uniform(-math.pi / 8, math.pi / 8))


def distractors(rng: np.random.Generator, spots: list[tuple[float, float]], taken: list[str]) -> tuple[Thing, ...]:
    """Things that the task does not speak of, in colours that it does not use."""
    kinds = (cylinder, ball)
    free = colours(rng, len(spots), taken)
    return tuple(kinds[int(rng.integers(2))](c, *spot) for c, spot in zip(free, spots, strict=True))


def bridge_between_towers(rng: np.random.Generator) -> Scenario:
    """Two towers of two and a long block across them, which must be turned."""
    x, y = float(rng.uniform(0.42, 0.52)), float(rng.uniform(-0.05, 0.05))
    left, right = (x, y + GAP / 2), (x, y - GAP / 2)
    sides = [(NEAR, FAR, 0.2, SIDE), (NEAR, FAR, -SIDE, -0.2)]
    if rng.random() < 0.5:
        sides.reverse()
    beam = (float(rng.uniform(0.42, 0.5)), float(np.mean(sides[0][2:])))
    green, yellow = places(rng, [CUBE.within(sides[1]), CUBE.within(sides[1])])
    spec = WorldSpec(
        (
            cube("red", *left),
            cube("blue", *right),
            cube("green", *green, yaw=turn(rng)),
            cube("yellow", *yellow, yaw=turn(rng)),
            cuboid("purple block", *beam, BEAM_SIZE, name="beam"),
        )
    )
    steps = (
        step("Put the green cube on the red cube.", on("green", "red")),
        step("Put the yellow cube on the blue cube.", on("yellow", "blue")),
        step(
            "Lay the purple block across the green cube and the yellow cube.",
            Predicate(name="bridged", arguments=("beam", "green", "yellow")),
        ),
    )
    final = (on("green", "red"), on("yellow", "blue"))
    text = "Build a bridge: green on red, yellow on blue, and the long purple block across both towers."
    return Scenario(spec, goal(spec, text, steps, final, image=True))


def place_blocks_in_two_containers(rng: np.random.Generator) -> Scenario:
    """Two cubes into two bins."""
    return _sorting(rng, 2)


def place_blocks_in_two_containers_hard(rng: np.random.Generator) -> Scenario:
    """Four cubes into two bins, some of another colour than theirs."""
    return _sorting(rng, 4)


def _sorting(rng: np.random.Generator, count: int) -> Scenario:
    bins = colours(rng, 2)
    cubes = bins + colours(rng, count - 2, bins) if count > 2 else colours(rng, 2, bins)
    half = (0.52, 0.58, 0.13, 0.18)
    spots = places(
        rng,
        [BIN.within(half), BIN.within((*half[:2], -half[3], -half[2]))]
        + [CUBE.within((NEAR, 0.42, -SIDE, SIDE))] * count,
    )
    containers = tuple(
        container(c, *spot, name=f"{side}_bin") for c, spot, side in zip(bins, spots, ("left", "right"), strict=False)
    )
    spec = WorldSpec((*containers, *(cube(c, *s, yaw=turn(rng)) for c, s in zip(cubes, spots[2:], strict=True))))
    # As many into either; with four, at least one whose colour is the other bin's.
    sides = ["left_bin", "right_bin"] * (count // 2)
    while True:
        drawn = [str(side) for side in rng.permutation(sides)]
        if count == 2 or drawn[:2] != ["left_bin", "right_bin"]:
            break
    words = {"left_bin": f"the {bins[0]} bin", "right_bin": f"the {bins[1]} bin"}
    steps = tuple(
        step(f"Put the {c} cube into {words[side]}.", inside(c, side)) for c, side in zip(cubes, drawn, strict=True)
    )
    text = "Put " + ", ".join(f"{c} into {words[s]}" for c, s in zip(cubes, drawn, strict=True)) + "."
    return Scenario(spec, goal(spec, text, steps, (s.conditions[0] for s in steps), image=True))


def stack_three_colors(rng: np.random.Generator) -> Scenario:
    """Red, green, blue from the bottom to the top."""
    return _stacking(rng, ("red", "green", "blue"), 2)


def stack_five_colors(rng: np.random.Generator) -> Scenario:
    """Red, green, blue, yellow, purple from the bottom to the top."""
    return _stacking(rng, ("red", "green", "blue", "yellow", "purple"), 1)


def _stacking(rng: np.random.Generator, order: tuple[str, ...], others: int) -> Scenario:
    spots = places(rng, [CUBE] * (len(order) + others))
    cubes = tuple(cube(c, *s, yaw=turn(rng)) for c, s in zip(order, spots, strict=False))
    spec = WorldSpec((*cubes, *distractors(rng, spots[len(order) :], list(order))))
    steps = stack_steps(order)
    text = f"Stack the cubes from the bottom to the top: {', '.join(order)}."
    return Scenario(spec, goal(spec, text, steps, (s.conditions[0] for s in steps), image=True))


def stack_steps(order: tuple[str, ...]) -> tuple[Step, ...]:
    """Put each cube on the one before."""
    pairs = zip(order[1:], order[:-1], strict=True)
    return tuple(step(f"Put the {a} cube on the {b} cube.", on(a, b)) for a, b in pairs)


def cover_top_block_with_box(rng: np.random.Generator) -> Scenario:
    """The upper cube goes to a pad, is covered and uncovered, and comes back."""
    return _covering(rng, ("green", "red"))


def cover_bottom_block_with_box(rng: np.random.Generator) -> Scenario:
    """The lowest of three cubes goes to a pad, is covered and uncovered, and carries the tower again."""
    return _covering(rng, ("blue", "green", "red"))


def _covering(rng: np.random.Generator, order: tuple[str, ...]) -> Scenario:
    count = len(order)
    hidden = order[-1] if count == 2 else order[0]
    stack, target, cover, other = places(rng, [pile(count), PAD.within((NEAR, 0.55, -0.1, SIDE)), COVER, CUBE])
    things = (*tower(order, *stack), pad("orange", *target, name="pad"), box("brown", *cover, name="box"))
    spec = WorldSpec((*things, *distractors(rng, [other], [*order, "orange"])))
    aside = Predicate(name="moved", arguments=("box",), direction="right", distance=RIGHT)
    middle = (
        step(f"Put the {hidden} cube on the orange pad.", on(hidden, "pad")),
        step(f"Cover the {hidden} cube with the brown box.", covered(hidden, "box")),
        step(f"Move the brown box at least {RIGHT * 100:.0f} cm to the right.", aside),
    )
    if count == 2:
        steps: tuple[Step, ...] = (*middle, step("Put the red cube back on the green cube.", on("red", "green")))
        final = [on("red", "green")]
    else:
        away = tuple(step(f"Put the {c} cube on the table.", standing(c)) for c in reversed(order[1:]))
        steps = (*away, *middle, *stack_steps(order))
        final = [on("green", "blue"), on("red", "green")]
    text = " ".join(part.text for part in steps)
    return Scenario(spec, goal(spec, text, steps, final))


def unstack_then_stack_four_colors(rng: np.random.Generator) -> Scenario:
    """Each cube of a tower into the bin of its colour, then the tower anew on a pad."""
    order = ("red", "green", "blue", "yellow")
    lower = [str(c) for c in rng.permutation(order)]
    bins = [str(c) for c in rng.permutation(order)]
    row = float(rng.uniform(0.56, 0.59))
    side = 1 if rng.random() < 0.5 else -1
    near = (NEAR, 0.38, 0.08, 0.2) if side > 0 else (NEAR, 0.38, -0.2, -0.08)
    across = (*near[:2], -near[3], -near[2])
    stack, target = places(rng, [pile(4).within(near), PAD.within(across)])
    spec = WorldSpec(
        (
            *tower(tuple(lower), *stack),
            pad("purple", *target, name="pad"),
            *(container(c, row, 0.225 - 0.15 * k, name=f"{c}_bin", wide=SMALL_BIN.wide) for k, c in enumerate(bins)),
        )
    )
    away = tuple(step(f"Put the {c} cube into the {c} bin.", inside(c, f"{c}_bin")) for c in reversed(lower))
    first = step("Put the red cube on the purple pad.", on("red", "pad"))
    text = (
        "Take the tower apart from the top and put each cube into the bin of its colour. "
        "Then stack red, green, blue and yellow from the bottom to the top on the purple pad."
    )
    steps = (*away, first, *stack_steps(order))
    final = (s.conditions[0] for s in (first, *stack_steps(order)))
    return Scenario(spec, goal(spec, text, steps, final))
