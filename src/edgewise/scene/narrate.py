"""From what a frame changed to events: what happened, to what, by whose doing, because of which earlier event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from edgewise.scene.config import MemoryConfig
from edgewise.scene.frame import Frame
from edgewise.scene.graph import Relation
from edgewise.scene.track import Track
from edgewise.scene.tracker import Findings
from edgewise.scene.types import (
    Action,
    Event,
    Kind,
    Point,
    Provenance,
    Source,
    Visibility,
    as_point,
    in_words,
    length,
)

_QUIET = 4  # frames in which what reaches out of the picture must stand still to be at rest
_PATIENCE = 1.0  # seconds that a thing which was let go may go unseen before its place is taken for known
_UNSURE = 0.035  # metres that a place seen in part, or inferred, may be off


class Narrator:
    """Writes events and keeps what is needed to name causes: the last event of every object, and of the action."""

    def __init__(self, config: MemoryConfig) -> None:
        self.config = config
        self.last: dict[int, int] = {}  # object -> its last event that changed where it is
        self._labels: dict[int, str] = {}
        self._let_go: dict[int, tuple[float, int | None]] = {}  # object not at rest since -> when, in which action
        self._lifted: set[int] = set()  # objects that were picked up and not put down yet
        self._told: list[Event] = []
        self._begun: dict[int, int] = {}  # action -> first event of the object that it acts on

    def event(self, time: float, kind: Kind, text: str, track: Track | None = None, **fields: object) -> Event:
        """The next event."""
        event = Event(len(self._told), time, kind, None if track is None else track.id, text=text, **fields)  # type: ignore[arg-type]
        self._told.append(event)
        if track is not None and kind not in (Kind.CONFUSE, Kind.FAULT):
            self.last[track.id] = event.sequence
        return event

    def tell(self, frame: Frame, found: Findings, tracks: Mapping[int, Track], first: bool) -> list[Event]:
        """All events of a frame."""
        self._labels = {track.id: track.label for track in tracks.values()}
        events = [self._new(frame, track, first) for track in found.new]
        if found.picked is not None:
            events.append(self._pick(frame, found.picked))
        if found.released is not None:
            self._let_go[found.released.id] = frame.time, _index(frame.action)
        events += [self._revealed(frame, track, tracks) for track in found.revealed]
        for track in _parents_first(tracks.values()):
            event = self._settled(frame, track, tracks)
            if event is not None:
                events.append(event)
        events += [self._hidden(frame, track, tracks) for track in found.hidden]
        events += [self._gone(frame, track) for track in found.gone]
        for one, other in found.confused:
            if other.id not in one.confused_with:
                one.confused_with.add(other.id)
                other.confused_with.add(one.id)
                text = f"{self.name(one.id)} and {self.name(other.id)} look alike and can no longer be told apart"
                events.append(self.event(frame.time, Kind.CONFUSE, text, one, other=other.id, confidence=0.5))
        return events

    def name(self, identity: int | None) -> str:
        """``red cube [3]``."""
        return "something" if identity is None else f"{self._labels.get(identity, 'object')} [{identity}]"

    def _new(self, frame: Frame, track: Track, first: bool) -> Event:
        where, index = as_point(track.centre), _index(frame.action)
        text = f"{self.name(track.id)} {'stands' if first else 'appears'} at {in_words(where, 2)}"
        if first:
            return self.event(frame.time, Kind.INITIALISE, text, track, end=where, source=Source.START)
        source, cause = self._blame(track, frame)
        return self.event(frame.time, Kind.APPEAR, text, track, end=where, source=source, cause=cause, action=index)

    def _pick(self, frame: Frame, track: Track) -> Event:
        start, text = as_point(track.rest), f"{self.name(track.id)} is picked up"
        event = self.event(
            frame.time, Kind.PICK, text, track, start=start, source=Source.ACTION, action=_index(frame.action)
        )
        self._lifted.add(track.id)
        if frame.action is not None:
            self._begun.setdefault(frame.action.index, event.sequence)
        return event

    def _hidden(self, frame: Frame, track: Track, tracks: Mapping[int, Track]) -> Event:
        occluder = None if track.behind is None else tracks.get(track.behind)
        word = "under" if track.visibility == Visibility.CONTAINED else "behind"
        last = f"last seen at {in_words(track.centre, 2)}"
        text = f"{self.name(track.id)} goes out of sight {word} {self.name(track.behind)}, {last}"
        source, cause = self._blame_for_sight(occluder, track, frame)
        return self.event(
            frame.time, Kind.OCCLUDE, text, track, other=track.behind, start=as_point(track.centre), source=source,
            cause=cause, action=_index(frame.action),
        )  # fmt: skip

    def _revealed(self, frame: Frame, track: Track, tracks: Mapping[int, Track]) -> Event:
        before = None if track.behind is None else tracks.get(track.behind)
        source, cause = self._blame_for_sight(before, track, frame)
        text = f"{self.name(track.id)} is seen again at {in_words(track.centre, 2)}"
        track.behind = None
        return self.event(
            frame.time, Kind.REVEAL, text, track, other=None if before is None else before.id,
            end=as_point(track.centre), source=source, cause=cause, action=_index(frame.action),
        )  # fmt: skip

    def _gone(self, frame: Frame, track: Track) -> Event:
        text = f"{self.name(track.id)} is not where it was, {in_words(track.centre, 2)}, and not seen elsewhere"
        source, cause = self._blame(track, frame)
        return self.event(
            frame.time, Kind.LOSE, text, track, start=as_point(track.centre), source=source, cause=cause,
            action=_index(frame.action), confidence=0.8,
        )  # fmt: skip

    def _settled(self, frame: Frame, track: Track, tracks: Mapping[int, Track]) -> Event | None:
        """The event of a motion that has come to an end, if this one has."""
        if track.visibility in (Visibility.HELD, Visibility.LOST) or track.can.fixed:
            return None
        track.quiet = track.quiet + 1 if length(track.step) < self.config.still else 0
        # Of what reaches out of the picture little tells that it moves.
        if track.quiet < (_QUIET if track.moving and track.cut else 1):
            return None
        measured, inferred = track.seen == frame.time, track.provenance == Provenance.INFERRED
        released = self._let_go.get(track.id)
        if released is not None:
            if not (measured or track.hidden_reported or frame.time - released[0] > _PATIENCE):
                return None  # it was missed in this frame: where it came to rest will be seen in a moment
            del self._let_go[track.id]
        far = length(track.centre - track.rest)
        if released is None and (far <= self.config.move or not (measured or inferred)):
            track.moving = track.moving and far > self.config.move
            return None
        start, end, sure = as_point(track.rest), as_point(track.centre), track.sure
        track.rest, track.moving, track.sure = track.centre.copy(), False, track.whole and measured
        if released is not None and track.id in self._lifted:
            self._lifted.discard(track.id)
            return self.event(
                frame.time, Kind.PLACE, f"{self.name(track.id)} is put down at {in_words(end, 2)}", track, start=start,
                end=end, source=Source.ACTION, action=released[1], cause=self.last.get(track.id),
            )  # fmt: skip
        better_look = measured and not sure and far < _UNSURE
        return (
            None if far <= self.config.move or better_look else self._moved(frame, track, start, end, inferred, tracks)
        )

    def _moved(
        self, frame: Frame, track: Track, start: Point, end: Point, inferred: bool, tracks: Mapping[int, Track]
    ) -> Event:
        with_what = next((one for one in sorted(h for h in track.handled if isinstance(h, int)) if one in tracks), None)
        text = f"{self.name(track.id)} moves from {in_words(start, 2)} to {in_words(end, 2)}"
        source, cause = self._blame(track, frame)
        kind, other, confidence = Kind.MOVE, None, 1.0
        if with_what is not None:
            source, other, cause = Source.INFERRED if inferred else source, with_what, self.last.get(with_what, cause)
            text += f" with {self.name(with_what)}"
            confidence = 0.8 if inferred else 1.0
        elif source == Source.ACTION and frame.action is not None and track.id != frame.action.target:
            kind, other = Kind.COLLIDE, frame.action.target
            text = f"{self.name(track.id)} is hit and moves from {in_words(start, 2)} to {in_words(end, 2)}"
        elif source == Source.EXTERNAL and "hand" not in track.handled:
            text, confidence = f"{text}; nobody was seen to move it", 0.6
        track.handled.clear()
        return self.event(
            frame.time, kind, text, track, other=other, start=start, end=end, source=source, cause=cause,
            action=_index(frame.action), confidence=confidence,
        )  # fmt: skip

    def _blame_for_sight(self, occluder: Track | None, track: Track, frame: Frame) -> tuple[Source, int | None]:
        """Who is behind an object's going out of sight or coming back: whoever moved what is or was before it."""
        if occluder is None:
            return self._blame(track, frame)
        cause = self.last.get(occluder.id)
        if occluder.handled or frame.action is not None or cause is None:
            return self._blame(occluder, frame)[0], cause
        return self._told[cause].source, cause

    def _blame(self, track: Track, frame: Frame) -> tuple[Source, int | None]:
        """Who is behind what happens to an object: somebody's hand, the action under way, or nobody known."""
        action = frame.action
        if action is not None and track.id == action.target and "hand" not in track.handled:
            return Source.ACTION, self._begun.get(action.index)
        if "hand" in track.handled:
            return Source.EXTERNAL, None
        if "robot" in track.handled and action is not None:
            return Source.ACTION, self._begun.get(action.index)
        return Source.EXTERNAL, None


def with_relations(events: Sequence[Event], added: set[Relation], removed: set[Relation]) -> list[Event]:
    """Events with the relations that they change: of their object, else of what is on, in or under it. Told once."""
    left, gone, told = set(added), set(removed), list(events)
    for end in (1, 2):
        for place, event in enumerate(told):
            if event.kind in (Kind.CONFUSE, Kind.FAULT):
                continue
            mine = {r for r in left if r[end] == event.object}
            lost = {r for r in gone if r[end] == event.object}
            left -= mine
            gone -= lost
            if mine or lost:
                both = tuple(sorted({*event.added, *mine})), tuple(sorted({*event.removed, *lost}))
                told[place] = replace(event, added=both[0], removed=both[1])
    return told


def _parents_first(tracks: Iterable[Track]) -> list[Track]:
    """What moves with another object comes after it."""
    return sorted(tracks, key=lambda track: (any(isinstance(h, int) for h in track.handled), track.id))


def _index(action: Action | None) -> int | None:
    return None if action is None else action.index
