"""Places for things: apart enough for the gripper, in reach, and not hidden behind one another at the start."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.embodied.types import Goal, Predicate, Referent, Step
from edgewise.scene.worlds.spec import View, WorldSpec

COLOURS = ("red", "green", "blue", "yellow", "purple", "orange", "cyan")  # of things that move
FAR, SIDE, NEAR = 0.62, 0.27, 0.33  # where things may stand: NEAR <= x <= FAR, |y| <= SIDE, metres
_TRIES, _GIVE_UP = 400, 60
Region = tuple[float, float, float, float]  # least x, greatest x, least y, greatest y


@dataclass(frozen=True, slots=True)
class Space:
    """What one thing or pile takes up.

    Attributes:
        room: Half the extent that must stay free for it and the gripper around it, metres along X and Y.
        wide: Half its own width, metres.
        high: Its height, metres.
        region: Where its middle may be.
    """

    room: tuple[float, float]
    wide: float
    high: float
    region: Region = (NEAR, FAR, -SIDE, SIDE)

    def within(self, region: Region) -> Space:
        """The same in another region."""
        return Space(self.room, self.wide, self.high, region)


CUBE = Space((0.04, 0.05), 0.02, 0.04)
COVER = Space((0.06, 0.065), 0.045, 0.095)
PAD = Space((0.06, 0.065), 0.045, 0.0)
BIN = Space((0.075, 0.11), 0.1, 0.04)
SMALL_BIN = Space((0.075, 0.068), 0.06, 0.04)


def pile(count: int) -> Space:
    """A tower of cubes."""
    return Space((0.05, 0.06), 0.02, 0.04 * count)


def places(rng: np.random.Generator, spaces: Iterable[Space]) -> list[tuple[float, float]]:
    """Middles (x, y) for the spaces, drawn uniformly among arrangements in which each is reached and seen.

    Raises:
        BadInput: There is no room: a task asks for too much.
    """
    wanted = list(spaces)
    # The largest are placed first: they find room more easily.
    order = sorted(range(len(wanted)), key=lambda k: -wanted[k].room[0] * wanted[k].room[1])
    for _ in range(_TRIES):
        found: dict[int, tuple[float, float]] = {}
        for k in order:
            low_x, high_x, low_y, high_y = wanted[k].region
            for _ in range(_GIVE_UP):
                spot = float(rng.uniform(low_x, high_x)), float(rng.uniform(low_y, high_y))
                if all(_apart(wanted[k], spot, wanted[other], there) for other, there in found.items()):
                    found[k] = spot
                    break
            else:
                break
        if len(found) == len(wanted):
            return [found[k] for k in range(len(wanted))]
    raise BadInput(f"no room for {len(wanted)} things", field="spaces", fix="ask for fewer, or for larger regions")


def _apart(a: Space, at: tuple[float, float], b: Space, there: tuple[float, float]) -> bool:
    """Their rooms do not overlap and neither hides the other."""
    free = any(abs(at[axis] - there[axis]) >= a.room[axis] + b.room[axis] for axis in (0, 1))
    return free and not _hides(a, at, b, there) and not _hides(b, there, a, at)


def _hides(front: Space, at: tuple[float, float], back: Space, there: tuple[float, float]) -> bool:
    """The nearer one hides more than the lowest centimetre of the farther one from the camera."""
    eye_x, _, eye_z = View().position
    if there[0] <= at[0]:
        return False
    stretch = (there[0] - eye_x) / (at[0] - eye_x)
    if abs(there[1] - at[1] * stretch) > front.wide * stretch + back.wide:
        return False
    shadow = (front.high - min(back.high / 2, 0.01)) * (at[0] + front.wide - eye_x) / (eye_z - front.high)
    return there[0] - back.wide < at[0] + front.wide + shadow


def colours(rng: np.random.Generator, count: int, without: Iterable[str] = ()) -> list[str]:
    """So many different colours."""
    free = [colour for colour in COLOURS if colour not in set(without)]
    return [str(colour) for colour in rng.permutation(free)[:count]]


def on(a: str, b: str) -> Predicate:
    """``a`` rests on ``b``."""
    return Predicate(name="on", arguments=(a, b))


def covered(a: str, cover: str) -> Predicate:
    """``a`` is under ``cover``."""
    return Predicate(name="covered", arguments=(a, cover))


def inside(a: str, container: str) -> Predicate:
    """``a`` is in ``container``."""
    return Predicate(name="inside", arguments=(a, container))


def standing(a: str) -> Predicate:
    """``a`` rests on the table."""
    return Predicate(name="standing", arguments=(a,))


def returned(a: str) -> Predicate:
    """``a`` is where it was at the start."""
    return Predicate(name="returned", arguments=(a,))


def uncovered(a: str) -> Predicate:
    """Nothing covers ``a``."""
    return Predicate(name="uncovered", arguments=(a,))


def step(text: str, *conditions: Predicate) -> Step:
    """A part of a task."""
    return Step(conditions=conditions, text=text)


def goal(
    spec: WorldSpec, text: str, steps: Iterable[Step], final: Iterable[Predicate] = (), image: bool = False
) -> Goal:
    """A goal whose referents are all things that its conditions name, told apart by their places from left to right."""
    steps, final = tuple(steps), tuple(final)
    conditions = [*(condition for part in steps for condition in part.conditions), *final]
    named = {name for condition in conditions for name in condition.arguments}
    referents = []
    for thing in spec.things:
        if thing.name in named:
            alike = [other for other in spec.things if other.label == thing.label]
            alike.sort(key=lambda other: -other.position[1])
            referents.append(Referent(name=thing.name, label=thing.label, index=alike.index(thing)))
    return Goal(text=text, referents=tuple(referents), steps=steps, final=final, image=image)
