"""Beliefs from facts alone: who is meant, what is where, what was when."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from edgewise.embodied.beliefs import Beliefs, relations_of
from edgewise.scene.types import Kind, Outcome, RelationFact, Visibility
from support.beliefs import Tabletop, event, goal, seen

REDS = {"left": "red cube", "right": "red cube", "green": "green cube"}


def test_alike_objects_are_counted_from_left_to_right_as_they_were_at_the_start() -> None:
    now = [seen(1, "red cube", (0.5, -0.2, 0)), seen(2, "red cube", (0.5, 0.2, 0)), seen(3, "green cube", (0.4, 0, 0))]
    assert Beliefs.of(now).resolve(goal(REDS)) == {"left": 2, "right": 1, "green": 3}
    swapped = [replace(f, initial=True) for f in (seen(1, "red cube", (0.5, 0.3, 0)), seen(2, "red cube", (0.5, 0, 0)))]
    assert Beliefs.of([*now, *swapped]).resolve(goal(REDS)) == {"left": 1, "right": 2, "green": 3}


def test_an_object_that_facts_of_the_start_leave_out_has_not_moved_since() -> None:
    now = [seen(1, "red cube", (0.5, 0.2, 0)), seen(2, "red cube", (0.5, -0.2, 0))]
    # Only the one that moved is told of as it was: it was the right one.
    first = replace(seen(2, "red cube", (0.5, -0.25, 0)), initial=True)
    assert Beliefs.of([*now, first]).resolve(goal(REDS)) == {"left": 1, "right": 2}


def test_where_places_are_not_told_ids_stand_in_for_them() -> None:
    now = [seen(1, "red cube", (0.5, -0.2, 0)), seen(2, "red cube", (0.5, 0.2, 0))]
    first = replace(seen(1, "red cube", (0.5, 0.3, 0)), initial=True, position=None, low=None, high=None)
    assert Beliefs.of([*now, first]).resolve(goal(REDS)) == {"left": 1, "right": 2}


def test_what_appeared_later_is_counted_last() -> None:
    now = [seen(1, "red cube", (0.5, 0.0, 0)), seen(2, "red cube", (0.5, 0.2, 0))]
    told = [*now, event(Kind.APPEAR, 2, 3.0), RelationFact("on", 1, 9, initial=True)]
    assert Beliefs.of(told).resolve(goal(REDS)) == {"left": 1, "right": 2}


def test_a_label_is_the_one_believed_now() -> None:
    first = replace(seen(1, "green cube", (0.5, 0.0, 0)), initial=True)
    assert Beliefs.of([seen(1, "red cube", (0.4, 0, 0)), first]).resolve(goal(REDS)) == {"left": 1}


def test_relations_come_from_boxes_where_none_are_told() -> None:
    tower = [seen(1, "red cube", (0.5, 0, 0)), seen(2, "blue cube", (0.505, 0, 0.042)), seen(3, "pad", (0.3, 0.2, 0))]
    bin_ = seen(4, "blue bin", (0.5, 0.3, 0), (0.12, 0.2, 0.05))
    assert relations_of([*tower, bin_, seen(5, "cyan cube", (0.5, 0.35, 0.004))]) == {("on", 2, 1), ("inside", 5, 4)}
    beliefs = Beliefs.of(tower)
    assert beliefs.support(2) == 1 and beliefs.on_top(1) == [2] and beliefs.support(1) is None
    held = replace(tower[1], visibility=Visibility.HELD)
    assert Beliefs.of([tower[0], held]).held == 2 and Beliefs.of([tower[0], held]).on_top(1) == []


def test_a_pad_is_as_high_as_the_table_whatever_was_measured() -> None:
    noisy = seen(3, "orange pad", (0.5, 0, 0), (0.09, 0.09, 0.02))
    assert relations_of([noisy, seen(1, "red cube", (0.5, 0, 0.004))]) == {("on", 1, 3)}


def test_boxes_say_only_what_relations_leave_open() -> None:
    tower = [seen(1, "red cube", (0.5, 0, 0)), seen(2, "blue cube", (0.5, 0, 0.04)), seen(3, "green cube", (0.3, 0, 0))]
    # Told to be on another thing, and therefore not on the one that its box is over.
    assert Beliefs.of([*tower, RelationFact("on", 2, 3)]).support(2) == 3
    assert Beliefs.of([*tower, RelationFact("near", 1, 2)]).support(2) == 1
    hidden = replace(tower[1], visibility=Visibility.CONTAINED)
    assert Beliefs.of([tower[0], hidden]).support(2) is None


def test_where_something_was_follows_from_the_log() -> None:
    table = Tabletop({1: (0.4, 0, 0), 2: (0.5, 0, 0)}, {1: "red cube", 2: "green cube"})
    from edgewise.scene.types import Action

    table.act(Action(1, "pick", 1))
    table.act(Action(2, "place_on", 1, 2))
    beliefs = table.beliefs()
    assert beliefs.position_at(1, 0.0) == (0.4, 0, 0.02)
    assert beliefs.position_at(1, 2.0) == (0.5, 0, 0.06)
    assert beliefs.before_support(1) is None and beliefs.support(1) == 2
    assert beliefs.done("place_on", 1, 2) and not beliefs.done("place_on", 1, 3)


def test_steps_are_what_the_log_says_even_if_it_is_cut() -> None:
    assert Beliefs.of([event(Kind.COMPLETE, None, 9.0, 7, other=2)]).steps_told == 3
    assert Beliefs.of([]).steps_told == 0


@given(st.permutations(range(9)))
def test_the_order_of_facts_does_not_matter(order: list[int]) -> None:
    table = Tabletop(
        {1: (0.4, 0, 0), 2: (0.5, 0, 0), 3: (0.5, 0, 0.04)},
        {1: "red cube", 2: "green cube", 3: "red cube"},
        relations={("on", 3, 2)},
    )
    facts = [*table.facts(), event(Kind.MOVE, 1, 1.0, 4, end=(0.4, 0, 0.02))]
    assert len(facts) == len(order)
    assert Beliefs.of([facts[k] for k in order]) == Beliefs.of(facts)


def test_without_a_log_hidden_things_are_where_they_were_put() -> None:
    from edgewise.scene.types import Action, ActionFact

    cover, cup = seen(5, "brown box", (0.5, 0.1, 0), (0.08, 0.08, 0.09)), seen(6, "grey cup", (0.3, -0.1, 0))
    gone = seen(1, "red cube", (0.6, 0, 0), visibility=Visibility.OCCLUDED, low=None, high=None, position=None)

    def did(index: int, name: str, target: int, reference: int | None = None, how: Outcome = Outcome.OK) -> ActionFact:
        return ActionFact(Action(index, name, target, reference), how, "")

    covering = [did(1, "pick", 5), did(2, "cover", 5, 1)]
    assert Beliefs.of([cover, cup, gone, *covering]).cover(1) == 5
    # What undoes it, what failed, and what is seen count against it.
    assert Beliefs.of([cover, cup, gone, *covering, did(3, "pick", 5)]).cover(1) is None
    assert Beliefs.of([cover, cup, gone, did(2, "cover", 5, 1, Outcome.FAILED)]).cover(1) is None
    assert Beliefs.of([cover, cup, seen(1, "red cube", (0.6, 0, 0)), *covering]).cover(1) is None
    # A log is believed: it would have said so.
    assert Beliefs.of([cover, cup, gone, *covering, event(Kind.LOSE, 1, 9.0)]).cover(1) is None
    inside = [did(1, "pick", 1), did(2, "place_in", 1, 6)]
    assert Beliefs.of([cup, gone, *inside]).container(1) == 6


def test_without_a_log_what_was_last_seen_under_a_cover_is_under_it() -> None:
    cover = seen(5, "brown box", (0.5, 0.1, 0), (0.08, 0.08, 0.09))
    last = seen(1, "red cube", (0.5, 0.11, 0), visibility=Visibility.OCCLUDED)
    assert Beliefs.of([cover, last]).cover(1) == 5
    elsewhere = seen(1, "red cube", (0.5, 0.2, 0), visibility=Visibility.OCCLUDED)
    assert Beliefs.of([cover, elsewhere]).cover(1) is None


def test_failed_actions_are_not_done() -> None:
    from edgewise.scene.types import Action, ActionFact

    failed = ActionFact(Action(1, "pick", 4), Outcome.FAILED, "")
    assert not Beliefs.of([failed]).done("pick", 4)
