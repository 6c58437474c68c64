"""What a world is made of, as records: things on a table, how the camera sees them and what is drawn at random."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.scene.types import NOUNS, Affordances, Point

Colour = tuple[float, float, float]
COLOURS: Mapping[str, Colour] = {
    "red": (0.82, 0.08, 0.08),
    "orange": (0.95, 0.45, 0.02),
    "yellow": (0.92, 0.84, 0.08),
    "green": (0.08, 0.6, 0.14),
    "cyan": (0.05, 0.7, 0.72),
    "blue": (0.08, 0.2, 0.85),
    "purple": (0.52, 0.12, 0.72),
    "brown": (0.4, 0.24, 0.1),
    "white": (0.97, 0.97, 0.97),
    "grey": (0.42, 0.42, 0.44),
}
SHAPES = ("cuboid", "cylinder", "ball", "prism", "pad", "cup", "cover", "bin", "drawer", "cabinet")
WALL = 0.004  # thickness of hollow things, metres
KNOB = (0.012, 0.012, 0.015)  # half extents of the handle on top of a cover
CUBE = 0.02  # half the edge of a cube
HAND = "hand"
TABLE, FLOOR = "table", "floor"
ROBOT_NAME = "robot"


@dataclass(frozen=True, slots=True)
class Thing:
    """One object of a world.

    Attributes:
        name: How tasks and ground truth call it; unique.
        label: What perception calls it: colour and noun (``red cube``). Nouns say what it can do, see ``NOUNS``.
        shape: One of ``SHAPES``. A ``cup`` (eight walls) and a ``cover`` (four) are open below and have a knob on top
            that the gripper can hold; a ``bin`` is open above; a ``drawer`` slides along its own x axis.
        size: Half extents in metres, without the knob.
        position: Its centre, without the knob.
        yaw: Radians about Z.
        rgb: Its colour in [0, 1]; by default the one that the label begins with.
        density: kg/m³ of solid things; walls of hollow ones weigh 20 g each.
        friction: Sliding coefficient.
        travel: How far a drawer can be pulled out, metres.
    """

    name: str
    label: str
    shape: str
    size: Point
    position: Point
    yaw: float = 0.0
    rgb: Colour | None = None
    density: float = 800.0
    friction: float = 1.0
    travel: float = 0.12

    @property
    def can(self) -> Affordances:
        """What a thing of its noun can do."""
        return NOUNS.get(self.label.split()[-1], Affordances())

    @property
    def fixed(self) -> bool:
        """It never moves."""
        return self.can.fixed or self.shape in ("pad", "cabinet")

    @property
    def colour(self) -> Colour:
        """Its colour before any light falls on it.

        Raises:
            BadInput: Neither ``rgb`` nor the label says.
        """
        if self.rgb is not None:
            return self.rgb
        word = self.label.split()[0]
        if word not in COLOURS:
            raise BadInput(f"no colour {word!r}", field=f"label of {self.name}", fix=f"one of: {', '.join(COLOURS)}")
        return COLOURS[word]


@dataclass(frozen=True, slots=True)
class View:
    """Where the camera stands and what it looks at (metres), and its vertical angle of view (degrees)."""

    position: Point = (-0.25, 0.0, 0.55)
    target: Point = (0.47, 0.0, 0.03)
    angle: float = 40.0


@dataclass(frozen=True, slots=True)
class Light:
    """Direction that the light falls in and how bright light and surroundings are, in [0, 1]."""

    direction: Point = (0.4, 0.2, -1.0)
    diffuse: float = 0.45
    ambient: float = 0.5


@dataclass(frozen=True, slots=True)
class WorldSpec:
    """A scene: things on a table whose top is z = 0.

    Attributes:
        things: In the order of ``Truth.names``.
        view: Camera.
        light: Light.
        shadows: Draw shadows and reflections (slow on a CPU).
    """

    things: tuple[Thing, ...]
    view: View = field(default_factory=View)
    light: Light = field(default_factory=Light)
    shadows: bool = False

    def __post_init__(self) -> None:
        names = [thing.name for thing in self.things]
        taken = {TABLE, FLOOR, ROBOT_NAME, HAND}
        for name in names:
            if names.count(name) > 1 or name in taken:
                raise BadInput(f"the name {name!r} is taken", field="things", fix="give every thing a name of its own")
        for thing in self.things:
            if thing.shape not in SHAPES:
                raise BadInput(
                    f"no shape {thing.shape!r}", field=f"shape of {thing.name}", fix=f"one of: {', '.join(SHAPES)}"
                )

    def __getitem__(self, name: str) -> Thing:
        """The thing of that name.

        Raises:
            BadInput: There is none.
        """
        for thing in self.things:
            if thing.name == name:
                return thing
        raise BadInput(f"no thing {name!r}", fix=f"one of: {', '.join(thing.name for thing in self.things)}")


@dataclass(frozen=True, slots=True)
class Randomisation:
    """What a world draws from its generator. Every figure is the half width of a uniform distribution.

    Things that stand on, in or under one another are shifted and turned together, fixed things and what stands on
    them not at all.

    Attributes:
        position: Metres, along X and Y.
        yaw: Radians.
        hue: Of 1, the whole circle.
        value: Factor of brightness of colours, 0.1 for ±10 %.
        light: Factor of the light's brightness; its direction changes by as much.
        camera: Metres along each axis, of the camera and of the point it looks at.
        friction: Factor.
        mass: Factor.
        slip: Chance (not a width) that a welded grasp is lost while it is lifted.
    """

    position: float = 0.004
    yaw: float = 0.05
    hue: float = 0.012
    value: float = 0.06
    light: float = 0.1
    camera: float = 0.005
    friction: float = 0.15
    mass: float = 0.15
    slip: float = 0.0


STILL = Randomisation(0, 0, 0, 0, 0, 0, 0, 0)  # exactly what the spec says


def cuboid(label: str, x: float, y: float, size: Point, bottom: float = 0.0, yaw: float = 0.0, name: str = "") -> Thing:
    """A solid block that stands at (x, y) with its lower face at ``bottom``; named by its label unless told."""
    return Thing(name or label, label, "cuboid", size, (x, y, bottom + size[2]), yaw)


def cube(colour: str, x: float, y: float, bottom: float = 0.0, yaw: float = 0.0, name: str = "") -> Thing:
    """A cube of 4 cm; named by its colour unless told."""
    return cuboid(f"{colour} cube", x, y, (CUBE, CUBE, CUBE), bottom, yaw, name or colour)


def tower(colours: tuple[str, ...], x: float, y: float, yaw: float = 0.0) -> tuple[Thing, ...]:
    """Cubes on one another, the first on the table."""
    return tuple(cube(colour, x, y, 2 * CUBE * level, yaw) for level, colour in enumerate(colours))


def cylinder(colour: str, x: float, y: float, bottom: float = 0.0, name: str = "") -> Thing:
    """An upright cylinder, 4 cm wide and high."""
    label = f"{colour} cylinder"
    return Thing(name or label, label, "cylinder", (CUBE, CUBE, CUBE), (x, y, bottom + CUBE))


def prism(colour: str, x: float, y: float, bottom: float = 0.0, yaw: float = 0.0, name: str = "") -> Thing:
    """A roof of 4 cm edge, its ridge along its own x axis."""
    label = f"{colour} prism"
    return Thing(name or label, label, "prism", (CUBE, CUBE, CUBE), (x, y, bottom + CUBE), yaw)


def ball(colour: str, x: float, y: float, name: str = "") -> Thing:
    """A ball, 4 cm wide."""
    label = f"{colour} ball"
    return Thing(name or label, label, "ball", (CUBE, CUBE, CUBE), (x, y, CUBE))


def pad(colour: str, x: float, y: float, name: str = "", half: float = 0.045) -> Thing:
    """A square patch of colour on the table, as thin as paper."""
    label = f"{colour} pad"
    return Thing(name or label, label, "pad", (half, half, 0.0005), (x, y, 0.0005))


def cup(colour: str, x: float, y: float, name: str = "", bottom: float = 0.0) -> Thing:
    """A cup upside down, wide enough for a cube."""
    label = f"{colour} cup"
    return Thing(name or label, label, "cup", (0.042, 0.042, 0.032), (x, y, bottom + 0.032))


def box(colour: str, x: float, y: float, yaw: float = 0.0, name: str = "", bottom: float = 0.0) -> Thing:
    """A box upside down, wide enough for a cube."""
    label = f"{colour} box"
    return Thing(name or label, label, "cover", (0.041, 0.041, 0.032), (x, y, bottom + 0.032), yaw)


def container(colour: str, x: float, y: float, yaw: float = 0.0, name: str = "", wide: float = 0.1) -> Thing:
    """An open bin with room for two cubes side by side."""
    label = f"{colour} bin"
    return Thing(name or label, label, "bin", (0.065, wide, 0.025), (x, y, 0.025), yaw)


def drawer(colour: str, x: float, y: float, name: str = "drawer") -> tuple[Thing, Thing]:
    """A cabinet that stands at (x, y) and its drawer, shut, which is pulled towards the near side by its handle."""
    cabinet = Thing("cabinet", "white cabinet", "cabinet", (0.08, 0.08, 0.04), (x, y, 0.04))
    inside = Thing(name, f"{colour} drawer", "drawer", (0.07, 0.068, 0.028), (x - 0.012, y, 0.034))
    return cabinet, inside


def drawn(spec: WorldSpec, by: Randomisation, rng: np.random.Generator) -> WorldSpec:
    """The same scene with everything that is random drawn from ``rng``."""

    def factor(width: float) -> float:
        return 1.0 + float(rng.uniform(-width, width))

    things = list(spec.things)
    for group in _groups(spec.things):
        shift, turn = rng.uniform(-by.position, by.position, 2), float(rng.uniform(-by.yaw, by.yaw))
        if any(things[k].fixed or things[k].shape == "drawer" for k in group):
            continue
        middle = np.array(things[group[0]].position[:2])
        rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        for k in group:
            thing = things[k]
            x, y = middle + rotation @ (np.array(thing.position[:2]) - middle) + shift
            things[k] = replace(thing, position=(float(x), float(y), thing.position[2]), yaw=thing.yaw + turn)
    for k, thing in enumerate(things):
        hue, saturation, value = colorsys.rgb_to_hsv(*thing.colour)
        hue = (hue + float(rng.uniform(-by.hue, by.hue))) % 1.0
        rgb = colorsys.hsv_to_rgb(hue, saturation, min(1.0, value * factor(by.value)))
        things[k] = replace(
            thing, rgb=rgb, density=thing.density * factor(by.mass), friction=thing.friction * factor(by.friction)
        )
    eye, target = (
        tuple(np.array(p) + rng.uniform(-by.camera, by.camera, 3)) for p in (spec.view.position, spec.view.target)
    )
    direction = tuple(np.array(spec.light.direction) + rng.uniform(-by.light, by.light, 3))
    light = Light(direction, spec.light.diffuse * factor(by.light), spec.light.ambient * factor(by.light))
    return replace(spec, things=tuple(things), view=replace(spec.view, position=eye, target=target), light=light)


def _groups(things: tuple[Thing, ...]) -> list[list[int]]:
    """Indices of things that stand on, in or under one another: their footprints overlap."""
    groups: list[list[int]] = []
    for k, thing in enumerate(things):
        touching = [group for group in groups if any(_overlap(thing, things[other]) for other in group)]
        groups = [group for group in groups if group not in touching]
        groups.append(sorted([k, *(other for group in touching for other in group)]))
    return groups


def _overlap(a: Thing, b: Thing) -> bool:
    reach = [(_half(a)[axis] + _half(b)[axis]) for axis in (0, 1)]
    return all(abs(a.position[axis] - b.position[axis]) < reach[axis] for axis in (0, 1))


def _half(thing: Thing) -> tuple[float, float]:
    """Half extents of the footprint along X and Y."""
    c, s = abs(math.cos(thing.yaw)), abs(math.sin(thing.yaw))
    return thing.size[0] * c + thing.size[1] * s, thing.size[0] * s + thing.size[1] * c
