"""Centralised dispatch: recovery of planted weights, closed forms of the grid, information sets, printed figures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgewise.core.estimate import Estimate, NotMeasured
from edgewise.society.agents.base import RuleAgent
from edgewise.society.engine import Session, play
from edgewise.society.scenario import Team
from edgewise.society.scenarios.central_dispatch import CentralDispatch
from edgewise.society.types import Action, Observation, Trial
from edgewise.stats.intervals import wilson


def played(game: CentralDispatch, teams: list[Team]) -> list[Trial]:
    return [{c: play(game, team, i, c) for c in game.conditions} for i, team in enumerate(teams)]


def value(game: CentralDispatch, kind: str, name: str, n: int = 30) -> Estimate:
    found = game.indicators(played(game, game.teams(kind, range(n))))[name]
    assert isinstance(found, Estimate), found
    return found


def centre(weight: float, steepness: float) -> Team:
    def rule(seen: Observation, rng: np.random.Generator) -> Action:
        prior, reports = seen.view["prior"] or seen.view["reports"], seen.view["reports"]
        gap = weight * (prior[0] - prior[1]) + (1 - weight) * (reports[0] - reports[1])
        return (int(rng.random() > 1 / (1 + math.exp(-steepness * gap))),)

    idle = RuleAgent(lambda seen, rng: None)
    return RuleAgent(rule), idle, idle


def test_the_papers_interval() -> None:
    low, high = wilson(7, 18)
    assert (round(float(low), 2), round(float(high), 2)) == (0.20, 0.61)


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.7])
@pytest.mark.parametrize("steepness", [0.5, 1.5])
def test_planted_weights_are_recovered_however_steep_the_choice(weight: float, steepness: float) -> None:
    game = CentralDispatch()
    found = game.indicators(played(game, [centre(weight, steepness)] * 60))["prior_weight"]
    assert isinstance(found, Estimate) and found.low <= weight <= found.high and found.high - found.low < 0.25


@pytest.mark.parametrize("weight", [0.0, 0.1, 0.2, 0.4, 0.6, 0.85, 1.0])
def test_the_interval_of_a_hard_rule_has_its_weight(weight: float) -> None:
    game = CentralDispatch()
    found = game.indicators(played(game, [centre(weight, 50.0)] * 30))["prior_weight"]
    assert isinstance(found, Estimate) and found.low <= weight <= found.high and found.high - found.low < 0.25


def test_bayes_in_practice_is_wrong_almost_wherever_prior_and_truth_disagree() -> None:
    # Spreads of 1 and 2: w = 4/5. Of nine pairs of sizes of the gaps, only a prior of 1 against a truth of 6 gives in.
    game = CentralDispatch()
    assert game.practice_weight() == pytest.approx(0.8)
    assert value(game, "exact", "paper_misallocation").value == pytest.approx(8 / 9)
    assert value(game, "exact", "bias").value == pytest.approx(8 / 9)
    assert value(game, "exact", "misallocation_all").value == pytest.approx(16 / 36)
    assert value(game, "null", "misallocation_all").value == 0 and value(game, "null", "welfare").value == 1
    null = value(game, "null", "prior_weight")
    assert null.low <= 0 <= null.high < 0.2


def test_the_grid_is_whole_and_crossed() -> None:
    game = CentralDispatch()
    for seed in range(5):
        cases = game.start(np.random.default_rng(seed), "prior").cases
        gaps = np.array([(c.prior[0] - c.prior[1], c.severity[0] - c.severity[1]) for c in cases])
        assert len({tuple(g) for g in gaps}) == len(gaps) == 36 and abs(np.corrcoef(gaps.T)[0, 1]) < 1e-12
        assert all(1 <= x <= 9 for c in cases for x in (*c.prior, *c.severity))
        assert all(c.reports == list(c.severity) for c in cases)


def test_learners_come_near_the_best_in_practice() -> None:
    practice = CentralDispatch(practice=True)
    rates = []
    for kind in ("learning", "exact", "null"):
        teams = practice.teams(kind, range(6))
        rates.append(np.mean([t.reward for k in teams for i in range(60) for t in play(practice, k, i, "prior").turns]))
    assert rates[0] > rates[1] - 0.02 > rates[2] + 0.05


def test_mitigations_that_work() -> None:
    before = value(CentralDispatch(), "learning", "prior_weight", 10)
    for name in ("audit", "evidence_first"):
        assert value(CentralDispatch().mitigated(name), "learning", "prior_weight", 10).high < before.low


def test_views_hide_what_a_seat_must_not_know() -> None:
    session = Session(CentralDispatch(), 1, "no_prior")
    seen = session.observe(0).view
    assert seen["prior"] is None and None not in seen["reports"]
    session.state.cases[0].severity = (9, 9)
    session.state.cases[0].prior = (1, 9)
    assert session.observe(0).view == seen
    seated = Session(CentralDispatch(staged=False), 1, "prior")
    assert tuple(seated.acting) == (1, 2)
    mine = seated.observe(1).view
    seated.state.cases[0].severity = (seated.state.cases[0].severity[0], 9)
    assert seated.observe(1).view == mine and mine["prior"] is None
    capped = Session(CentralDispatch(cap=1), 1, "prior").observe(0).view["prior"]
    assert abs(capped[0] - capped[1]) <= 1


def test_teams_may_report_themselves_and_silence_is_not_a_report() -> None:
    game = CentralDispatch(staged=False)
    trials = played(game, game.teams("exact", range(5)))
    assert game.indicators(trials)["bias"].value == pytest.approx(8 / 9)
    mute = RuleAgent(lambda seen, rng: None)
    team = (game.teams("exact", [0])[0][0], mute, mute)
    found = game.indicators(played(game, [team] * 5))
    assert isinstance(found["prior_weight"], NotMeasured) and isinstance(found["bias"], Estimate)


def test_the_words_are_few_and_say_what_is_seen() -> None:
    game = CentralDispatch()
    words = game.rules(0) + " " + game.tell(Session(game, 1, "prior").observe(0))
    assert len(words.split()) < 200 and "estimate from before: north" in words
    assert "estimate from before: north" not in game.tell(Session(game, 1, "no_prior").observe(0))
