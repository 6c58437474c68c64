"""Records of the scene: what a camera saw, what is believed of objects, what happened and why.

Metres, seconds and radians; the world frame has X near to far, Y right to left, Z up; cameras look along their z axis
with x to the right and y down (OpenCV); quaternions are (w, x, y, z).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Point = tuple[float, float, float]
ROBOT = -1  # value of a segmentation's map where the robot is seen


def length(vector: Floats) -> float:
    """Euclidean length of (3,): for single vectors several times as fast as ``numpy.linalg.norm``."""
    x, y, z = vector.tolist()
    return math.hypot(x, y, z)


def as_point(values: Floats) -> Point:
    """(3,) as a record has it, in whole millimetres."""
    x, y, z = (round(value, 3) + 0.0 for value in values.tolist())
    return x, y, z


def in_words(values: Iterable[float], decimals: int) -> str:
    """``(0.45, -0.10, 0.02)``, metres."""
    return "(" + ", ".join(f"{round(float(value), decimals) + 0.0:.{decimals}f}" for value in values) + ")"


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera.

    Attributes:
        width: Pixels.
        height: Pixels.
        focal: (fx, fy) in pixels.
        centre: (cx, cy) in pixels; the centre of the first pixel is at (.5, .5).
        pose: (4, 4) transformation from the camera's frame to the world's.
    """

    width: int
    height: int
    focal: tuple[float, float]
    centre: tuple[float, float]
    pose: Floats

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Pixel coordinates (n, 2) and depths (n,) of world points (n, 3); depths are negative behind the camera."""
        local = (points - self.pose[:3, 3]) @ self.pose[:3, :3]
        depth = local[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels = local[:, :2] / depth[:, None] * np.array(self.focal) + np.array(self.centre)
        return pixels, depth

    def back_project(self, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], depth: Floats) -> Floats:
        """World points (n, 3) of pixels with known depth along the camera's z axis."""
        local = np.empty((len(depth), 3))
        local[:, 0] = (columns + 0.5 - self.centre[0]) / self.focal[0] * depth
        local[:, 1] = (rows + 0.5 - self.centre[1]) / self.focal[1] * depth
        local[:, 2] = depth
        return local @ self.pose[:3, :3].T + self.pose[:3, 3]


@dataclass(frozen=True, slots=True)
class Observation:
    """One frame.

    Attributes:
        time: Seconds since the episode began.
        rgb: (h, w, 3) uint8.
        depth: (h, w) float32, metres along the camera's z axis, 0 where there is no reading; None if there is no depth.
        camera: Where it was taken from.
    """

    time: float
    rgb: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32] | None
    camera: Camera


