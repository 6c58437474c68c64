"""What the robot holds, by its own sensors and by what is seen; and what moves along with what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from edgewise.scene.config import MemoryConfig
from edgewise.scene.frame import Frame
from edgewise.scene.relations import encloses
from edgewise.scene.track import Track
from edgewise.scene.types import Floats, Visibility, length

_WALL = 0.005  # of a cover, metres
_LIFTED_COVER = 0.015  # a cover's rim above what it covers: from here it no longer pushes it along


@dataclass(slots=True)
class Grasp:
    """What the fingers have closed on.

    Attributes:
        track: The object.
        offset: (3,) its centre from the point between the fingertips.
        yaw: Of the gripper when it closed.
        height: Of the gripper when it closed.
        lifted: It was picked up, and the PICK event written.
    """

    track: Track
    offset: Floats
    yaw: float
    height: float
    lifted: bool = False


def box_distance(point: Floats, track: Track) -> float:
    """Distance of a point (3,) from an object's box; 0 inside."""
    return box_gap(point, point, track)


def box_gap(low: Floats, high: Floats, track: Track) -> float:
    """Distance of a box (two corners, (3,) each) from an object's box; 0 if they overlap."""
    return length(np.maximum(0, np.maximum(track.low - high, low - track.high)))


class Hand:
    """Follows what the robot's gripper holds."""

    def __init__(self, config: MemoryConfig) -> None:
        self.config = config
        self.grasp: Grasp | None = None
        self._was_holding = False

    def expected(self, frame: Frame) -> tuple[Track, Floats] | None:
        """The held object and where it should be (3,), if anything is held."""
        if self.grasp is None or frame.robot is None or not frame.robot.holding:
            return None
        return self.grasp.track, np.array(frame.robot.position) + self.grasp.offset

    def update(self, frame: Frame, tracks: Iterable[Track]) -> tuple[Track | None, Track | None]:
        """Go on by one frame, after objects were measured. Returns what was just picked up and just let go."""
        robot = frame.robot
        if robot is None:
            return None, None
        position = np.array(robot.position)
        released = None
        if self.grasp is not None and not robot.holding:
            released, self.grasp = self.grasp.track, None
            if released.visibility == Visibility.HELD:
                released.visibility = Visibility.VISIBLE
        if robot.holding and not self._was_holding:
            track = self._gripped(frame, position, tracks)
            if track is not None:
                self.grasp = Grasp(track, track.centre - position, robot.yaw, robot.position[2])
        self._was_holding = robot.holding
        return self._picked(frame, position), released

    def _gripped(self, frame: Frame, position: Floats, tracks: Iterable[Track]) -> Track | None:
        """What the fingers have closed on: the action's object if it is there, else the nearest."""
        movable = [track for track in tracks if not track.can.fixed]
        target = None if frame.action is None else frame.action.target
        for track in movable:
            if track.id == target and box_distance(position, track) <= self.config.reach:
                return track
        near = min(movable, key=lambda track: box_distance(position, track), default=None)
        return near if near is not None and box_distance(position, near) <= self.config.reach / 2 else None

    def _picked(self, frame: Frame, position: Floats) -> Track | None:
        """Keep the held object at the gripper; say so once it is lifted."""
        grasp = self.grasp
        if grasp is None or frame.robot is None:
            return None
        track, where = grasp.track, position + grasp.offset
        measured = track.seen == frame.time
        if measured and length(track.centre - where) > 0.03 and length(track.step) < self.config.still:
            # It stays where it was while the gripper moves: the fingers hold something else, or nothing.
            self.grasp = None
            return None
        if measured:
            # What is seen of it between the fingers is a part; where they hold it is known better.
            track.centre = track.centre + (where - track.centre) / 2
            grasp.offset = track.centre - position
        else:
            track.shift(where - track.centre)
        if position[2] - grasp.height < self.config.lift and not grasp.lifted:
            return None
        track.visibility = Visibility.HELD
        track.absent = 0
        if grasp.lifted:
            return None
        grasp.lifted = True
        return track


def carry_along(tracks: Mapping[int, Track], parents: Mapping[int, int], time: float, still: float) -> None:
    """Move what is not seen with what it is in, on or under.

    Args:
        tracks: All objects; those measured at ``time`` are not moved.
        parents: Container, support or cover of each object that has one.
        time: Of the frame.
        still: Displacement of a parent below which nothing is carried.
    """
    done: set[int] = set()

    def carried(identity: int) -> None:
        """Parents first, so that a chain moves as one."""
        if identity in done or identity not in tracks:
            return
        done.add(identity)
        parent_id = parents.get(identity)
        if parent_id is None or parent_id not in tracks:
            return
        carried(parent_id)
        track, parent = tracks[identity], tracks[parent_id]
        if length(parent.step) < still:
            return
        if track.seen == time:
            if length(track.step) >= still:
                track.handled.add(parent_id)
            return
        if track.can.fixed:
            return
        if parent.can.covers and rim_above(parent, track):
            return
        by = pushed(parent, track) if parent.can.covers else parent.step
        if length(by) > 0.001:
            track.shift(by)
            track.handled.add(parent_id)

    for identity in tracks:
        carried(identity)


def rim_above(cover: Track, track: Track) -> bool:
    """Whether a cover's rim is so high above the foot of an object that it no longer pushes it."""
    return bool(cover.low[2] > track.low[2] + _LIFTED_COVER)


def pushed(cover: Track, track: Track) -> Floats:
    """(3,) how far a cover pushes what is under it: to where its inside holds it."""
    low, high = cover.low[:2] + _WALL + track.size[:2] / 2, cover.high[:2] - _WALL - track.size[:2] / 2
    middle = (low + high) / 2
    inside = np.where(low <= high, np.clip(track.centre[:2], low, high), middle)
    return np.append(inside - track.centre[:2], 0.0)


def enclosing(track: Track, tracks: Iterable[Track]) -> Track | None:
    """The cover or container whose box an object lies in; the smallest of several. What is fixed lies in none."""
    if track.can.fixed:
        return None
    around = [
        other
        for other in tracks
        if other is not track
        and (other.can.covers or other.can.holds)
        and other.visibility != Visibility.HELD
        and not (other.can.covers and rim_above(other, track))
        and encloses(other.low, other.high, track.low, track.high)
    ]
    return min(around, key=lambda other: float(np.prod(other.size)), default=None)
