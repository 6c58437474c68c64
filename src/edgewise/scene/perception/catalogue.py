"""What a segmenter knows to exist: colours, and forms with the nouns that they are called by."""

from __future__ import annotations

import math
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from edgewise.core.records import Record
from edgewise.scene.worlds.spec import COLOURS, CUBE, KNOB, WALL

Triple = tuple[float, float, float]
BITS = 6  # of each colour channel that the lookup table keeps
UNKNOWN, ROBOT_COLOUR, HAND_COLOUR, FIRST = 0, 1, 2, 3  # classes of pixels; catalogue colours count from FIRST
KINDS = ("cuboid", "cylinder", "ball", "prism", "roll")
Kind = Literal["cuboid", "cylinder", "ball", "prism", "roll"]


class Part(Record):
    """A simple solid.

    Attributes:
        kind: ``cuboid``; ``cylinder``, upright; ``roll``, a cylinder along x; ``ball``; ``prism``, a roof with its
            ridge along x.
        half: Half extents in metres; the radius of what is round is the last but one, or the first of an upright one.
        centre: In the form's frame.
    """

    kind: Kind = "cuboid"
    half: Triple
    centre: Triple = (0.0, 0.0, 0.0)


class Form(Record):
    """What things of a noun look like: solids whose union is the visible surface.

    Attributes:
        noun: See ``edgewise.scene.types.NOUNS`` for those with a meaning.
        parts: In a frame with Z up whose origin is the middle of the first part's footprint.
        turns: Quarter turns that look different: 1 for a cube or a cylinder, 2 for a long block, 4 for a drawer.
    """

    noun: str
    parts: tuple[Part, ...] = Field(min_length=1)
    turns: int = Field(1, ge=1, le=4)

    @classmethod
    def solid(cls, noun: str, kind: Kind, size: Triple) -> Form:
        """A single solid of a full ``size`` in metres."""
        half = (size[0] / 2, size[1] / 2, size[2] / 2)
        return cls(noun=noun, parts=(Part(kind=kind, half=half),), turns=1 if _square(half, kind) else 2)

    @classmethod
    def cup(cls, noun: str, size: Triple, round_: bool, knob: Triple | None = KNOB) -> Form:
        """A cup or box with its opening down, of a full ``size``, and the half extents of the knob on its top."""
        half = (size[0] / 2, size[1] / 2, size[2] / 2)
        parts = [Part(kind="cylinder" if round_ else "cuboid", half=half)]
        if knob is not None:
            parts.append(Part(half=knob, centre=(0.0, 0.0, half[2] + knob[2])))
        return cls(noun=noun, parts=tuple(parts), turns=1 if _square(half, "cuboid") else 2)

    def lying(self) -> Form:
        """The same, toppled: its height lies along x. Only for cuboids and cylinders."""
        tipped = {"cuboid": "cuboid", "cylinder": "roll"}
        parts = tuple(
            Part.model_validate({"kind": tipped[part.kind], "half": part.half[::-1], "centre": part.centre[::-1]})
            for part in self.parts
        )
        return Form(noun=self.noun, parts=parts, turns=4 if len(parts) > 1 else 2)

    @classmethod
    def bin(cls, noun: str, size: Triple, wall: float = WALL) -> Form:
        """An open container of a full ``size``."""
        x, y, z = size[0] / 2, size[1] / 2, size[2] / 2
        return cls(noun=noun, parts=_walls(x, y, z, wall), turns=1 if _square((x, y, z), "cuboid") else 2)


class Colour(Record):
    """A colour as it is in white light, in [0, 1]."""

    name: str
    rgb: Triple


class Catalogue(Record):
    """Which colours and forms there are.

    Attributes:
        colours: At least one.
        forms: At least one.
        robot: Colour of the robot, None if no pixel is told by colour to be the robot's.
        hand: Colour of somebody's hand.
        labels: If given, the only labels that occur (``red cube``); everything else fits less well.
    """

    colours: tuple[Colour, ...] = Field(min_length=1)
    forms: tuple[Form, ...] = Field(min_length=1)
    robot: Triple | None = (0.07, 0.07, 0.08)
    hand: Triple | None = (0.87, 0.62, 0.47)
    labels: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [colour.name for colour in self.colours]
        if len(set(names)) < len(names):
            raise ValueError("a colour occurs twice")
        nouns = {form.noun for form in self.forms}
        for label in self.labels:
            colour, _, noun = label.rpartition(" ")
            if colour not in names or noun not in nouns:
                raise ValueError(f"label {label!r} is no colour and noun of this catalogue")
        return self

    @classmethod
    def standard(cls) -> Catalogue:
        """The colours and forms of the worlds of ``edgewise.scene.worlds``."""
        edge = 2 * CUBE
        small = (edge, edge, edge)
        cylinder = Form.solid("cylinder", "cylinder", small)
        # Eight flat sides 42 mm from the middle are a circle of 43 mm on average.
        cup = Form.cup("cup", (0.086, 0.086, 0.064), round_=True)
        box = Form.cup("box", (0.082, 0.082, 0.064), round_=False)
        return cls(
            colours=tuple(Colour(name=name, rgb=rgb) for name, rgb in COLOURS.items()),
            forms=(
                Form.solid("cube", "cuboid", small),
                cylinder,
                Form.solid("prism", "prism", small),
                Form.solid("ball", "ball", small),
                Form.solid("block", "cuboid", (0.2, edge, 0.03)),
                Form.solid("pad", "cuboid", (0.09, 0.09, 0.001)),
                cup,
                box,
                Form.bin("bin", (0.13, 0.12, 0.05)),
                Form.bin("bin", (0.13, 0.2, 0.05)),
                Form.solid("board", "cuboid", (0.024, 0.28, 0.2)),
                _drawer(),
                _cabinet(),
                cylinder.lying(),
                cup.lying(),
                box.lying(),
            ),
        )

    def allows(self, colour: str, noun: str) -> bool:
        """Whether things of that colour and noun can occur."""
        return not self.labels or f"{colour} {noun}" in self.labels


