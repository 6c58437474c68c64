"""Events of the truth against lists written by hand."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from edgewise.scene.types import Kind, Source
from edgewise.scene.worlds.hand import Carry
from edgewise.scene.worlds.spec import STILL, WorldSpec, box, cube, tower
from edgewise.scene.worlds.truth import Truth, TruthLog
from edgewise.scene.worlds.world import World
from support.worlds import go, needs_pictures, pick, place, truth

HERE, THERE = (0.4, 0.0, 0.02), (0.4, 0.1, 0.02)


def told(truths: Iterable[Truth]) -> TruthLog:
    log = TruthLog()
    for moment in truths:
        log.update(moment)
    return log


def brief(log: TruthLog) -> list[tuple[Kind, str | None, str | None, Source]]:
    """Without the beginning."""
    return [(e.kind, e.name, e.other, e.source) for e in log.events if e.kind != Kind.INITIALISE]


def test_rest_and_small_motions_make_no_event() -> None:
    log = told(truth(t * 0.2, {"red": (0.4 + 0.001 * (t % 5), 0.0, 0.02)}) for t in range(50))
    assert [e.kind for e in log.events] == [Kind.INITIALISE]


def test_a_motion_is_one_event_at_rest() -> None:
    path = [0.0, 0.03, 0.06, 0.1, 0.1, 0.1]
    log = told(truth(t * 0.2, {"red": (0.4, y, 0.02)}) for t, y in enumerate(path))
    assert brief(log) == [(Kind.MOVE, "red", "table", Source.EXTERNAL)]
    assert log.events[-1].time == pytest.approx(0.8)
    assert log.events[-1].start == HERE and log.events[-1].end == THERE


def test_creep_counts_from_where_it_last_rested() -> None:
    log = told(truth(t * 0.2, {"red": (0.4, 0.004 * t, 0.02)}) for t in range(6))
    assert [e.kind for e in log.events] == [Kind.INITIALISE, Kind.MOVE]


def test_what_an_action_hits_collides() -> None:
    log = TruthLog()
    log.update(truth(0.0, {"red": HERE, "green": (0.5, 0.0, 0.02)}))
    log.start(3, "green")
    pushing = {"held": "green", "contacts": frozenset({("green", "red")})}
    log.update(truth(0.2, {"red": (0.4, 0.05, 0.02), "green": (0.44, 0.05, 0.05)}, **pushing))
    log.update(truth(0.4, {"red": THERE, "green": (0.44, 0.1, 0.05)}, **pushing))
    log.update(truth(0.6, {"red": THERE, "green": (0.44, 0.1, 0.05)}, held="green"))
    assert (Kind.COLLIDE, "red", "green", Source.ACTION) in brief(log)
    assert log.events[-1].action == 3


def test_after_an_action_its_consequences_are_its_own_and_later_ones_are_not() -> None:
    def late(seconds: float) -> Source:
        log = TruthLog()
        log.update(truth(0.0, {"red": HERE}))
        log.start(1, "green")
        log.finish()
        log.update(truth(seconds, {"red": (0.4, 0.05, 0.02)}))
        log.update(truth(seconds + 0.2, {"red": (0.4, 0.05, 0.02)}))
        return log.events[-1].source

    assert late(0.4) == Source.ACTION and late(5.0) == Source.EXTERNAL


def test_hidden_at_two_pictures_in_a_row() -> None:
    def look(*shares: tuple[float, float]) -> list[Kind]:
        log = TruthLog()
        for t, (seen, robot) in enumerate(shares):
            behind = {"red": "green"} if seen < 1 else {}
            things = {"red": HERE, "green": (0.3, 0.0, 0.02)}
            log.update(truth(t * 0.2, things, visible=[seen, 1], by_robot=[robot, 0], occluders=behind))
        return [event.kind for event in log.events if event.name == "red"][1:]

    assert look((1, 0), (0.05, 0), (1, 0)) == []
    assert look((1, 0), (0.05, 0), (0.05, 0), (0.2, 0), (0.3, 0)) == [Kind.OCCLUDE, Kind.REVEAL]
    assert look((1, 0), (0.02, 0.95), (0.02, 0.95), (1, 0)) == []
    assert look((1, 0), (0.03, 0.5), (0.03, 0.5), (1, 0)) == [Kind.OCCLUDE, Kind.REVEAL]
    assert look((0.05, 0), (0.05, 0), (0.05, 0), (1, 0)) == []  # never seen before


def test_what_appears_later_and_what_leaves_the_table() -> None:
    log = TruthLog()
    log.update(truth(0.0, {"red": HERE}, visible=[0.0]))
    log.update(truth(0.2, {"red": HERE}))
    log.update(truth(0.4, {"red": (0.4, 0.6, -0.1)}))
    log.update(truth(0.6, {"red": (0.4, 0.7, -0.4)}))
    log.update(truth(0.8, {"red": (0.4, 0.7, -0.4)}))
    assert [event.kind for event in log.events] == [Kind.APPEAR, Kind.LOSE]


def test_what_is_slid_with_its_cover_is_inferred_from_it() -> None:
    log = TruthLog()
    for t, y in enumerate((0.0, 0.0, 0.05, 0.1, 0.1)):
        things = {"red": (0.4, y - 0.01 * (t > 2), 0.02), "box": (0.4, y, 0.03)}
        moved = frozenset({"box"} if 1 <= t <= 3 else ())
        log.update(truth(t * 0.2, things, covered={"red": "box"}, moved_by_others=moved))
    assert brief(log) == [
        (Kind.MOVE, "box", "table", Source.EXTERNAL),
        (Kind.MOVE, "red", "box", Source.INFERRED),
    ]
    assert log.events[-1].cause == len(log.events) - 2


def test_an_episode_in_the_simulator() -> None:
    needs_pictures()
    spec = WorldSpec((*tower(("green", "red"), 0.4, -0.1), box("brown", 0.52, 0.1, name="box"), cube("blue", 0.4, 0.2)))
    log = TruthLog()
    with World(spec, randomise=STILL) as world:
        log.update(world.truth())
        world.ticks.append(lambda world: log.update(world.truth()))
        log.start(1, "red")
        pick(world, "red")
        place(world, "red", 0.4, 0.05)
        log.finish()
        go(world.wait(0.4))
        log.start(2, "box")
        pick(world, "box")
        place(world, "box", 0.4, 0.05)
        log.finish()
        log.complete()
        go(world.wait(2.0))
        world.hand.perform([Carry("box", (0.55, 0.05, 0.032), slide=True), Carry("blue", (0.35, 0.2, 0.02))])
        go(world.wait(9.0))
        log.start(3, "box")
        pick(world, "box")
        place(world, "box", 0.55, 0.22)
        log.finish()
        go(world.wait(0.4))
    assert brief(log) == [
        (Kind.PICK, "red", "green", Source.ACTION),
        (Kind.PLACE, "red", "table", Source.ACTION),
        (Kind.PICK, "box", "table", Source.ACTION),
        (Kind.PLACE, "box", "table", Source.ACTION),
        (Kind.OCCLUDE, "red", "box", Source.ACTION),
        (Kind.COMPLETE, None, None, Source.ACTION),
        (Kind.MOVE, "box", "table", Source.EXTERNAL),
        (Kind.MOVE, "red", "box", Source.INFERRED),
        (Kind.MOVE, "blue", "table", Source.EXTERNAL),
        (Kind.PICK, "box", "table", Source.ACTION),
        (Kind.REVEAL, "red", "box", Source.ACTION),
        (Kind.PLACE, "box", "table", Source.ACTION),
    ]
    assert [e.action for e in log.events if e.source == Source.ACTION] == [1, 1, 2, 2, 2, 2, 3, 3, 3]
    assert all(event.seen for event in log.events)
