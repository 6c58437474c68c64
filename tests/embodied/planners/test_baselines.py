"""The two baselines without memory: a list made once, the present frame, nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgewise.core.errors import BadInput
from edgewise.embodied.planners.find import PLANNERS, find_planner
from edgewise.embodied.planners.scene_graph import SceneGraphPlanner
from edgewise.embodied.planners.step_list import ListPlanner, list_moves, seen_now
from edgewise.embodied.planners.value_map import ValueMapPlanner
from edgewise.embodied.tasks import TASKS
from edgewise.scene.types import Action, Fact, Provenance, Visibility
from support.beliefs import goal, predicate, seen

COVER = (0.082, 0.082, 0.094)
NAMES = {"red": "red cube", "green": "green cube", "box": "brown box", "pad": "orange pad"}
TABLE = (
    seen(1, "red cube", (0.4, 0.1, 0)),
    seen(2, "green cube", (0.5, -0.1, 0)),
    seen(3, "brown box", (0.6, 0.2, 0), COVER),
    seen(4, "orange pad", (0.4, -0.2, 0), (0.09, 0.09, 0.001)),
)
WANTED = goal(
    NAMES,
    "on(red, pad)",
    "covered(red, box)",
    predicate("moved(box)", direction="right", distance=0.1),
    "on(red, green)",
)
NOTHING: Any = None


def decide(planner: ListPlanner, facts: tuple[Fact, ...], feedback: str = "") -> Action | None:
    return planner.decide(facts, NOTHING, NOTHING, feedback).action


def test_the_list_is_what_the_words_say_in_their_order() -> None:
    moves = [(m.step, m.verb, m.target) for m in list_moves(WANTED)]
    assert moves == [(0, "place_on", "red"), (1, "cover", "box"), (2, "place_at", "box"), (3, "place_on", "red")]
    uncovering = goal(NAMES, "covered(red, box)", "uncovered(red)", "uncovered(green)", "on(red, table)")
    assert [(m.verb, m.target) for m in list_moves(uncovering)] == [
        ("cover", "box"), ("place_at", "box"), ("place_at", "red"),
    ]  # fmt: skip


def test_every_task_has_a_list() -> None:
    for task in TASKS:
        wanted = task.make(0).goal
        named = {referent.name for referent in wanted.referents}
        moves = list(list_moves(wanted))
        assert moves and {move.target for move in moves} <= named


def test_items_are_taken_and_put_one_after_the_other() -> None:
    planner = SceneGraphPlanner()
    planner.reset(WANTED)
    asked = []
    for _ in range(8):
        action = decide(planner, TABLE)
        assert action is not None
        asked.append((action.name, action.target, action.reference))
    assert asked == [
        ("pick", 1, None), ("place_on", 1, 4), ("pick", 3, None), ("cover", 3, 1),
        ("pick", 3, None), ("place_at", 3, None), ("pick", 1, None), ("place_on", 1, 2),
    ]  # fmt: skip
    assert planner.decide(TABLE, NOTHING, NOTHING, "").done


def test_what_fails_is_tried_once_more_and_what_is_not_seen_is_left_out() -> None:
    planner = SceneGraphPlanner()
    planner.reset(WANTED)
    assert decide(planner, TABLE) == decide(planner, TABLE, "pick 1: failed: missed")
    nxt = decide(planner, TABLE, "pick 1: failed: missed")
    assert nxt is not None and (nxt.name, nxt.target) == ("pick", 3)
    planner.reset(WANTED)
    # What was not carried out at all is asked for again.
    assert decide(planner, TABLE) == decide(planner, TABLE, "pick 1: not carried out: the scene was looked at again")
    planner.reset(WANTED)
    # Only the box is seen: every item speaks of something else but the third.
    only = decide(planner, TABLE[2:3])
    assert only is not None and only.target == 3 and only.why == "item 3 of 4"
    empty = SceneGraphPlanner()
    empty.reset(WANTED)
    assert empty.decide((), NOTHING, NOTHING, "").done  # it announces what it never did


def test_memory_does_not_help_them() -> None:
    hidden = replace(TABLE[0], visibility=Visibility.CONTAINED, provenance=Provenance.CARRIED)
    first = replace(TABLE[1], initial=True)
    assert set(seen_now((hidden, *TABLE[1:], first)).objects) == {2, 3, 4}
    assert not seen_now((hidden, first)).initial


def test_value_maps_put_things_where_they_are_wanted() -> None:
    planner = ValueMapPlanner()
    planner.reset(WANTED)
    decide(planner, TABLE)
    put = decide(planner, TABLE)
    assert put is not None and put.name == "place_at" and put.position is not None
    assert np.hypot(put.position[0] - 0.4, put.position[1] + 0.2) < 0.01
    decide(planner, TABLE), decide(planner, TABLE), decide(planner, TABLE)
    aside = decide(planner, TABLE)
    assert aside is not None and aside.position is not None
    assert aside.position[1] <= 0.2 - 0.1


def test_value_maps_avoid_what_is_in_the_way_and_pass_over_what_is_below() -> None:
    wanted = goal({"red": "red cube", "green": "green cube", "blue": "blue bin"}, "on(red, green)", "inside(red, blue)")
    bin_ = seen(5, "blue bin", (0.5, 0.25, 0), (0.13, 0.2, 0.05))
    inside = seen(6, "cyan cube", (0.5, 0.25, 0.004))
    planner = ValueMapPlanner()
    planner.reset(wanted)
    facts = (*TABLE[:2], bin_, inside, seen(7, "white cube", (0.5, -0.055, 0)))
    decide(planner, facts)
    on_top = decide(planner, facts)
    assert on_top is not None and on_top.position is not None
    assert (
        on_top.position[2] == pytest.approx(0.04)
        and np.hypot(on_top.position[0] - 0.5, on_top.position[1] + 0.1) < 0.01
    )
    decide(planner, facts)
    within = decide(planner, facts)
    assert within is not None and within.position is not None
    assert abs(within.position[1] - 0.25) > 0.04 and abs(within.position[1] - 0.25) < 0.08


def test_planners_are_found_by_name() -> None:
    for name in PLANNERS:
        assert find_planner(name).name in (name, "symbolic")
    with pytest.raises(BadInput, match="no planner 'clever'"):
        find_planner("clever")
    with pytest.raises(BadInput, match="no goal"):
        SceneGraphPlanner().decide((), NOTHING, NOTHING, "")
