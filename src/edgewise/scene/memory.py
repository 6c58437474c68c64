"""Object memory for any agent: give it frames and actions, ask it where things are and why.

A causal spatio-temporal graph in the sense of RoboStream (arXiv 2603.12939): STF-Tokens of every frame are merged into
persistent nodes, changes become events with causes, and nothing that happened is forgotten. The paper gives the
signature of the update; the rules here are ours (see docs/scene.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np

from edgewise.core.errors import BadInput, Unsupported
from edgewise.scene.causes import causal_chain
from edgewise.scene.config import MemoryConfig
from edgewise.scene.frame import Frame, Guard, parted
from edgewise.scene.graph import Change, Graph, Log, Node, Relation, read_log
from edgewise.scene.narrate import Narrator, with_relations
from edgewise.scene.relations import directions, resting
from edgewise.scene.render import as_text, select_facts
from edgewise.scene.tokens import encode
from edgewise.scene.track import nodes
from edgewise.scene.tracker import Tracker
from edgewise.scene.types import (
    Action,
    Event,
    Fact,
    Kind,
    ObjectFact,
    Observation,
    Outcome,
    Provenance,
    RelationFact,
    RobotState,
    Segmentation,
    Source,
    STFToken,
    Violation,
    Visibility,
)
from edgewise.scene.verify import check_graph

_NOWHERE = (Visibility.HELD, Visibility.LOST)  # on nothing, in nothing
_FIRST_LOOK = 1.0  # seconds: what perception missed in the first frames was there all the same
_HIDDEN = (Visibility.OCCLUDED, Visibility.CONTAINED, Visibility.OUT_OF_VIEW, Visibility.LOST)


class Memory:
    """What is where, what happened, and why; kept from frame to frame.

    >>> memory = Memory()
    >>> events = memory.update(observation, segmentation, robot)  # doctest: +SKIP
    >>> memory.where(3), memory.why(3)  # doctest: +SKIP
    """

    name = "full"

    def __init__(self, config: MemoryConfig | None = None) -> None:
        self.config = config or MemoryConfig()
        self.log = Log()
        self._tracker = Tracker(self.config)
        self._narrator = Narrator(self.config)
        self._guard = Guard(self.config)
        self._action: Action | None = None
        self._last_frame: float | None = None
        self._began: float | None = None
        self._loaded = False

    # -- taking in ---------------------------------------------------------------------------------------------------

    def update(
        self, observation: Observation, segmentation: Segmentation, robot: RobotState | None = None
    ) -> tuple[Event, ...]:
        """Take in one frame.

        Args:
            observation: The picture. A frame without depth, from the past, or that contradicts everything known is
                told as a FAULT and otherwise ignored.
            segmentation: Its regions; the map has the shape of the depth.
            robot: What the robot knows of itself.

        Returns:
            What happened, in order.

        Raises:
            BadInput: Shapes that do not fit each other.
            Unsupported: The memory was read from a file.
        """
        if self._loaded:
            raise Unsupported("a memory that was read from a file can be asked, and takes in no more frames")
        _check_shapes(observation, segmentation)
        fault, usable = self._guard.before(observation, segmentation)
        if not usable:
            return self._only(self.time, fault)
        tokens, hands = parted(encode(observation, segmentation, self.config))
        gap = 0.0 if self._last_frame is None else observation.time - self._last_frame
        other, usable = self._guard.after(observation, segmentation, tokens, self._tracker.tracks.values())
        if not usable:
            return self._only(observation.time, other)
        self._began = observation.time if self._began is None else self._began
        first = observation.time - self._began < _FIRST_LOOK
        frame = Frame(observation, segmentation, tokens, hands, robot, self._action, gap)
        self._last_frame = observation.time
        faults = [] if fault is None else [self._narrator.event(frame.time, Kind.FAULT, fault)]
        found = self._tracker.update(frame, self.graph.relations)
        events = faults + self._narrator.tell(frame, found, self._tracker.tracks, first)
        return self._record(frame.time, events)

    def start(self, action: Action) -> None:
        """An action begins; what happens until ``finish`` is seen in its light."""
        self._action = action
        self._append(Change(self.time, started=action))

    def finish(self, outcome: Outcome, reason: str = "") -> None:
        """The action under way has ended."""
        self._append(Change(self.time, outcome=outcome, reason=reason))
        self._action = None

    def complete(self, step: int, text: str) -> None:
        """A step of the task was found to be reached: a point in time that will be remembered as such."""
        event = self._narrator.event(
            self.time, Kind.COMPLETE, f"step {step + 1} is reached: {text}", confidence=1.0, source=Source.ACTION,
            other=step, cause=max(self._narrator.last.values(), default=None),
        )  # fmt: skip
        self._append(Change(self.time, events=(event,)))

    def fault(self, text: str) -> None:
        """Something of sensing or acting went wrong."""
        self._only(self.time, text)

    def _only(self, time: float, fault: str | None) -> tuple[Event, ...]:
        if fault is None:
            return ()
        index = None if self._action is None else self._action.index
        event = self._narrator.event(max(time, self.time), Kind.FAULT, fault, action=index)
        self._append(Change(event.time, events=(event,)))
        return (event,)

    def _record(self, time: float, events: list[Event]) -> tuple[Event, ...]:
        """Write what changed to the log, which changes the graph."""
        now = self._relations()
        added, removed = now - self.graph.relations, self.graph.relations - now
        told = tuple(with_relations(events, added, removed))
        every = nodes(tuple(self._tracker.tracks.values()), time)
        changed = tuple(node for node in every if self.graph.nodes.get(node.id) != node)
        self._append(Change(time, changed, tuple(sorted(added)), tuple(sorted(removed)), told))
        return told

    def _append(self, change: Change) -> None:
        if change:
            self.log.append(change)

    def _relations(self) -> set[Relation]:
        """What rests on, in and under what; of what moves or is held, nothing but that it is held."""
        tracks = list(self._tracker.tracks.values())
        still = [track for track in tracks if not track.moving and track.visibility not in _NOWHERE]
        low, high = (np.array([getattr(t, end) for t in still]).reshape(-1, 3) for end in ("low", "high"))
        found = resting([t.id for t in still], [t.label for t in still], low, high, self.graph.relations, self.config)
        for name, a, b in self.graph.relations:
            # What is not seen stays on or in what is moving: it moves with it.
            child, parent = (self._tracker.tracks[one] for one in (a, b))
            unseen = child.provenance != Provenance.MEASURED and child.visibility not in _NOWHERE
            if name in ("on", "inside") and unseen and (parent.moving or parent.visibility == Visibility.HELD):
                found.add((name, a, b))
        for track in tracks:
            if track.visibility == Visibility.HELD:
                found.add(("held", track.id, track.id))
            elif track.visibility == Visibility.CONTAINED and track.behind is not None:
                cover = self._tracker.tracks[track.behind]
                found.add(("covered" if cover.can.covers else "inside", track.id, cover.id))
        return found

    # -- asking ------------------------------------------------------------------------------------------------------

    @property
    def graph(self) -> Graph:
        """The present state; what it says follows from the log alone."""
        return self.log.graph

    @property
    def time(self) -> float:
        """Seconds, of the last thing taken in."""
        return max(self.graph.time, self._last_frame or 0.0)

    @property
    def events(self) -> tuple[Event, ...]:
        """Everything that happened."""
        return tuple(self.graph.events)

    def state_at(self, time: float) -> Graph:
        """The graph as it was at a time."""
        return self.log.at(time)

    def initial(self) -> Graph:
        """The graph after the first look."""
        found = [event.time for event in self.graph.events if event.kind == Kind.INITIALISE]
        return self.log.at(found[-1]) if found else Graph()

    def objects(self, time: float | None = None) -> tuple[ObjectFact, ...]:
        """All objects, now or at a time."""
        graph, now = self._then(time)
        return tuple(node.fact(now) for node in graph.nodes.values())

    def where(self, identity: int, time: float | None = None) -> ObjectFact:
        """Where an object is, or was; see ``ObjectFact`` for how sure that is.

        Raises:
            BadInput: There is no such object.
        """
        graph, now = self._then(time)
        return self._node(identity, graph).fact(now)

    def last_seen(self, identity: int) -> ObjectFact:
        """The object as it was when it was last measured."""
        node = self._node(identity, self.graph)
        return self.where(identity) if node.seen is None else self.where(identity, node.seen)

    def tokens(self, identity: int) -> tuple[STFToken, ...]:
        """The last ``window`` STF-Tokens of an object; none of one that was read from a file."""
        self._node(identity, self.graph)
        return () if self._loaded else tuple(self._tracker.tracks[identity].window)

    def history(self, identity: int) -> tuple[Event, ...]:
        """Everything that happened to an object."""
        self._node(identity, self.graph)
        return tuple(event for event in self.graph.events if event.object == identity)

    def why(self, identity: int) -> tuple[str, ...]:
        """The causal chain that led to where an object is, numbered, from the beginning on.

        See ``edgewise.scene.causes``.
        """
        self._node(identity, self.graph)
        return causal_chain(self.graph, identity)

    def relations(self) -> tuple[RelationFact, ...]:
        """Relations that hold now: ``on``, ``inside``, ``covered``, ``held``."""
        return tuple(RelationFact(name, a, b) for name, a, b in sorted(self.graph.relations))

    def directions(self, a: int, b: int) -> tuple[str, ...]:
        """Where a is as seen from b: ``left``, ``right``, ``front``, ``behind``, ``near``."""
        one, other = self._node(a, self.graph), self._node(b, self.graph)
        if one.low is None or one.high is None or other.low is None or other.high is None:
            return ()
        return directions((one.low, one.high), (other.low, other.high))

    def hidden(self) -> tuple[ObjectFact, ...]:
        """Objects that are not seen, with what is believed of them."""
        return tuple(fact for fact in self.objects() if fact.visibility in _HIDDEN)

    def blockers(self, identity: int) -> tuple[int, ...]:
        """What must be taken away before an object can be picked up, the outermost first."""
        found: list[int] = []

        def visit(one: int) -> None:
            over = [a for _, a, _ in self.graph.related("on", b=one)]
            for other in over + [b for _, _, b in self.graph.related("covered", a=one)]:
                if other not in found:
                    visit(other)
                    found.append(other)

        self._node(identity, self.graph)
        visit(identity)
        return tuple(found)

    def external_changes(self, since: float = 0.0) -> tuple[Event, ...]:
        """What somebody else did, or nobody was seen to do, after a time."""
        return tuple(e for e in self.graph.events if e.source == Source.EXTERNAL and e.time > since)

    def check(self) -> tuple[Violation, ...]:
        """What cannot be so, with the events that led to it; see ``edgewise.scene.verify``."""
        return check_graph(self.graph)

    # -- telling -----------------------------------------------------------------------------------------------------

    def facts(self, budget: int | None = None) -> tuple[Fact, ...]:
        """What a planner is told, the most important first; see ``edgewise.scene.render``."""
        return select_facts(self.graph, self.initial(), self.time, budget)

    def text(self, budget: int | None = 1500) -> str:
        """The same as text of at most ``budget`` tokens. Equal memories give equal text."""
        return as_text(self.facts(budget))

    def save(self, path: Path | str) -> None:
        """Write the log as JSON lines."""
        self.log.write(path, self.config, self.time)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """A memory that knows what a log says. It can be asked; to go on it must see everything anew.

        Raises:
            CorruptRecord: The log is damaged.
        """
        log, config, time = read_log(path)
        memory = cls(config)
        memory.log, memory._last_frame, memory._loaded = log, time, True
        return memory

    def _then(self, time: float | None) -> tuple[Graph, float]:
        return (self.graph, self.time) if time is None else (self.state_at(time), time)

    def _node(self, identity: int, graph: Graph) -> Node:
        if identity not in graph.nodes:
            known = ", ".join(f"{node.id} ({node.label})" for node in graph.nodes.values())
            raise BadInput(f"no object has the id {identity}", fix=f"known: {known or 'none'}")
        return graph.nodes[identity]


def _check_shapes(observation: Observation, segmentation: Segmentation) -> None:
    shape = segmentation.map.shape
    camera = (observation.camera.height, observation.camera.width)
    if observation.depth is not None and observation.depth.shape != shape:
        raise BadInput(f"the map has shape {shape}, the depth {observation.depth.shape}", field="segmentation.map")
    if observation.rgb.shape[:2] != shape or camera != shape:
        raise BadInput(
            f"the map has shape {shape}, the picture {observation.rgb.shape[:2]}, the camera {camera}",
            field="segmentation.map",
        )
    if segmentation.map.size and int(segmentation.map.max()) > len(segmentation.detections):
        raise BadInput(
            f"the map names region {int(segmentation.map.max())}, there are {len(segmentation.detections)} detections",
            field="segmentation.map",
        )
