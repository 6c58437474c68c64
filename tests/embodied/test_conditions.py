"""Conditions judged on beliefs, and how far a task has got by what different memories tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgewise.embodied.beliefs import Beliefs
from edgewise.embodied.conditions import final_conditions, holds, moved_from, reached
from edgewise.scene.types import Action, ActionFact, ObjectFact, Outcome, RelationFact, Visibility
from support.beliefs import Tabletop, goal, predicate, seen

LABELS = {"red": "red cube", "green": "green cube", "box": "brown box", "pad": "orange pad"}
NAMES = {"red": 1, "green": 2, "box": 3, "pad": 4}


def table(**relations: set[tuple[str, int, int]]) -> Tabletop:
    return Tabletop(
        {1: (0.4, 0.0, 0), 2: (0.5, 0.1, 0), 3: (0.6, -0.2, 0), 4: (0.4, 0.2, 0)},
        {1: "red cube", 2: "green cube", 3: "brown box", 4: "orange pad"},
        {3: (0.082, 0.082, 0.094), 4: (0.09, 0.09, 0.001)},
        relations.get("relations", set()),
    )


@pytest.mark.parametrize(
    ("relations", "true", "false"),
    [
        ({("on", 1, 2)}, "on(red, green)", "standing(red)"),
        ({("covered", 1, 3)}, "covered(red, box)", "uncovered(red)"),
        (set(), "uncovered(red)", "covered(red, box)"),
        (set(), "standing(red)", "on(red, green)"),
        (set(), "on(red, table)", "on(red, pad)"),
        (set(), "returned(red)", "inside(red, box)"),
    ],
)
def test_relations_decide(relations: set[tuple[str, int, int]], true: str, false: str) -> None:
    beliefs = table(relations=relations).beliefs()
    # So that the beginning is known: something happened to something else.
    beliefs = replace(beliefs, initial=beliefs.initial or beliefs.objects)
    assert holds(predicate(true), beliefs, NAMES) is True
    assert holds(predicate(false), beliefs, NAMES) is False


def test_what_lies_on_another_in_a_container_is_not_inside() -> None:
    heap = table(relations={("inside", 1, 3), ("inside", 2, 3), ("on", 2, 1)}).beliefs()
    assert holds(predicate("inside(red, box)"), heap, NAMES) is True
    assert holds(predicate("inside(green, box)"), heap, NAMES) is False


def test_what_is_in_the_hand_is_nowhere() -> None:
    beliefs = table(relations={("held", 1, 1), ("on", 1, 2)}).beliefs()
    assert holds(predicate("on(red, green)"), beliefs, NAMES) is False
    assert holds(predicate("uncovered(red)"), beliefs, NAMES) is True
    # A cover in the hand covers nothing.
    assert holds(predicate("covered(red, box)"), table(relations={("held", 3, 3)}).beliefs(), NAMES) is False


def test_what_is_not_known_is_neither_true_nor_false() -> None:
    beliefs = table().beliefs()
    assert holds(predicate("on(red, blue)"), beliefs, NAMES) is None
    lost = Beliefs.of([seen(1, "red cube", (0.4, 0, 0), visibility=Visibility.LOST), RelationFact("near", 1, 2)])
    assert holds(predicate("standing(red)"), lost, NAMES) is None
    assert holds(predicate("uncovered(red)"), lost, NAMES) is False
    assert holds(predicate("returned(red)"), Beliefs.of([seen(1, "red cube", (0.4, 0, 0))]), NAMES) is None


def test_at_leaves_a_margin_of_its_tolerance() -> None:
    beliefs = table().beliefs()
    assert holds(predicate("at(red)", position=(0.42, 0.0), tolerance=0.03), beliefs, NAMES) is True
    assert holds(predicate("at(red)", position=(0.428, 0.0), tolerance=0.03), beliefs, NAMES) is False


def test_moved_counts_from_when_the_step_before_was_reached() -> None:
    aside = predicate("moved(box)", direction="right", distance=0.1)
    scene = table()
    scene.act(Action(1, "pick", 3))
    scene.act(Action(2, "place_at", 3, position=(0.6, -0.05, 0)))
    scene.complete(0)
    assert holds(aside, scene.beliefs(), NAMES) is False
    scene.act(Action(3, "pick", 3))
    scene.act(Action(4, "place_at", 3, position=(0.6, -0.2, 0)))
    assert moved_from(scene.beliefs(), 3) == pytest.approx((0.6, -0.05, 0.047))
    assert holds(aside, scene.beliefs(), NAMES) is True


def test_a_bridge_lies_level_on_both() -> None:
    towers = [seen(1, "red cube", (0.5, 0.1, 0)), seen(2, "green cube", (0.5, -0.1, 0))]
    beam = seen(5, "purple block", (0.5, 0.0, 0.04), (0.04, 0.24, 0.03))
    names = NAMES | {"beam": 5}
    assert holds(predicate("bridged(beam, red, green)"), Beliefs.of([*towers, beam]), names) is True
    fallen = seen(5, "purple block", (0.5, 0.0, 0.0), (0.04, 0.24, 0.03))
    assert holds(predicate("bridged(beam, red, green)"), Beliefs.of([*towers, fallen]), names) is False


def test_a_drawer_is_open_by_how_far_it_came_out() -> None:
    shut = seen(5, "white drawer", (0.5, 0, 0), (0.14, 0.136, 0.06))
    out = seen(5, "white drawer", (0.41, 0, 0), (0.14, 0.136, 0.06))
    names = {"drawer": 5}
    beliefs = Beliefs.of([out, replace(shut, initial=True)])
    assert holds(predicate("open(drawer)"), beliefs, names) is True
    assert holds(predicate("closed(drawer)"), beliefs, names) is False
    assert holds(predicate("open(drawer)"), Beliefs.of([shut]), names) is None


STEPS = goal(LABELS, "on(red, pad)", "covered(red, box)", "on(green, pad)")


def test_the_log_says_how_far_a_task_has_got() -> None:
    scene = table()
    assert reached(STEPS, scene.beliefs(), NAMES) == -1
    scene.complete(0)
    assert reached(STEPS, scene.beliefs(), NAMES) == 0
    # The next step holds already.
    scene.relations.add(("covered", 1, 3))
    assert reached(STEPS, scene.beliefs(), NAMES) == 1


def test_without_a_log_own_actions_say_it() -> None:
    objects = [f for f in table().facts() if isinstance(f, ObjectFact) and not f.initial]
    done = [
        ActionFact(Action(1, "pick", 1), Outcome.OK, ""),
        ActionFact(Action(2, "place_on", 1, 4), Outcome.OK, ""),
        ActionFact(Action(3, "cover", 3, 1), Outcome.PARTIAL, ""),
    ]
    assert reached(STEPS, Beliefs.of([*objects, *done]), NAMES) == 1
    failed = [replace(done[2], outcome=Outcome.FAILED)]
    assert reached(STEPS, Beliefs.of([*objects, *done[:2], *failed]), NAMES) == 0


def test_with_the_present_alone_the_last_step_that_holds_counts() -> None:
    pad, green = seen(4, "orange pad", (0.4, 0.2, 0), (0.09, 0.09, 0.001)), seen(2, "green cube", (0.4, 0.2, 0.001))
    assert reached(STEPS, Beliefs.of([pad, green]), NAMES) == 2


def test_nothing_has_moved_since_a_step_that_is_reached_only_now() -> None:
    wanted = goal(LABELS, "on(red, pad)", predicate("moved(red)", direction="left", distance=0.1))
    scene = table()
    scene.act(Action(1, "pick", 1))
    scene.act(Action(2, "place_on", 1, 4))  # 20 cm to the left of where it was
    assert reached(wanted, scene.beliefs(), NAMES) == 0


def test_moved_is_not_asked_for_at_the_end() -> None:
    aside = predicate("moved(box)", direction="right")
    assert final_conditions(goal(LABELS, "on(red, pad)", aside, final=("uncovered(red)",))) == (
        predicate("uncovered(red)"),
    )