def colour_table(catalogue: Catalogue) -> npt.NDArray[np.uint8]:
    """Class of every colour of ``BITS`` bits a channel, red first (2 ** (3 * BITS),).

    A colour is known by its chromaticity, which shading leaves as it is: the channels over the greatest of them.
    Colours without chroma are told apart by brightness alone, half-way between neighbours in the catalogue as they are
    seen when shading has taken a quarter of the light.
    """
    steps = (np.arange(2**BITS) + 0.5) / 2**BITS
    levels = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    value = levels.max(axis=1)
    chroma = levels / value[:, None]
    known = [(FIRST + k, colour.rgb) for k, colour in enumerate(catalogue.colours)]
    if catalogue.hand is not None:
        known.append((HAND_COLOUR, catalogue.hand))
    if catalogue.robot is not None:
        known.append((ROBOT_COLOUR, catalogue.robot))
    number = np.array([code for code, _ in known], dtype=np.uint8)
    rgb = np.array([colour for _, colour in known])
    bright = rgb.max(axis=1)
    plain = (bright - rgb.min(axis=1)) < 0.12 * np.maximum(bright, 0.3)
    own = rgb / bright[:, None]
    # Dark pixels have a chroma that quantisation has spoilt; only what has no chroma at all is that dark.
    distance = np.linalg.norm(chroma[:, None] - own[None], axis=2)
    distance[:, plain] = np.linalg.norm(chroma - 1, axis=1)[:, None]
    distance[:, plain] += 0.3 * np.abs(np.log(value[:, None] / (0.85 * bright[plain])))
    table: npt.NDArray[np.uint8] = number[np.argmin(distance, axis=1)]
    table[distance.min(axis=1) > 0.45] = UNKNOWN
    black = catalogue.robot is not None and max(catalogue.robot) < 0.15
    table[value < (5.6 if black else 2.6) / 2**BITS] = ROBOT_COLOUR if black else UNKNOWN
    return table


def _square(half: Triple, kind: str) -> bool:
    return kind in ("cylinder", "ball") or (kind == "cuboid" and math.isclose(half[0], half[1], rel_tol=0.02))


def _walls(x: float, y: float, z: float, wall: float) -> tuple[Part, ...]:
    half = wall / 2
    return (
        *(Part(half=(half, y, z), centre=(side * (x - half), 0.0, 0.0)) for side in (-1, 1)),
        *(Part(half=(x, half, z), centre=(0.0, side * (y - half), 0.0)) for side in (-1, 1)),
        Part(half=(x, y, half), centre=(0.0, 0.0, half - z)),
    )


def _drawer() -> Form:
    """Walls, floor, and a handle on the near side."""
    x, y, z = 0.07, 0.068, 0.028
    stem = Part(half=(0.018, 0.006, 0.006), centre=(-x - 0.018, 0.0, z - 0.016))
    handle = Part(half=(0.006, 0.02, 0.02), centre=(-x - 0.042, 0.0, z - 0.006))
    return Form(noun="drawer", parts=(*_walls(x, y, z, WALL), stem, handle), turns=4)


def _cabinet() -> Form:
    """Sides, back and top; open towards the near side."""
    x, y, z = 0.08, 0.08, 0.04
    return Form(
        noun="cabinet",
        parts=(
            *(Part(half=(x, WALL, z), centre=(0.0, side * (y - WALL), 0.0)) for side in (-1, 1)),
            Part(half=(WALL, y, z), centre=(x - WALL, 0.0, 0.0)),
            Part(half=(x, y, WALL / 2), centre=(0.0, 0.0, z - WALL / 2)),
        ),
        turns=4,
    )
