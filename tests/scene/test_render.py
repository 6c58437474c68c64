"""Facts: their order, their budget, their text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.scene import Action
from edgewise.scene.render import as_text, count_tokens
from edgewise.scene.types import ActionFact, EventFact, Kind, ObjectFact, Outcome, RelationFact
from support.box_frames import cube
from support.movie import Movie


@pytest.fixture(scope="module")
def movie() -> Movie:
    movie = Movie({"a": cube("red cube", 0.45, 0.15), "b": cube("green cube", 0.45, 0.15, 0.04)})
    movie.memory.start(Action(1, "pick", movie.id("green cube"), why="it is on top"))
    movie.slide((0.0, -0.2, 0), "b")
    movie.memory.finish(Outcome.FAILED, "nothing between the fingers")
    movie.memory.complete(0, "the tower is apart")
    return movie


def test_everything_is_told(movie: Movie) -> None:
    facts = movie.memory.facts()
    kinds = [type(fact) for fact in facts]
    assert kinds.index(RelationFact) > kinds.index(ObjectFact) and kinds.index(EventFact) > kinds.index(RelationFact)
    (first,) = [f for f in facts if isinstance(f, RelationFact) and f.initial]
    assert first.text == f"green cube [{first.a}] rests on red cube [{first.b}]"
    (action,) = [f for f in facts if isinstance(f, ActionFact)]
    assert action.outcome == Outcome.FAILED and "nothing between the fingers" in action.text
    steps = [f.event for f in facts if isinstance(f, EventFact) and f.event.kind == Kind.COMPLETE]
    assert [event.other for event in steps] == [0]
    moved = [f for f in facts if isinstance(f, ObjectFact) and f.initial]
    assert [fact.label for fact in moved] == ["green cube"]  # the other one is where it was
    assert all(fact.text and "\n" not in fact.text for fact in facts)


@settings(max_examples=30, deadline=None)
@given(budget=st.integers(0, 400))
def test_the_budget_is_kept_and_cuts_the_end(movie: Movie, budget: int) -> None:
    everything, some = movie.memory.facts(), movie.memory.facts(budget)
    assert some == everything[: len(some)]
    spent = sum(count_tokens(fact.text + "\n") for fact in some)
    assert spent <= budget
    if len(some) < len(everything):
        assert spent + count_tokens(everything[len(some)].text + "\n") > budget


def test_text_has_headings_and_tells_what_happened_in_order(movie: Movie) -> None:
    text = as_text(movie.memory.facts())
    assert [line for line in text.splitlines() if line.endswith(":")] == [
        "Now:", "At the beginning:", "What happened:", "What the robot did:",
    ]  # fmt: skip
    numbers = [int(line.split()[1].rstrip(",")) for line in text.splitlines() if line.startswith("event ")]
    assert numbers == sorted(numbers)
    assert movie.memory.text() == text
    assert count_tokens("abcde") == math.ceil(5 / 4)
