"""The causal spatio-temporal graph as a fold over its log: nodes, relations, events, actions.

The log is the truth; the graph is what the log says. The live memory changes its graph by the same function that
replays a log, so a replay cannot differ from what was live.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from edgewise.core.errors import BadInput, CorruptRecord
from edgewise.core.files import explain_os_errors, write_atomically
from edgewise.scene.config import MemoryConfig
from edgewise.scene.types import Action, Event, ObjectFact, Outcome, Point, Provenance, Visibility

Relation = tuple[str, int, int]
SCHEMA = "scene-log/1"
_SNAPSHOTS = 256  # changes between two snapshots: time travel folds over at most so many


@dataclass(frozen=True, slots=True)
class Node:
    """What is believed of one object. Geometry is in whole millimetres, so that noise below that changes nothing.

    Attributes:
        id: Never used again for another object.
        label: As perception mostly calls it.
        low: Least coordinates of its box, None before any geometry is known.
        high: Greatest coordinates.
        yaw: Of the footprint's long side, radians.
        visibility: How it is known.
        provenance: Where the geometry comes from.
        seen: When it was last measured before it went out of sight; None while it is measured.
        behind: Id of what hides or contains it.
        confused_with: Ids of alike objects that it may be exchanged with.
    """

    id: int
    label: str
    low: Point | None
    high: Point | None
    yaw: float | None
    visibility: Visibility
    provenance: Provenance
    seen: float | None
    behind: int | None = None
    confused_with: tuple[int, ...] = ()

    @property
    def position(self) -> Point | None:
        """Centre of the box."""
        if self.low is None or self.high is None:
            return None
        (a, b, c), (d, e, f) = self.low, self.high
        return ((a + d) / 2, (b + e) / 2, (c + f) / 2)

    def fact(self, time: float, *, initial: bool = False) -> ObjectFact:
        """What is told of it at a time."""
        return ObjectFact(
            id=self.id,
            label=self.label,
            position=self.position,
            low=self.low,
            high=self.high,
            yaw=self.yaw,
            visibility=self.visibility,
            provenance=self.provenance,
            time=time if self.seen is None else self.seen,
            confused_with=self.confused_with,
            initial=initial,
        )


@dataclass(slots=True)
class Transition:
    """An action and what came of it."""

    action: Action
    started: float
    ended: float | None = None
    outcome: Outcome | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the log: what one frame, or one word of the agent, changed.

    Attributes:
        time: Seconds.
        nodes: New state of the nodes that changed.
        added: Relations that hold from now on.
        removed: Relations that no longer hold.
        events: What happened.
        started: An action that begins.
        outcome: What the action under way came to.
        reason: Why.
    """

    time: float
    nodes: tuple[Node, ...] = ()
    added: tuple[Relation, ...] = ()
    removed: tuple[Relation, ...] = ()
    events: tuple[Event, ...] = ()
    started: Action | None = None
    outcome: Outcome | None = None
    reason: str = ""

    def __bool__(self) -> bool:
        return bool(self.nodes or self.added or self.removed or self.events or self.started or self.outcome)


@dataclass(slots=True)
class Graph:
    """The state that a log leads to. Two graphs are equal if everything in them is."""

    time: float = 0.0
    nodes: dict[int, Node] = field(default_factory=dict)
    relations: set[Relation] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)

    def apply(self, change: Change) -> None:
        """Go on by one change."""
        self.time = max(self.time, change.time)
        for node in change.nodes:
            self.nodes[node.id] = node
        self.relations.difference_update(change.removed)
        self.relations.update(change.added)
        self.events.extend(change.events)
        if change.started is not None:
            self.transitions.append(Transition(change.started, change.time))
        if change.outcome is not None and self.transitions:
            under_way = self.transitions[-1]
            under_way.ended, under_way.outcome, under_way.reason = change.time, change.outcome, change.reason

    def copy(self) -> Graph:
        """An independent graph of the same content."""
        transitions = [Transition(t.action, t.started, t.ended, t.outcome, t.reason) for t in self.transitions]
        return Graph(self.time, dict(self.nodes), set(self.relations), list(self.events), transitions)

    def related(self, name: str, *, a: int | None = None, b: int | None = None) -> tuple[Relation, ...]:
        """Relations of a name, in order, with the given ends."""
        return tuple(
            sorted(r for r in self.relations if r[0] == name and (a is None or r[1] == a) and (b is None or r[2] == b))
        )


