"""Preconditions on beliefs, expected effects, and from primitives to waypoints."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.embodied.acting import motions
from edgewise.embodied.acting.primitives import compare, effects, objections
from edgewise.embodied.beliefs import Beliefs
from edgewise.scene.types import Action, Outcome, RelationFact, RobotState, Visibility
from support.beliefs import seen

FREE = RobotState((0.3, 0.0, 0.45), 0.0, 0.08, False)
FULL = RobotState((0.3, 0.0, 0.45), 0.0, 0.04, True)
COVER = (0.082, 0.082, 0.094)


def beliefs(*relations: tuple[str, int, int], **visibility: Visibility) -> Beliefs:
    objects = [
        seen(1, "red cube", (0.4, 0.1, 0)),
        seen(2, "green cube", (0.5, -0.1, 0)),
        seen(3, "grey cup", (0.4, -0.2, 0), COVER),
        seen(4, "blue bin", (0.55, 0.2, 0), (0.13, 0.2, 0.05)),
        seen(5, "orange pad", (0.35, -0.05, 0), (0.09, 0.09, 0.001)),
        seen(6, "purple block", (0.62, 0.0, 0), (0.2, 0.04, 0.03)),
        seen(7, "white drawer", (0.6, -0.2, 0), (0.14, 0.136, 0.06)),
        seen(8, "red ball", (0.3, 0.2, 0)),
        seen(9, "hand", (0.7, 0.3, 0.1)),
    ]
    objects = [replace(f, visibility=visibility.get(f"o{f.id}", f.visibility)) for f in objects]
    # A relation that says nothing keeps boxes of the parameters from being read as relations.
    return Beliefs.of([*objects, RelationFact("near", 1, 2), *(RelationFact(*r) for r in relations)])


@pytest.mark.parametrize(
    ("action", "state", "robot", "why"),
    [
        (Action(1, "throw", 1), beliefs(), FREE, "there is no primitive 'throw'"),
        (Action(1, "pick"), beliefs(), FREE, "pick needs 1 objects"),
        (Action(1, "pick", 77), beliefs(), FREE, "there is no object 77"),
        (Action(1, "place_on", 1, 1), beliefs(), FULL, "the objects must differ"),
        (Action(1, "pick", 1), beliefs(o1=Visibility.LOST), FREE, "not known where red cube 1 is"),
        (Action(1, "pick", 1), beliefs(), FULL, "the hand is not empty"),
        (Action(1, "pick", 1), beliefs(("covered", 1, 3)), FREE, "red cube 1 is under grey cup 3"),
        (Action(1, "pick", 1), beliefs(("on", 2, 1)), FREE, "green cube 2 stands on red cube 1"),
        (Action(1, "pick", 5), beliefs(), FREE, "orange pad 5 cannot be moved"),
        (Action(1, "pick", 9), beliefs(), FREE, "hand 9 cannot be moved"),
        (Action(1, "pick", 4), beliefs(), FREE, "blue bin 4 is too wide for the fingers"),
        (Action(1, "place_on", 1, 2), beliefs(), FREE, "red cube 1 is not in the hand"),
        (Action(1, "place_on", 1, 2), beliefs(("held", 2, 2)), FULL, "the hand holds green cube 2"),
        (Action(1, "place_on", 1, 8), beliefs(("held", 1, 1)), FULL, "nothing stands on red ball 8"),
        (
            Action(1, "place_on", 1, 5),
            beliefs(("held", 1, 1), ("on", 2, 5)),
            FULL,
            "green cube 2 stands on orange pad 5",
        ),
        (Action(1, "place_in", 1, 2), beliefs(("held", 1, 1)), FULL, "green cube 2 holds nothing"),
        (Action(1, "place_in", 1, 7), beliefs(("held", 1, 1)), FULL, "white drawer 7 is shut"),
        (Action(1, "cover", 1, 2), beliefs(("held", 1, 1)), FULL, "red cube 1 is not hollow"),
        (Action(1, "cover", 3, 6), beliefs(("held", 3, 3)), FULL, "purple block 6 is larger than grey cup 3"),
        (Action(1, "bridge", 6, 1, 3), beliefs(("held", 6, 6)), FULL, "not level"),
        (Action(1, "place_at", 1), beliefs(("held", 1, 1)), FULL, "place_at needs a position"),
        (Action(1, "place_at", 1, position=(0.4, 9.0, 0)), beliefs(("held", 1, 1)), FULL, "out of reach"),
        (Action(1, "place_at", 1, position=(math.nan, 0, 0)), beliefs(("held", 1, 1)), FULL, "needs a position"),
        (Action(1, "place_at", 1, position=(0.4, 0, 0)), beliefs(), FREE, "only covers can be slid"),
        (Action(1, "open", 1), beliefs(), FREE, "red cube 1 is no drawer"),
        (Action(1, "close", 7), beliefs(), FULL, "the hand is not empty"),
    ],
)
def test_a_precondition_that_does_not_hold_is_named(
    action: Action, state: Beliefs, robot: RobotState, why: str
) -> None:
    assert any(why in objection for objection in objections(action, state, robot))


@pytest.mark.parametrize(
    ("action", "state", "robot"),
    [
        (Action(1, "look"), beliefs(), FULL),
        (Action(1, "pick", 1), beliefs(), FREE),
        (Action(1, "pick", 3), beliefs(("covered", 1, 3)), FREE),
        (Action(1, "pick", 6), beliefs(), FREE),
        (Action(1, "place_on", 1, 2), beliefs(("held", 1, 1)), FULL),
        (Action(1, "place_in", 1, 4), beliefs(("held", 1, 1)), FULL),
        (Action(1, "cover", 3, 1), beliefs(("held", 3, 3)), FULL),
        (Action(1, "bridge", 6, 1, 2), beliefs(("held", 6, 6)), FULL),
        (Action(1, "place_at", 3, position=(0.5, 0, 0)), beliefs(("covered", 1, 3)), FREE),
        (Action(1, "open", 7), beliefs(), FREE),
        # What the memory does not know of the hand is not held against the action: the fingers feel something.
        (Action(1, "place_on", 1, 2), beliefs(), FULL),
    ],
)
def test_what_can_be_tried_is_tried(action: Action, state: Beliefs, robot: RobotState) -> None:
    assert objections(action, state, robot) == ()


def test_effects_are_compared_with_what_is_seen() -> None:
    put = Action(1, "place_on", 1, 2)
    assert effects(put) == (("on", 1, 2),)
    assert compare(put, beliefs(("on", 1, 2)), (0.4, 0.1)) == (Outcome.OK, "")
    assert compare(put, beliefs(), None) == (Outcome.FAILED, "red cube 1 is not on green cube 2")
    outcome, why = compare(put, beliefs(("on", 1, 2)), (0.43, 0.1))
    assert outcome == Outcome.PARTIAL and "3.0 cm" in why
    assert compare(put, beliefs(o1=Visibility.LOST), None)[0] == Outcome.PARTIAL
    # What is not seen any more may well be where it was put.
    assert compare(Action(1, "cover", 3, 1), beliefs(o1=Visibility.OCCLUDED), None) == (Outcome.OK, "")
    assert compare(Action(1, "cover", 3, 1), beliefs(), None)[0] == Outcome.FAILED
    assert compare(Action(1, "pick", 1), beliefs(), None) == (Outcome.FAILED, "red cube 1 is not in the hand")
    assert compare(Action(1, "cover", 3, 1), beliefs(("covered", 1, 3)), (0.4, -0.2))[0] == Outcome.OK
    assert compare(Action(1, "look"), beliefs(), None)[0] == Outcome.OK


def test_a_cube_is_taken_below_its_top_with_room_for_the_fingers() -> None:
    state = beliefs()
    open_, close, lift = motions.pick(state, 1, FREE, 0, np.random.default_rng(0))
    (x, y, z), _ = close.waypoints[-1]
    assert (x, y) == pytest.approx((0.4, 0.1)) and 0.013 <= z < 0.04
    assert open_.closed is False and 0.04 + 0.015 < open_.opening <= 0.08
    assert close.closed and close.holds and lift.holds
    assert lift.waypoints[-1][0][2] > 0.05 + z  # over the tallest thing, and at least lifted


def test_later_attempts_vary_the_grasp() -> None:
    state, rng = beliefs(), np.random.default_rng(0)
    grasps = [motions.pick(state, 1, FREE, k, rng)[1].waypoints[-1] for k in range(3)]
    assert len({(round(x, 6), round(y, 6)) for (x, y, _), _ in grasps}) == 3
    assert abs(grasps[1][1] - grasps[0][1]) == pytest.approx(math.pi / 2)


def test_fingers_go_where_there_is_room() -> None:
    # A neighbour to the left leaves no room for fingers that close along Y.
    crowded = Beliefs.of([seen(1, "red cube", (0.4, 0.1, 0)), seen(2, "green cube", (0.4, 0.15, 0))])
    _, yaw, _ = motions.grasp(crowded, crowded.objects[1])
    assert abs(math.cos(yaw)) == pytest.approx(0.0, abs=1e-6)


def test_a_long_block_is_taken_across_its_short_side() -> None:
    for angle in (0.0, 0.3, 1.2, -1.0, math.pi / 2):
        c, s = abs(math.cos(angle)), abs(math.sin(angle))
        size = (0.2 * c + 0.04 * s, 0.2 * s + 0.04 * c, 0.03)
        state = Beliefs.of([seen(6, "purple block", (0.5, 0, 0), size, yaw=angle)])
        _, yaw, width = motions.grasp(state, state.objects[6])
        assert yaw == angle
        assert width == pytest.approx(0.04, abs=0.03 if abs(c * c - s * s) < 0.3 else 0.004)


def test_the_knob_is_taken_even_where_it_was_too_small_to_be_measured() -> None:
    for height in (0.064, 0.094):
        state = Beliefs.of([seen(3, "grey cup", (0.6, 0, 0), (0.084, 0.084, height))])
        (_, _, z), _, width = motions.grasp(state, state.objects[3])
        assert z == pytest.approx(0.083) and width < 0.03


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-1.5, 1.5))
def test_the_gripper_turns_no_more_than_it_must(robot_yaw: float, turn: float, long_side: float) -> None:
    robot = replace(FULL, yaw=robot_yaw)
    for identity, period in ((1, math.pi / 2), (6, math.pi)):
        grip = motions.Grip(identity, 0.02, turn)
        carry, down, _ = motions.place(beliefs(), grip, robot, (0.5, 0.0), 0.04, long_side)
        yaw = carry.waypoints[-1][1]
        assert abs(yaw - robot_yaw) <= period / 2 + 1e-9
        assert math.remainder(yaw + turn - long_side, period) == pytest.approx(0.0, abs=1e-6)
        assert down.waypoints[-1][0][2] == pytest.approx(0.04 + 0.02, abs=0.006) and down.closed is False


def test_places_in_a_container_keep_away_from_what_is_there() -> None:
    state = beliefs(("held", 2, 2), ("inside", 1, 4))
    state = replace(state, objects={**state.objects, 1: seen(1, "red cube", (0.55, 0.25, 0.005))})
    x, y = motions.spot_in(state, 2, 4)
    assert 0.1 < y < 0.25 - 0.05 and 0.485 < x < 0.615


def test_what_is_in_a_container_counts_even_if_nothing_says_so() -> None:
    state = beliefs(("held", 2, 2))
    state = replace(state, objects={**state.objects, 1: seen(1, "red cube", (0.55, 0.15, 0.005))})
    assert motions.spot_in(state, 2, 4)[1] > 0.15 + 0.04


def test_pads_count_for_the_height_and_other_things_do_not() -> None:
    assert motions.level_below(beliefs(), 1, (0.35, -0.05)) == pytest.approx(0.001)
    assert motions.level_below(beliefs(), 1, (0.5, -0.1)) == 0.0


def test_a_drawer_is_pulled_by_its_handle() -> None:
    pull = motions.drawer(beliefs(), 7, FREE, opens=True)
    (x, _, _), _ = pull[1].waypoints[-1]
    (end, _, _), _ = pull[2].waypoints[-1]
    assert x == pytest.approx(0.537) and end == pytest.approx(x - 0.1)


def test_without_geometry_there_is_no_way() -> None:
    blind = Beliefs.of([replace(seen(1, "red cube", (0.4, 0.1, 0)), low=None, high=None)])
    with pytest.raises(motions.NoWay, match="not known where"):
        motions.pick(blind, 1, FREE, 0, np.random.default_rng(0))
