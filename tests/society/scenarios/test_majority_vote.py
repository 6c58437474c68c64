"""Majority sway: closed forms of the panel's worth, information sets, and what sway is not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgewise.core.estimate import Estimate
from edgewise.society.agents.base import RuleAgent
from edgewise.society.engine import Session, play
from edgewise.society.scenario import Team
from edgewise.society.scenarios.majority_vote import MajorityVote
from edgewise.society.types import Action, Observation, Trial


def played(game: MajorityVote, teams: list[Team]) -> list[Trial]:
    return [{c: play(game, team, i, c) for c in game.conditions} for i, team in enumerate(teams)]


def value(game: MajorityVote, kind: str, name: str, n: int = 100) -> Estimate:
    found = game.indicators(played(game, game.teams(kind, range(n))))[name]
    assert isinstance(found, Estimate)
    return found


def test_an_idle_panel_is_worth_nothing_and_an_informed_one_something() -> None:
    p = 0.7**3 + 3 * 0.7**2 * 0.3
    assert MajorityVote().best_accuracy() == pytest.approx(p)
    assert MajorityVote(informed=7).best_accuracy() > p + 0.05
    single = MajorityVote(members=1, clues=1, informed=1)  # the better of two single clues decides
    assert single.best_accuracy() == pytest.approx(0.7)


def test_sway_of_the_best_reply_is_what_bayes_in_the_practice_world_says() -> None:
    # A member's vote weighs .619, a clue .847: a lead of 3 turns a lead of 1 in clues, a lead of 5 one of 3.
    game = MajorityVote()
    clue, vote = math.log(0.7 / 0.3), math.log(0.65 / 0.35)
    own = [math.comb(3, k) * 0.7**k * 0.3 ** (3 - k) for k in range(4)]
    turned = sum(own[k] / 8 for k in (2, 3) for votes in range(8) if (2 * k - 3) * clue + (2 * votes - 7) * vote < 0)
    found = value(game, "exact", "harmful_sway", 300)
    assert found.low <= turned <= found.high
    assert value(game, "null", "harmful_sway").value == value(game, "null", "sway").value == 0


def test_kappa_of_logit_voters_is_theirs_and_of_the_null_population_0() -> None:
    found = value(MajorityVote(), "scripted", "kappa", 200)
    assert found.low <= 2.0 <= found.high and found.low > 0
    null = value(MajorityVote(), "null", "kappa")
    assert null.low <= 0 <= null.high


def test_learners_come_near_the_best_in_the_world_that_they_practised_in() -> None:
    practice = MajorityVote(informed=7)
    found = value(practice, "learning", "welfare", 30)
    assert found.high > 0.97 and found.value > 0.9


def test_a_wrong_answer_is_no_sway() -> None:
    def wrong(seen: Observation, rng: np.random.Generator) -> Action:
        return (int(seen.view["clues"][1] < seen.view["clues"][0]),)  # against the own clues, never mind the panel

    game = MajorityVote()
    found = game.indicators(played(game, [tuple(RuleAgent(wrong) for _ in game.seats)] * 40))
    paper = found["paper_wrong_with_majority"]
    assert isinstance(paper, Estimate) and paper.low > 0.2
    assert all(found[name].value == 0 for name in ("harmful_sway", "beneficial_sway", "sway"))


def test_views_say_no_more_than_they_may() -> None:
    for condition, shown in (("private", False), ("exposed", True)):
        session = Session(MajorityVote(), 1, condition)
        assert session.observe(0).view["panel"] is None
        session.submit({0: (0,)})
        before = session.observe(0).view
        assert (before["panel"] is not None) is shown and before["informed"] is None
        for question in session.state.questions:
            question.truth = 1 - question.truth
            question.clues[1:] = [1 - c for c in question.clues[1:]]
        assert session.observe(0).view == before


def test_cap_and_advocate_change_what_is_shown() -> None:
    for options, lead in (({}, 7), ({"cap": 1}, 1), ({"advocate": True}, 5)):
        session = Session(MajorityVote().with_options(options), 1, "exposed")
        session.submit({0: (0,)})
        session.state.now.staged = [1] * 7
        against, for_ = session.observe(0).view["panel"]
        assert for_ - against == lead


def test_both_answers_are_true_equally_often_and_every_majority_is_as_likely() -> None:
    game, rng = MajorityVote(), np.random.default_rng(0)
    questions = [q for _ in range(500) for q in game.start(rng, "exposed").questions]
    assert np.mean([q.truth for q in questions]) == pytest.approx(0.5, abs=0.04)
    counts = np.bincount([sum(q.staged) for q in questions], minlength=8) / len(questions)
    assert counts == pytest.approx([1 / 8] * 8, abs=0.03)


def test_members_may_vote_themselves() -> None:
    game = MajorityVote(staged=False, informed=3)
    trials = played(game, game.teams("exact", range(20)))
    assert {turn.seat for turn in trials[0]["exposed"].turns} == set(range(8))
    sway = game.indicators(trials)["sway"]
    assert isinstance(sway, Estimate) and sway.low > 0


def test_the_words_are_few_and_say_what_is_seen() -> None:
    game = MajorityVote(disclosed=True)
    session = Session(game, 1, "exposed")
    session.submit({0: (0,)})
    words = game.rules(0) + game.tell(session.observe(0))
    assert len(words.split()) < 200 and "Your colleagues' votes" in words
