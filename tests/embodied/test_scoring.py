"""Memory against truth: what counts as located, told, blamed and switched, and how episodes are pooled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgewise.embodied.scoring import ScoredMemory, match_events, pooled
from edgewise.scene.types import Event, Fact, Kind, ObjectFact, Provenance, RelationFact, Source, Visibility
from edgewise.scene.worlds.truth import Truth, TruthEvent
from support.beliefs import seen
from support.worlds import truth


class World:
    """Gives the truths in turn."""

    def __init__(self, *truths: Truth) -> None:
        self.truths = list(truths)

    def truth(self) -> Truth:
        return self.truths.pop(0)


class Told:
    """A memory that says these facts in turn."""

    name = "told"

    def __init__(self, *told: tuple[Fact, ...]) -> None:
        self.told, self.now = list(told), ()

    def update(self, *frame: Any) -> str:
        self.now = self.told.pop(0)
        return "told"

    def facts(self, budget: int | None = None) -> tuple[Fact, ...]:
        return self.now


def scored(*frames: tuple[Truth, tuple[Fact, ...]]) -> dict[str, float]:
    memory = ScoredMemory(Told(*(facts for _, facts in frames)), World(*(t for t, _ in frames)))  # type: ignore[arg-type]
    for _ in frames:
        assert memory.update(None, None) == "told"  # type: ignore[arg-type]
    return memory.counts


A, B = (0.4, 0.1, 0.02), (0.5, -0.1, 0.02)
OPEN = truth(0.0, {"red": A, "green": B})
HIDDEN = truth(1.0, {"red": A, "green": B}, visible=np.array([0.0, 1.0]), covered={"red": "green"})


def fact(identity: int, label: str, at: tuple[float, float, float], **changes: Any) -> ObjectFact:
    return seen(identity, label, (at[0], at[1], at[2] - 0.02), **changes)


RED, GREEN = fact(7, "red cube", A), fact(8, "green cube", B)
UNSEEN: dict[str, Any] = {"visibility": Visibility.CONTAINED, "provenance": Provenance.CARRIED}


@pytest.mark.parametrize(
    ("told", "located", "unknown"),
    [
        ((replace(RED, **UNSEEN), GREEN), 1, 0),
        ((fact(7, "red cube", (0.4, 0.16, 0.02), **UNSEEN), GREEN), 0, 0),
        ((fact(7, "red cube", (0.4, 0.16, 0.02), **UNSEEN), GREEN, RelationFact("covered", 7, 8)), 1, 0),
        ((replace(RED, **UNSEEN, confused_with=(9,)), GREEN), 0, 1),
        ((replace(RED, **UNSEEN), replace(GREEN, confused_with=(9,)), RelationFact("covered", 7, 8)), 0, 1),
        ((GREEN,), 0, 0),
    ],
)
def test_hidden_objects_are_located_by_place_or_by_cover(told: tuple[Fact, ...], located: int, unknown: int) -> None:
    counts = scored((OPEN, (RED, GREEN)), (HIDDEN, told))
    assert (counts["hidden"], counts["located"], counts["unknown"]) == (1, located, unknown)


def test_the_error_is_the_distance_of_what_is_hidden() -> None:
    counts = scored((OPEN, (RED, GREEN)), (HIDDEN, (fact(7, "red cube", (0.4, 0.13, 0.02), **UNSEEN), GREEN)))
    assert counts["error_n"] == 1 and counts["error_sum"] == pytest.approx(0.03)


def test_what_the_robot_hides_or_holds_and_what_was_never_seen_is_not_asked_for() -> None:
    by_robot = replace(HIDDEN, by_robot=np.array([1.0, 0.0]))
    held = replace(HIDDEN, held="red")
    assert scored((OPEN, (RED, GREEN)), (by_robot, (GREEN,)), (held, (GREEN,)))["hidden"] == 0
    assert scored((HIDDEN, (GREEN,)))["hidden"] == 0


def test_switches_are_counted_once_and_admitted_doubt_is_none() -> None:
    both = truth(0.0, {"left": A, "right": B}, labels=("red cube", "red cube"))
    swapped = truth(1.0, {"left": B, "right": A}, labels=("red cube", "red cube"))
    one, other = fact(1, "red cube", A), fact(2, "red cube", B)
    assert scored((both, (one, other)), (swapped, (one, other)), (swapped, (one, other)))["switches"] == 1
    moved = (fact(1, "red cube", B), fact(2, "red cube", A))
    assert scored((both, (one, other)), (swapped, moved))["switches"] == 0
    doubted = (replace(one, confused_with=(2,)), replace(other, confused_with=(1,)))
    assert scored((both, (one, other)), (swapped, doubted))["switches"] == 0


def told(kind: Kind, identity: int, time: float, source: Source = Source.ACTION) -> Event:
    return Event(0, time, kind, identity, source=source)


def true(kind: Kind, name: str, time: float, source: Source = Source.ACTION, seen: bool = True) -> TruthEvent:
    return TruthEvent(time, kind, name, source=source, seen=seen)


NAMES = {1: "red", 2: "green"}


def test_events_agree_by_kind_and_object_within_a_while() -> None:
    happened = [
        true(Kind.MOVE, "red", 1.0),
        true(Kind.MOVE, "red", 5.0, Source.EXTERNAL),
        true(Kind.PICK, "green", 6.0),
    ]
    log = [
        told(Kind.MOVE, 1, 1.4),
        told(Kind.MOVE, 1, 2.0),  # told twice
        told(Kind.MOVE, 1, 5.2),  # put down to the wrong source
        told(Kind.MOVE, 2, 6.0),  # another kind
        told(Kind.MOVE, 3, 6.0),  # of something that is not there: no thing has this id
    ]
    counts = match_events(log, happened, NAMES)
    assert (counts["move/true"], counts["move/told"], counts["move/agreed"]) == (2, 4, 2)
    assert (counts["pick/true"], counts["pick/agreed"]) == (1, 0)
    assert (counts["blamed"], counts["causes"]) == (2, 1)
    assert match_events([told(Kind.MOVE, 1, 2.6)], happened, NAMES)["move/agreed"] == 0


def test_what_nobody_could_see_counts_neither_way() -> None:
    happened = [true(Kind.MOVE, "red", 1.0, seen=False)]
    assert match_events([], happened, NAMES)["move/true"] == 0
    counts = match_events([told(Kind.MOVE, 1, 1.0)], happened, NAMES)
    assert (counts["move/told"], counts["move/agreed"]) == (0, 0)
    # Told once its outcome is seen; a second time it is one too many.
    counts = match_events([told(Kind.MOVE, 1, 9.0), told(Kind.MOVE, 1, 10.0)], happened, NAMES)
    assert (counts["move/told"], counts["move/agreed"]) == (1, 0)
    assert match_events([told(Kind.MOVE, 1, -9.0)], happened, NAMES)["move/told"] == 1


def test_pooling_averages_frames_by_episode_and_adds_up_events() -> None:
    base = dict.fromkeys(("hidden", "located", "unknown", "error_sum", "error_n", "switches", "causes", "blamed"), 0.0)
    long = base | {"hidden": 100, "located": 100, "error_n": 100, "error_sum": 1.0, "move/true": 4, "move/agreed": 4}
    short = base | {"hidden": 2, "located": 0, "error_n": 2, "error_sum": 0.2, "move/true": 1, "move/agreed": 0}
    found = pooled([long, short, base])
    assert found["permanence"].value == pytest.approx(0.5) and found["permanence"].n == 2
    assert found["error"].value == pytest.approx((0.01 + 0.1) / 2)
    assert found["recall/move"].value == found["recall"].value == pytest.approx(0.8)
    assert not found["precision"].measured and not found["cause"].measured
    assert found["switches"].value == 0 and found["switches"].n == 3
    assert not pooled([])["permanence"].measured
