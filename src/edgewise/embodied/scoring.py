"""A memory scored against the truth, frame by frame: permanence, positions, events, causes, identity.

An episode's figures are counts, so that episodes can be pooled; ``pooled`` makes estimates of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from edgewise.core.estimate import Estimate, Measure, NotMeasured
from edgewise.embodied.beliefs import centre
from edgewise.embodied.types import MemoryArm
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
    Visibility,
)
from edgewise.scene.worlds.truth import Truth, TruthEvent, TruthLog
from edgewise.scene.worlds.world import World
from edgewise.stats.intervals import clustered_mean, mean_estimate, proportion

LOCATED = 0.05  # metres that a hidden object may be from where it is believed to be
_HIDDEN = 0.1  # share of an object's pixels below which it is hidden
_FIRST = 0.1  # metres within which a new id is taken for a thing of the same label
_OTHER, _NEAR = 0.05, 0.03  # metres: an id is so far from its own thing and so near another's after a switch
_LATE = 1.5  # seconds between an event and its being told
KINDS = (Kind.MOVE, Kind.COLLIDE, Kind.PICK, Kind.PLACE, Kind.OCCLUDE, Kind.REVEAL)
_BLAMED = (Source.ACTION, Source.EXTERNAL, Source.INFERRED)


class ScoredMemory:
    """A memory that is compared with the truth of its world after every frame; otherwise it is the memory itself.

    Args:
        memory: Any rung of the ladder.
        world: Where it looks.

    Attributes:
        counts: Figures so far; ``scores`` adds those of events.
    """

    def __init__(self, memory: MemoryArm, world: World) -> None:
        self.memory, self.name, self._world = memory, memory.name, world
        self.log = TruthLog()
        self.counts: dict[str, float] = dict.fromkeys(
            ("hidden", "located", "unknown", "error_sum", "error_n", "frames", "switches"), 0.0
        )
        self._names: dict[int, str] = {}

    def update(self, observation: Observation, segmentation: Segmentation, robot: RobotState | None = None) -> object:
        """Take in one frame, then compare."""
        told = self.memory.update(observation, segmentation, robot)
        truth = self._world.truth()
        self.log.update(truth)
        self._compare(truth)
        return told

    def start(self, action: Action) -> None:
        """An action begins."""
        self.memory.start(action)
        name = None if action.target is None else self._names.get(action.target)
        self.log.start(action.index, *([] if name is None else [name]))

    def finish(self, outcome: Outcome, reason: str = "") -> None:
        """The action under way has ended."""
        self.memory.finish(outcome, reason)
        self.log.finish()

    def complete(self, step: int, text: str) -> None:
        """A step of the task was found to be reached."""
        self.memory.complete(step, text)

    def facts(self, budget: int | None = None) -> tuple[Fact, ...]:
        """What the memory can tell."""
        return self.memory.facts(budget)

    @property
    def events(self) -> tuple[Event, ...]:
        """The memory's log, empty if it keeps none."""
        return getattr(self.memory, "events", ())

    def scores(self) -> dict[str, float]:
        """All figures of the episode, as counts and sums."""
        return self.counts | match_events(self.events, self.log.events, self._names)

    def _compare(self, truth: Truth) -> None:
        facts, relations = _present(self.memory)
        self._name_new(facts.values(), truth)
        self._note_switches(facts, truth)
        self.counts["frames"] += 1
        ids = {name: identity for identity, name in self._names.items()}
        for k, name in enumerate(truth.names):
            hidden = truth.visible[k] < _HIDDEN and truth.by_robot[k] < 0.5 and truth.held != name
            if not hidden or name not in ids:
                continue
            self.counts["hidden"] += 1
            fact = facts.get(ids[name])
            place = centre(fact)
            where = (truth.low[k] + truth.high[k]) / 2
            away = math.inf if place is None else float(np.linalg.norm(np.array(place) - where))
            cover = truth.covered.get(name)
            right = away <= LOCATED or (cover in ids and ("covered", ids[name], ids[cover]) in relations)
            doubt = _doubted(ids[name], facts, relations)
            self.counts["unknown"] += doubt
            self.counts["located"] += right and not doubt
            if math.isfinite(away):
                self.counts["error_sum"] += away
                self.counts["error_n"] += 1

    def _name_new(self, facts: Iterable[ObjectFact], truth: Truth) -> None:
        """Give ids that are seen for the first time the nearest thing of their label."""
        for fact in facts:
            place = centre(fact)
            if fact.id in self._names or place is None or fact.provenance != Provenance.MEASURED:
                continue
            taken = set(self._names.values())
            free = [k for k, name in enumerate(truth.names) if truth.labels[k] == fact.label and name not in taken]
            near = min(((_away(truth, k, place), k) for k in free), default=(math.inf, -1))
            if near[0] <= _FIRST:
                self._names[fact.id] = truth.names[near[1]]

    def _note_switches(self, facts: Mapping[int, ObjectFact], truth: Truth) -> None:
        """An id that is measured where another thing of its label is, and its own is not."""
        for identity in tuple(self._names):
            name, fact = self._names[identity], facts.get(identity)
            place = centre(fact)
            if fact is None or place is None or not _measured(fact):
                continue
            own = truth.index(name)
            if _away(truth, own, place) <= _OTHER:
                continue
            alike = [k for k, label in enumerate(truth.labels) if label == truth.labels[own] and k != own]
            near = min(((_away(truth, k, place), k) for k in alike), default=(math.inf, -1))
            if near[0] > _NEAR:
                continue
            self.counts["switches"] += not fact.confused_with
            other = next((i for i, called in self._names.items() if called == truth.names[near[1]]), None)
            self._names[identity] = truth.names[near[1]]
            if other is not None:
                self._names[other] = name