def replay(changes: Iterable[Change], until: float | None = None) -> Graph:
    """The graph that a log leads to, up to and including ``until`` seconds."""
    graph = Graph()
    for change in changes:
        if until is not None and change.time > until:
            break
        graph.apply(change)
    if until is not None:
        graph.time = max(graph.time, until)
    return graph


class Log:
    """An append-only list of changes with the graph that they lead to, and travel to any earlier time."""

    def __init__(self, changes: Sequence[Change] = ()) -> None:
        self.graph = Graph()
        self.changes: list[Change] = []
        self._times: list[float] = []
        self._snapshots: list[tuple[int, Graph]] = []
        for change in changes:
            self.append(change)

    def append(self, change: Change) -> None:
        """Add a change; times never go back."""
        if self._times and change.time < self._times[-1]:
            raise BadInput(f"a change at {change.time} s comes after one at {self._times[-1]} s", field="time")
        if len(self.changes) % _SNAPSHOTS == 0:
            # Events and actions only grow, so a snapshot need not hold them: they are cut from the end by time.
            light = Graph(self.graph.time, dict(self.graph.nodes), set(self.graph.relations))
            self._snapshots.append((len(self.changes), light))
        self.graph.apply(change)
        self.changes.append(change)
        self._times.append(change.time)

    def at(self, time: float) -> Graph:
        """The graph as it was at a time."""
        end = bisect_right(self._times, time)
        start, light = (
            self._snapshots[min(max(end - 1, 0) // _SNAPSHOTS, len(self._snapshots) - 1)] if end else (0, Graph())
        )
        graph = Graph(light.time, dict(light.nodes), set(light.relations))
        for change in self.changes[start:end]:
            graph.apply(change)
        graph.events = [event for event in self.graph.events if event.time <= time]
        graph.transitions = replay((c for c in self.changes[:end] if c.started or c.outcome), time).transitions
        graph.time = time
        return graph

    def write(self, path: Path | str, config: MemoryConfig, time: float) -> None:
        """Write the log as JSON lines: a header with the settings and the time of writing, then one change a line."""
        header = {"schema": SCHEMA, "time": time, "config": config.model_dump(mode="json")}
        lines = [orjson.dumps(header), *(orjson.dumps(change) for change in self.changes)]
        write_atomically(Path(path), b"\n".join(lines) + b"\n")


def read_log(path: Path | str) -> tuple[Log, MemoryConfig, float]:
    """Read a log, its settings and the time at which it was written.

    Raises:
        CorruptRecord: A line is damaged or of another schema; names file and line.
    """
    from pydantic import TypeAdapter, ValidationError

    path = Path(path)
    with explain_os_errors(path, "cannot read"):
        lines = path.read_bytes().splitlines()
    adapter: TypeAdapter[Change] = TypeAdapter(Change)

    def parsed(number: int, line: bytes) -> Any:
        try:
            return orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise CorruptRecord(f"not valid JSON ({error})", where=f"{path}, line {number}") from None

    header = parsed(1, lines[0]) if lines else None
    if not isinstance(header, dict) or header.get("schema") != SCHEMA:
        raise CorruptRecord(f"not a log of a scene: the first line must name schema {SCHEMA!r}", where=str(path))
    changes = []
    for number, line in enumerate(lines[1:], 2):
        try:
            changes.append(adapter.validate_python(parsed(number, line)))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise CorruptRecord(f"{place}: {first['msg']}", where=f"{path}, line {number}") from None
    return Log(changes), MemoryConfig.model_validate(header["config"]), float(header["time"])
