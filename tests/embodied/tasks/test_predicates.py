"""Predicates on hand-made truths."""

from __future__ import annotations

import pytest

from edgewise.core.errors import BadInput
from edgewise.embodied.tasks.predicates import Progress, final_conditions, holds
from edgewise.embodied.types import Goal, Predicate, Step
from edgewise.scene.worlds.truth import Truth
from support.worlds import truth

A, B = (0.4, 0.0, 0.02), (0.5, 0.1, 0.02)
START = truth(0.0, {"a": A, "b": B})


def is_so(name: str, arguments: tuple[str, ...], now: Truth, before: Truth = START, **given: object) -> bool:
    return holds(Predicate(name=name, arguments=arguments, **given), now, START, before)  # type: ignore[arg-type]


def stacked(dx: float = 0.0) -> Truth:
    supports = {"a": ("b",), "b": ("table",)}
    return truth(1.0, {"a": (0.5 + dx, 0.1, 0.06), "b": B}, on={"a": "b", "b": "table"}, supports=supports)


def test_on_needs_support_and_centres_within_two_centimetres() -> None:
    assert is_so("on", ("a", "b"), stacked())
    assert is_so("on", ("a", "b"), stacked(0.019))
    assert not is_so("on", ("a", "b"), stacked(0.021))
    assert not is_so("on", ("b", "a"), stacked())
    assert not is_so("on", ("a", "b"), START)
    assert is_so("on", ("a", "table"), START)


def test_standing_is_on_the_table() -> None:
    assert is_so("standing", ("a",), START) and not is_so("standing", ("a",), stacked())
    assert not is_so("standing", ("a",), truth(1.0, {"a": A, "b": B}, inside={"a": "b"}))
    assert not is_so("standing", ("a",), truth(1.0, {"a": A, "b": B}, supports={}))


def test_covered_inside_and_uncovered() -> None:
    under = truth(1.0, {"a": A, "b": A}, covered={"a": "b"})
    assert is_so("covered", ("a", "b"), under) and not is_so("uncovered", ("a",), under)
    assert not is_so("covered", ("b", "a"), under) and is_so("uncovered", ("b",), under)
    assert is_so("inside", ("a", "b"), truth(1.0, {"a": A, "b": A}, inside={"a": "b"}))


def test_at_is_a_circle() -> None:
    assert is_so("at", ("a",), START, position=(0.4, 0.029))
    assert not is_so("at", ("a",), START, position=(0.4, 0.031))
    with pytest.raises(BadInput, match="position"):
        is_so("at", ("a",), START)


@pytest.mark.parametrize(
    ("direction", "to"), [("left", (0.4, 0.11)), ("right", (0.4, -0.11)), ("far", (0.51, 0)), ("near", (0.29, 0))]
)
def test_moved_is_from_where_it_was_when_the_step_before_was_done(direction: str, to: tuple[float, float]) -> None:
    now = truth(1.0, {"a": (*to, 0.02), "b": B})
    others = {"left", "right", "far", "near"} - {direction}
    assert is_so("moved", ("a",), now, direction=direction)
    assert not any(is_so("moved", ("a",), now, direction=other) for other in others)
    assert not is_so("moved", ("a",), now, before=now, direction=direction)
    with pytest.raises(BadInput, match="no direction 'up'"):
        is_so("moved", ("a",), now, direction="up")


def test_returned_is_the_place_and_the_support() -> None:
    assert is_so("returned", ("a",), truth(1.0, {"a": (0.42, 0.02, 0.02), "b": B}))
    assert not is_so("returned", ("a",), truth(1.0, {"a": (0.44, 0.0, 0.02), "b": B}))
    assert not is_so("returned", ("a",), truth(1.0, {"a": A, "b": B}, on={"a": "b"}))
    assert not is_so("returned", ("a",), truth(1.0, {"a": A, "b": B}, covered={"a": "b"}))


def test_a_bridge_lies_on_both() -> None:
    things = {"a": A, "b": B, "c": (0.3, 0, 0.02)}
    assert is_so("bridged", ("a", "b", "c"), truth(1.0, things, supports={"a": ("c", "b")}))
    assert not is_so("bridged", ("a", "b", "c"), truth(1.0, things, supports={"a": ("c",)}))


def test_drawers() -> None:
    assert is_so("open", ("a",), truth(1.0, {"a": A}, pulled={"a": 0.08}))
    assert is_so("closed", ("a",), truth(1.0, {"a": A}, pulled={"a": 0.01}))
    between = truth(1.0, {"a": A}, pulled={"a": 0.04})
    assert not is_so("open", ("a",), between) and not is_so("closed", ("a",), between)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(BadInput, match="no predicate 'above'"):
        is_so("above", ("a", "b"), START)
    with pytest.raises(BadInput, match="no thing 'c'"):
        is_so("on", ("a", "c"), START)


ON, AWAY = Predicate(name="on", arguments=("a", "b")), Predicate(name="moved", arguments=("b",), direction="left")
GOAL = Goal(text="", referents=(), steps=(Step(conditions=(ON,), text=""), Step(conditions=(AWAY,), text="")))


def test_steps_are_reached_in_order_and_at_rest() -> None:
    progress = Progress(GOAL, START)
    progress.update(truth(0.1, {"a": A, "b": (0.5, 0.3, 0.02)}))  # the second step's condition does not count yet
    assert progress.reached == 0
    progress.update(stacked())
    assert progress.reached == 0  # it has only just come there
    progress.update(stacked())
    assert progress.reached == 1 and progress.times == [1.0]


@pytest.mark.parametrize("hand", [{"held": "a"}, {"moved_by_others": frozenset({"b"})}])
def test_what_is_in_a_hand_has_not_been_put(hand: dict) -> None:
    progress = Progress(GOAL, START)
    supports = {"a": ("b",), "b": ("table",)}
    for _ in range(3):
        progress.update(truth(1.0, {"a": (0.5, 0.1, 0.06), "b": B}, supports=supports, **hand))
    assert progress.reached == 0


def test_the_end_is_judged_now_and_not_when_steps_were_reached() -> None:
    goal = GOAL.model_copy(update={"steps": GOAL.steps[:1]})
    progress = Progress(goal, START)
    for _ in range(2):
        progress.update(stacked())
    assert progress.done(stacked())
    for _ in range(2):
        progress.update(START)
    assert progress.reached == 1 and not progress.done(START)
    assert final_conditions(GOAL) == ()  # how far something was moved is no condition of the end