@dataclass(frozen=True, slots=True)
class Detection:
    """What perception says of one region of a frame.

    Attributes:
        label: Attribute and noun: ``red cube``, ``grey cup``, ``blue bin``, ``hand``. The noun (last word) says what
            the object can do (hold, cover); ``hand`` is somebody else's.
        score: Perception's confidence in [0, 1].
    """

    label: str
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Disjoint regions of a frame.

    Attributes:
        map: (h, w) int16: k where detection k - 1 is seen, 0 where nothing is, ``ROBOT`` where the robot is.
        detections: What the regions are. A region may be empty.
    """

    map: npt.NDArray[np.int16]
    detections: tuple[Detection, ...]


@dataclass(frozen=True, slots=True)
class STFToken:
    """What one frame says of one object (RoboStream's spatio-temporal fusion token).

    Attributes:
        time: Of the frame.
        label: What perception called it.
        centroid: (3,) per-axis median of the points, world frame.
        shape: (3, 4) mean, standard deviation, least and greatest coordinate along each axis.
        colour: (3,) mean RGB in [0, 1]: its visual evidence. A model behind an API takes no embeddings; it gets the
            frame with numbered marks.
    """

    time: float
    label: str
    centroid: Floats
    shape: Floats
    colour: Floats


@dataclass(frozen=True, slots=True)
class RobotState:
    """What the robot knows of itself by its own sensors.

    Attributes:
        position: Point between the fingertips.
        yaw: Of the gripper, radians about Z.
        opening: Distance of the fingers, metres.
        holding: The fingers have closed on something (they were told to close and a gap remains).
    """

    position: Point
    yaw: float
    opening: float
    holding: bool


@dataclass(frozen=True, slots=True)
class Action:
    """A primitive that the robot carries out.

    Attributes:
        index: Counts the episode's actions from 1.
        name: ``pick``, ``place_on``, ``place_at``, ``place_in``, ``cover``, ``bridge``, ``open``, ``close``, ``look``.
        target: Id of the object that it acts on, None for ``look``.
        reference: Id of the object that it is put on, in or over.
        second: Id of the other support of a bridge.
        position: Where to, for ``place_at``.
        why: The planner's reason, for the log.
    """

    index: int
    name: str
    target: int | None = None
    reference: int | None = None
    second: int | None = None
    position: Point | None = None
    why: str = ""

    def __str__(self) -> str:
        """In short: its name, ids and place."""
        ends = [str(one) for one in (self.target, self.reference, self.second) if one is not None]
        place = [] if self.position is None else [in_words(self.position, 2)]
        return " ".join([self.name, *ends, *place])


class Outcome(StrEnum):
    """What an action came to, by what was observed."""

    OK = "ok"
    PARTIAL = "partial"
    FAILED = "failed"
    REFUSED = "refused"  # a precondition does not hold; nothing was done


class Visibility(StrEnum):
    """How an object is known at present."""

    VISIBLE = "visible"
    PARTIAL = "partial"
    OCCLUDED = "occluded"
    CONTAINED = "contained"
    HELD = "held"
    OUT_OF_VIEW = "out_of_view"
    LOST = "lost"


class Provenance(StrEnum):
    """Where a geometry comes from."""

    MEASURED = "measured"
    CARRIED = "carried"  # last measured, nothing says that it moved
    INFERRED = "inferred"  # moved with what holds or contains it


class Kind(StrEnum):
    """Kinds of events."""

    INITIALISE = "initialise"
    APPEAR = "appear"
    MOVE = "move"
    OCCLUDE = "occlude"
    REVEAL = "reveal"
    COLLIDE = "collide"
    PICK = "pick"
    PLACE = "place"
    COMPLETE = "complete"
    LOSE = "lose"
    CONFUSE = "confuse"  # it can no longer be told which of several alike objects is which
    FAULT = "fault"  # of sensing or acting: no depth, a camera that jumped, frames missing, a grasp that failed


class Source(StrEnum):
    """Who or what an event is put down to."""

    START = "start"
    ACTION = "action"
    EXTERNAL = "external"
    INFERRED = "inferred"  # not seen; follows from what was
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log. Events are never dropped.

    Attributes:
        sequence: Counts from 0 without gaps.
        time: Seconds.
        kind: What happened.
        object: Id of the object that it happened to; None for the scene as a whole.
        other: Id of the other object: the occluder, what was hit, what it moved with; for COMPLETE the step's index.
        start: Where the object was before, if that is known and matters.
        end: Where it is after.
        added: Relations (name, a, b) that hold since.
        removed: Relations that no longer hold.
        source: What it is put down to.
        action: Index of the action in whose course it happened, if one was under way.
        cause: Sequence of the event that brought it about.
        confidence: In [0, 1].
        text: The event as a sentence.
    """

    sequence: int
    time: float
    kind: Kind
    object: int | None
    other: int | None = None
    start: Point | None = None
    end: Point | None = None
    added: tuple[tuple[str, int, int], ...] = ()
    removed: tuple[tuple[str, int, int], ...] = ()
    source: Source = Source.UNKNOWN
    action: int | None = None
    cause: int | None = None
    confidence: float = 1.0
    text: str = ""


@dataclass(frozen=True, slots=True)
class ObjectFact:
    """What is believed of one object, now or (``initial``) when the episode began.

    Attributes:
        id: Stable identity; never used again for another object.
        label: As first seen.
        position: Centre of its box, or None if no geometry is known.
        low: Least coordinates of its box.
        high: Greatest coordinates of its box.
        yaw: Of its footprint's long side, radians, if known.
        visibility: How it is known at present.
        provenance: Where the geometry comes from.
        time: When it was last measured.
        confused_with: Ids of alike objects that it may be exchanged with.
        initial: The fact is about the beginning.
    """

    id: int
    label: str
    position: Point | None
    low: Point | None
    high: Point | None
    yaw: float | None
    visibility: Visibility
    provenance: Provenance
    time: float
    confused_with: tuple[int, ...] = ()
    initial: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class RelationFact:
    """``name(a, b)`` holds now, or (``initial``) held when the episode began.

    Names: ``on`` (a rests on b), ``inside`` (a is in the open container b), ``covered`` (a is under the cover b),
    ``held`` (b is a itself), ``near``, ``left``, ``right``, ``front``, ``behind``.
    """

    name: str
    a: int
    b: int
    initial: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class EventFact:
    """An event, as told to a planner."""

    event: Event
    text: str = ""


@dataclass(frozen=True, slots=True)
class ActionFact:
    """An action of the robot and what it came to."""

    action: Action
    outcome: Outcome
    reason: str
    text: str = ""


Fact = ObjectFact | RelationFact | EventFact | ActionFact


@dataclass(frozen=True, slots=True)
class Affordances:
    """What objects of a noun can do.

    Attributes:
        covers: Hollow with the opening down: hides what it is put over, and what it is slid with.
        holds: Open container: carries what is in it wherever it goes.
        fixed: Never moves (a pad, a table).
        flat: Has a flat top that things stand on.
        square: As deep as it is wide, so that a front seen alone says how deep it is.
        actor: Somebody else's hand: a cause of events and not an object.
    """

    covers: bool = False
    holds: bool = False
    fixed: bool = False
    flat: bool = True
    square: bool = True
    actor: bool = False


NOUNS: Mapping[str, Affordances] = {
    "cup": Affordances(covers=True),
    "box": Affordances(covers=True),
    "bin": Affordances(holds=True, flat=False, square=False),
    "drawer": Affordances(holds=True, flat=False, square=False),
    "block": Affordances(square=False),
    "pad": Affordances(fixed=True, square=False),
    "ball": Affordances(flat=False),
    "prism": Affordances(flat=False),
    "hand": Affordances(actor=True, flat=False),
}


@dataclass(frozen=True, slots=True)
class Violation:
    """Something in a memory that cannot be so.

    Attributes:
        rule: Name of the rule that it breaks.
        objects: Ids concerned.
        text: What is wrong, as a sentence.
        witnesses: Sequences of the events that led to it.
    """

    rule: str
    objects: tuple[int, ...]
    text: str
    witnesses: tuple[int, ...] = field(default=())
