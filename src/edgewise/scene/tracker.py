"""Follows objects from frame to frame: which region is which, why something is not seen, what is new."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edgewise.scene.association import Assignment, assign
from edgewise.scene.config import MemoryConfig
from edgewise.scene.frame import Frame
from edgewise.scene.graph import Relation
from edgewise.scene.grasp import Hand, box_distance, box_gap, carry_along, enclosing
from edgewise.scene.relations import affordances
from edgewise.scene.tokens import Tokens
from edgewise.scene.track import Track, new_track
from edgewise.scene.types import Floats, Provenance, Visibility, length
from edgewise.scene.visibility import Absence, Sight, explain_absence

_SURE = 0.03  # a token so near to where a hidden object should be is that object, whatever still hides the rest
_FRAMES = 2  # frames in a row before something is believed to have vanished or appeared
_NEW_PIXELS = 25  # a new thing must be at least so large in the picture


@dataclass(slots=True)
class Findings:
    """What one frame changed, in the order in which it is told.

    Attributes:
        new: Objects seen for the first time.
        hidden: Objects that went out of sight behind or under something.
        revealed: Objects that are seen again.
        gone: Objects that are not where they should be, and not seen elsewhere.
        confused: Pairs that can no longer be told apart.
        picked: Object that was lifted.
        released: Object that was let go.
    """

    new: list[Track] = field(default_factory=list)
    hidden: list[Track] = field(default_factory=list)
    revealed: list[Track] = field(default_factory=list)
    gone: list[Track] = field(default_factory=list)
    confused: list[tuple[Track, Track]] = field(default_factory=list)
    picked: Track | None = None
    released: Track | None = None


class Tracker:
    """All objects of a scene. Ids count from 1 in the order of first sight, left to right within a frame."""

    def __init__(self, config: MemoryConfig) -> None:
        self.config = config
        self.tracks: dict[int, Track] = {}
        self.hand = Hand(config)
        self._sights: dict[int, tuple[Floats, Sight]] = {}  # of this frame, with the centre that was looked at
        self._regions: dict[int, int] = {}  # of this frame: detection -> object
        self._candidates: list[tuple[str, Floats]] = []
        self._together: dict[int, set[int]] = defaultdict(set)  # hidden object -> alike ones hidden with it
        self._hand_seen = -np.inf

    def update(self, frame: Frame, relations: Iterable[Relation]) -> Findings:
        """Take in one frame. ``relations`` are those that held before it."""
        found = Findings()
        self._sights.clear()
        if len(frame.hands):
            self._hand_seen = frame.time
        for track in self.tracks.values():
            track.step = np.zeros(3)
            if not track.moving and not track.absent:
                track.handled.clear()
        matched, left = self._match(frame, found)
        held = self.hand.expected(frame)
        for track, index in matched.items():
            expected = held[1] if held is not None and track is held[0] else track.centre
            track.measure(frame.tokens, index, frame.observation.camera, self.config, expected)
        self._regions = {int(frame.tokens.region[index]): track.id for track, index in matched.items()}
        found.picked, found.released = self.hand.update(frame, self.tracks.values())
        # A cover decides more than a container, a container more than a support: the later entry stays.
        order = ("on", "inside", "covered")
        known = sorted((r for r in relations if r[0] in order), key=lambda r: (order.index(r[0]), r))
        parents = {a: b for _, a, b in known}
        carry_along(self.tracks, parents, frame.time, self.config.still)
        self._note_handlers(frame)
        for track in list(self.tracks.values()):
            if track in matched and track.ratio >= self.config.hidden:
                self._seen(track, found)
            else:
                self._unseen(track, frame, found)
        self._enter(frame, left, found)
        self._confuse_hidden(found)
        return found

    # -- association -------------------------------------------------------------------------------------------------

    def _match(self, frame: Frame, found: Findings) -> tuple[dict[Track, int], list[int]]:
        """Objects with their tokens, and tokens that are left over."""
        tokens = frame.tokens
        near = [track for track in self.tracks.values() if track.visibility != Visibility.LOST]
        held = self.hand.expected(frame)
        expected = np.array([held[1] if held and track is held[0] else track.centre for track in near]).reshape(-1, 3)
        gates = np.array([self._gate(track, frame, held is not None and track is held[0]) for track in near])
        boxes = (tokens.low + tokens.high) / 2
        extents = tokens.high - tokens.low
        first = assign(
            expected, [t.label for t in near], _sizes(near), gates, _absent(near), boxes, tokens.labels, extents,
            self.config,
        )  # fmt: skip
        matched = {near[i]: j for i, j in first.pairs}
        self._prefer_displaced(matched, near, boxes, frame)
        self._exchangeable(near, first, frame, found)
        free = [j for j in range(len(tokens)) if j not in matched.values()]
        # What is missing may have turned up anywhere: what is lost, and what somebody could have taken from its place.
        # Where it is the only one of its kind, a second one is less likely than that it was moved unseen.
        taken = frame.time - self._hand_seen < 3 or frame.gap > self.config.gap
        kinds = Counter(track.label for track in self.tracks.values())
        missing = [
            track
            for track in self.tracks.values()
            if track not in matched
            and (track.visibility == Visibility.LOST or kinds[track.label] == 1 or (taken and track.absent >= _FRAMES))
        ]
        alike = [j for j in free if any(tokens.labels[j] == track.label for track in missing)]
        if not alike:
            return matched, free
        second = assign(
            np.array([track.centre for track in missing]),
            [track.label for track in missing],
            _sizes(missing),
            np.full(len(missing), 10.0),
            _absent(missing),
            boxes[alike],
            [tokens.labels[j] for j in alike],
            extents[alike],
            self.config,
        )
        self._exchangeable(missing, second, frame, found)
        for i, j in second.pairs:
            matched[missing[i]] = alike[j]
            self._rivals(missing, i, boxes[alike[j]], found)
        return matched, [j for j in free if j not in matched.values()]

    def _prefer_displaced(self, matched: dict[Track, int], tracks: list[Track], boxes: Floats, frame: Frame) -> None:
        """Where one of two alike objects is seen elsewhere, it is the one whose own place is seen to be empty.

        The other one's place is hidden, perhaps by the very object that moved: it may stand there still.
        """
        for track, index in list(matched.items()):
            if length(boxes[index] - track.centre) <= self.config.move:
                continue
            for other in tracks:
                alike = other is not track and other not in matched and other.label == track.label
                if not alike or length(boxes[index] - other.centre) > self.config.far_gate:
                    continue
                empty = self._sight(other, frame).absence == Absence.GONE
                if empty and self._sight(track, frame).absence == Absence.BEHIND:
                    matched[other] = matched.pop(track)
                    break

    def _gate(self, track: Track, frame: Frame, held: bool) -> float:
        """How far from where it is expected this object may be found."""
        handled = held or track.moving or bool(track.handled)
        action = frame.action
        if action is not None and track.id in (action.target, action.reference):
            handled = True
        if track.absent >= _FRAMES and track.behind is not None:
            sight = self._sight(track, frame)
            if sight.absence in (Absence.BEHIND, Absence.BEHIND_ROBOT):
                return _SURE
        return self.config.far_gate if handled or frame.gap > self.config.gap else self.config.gate

    def _sight(self, track: Track, frame: Frame) -> Sight:
        """Why an object is not seen, looked at once a frame unless it moved meanwhile with what carries it."""
        known = self._sights.get(track.id)
        if known is None or known[0] is not track.centre:
            sight = explain_absence(track.low, track.high, frame.observation, frame.segmentation, self.config)
            self._sights[track.id] = known = track.centre, sight
        return known[1]

    def _exchangeable(self, tracks: list[Track], made: Assignment, frame: Frame, found: Findings) -> None:
        found.confused.extend((tracks[i], tracks[j]) for i, j in made.exchangeable)
        if frame.gap <= self.config.gap:
            return
        # Nobody watched: alike objects of which one has moved may have been exchanged.
        boxes = (frame.tokens.low + frame.tokens.high) / 2
        moved = {i for i, j in made.pairs if length(boxes[j] - tracks[i].centre) > self.config.move}
        for i, _ in made.pairs:
            for k, _ in made.pairs:
                if i < k and tracks[i].label == tracks[k].label and {i, k} & moved:
                    found.confused.append((tracks[i], tracks[k]))

    def _rivals(self, missing: list[Track], chosen: int, where: Floats, found: Findings) -> None:
        """A missing object that turns up could as well be another one of its kind that is missing."""
        for i, other in enumerate(missing):
            if i == chosen or other.label != missing[chosen].label:
                continue
            gain = length(other.centre - where) - length(missing[chosen].centre - where)
            if gain < 0.05:
                found.confused.append((missing[chosen], other))

    # -- what is seen, what is not -----------------------------------------------------------------------------------

    def _note_handlers(self, frame: Frame) -> None:
        """Who is near what moves."""
        reach = self.config.reach
        grasp = self.hand.grasp
        for track in self.tracks.values():
            if frame.robot is not None and frame.action is not None:
                near = box_distance(np.array(frame.robot.position), track) <= reach
                if grasp is not None and grasp.track is not track:
                    near = near or box_gap(grasp.track.low, grasp.track.high, track) <= 0.02
                if near:
                    track.handled.add("robot")
            if any(box_gap(low, high, track) <= reach for low, high in frame.hands):
                track.handled.add("hand")

    def _seen(self, track: Track, found: Findings) -> None:
        track.absent = track.gone = 0
        if (track.hidden_reported or track.lost_reported) and track.ratio >= self.config.seen:
            track.hidden_reported = track.lost_reported = False
            # Where it is now says that it moved, and not who is near it now.
            track.handled.clear()
            found.revealed.append(track)  # what hid it is still needed to tell of it
        elif not track.hidden_reported:
            track.behind = None
        held = self.hand.grasp
        if held is not None and held.track is track and held.lifted:
            track.visibility = Visibility.HELD

    def _unseen(self, track: Track, frame: Frame, found: Findings) -> None:
        """Decide why an object is not seen, and what is believed of it."""
        held = self.hand.grasp
        if held is not None and held.track is track:
            return
        track.carry_on()
        if track.visibility == Visibility.LOST:
            return
        sight = self._sight(track, frame)
        gone, track.gone = track.gone, 0
        if track.visibility == Visibility.CONTAINED and enclosing(track, self.tracks.values()) is None:
            track.visibility = Visibility.OCCLUDED  # what was over it was lifted
        replaced = self._replaced(track, sight, frame)
        if sight.absence == Absence.OUTSIDE:
            track.visibility = Visibility.OUT_OF_VIEW
        elif sight.absence == Absence.BEHIND or self._closed_in(track, sight, frame):
            if self._glimpsed(track, frame):
                track.visibility, track.absent = Visibility.PARTIAL, 0
            else:
                self._hide(track, sight, found)
        elif sight.absence == Absence.GONE or replaced:
            track.absent += 1
            track.gone = gone + 1
            patient = not replaced and ("robot" in track.handled or "hand" in track.handled)
            if track.gone >= _FRAMES * (4 if patient else 1) and not track.can.fixed:
                track.visibility, track.lost_reported, track.behind = Visibility.LOST, True, None
                found.gone.append(track)
        elif track.hidden_reported and sight.absence == Absence.UNCLEAR:
            track.absent += 1

    def _closed_in(self, track: Track, sight: Sight, frame: Frame) -> bool:
        """Whether the wall of something hollow is seen where the object is: it is put over it, or around it."""
        if not sight.taken or sight.region is None:
            return False
        return _hollow(frame.segmentation.detections[sight.region].label) or bool(
            enclosing(track, self.tracks.values())
        )

    def _replaced(self, track: Track, sight: Sight, frame: Frame) -> bool:
        """Whether something else is now seen exactly where an object should be."""
        if sight.absence != Absence.THERE or not sight.taken or sight.region is None:
            return False
        there = self._regions.get(sight.region)
        other = frame.segmentation.detections[sight.region].label
        return there != track.behind and other != track.label and not _hollow(other)

    def _glimpsed(self, track: Track, frame: Frame) -> bool:
        """Whether enough of it is seen for it not to be hidden, though too little to be measured: a narrow rim."""
        pixels, _ = frame.observation.camera.project(np.stack((track.low, track.high)))
        low, high = pixels.min(0) - 5, pixels.max(0) + 5
        rows, columns = (slice(max(int(a), 0), max(int(b) + 1, 0)) for a, b in zip(low[::-1], high[::-1], strict=True))
        seen = frame.segmentation.map[rows, columns]
        detections = enumerate(frame.segmentation.detections)
        mine = [k + 1 for k, d in detections if d.label == track.label and k not in self._regions]
        return bool(np.isin(seen, mine).sum() >= self.config.hidden * track.pixels)

    def _hide(self, track: Track, sight: Sight, found: Findings) -> None:
        track.absent += 1
        around = enclosing(track, self.tracks.values())
        track.behind = around.id if around else self._regions.get(-1 if sight.region is None else sight.region)
        if track.absent < _FRAMES:
            return
        track.visibility = Visibility.CONTAINED if around else Visibility.OCCLUDED
        if not track.hidden_reported:
            track.hidden_reported = True
            found.hidden.append(track)

    def _enter(self, frame: Frame, left: list[int], found: Findings) -> None:
        """Begin tracks for what cannot be anything known; after the first frame only if it is seen twice."""
        tokens, first = frame.tokens, not self.tracks
        fresh = sorted(
            (j for j in left if not self._part_of_known(tokens, j)), key=lambda j: -float(tokens.centroid[j, 1])
        )
        again = []
        for j in fresh:
            label, where = tokens.labels[j], tokens.centroid[j]
            before = any(name == label and length(at - where) < 0.05 for name, at in self._candidates)
            if tokens.pixels[j] < _NEW_PIXELS or not (first or before):
                again.append((label, where))
                continue
            track = new_track(len(self.tracks) + 1, tokens, j, frame.observation.camera, self.config)
            self.tracks[track.id] = track
            self._regions[int(tokens.region[j])] = track.id
            found.new.append(track)
        self._candidates = again

    def _part_of_known(self, tokens: Tokens, index: int) -> bool:
        """Whether a region is a piece of an object that is followed already, or of what is held."""
        where = tokens.centroid[index]
        return any(
            track.label == tokens.labels[index] and box_distance(where, track) < 0.01
            for track in self.tracks.values()
            if track.provenance == Provenance.MEASURED or track.visibility == Visibility.HELD
        )

    def _confuse_hidden(self, found: Findings) -> None:
        """Alike objects that were hidden in the same place may have been exchanged there."""
        if self.config.trust_hidden:
            return
        hidden = [track for track in self.tracks.values() if track.hidden_reported and track.behind is not None]
        for i, one in enumerate(hidden):
            for other in hidden[i + 1 :]:
                if one.behind == other.behind and one.label == other.label:
                    self._together[one.id].add(other.id)
                    self._together[other.id].add(one.id)
        for track in found.revealed:
            for other_id in self._together.pop(track.id, set()):
                found.confused.append((track, self.tracks[other_id]))
                self._together[other_id].discard(track.id)


def _sizes(tracks: list[Track]) -> Floats:
    return np.array([track.size for track in tracks]).reshape(-1, 3)


def _absent(tracks: list[Track]) -> npt.NDArray[np.bool_]:
    """What was out of sight is only recognised by its own label."""
    return np.array([track.absent >= _FRAMES or track.visibility == Visibility.LOST for track in tracks], dtype=bool)


def _hollow(label: str) -> bool:
    return affordances(label).covers or affordances(label).holds