def match_events(
    told: Sequence[Event], true: Sequence[TruthEvent], names: Mapping[int, str], late: float = _LATE
) -> dict[str, float]:
    """How a log compares with what happened: for every kind, events that happened, were told, and agree.

    An event agrees with one of its kind and object within ``late`` seconds; each is used once. What nobody could see
    happen counts neither way, whether it is never told or, once its outcome is seen, told at last. Of those that
    agree, the share with the right source is the share of causes that are rightly put down.
    """
    counts: dict[str, float] = {"causes": 0.0, "blamed": 0.0}
    for kind in KINDS:
        mine = [e for e in told if e.kind == kind and e.object in names]
        all_true = [e for e in true if e.kind == kind]
        used: set[int] = set()
        agreed = 0
        for event in mine:
            name = names[event.object] if event.object is not None else ""
            gaps = [
                (abs(event.time - other.time), k)
                for k, other in enumerate(all_true)
                if k not in used and other.name == name and abs(event.time - other.time) <= late
            ]
            if not gaps:
                belated = [
                    k
                    for k, other in enumerate(all_true)
                    if k not in used and not other.seen and other.name == name and other.time < event.time
                ]
                used.update(belated[:1])
                continue
            _, k = min(gaps)
            used.add(k)
            if not all_true[k].seen:
                continue
            agreed += 1
            if all_true[k].source in _BLAMED:
                counts["blamed"] += 1
                counts["causes"] += event.source == all_true[k].source
        unseen_and_told = sum(not all_true[k].seen for k in used)
        counts[f"{kind}/true"] = float(sum(e.seen for e in all_true))
        counts[f"{kind}/told"] = float(len(mine) - unseen_and_told)
        counts[f"{kind}/agreed"] = float(agreed)
    return counts


def pooled(episodes: Sequence[Mapping[str, float]]) -> dict[str, Measure]:
    """Estimates over episodes.

    Shares of frames are averaged by episode, since frames of one episode are not independent; shares of events are
    pooled.

    Returns:
        ``permanence`` (share of hidden objects that are located, over frames), ``unknown`` (share of which it is said
        that alike objects cannot be told apart), ``error`` (metres, of hidden objects; its interval is Student's over
        episodes), ``precision`` and ``recall`` of events, also by kind (``precision/move``), ``cause`` (share of events
        that are put down to the right source), ``switches`` (identity switches an episode).
    """
    total: dict[str, float] = {}
    for episode in episodes:
        for name, value in episode.items():
            total[name] = total.get(name, 0.0) + value
    with_hidden = [e for e in episodes if e.get("hidden")]
    found: dict[str, Measure] = {
        "permanence": _shares([e["located"] / e["hidden"] for e in with_hidden]),
        "unknown": _shares([e["unknown"] / e["hidden"] for e in with_hidden]),
        "error": _mean([e["error_sum"] / e["error_n"] for e in with_hidden if e["error_n"]]),
        "cause": _share(total.get("causes", 0.0), total.get("blamed", 0.0)),
        "switches": _mean([e["switches"] for e in episodes if "switches" in e]),
    }
    for share, of in (("precision", "told"), ("recall", "true")):
        sums = {kind: (total.get(f"{kind}/agreed", 0.0), total.get(f"{kind}/{of}", 0.0)) for kind in KINDS}
        found[share] = _share(sum(a for a, _ in sums.values()), sum(n for _, n in sums.values()))
        found |= {f"{share}/{kind}": _share(*sums[kind]) for kind in KINDS}
    return found


def _shares(values: Sequence[float]) -> Measure:
    if not values:
        return NotMeasured(reason="nothing was hidden")
    return mean_estimate(values, rng=np.random.default_rng(0))


def _share(part: float, whole: float) -> Measure:
    return proportion(round(part), round(whole)) if whole else NotMeasured(reason="no such events")


def _mean(values: Sequence[float]) -> Measure:
    mean = clustered_mean(values, list(range(len(values))))
    # Nothing that is averaged here can be negative.
    return mean.model_copy(update={"low": max(mean.low, 0.0)}) if isinstance(mean, Estimate) else mean


def _present(memory: MemoryArm) -> tuple[dict[int, ObjectFact], set[tuple[str, int, int]]]:
    """Objects and relations that a memory holds now."""
    whole: Any = memory
    if hasattr(memory, "objects"):
        objects, relations = whole.objects(), whole.relations()
    else:
        facts = memory.facts(None)
        objects = [f for f in facts if isinstance(f, ObjectFact) and not f.initial]
        relations = [f for f in facts if isinstance(f, RelationFact) and not f.initial]
    return {fact.id: fact for fact in objects}, {(r.name, r.a, r.b) for r in relations}


def _measured(fact: ObjectFact) -> bool:
    return fact.provenance == Provenance.MEASURED and fact.visibility in (Visibility.VISIBLE, Visibility.PARTIAL)


def _doubted(identity: int, facts: Mapping[int, ObjectFact], relations: set[tuple[str, int, int]]) -> bool:
    """Whether the memory says that it, or what it is under, may be another."""
    around = [b for name, a, b in relations if name == "covered" and a == identity]
    return any(facts[i].confused_with for i in (identity, *around) if i in facts)


def _away(truth: Truth, k: int, place: tuple[float, float, float]) -> float:
    return float(np.linalg.norm((truth.low[k] + truth.high[k]) / 2 - np.array(place)))
