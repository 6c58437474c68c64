"""Building, disassembly, and hide-and-restore: families of tasks at three levels, drawn from the seed.

After the real-robot tasks of RoboStream (arXiv 2603.12939): easy has 2-3 objects and one step, medium 4 objects and 3
steps, hard up to 7 objects and 6 steps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.embodied.tasks.layout import (
    BIN,
    COVER,
    CUBE,
    PAD,
    colours,
    covered,
    goal,
    inside,
    on,
    pile,
    places,
    returned,
    standing,
    step,
    uncovered,
)
from edgewise.embodied.tasks.long_horizon import distractors
from edgewise.embodied.tasks.types import Scenario
from edgewise.embodied.types import Step
from edgewise.scene.worlds.spec import Thing, WorldSpec, container, cube, cup, cylinder, pad, prism

_EDGE = 0.04  # of everything that is stacked, metres
_APART = 0.06  # of alike cups along Y, metres
Spot = tuple[float, float]


def _block(rng: np.random.Generator, colour: str, spot: Spot, level: int = 0, top: bool = False) -> Thing:
    """A cube or a cylinder, or, on top of all, perhaps a prism."""
    kind = str(rng.choice(["cube", "cylinder", "prism"] if top else ["cube", "cube", "cylinder"]))
    if kind == "cube":
        return cube(colour, *spot, level * _EDGE)
    make = cylinder if kind == "cylinder" else prism
    return make(colour, *spot, level * _EDGE, name=colour)


def _pile(rng: np.random.Generator, of: Sequence[str], spot: Spot) -> list[Thing]:
    return [_block(rng, colour, spot, level, colour == of[-1]) for level, colour in enumerate(of)]


def _put(things: Sequence[Thing]) -> list[Step]:
    """Each on the one before."""
    pairs = zip(things[1:], things[:-1], strict=True)
    return [step(f"Put the {a.label} on the {b.label}.", on(a.name, b.name)) for a, b in pairs]


def _take(things: Sequence[Thing]) -> list[Step]:
    """Each but the lowest down to the table, the upper ones first."""
    return [step(f"Put the {a.label} on the table.", standing(a.name)) for a in reversed(things[1:])]


def _told(start: str, steps: Sequence[Step]) -> str:
    return " ".join([start, *(part.text for part in steps)])


def building_easy(rng: np.random.Generator) -> Scenario:
    """One thing on another."""
    return _tower(rng, 2)


def building_medium(rng: np.random.Generator) -> Scenario:
    """A tower of four."""
    return _tower(rng, 4)


def _tower(rng: np.random.Generator, count: int) -> Scenario:
    names = colours(rng, count)
    spots = places(rng, [CUBE] * (count + 1))
    things = [_block(rng, c, s, top=c == names[-1]) for c, s in zip(names, spots, strict=False)]
    spec = WorldSpec((*things, *distractors(rng, spots[-1:], names)))
    steps = _put(things)
    return Scenario(spec, goal(spec, _told("Build a tower.", steps), steps, (s.conditions[0] for s in steps)))


def building_hard(rng: np.random.Generator) -> Scenario:
    """Two towers of three on two pads."""
    *names, of_pad = colours(rng, 7)
    spots = places(rng, [PAD, PAD] + [CUBE] * 6)
    things = [_block(rng, c, s, top=c in (names[2], names[5])) for c, s in zip(names, spots[2:], strict=True)]
    pads = [pad(of_pad, *spots[0], name="first_pad"), pad("brown", *spots[1], name="second_pad")]
    spec = WorldSpec((*pads, *things))
    steps = _put([pads[0], *things[:3]]) + _put([pads[1], *things[3:]])
    return Scenario(spec, goal(spec, _told("Build two towers.", steps), steps, (s.conditions[0] for s in steps)))


def disassembly_easy(rng: np.random.Generator) -> Scenario:
    """The upper of two things to the table."""
    return _apart(rng, 2)


def disassembly_medium(rng: np.random.Generator) -> Scenario:
    """A tower of four."""
    return _apart(rng, 4)


def _apart(rng: np.random.Generator, count: int) -> Scenario:
    names = colours(rng, count)
    stack, other = places(rng, [pile(count), CUBE])
    things = _pile(rng, names, stack)
    spec = WorldSpec((*things, *distractors(rng, [other], names)))
    steps = _take(things)
    return Scenario(spec, goal(spec, _told("Take the tower apart.", steps), steps, (s.conditions[0] for s in steps)))


def disassembly_hard(rng: np.random.Generator) -> Scenario:
    """Two towers of three: the upper things to the table, the lowest into a bin."""
    names = colours(rng, 7)
    first, second, of_bin = places(rng, [pile(3), pile(3), BIN])
    towers = [_pile(rng, names[:3], first), _pile(rng, names[3:6], second)]
    bin_ = container(names[6], *of_bin, name="bin")
    spec = WorldSpec((*towers[0], *towers[1], bin_))
    steps = [*_take(towers[0]), *_take(towers[1])]
    steps += [step(f"Put the {base.label} into the {bin_.label}.", inside(base.name, "bin")) for base, *_ in towers]
    return Scenario(spec, goal(spec, _told("Take both towers apart.", steps), steps, (s.conditions[0] for s in steps)))


def hide_restore_easy(rng: np.random.Generator) -> Scenario:
    """The lower of two cubes is covered and uncovered, and the tower restored."""
    return _hide(rng, 2, 0, 1)


def hide_restore_medium(rng: np.random.Generator) -> Scenario:
    """The lowest of three cubes, beside something that has no part in it."""
    return _hide(rng, 3, 1, 1)


def hide_restore_hard(rng: np.random.Generator) -> Scenario:
    """The two lower cubes of three under two alike cups, beside two things that have no part in it."""
    return _hide(rng, 3, 2, 2)


def _hide(rng: np.random.Generator, count: int, others: int, cups: int) -> Scenario:
    names = colours(rng, count)
    while True:
        spots = places(rng, [pile(count), *[COVER] * cups, *[CUBE] * others])
        # Alike cups are told apart by their places from left to right.
        if cups == 1 or abs(spots[1][1] - spots[2][1]) > _APART:
            break
    things = [cube(c, *spots[0], k * _EDGE) for k, c in enumerate(names)]
    of_cups = sorted(spots[1 : 1 + cups], key=lambda spot: -spot[1])
    covers = [cup("grey", *s, name="cup" if cups == 1 else f"{n}_cup") for s, n in zip(of_cups, _SIDES, strict=False)]
    spec = WorldSpec((*things, *covers, *distractors(rng, spots[1 + cups :], names)))
    called = ["the grey cup"] if cups == 1 else [f"the {side} grey cup" for side in _SIDES]
    hide = [
        step(f"Cover the {thing.label} with {word}.", covered(thing.name, cover.name))
        for thing, cover, word in zip(things, covers, called, strict=False)
    ]
    show = step(
        "Uncover " + " and ".join(f"the {thing.label}" for thing in things[:cups]) + ".",
        *(uncovered(thing.name) for thing in things[:cups]),
    )
    steps = [*_take(things), *hide, show, *_put(things)]
    text = _told("", steps).strip() + " In the end the tower is as and where it was."
    return Scenario(spec, goal(spec, text, steps, (returned(thing.name) for thing in things)))


_SIDES = ("left", "right")
