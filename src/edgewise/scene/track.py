"""What the memory keeps of one object between frames: a filter over its tokens, and what handles it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edgewise.scene.config import MemoryConfig
from edgewise.scene.graph import Node
from edgewise.scene.relations import affordances
from edgewise.scene.tokens import Tokens, footprint_yaw
from edgewise.scene.types import Affordances, Camera, Floats, Point, Provenance, STFToken, Visibility, length

_FULL = 0.92  # share of an object's usual pixels from which its whole outline is taken for seen
_MORE = 1.15  # times an object's usual pixels from which it was never seen whole before
_SHORT = 0.01  # metres by which a view may be short of an object's size and still show both of its sides
_AVERAGED = 20  # frames over which a resting object's geometry is averaged at most


@dataclass(slots=True, eq=False)
class Track:
    """One object, as followed. Geometry is the box: ``centre`` and ``size``, both (3,), world frame.

    Attributes:
        id: Never used again.
        votes: How often perception called it what.
        label: What it was called most often; the first of equals.
        centre: Of its box.
        size: Of its box.
        middle: Its centroid when it was last seen whole.
        pixels: Pixels that it has when nothing is before it, at ``distance`` from the camera.
        distance: From the camera, for ``pixels``.
        rest: Where it last rested.
        sure: ``rest`` was measured on a whole view: a small displacement from it is a motion and not a better look.
        whole: Nothing was before it when it was last measured.
        cut: It reached the border of the picture when it was last measured.
        averaged: Frames in the running average of its geometry.
        yaw: Of the footprint's long side.
        visibility: How it is known.
        provenance: Where the geometry comes from.
        seen: Time at which it was last measured.
        ratio: Share of its pixels that is seen.
        moving: It has left ``rest`` and not come to rest.
        handled: What was near it while it moved: ``robot``, ``hand``, or the id of what it moved with.
        quiet: Frames in a row in which it stood still.
        absent: Frames in a row in which it was not seen, because of something else or because it is not there.
        gone: Frames in a row in which its place was seen, and was empty or taken.
        hidden_reported: An OCCLUDE event was written, and no REVEAL since.
        lost_reported: A LOSE event was written, and it was not found since.
        behind: Id of what hides or contains it.
        step: Displacement since the frame before, (3,).
        confused_with: Ids of alike objects that it may be exchanged with.
        window: Its last tokens.
    """

    id: int
    votes: Counter[str]
    label: str
    centre: Floats
    size: Floats
    middle: Floats
    pixels: float
    distance: float
    rest: Floats
    seen: float
    window: deque[STFToken]
    sure: bool = True
    whole: bool = True
    cut: bool = False
    averaged: int = 1
    yaw: float | None = None
    visibility: Visibility = Visibility.VISIBLE
    provenance: Provenance = Provenance.MEASURED
    ratio: float = 1.0
    moving: bool = False
    handled: set[str | int] = field(default_factory=set)
    quiet: int = 0
    absent: int = 0
    gone: int = 0
    hidden_reported: bool = False
    lost_reported: bool = False
    behind: int | None = None
    step: Floats = field(default_factory=lambda: np.zeros(3))
    confused_with: set[int] = field(default_factory=set)

    @property
    def can(self) -> Affordances:
        """What it can do."""
        return affordances(self.label)

    @property
    def low(self) -> Floats:
        """Least coordinates."""
        return self.centre - self.size / 2

    @property
    def high(self) -> Floats:
        """Greatest coordinates."""
        return self.centre + self.size / 2

    @property
    def present(self) -> bool:
        """Whether it is measured at present."""
        return self.visibility in (Visibility.VISIBLE, Visibility.PARTIAL) and self.provenance == Provenance.MEASURED

    def shift(self, by: Floats) -> None:
        """Move it, unseen, with what it is in, on or held by."""
        self.centre = self.centre + by
        self.step = self.step + by
        self.provenance, self.sure = Provenance.INFERRED, False

    def carry_on(self) -> None:
        """It is not measured: its geometry is the last one, unless it was inferred to have moved."""
        if self.provenance == Provenance.MEASURED:
            self.provenance = Provenance.CARRIED

    def measure(self, tokens: Tokens, index: int, camera: Camera, config: MemoryConfig, expected: Floats) -> None:
        """Take in one token of it; ``expected`` (3,) is where its centre should be, as far as a part does not tell."""
        low, high = tokens.low[index], tokens.high[index]
        extent = high - low
        distance = length(tokens.centroid[index] - camera.pose[:3, 3])
        usual = self.pixels * (self.distance / distance) ** 2
        pixels = float(tokens.pixels[index])
        self.ratio = min(pixels / usual, 1.0)
        called = tokens.labels[index]
        self.votes[called] += 1
        if called != self.label and self.votes[called] > self.votes[self.label]:
            self.label = called
        self.seen = tokens.time
        self.window.append(tokens.token(index))
        # A region far larger than the object is two objects that perception could not part: it says little of either.
        merged = bool((extent > 1.5 * self.size + 0.01).any()) and self.averaged > 3
        whole = self.whole = self.ratio >= _FULL and not tokens.border[index] and not merged
        if whole:
            centre, size = _box_of_whole(low, high, expected, self.size, self.can)
            if pixels > _MORE * usual:
                self.sure = False  # so much of it was never seen before: where it rested was known in part
            if pixels > usual:
                self.pixels, self.distance = pixels, distance
        else:
            centre, size = _centre_of_part(low, high, expected, self.size), self.size
        self.cut = bool(tokens.border[index])
        before = self.centre
        shift: Floats = centre - self.centre
        if whole:
            shift = rigid_shift(low - self.low, high - self.high, tokens.centroid[index] - self.middle)
            self.middle = tokens.centroid[index]
        if length(shift) > config.move / 2:
            # It has moved: what was averaged is of another place.
            self.moving, self.averaged, self.centre = True, 1, centre
            if whole:
                self.yaw = None
        elif whole:
            self.averaged = min(self.averaged + 1, _AVERAGED)
            self.centre = self.centre + (centre - self.centre) / self.averaged
            self.size = self.size + (size - self.size) / self.averaged
        else:
            self.centre = self.centre + (centre - self.centre) / _AVERAGED
        if whole and (self.yaw is None or self.averaged in (3, 10)):
            self.yaw = footprint_yaw(tokens.points[index])
        self.step = self.centre - before
        self.provenance = Provenance.MEASURED
        self.visibility = Visibility.VISIBLE if self.ratio >= config.seen else Visibility.PARTIAL

    def node(self, low: Point, high: Point, time: float) -> Node:
        """Its record in the graph, with its corners in whole millimetres."""
        seen = None if self.seen == time else self.seen
        return Node(
            id=self.id,
            label=self.label,
            low=low,
            high=high,
            yaw=None if self.yaw is None else round(self.yaw, 2),
            visibility=self.visibility,
            provenance=self.provenance,
            seen=seen,
            behind=self.behind,
            confused_with=tuple(sorted(self.confused_with)),
        )


def nodes(tracks: Sequence[Track], time: float) -> list[Node]:
    """The records of all objects; noise below a millimetre changes nothing in them."""
    corners = np.array([(track.low, track.high) for track in tracks]).reshape(-1, 2, 3)
    millimetres = (np.round(corners, 3) + 0.0).tolist()
    return [
        track.node((a, b, c), (d, e, f), time)
        for track, ((a, b, c), (d, e, f)) in zip(tracks, millimetres, strict=True)
    ]


def new_track(identity: int, tokens: Tokens, index: int, camera: Camera, config: MemoryConfig) -> Track:
    """A track begun by one token."""
    low, high = tokens.low[index].copy(), tokens.high[index].copy()
    label = tokens.labels[index]
    extent = high - low
    if affordances(label).square and extent[0] < 0.7 * extent[1]:
        # Its top is out of sight (something stands on it): it is as deep as it is wide.
        high[0] = low[0] + extent[1]
    track = Track(
        id=identity,
        votes=Counter({label: 1}),
        label=label,
        centre=(low + high) / 2,
        size=high - low,
        middle=tokens.centroid[index],
        pixels=float(tokens.pixels[index]),
        distance=length(tokens.centroid[index] - camera.pose[:3, 3]),
        rest=(low + high) / 2,
        seen=tokens.time,
        window=deque([tokens.token(index)], maxlen=config.window),
    )
    track.yaw = footprint_yaw(tokens.points[index])
    return track


def rigid_shift(low: Floats, high: Floats, middle: Floats) -> Floats:
    """(3,) how far a thing has moved, by how far both sides of its box and its middle have: the median, axis by axis.

    If one of the three has moved alone, more or less of the thing is seen than before.
    """
    axes = zip(low.tolist(), high.tolist(), middle.tolist(), strict=True)
    return np.array([sorted(three)[1] for three in axes])


def _box_of_whole(low: Floats, high: Floats, centre: Floats, size: Floats, can: Affordances) -> tuple[Floats, Floats]:
    """Centre and size from a view with little in between.

    The far side can still be out of sight behind the top, and a small part (a knob between fingers) behind something:
    along an axis on which less is seen than the object is long, what is seen only bounds the centre.
    """
    extent = high - low
    if can.square and extent[0] < 0.7 * extent[1]:
        depth = max(size[0], extent[1])
        high = np.array((low[0] + depth, high[1], high[2]))
    seen = high - low
    short = seen < size - _SHORT
    middle = (low + high) / 2
    return (np.where(short, _centre_of_part(low, high, centre, size), middle) if short.any() else middle), seen


def _centre_of_part(low: Floats, high: Floats, centre: Floats, size: Floats) -> Floats:
    """The centre nearest to the one believed so far for which the box holds all that is seen of it."""
    least, most = high - size / 2, low + size / 2
    middle = (least + most) / 2
    clipped: Floats = np.where(least <= most, np.clip(centre, least, most), middle)
    return clipped
