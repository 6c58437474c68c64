"""Handoff chain: planted noise is recovered, drift has its closed form, and what pays is what is learned."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from edgewise.core.estimate import Estimate, Measure, NotMeasured
from edgewise.society.agents.base import RuleAgent
from edgewise.society.engine import Session, play
from edgewise.society.fact_tables import half_life, hop_noise, judged, rate, severity
from edgewise.society.scenario import Team
from edgewise.society.scenarios.handoff_chain import HandoffChain
from edgewise.society.types import Trial


def played(game: HandoffChain, teams: list[Team], first: int = 0) -> list[Trial]:
    return [{c: play(game, team, first + i, c) for c in game.conditions} for i, team in enumerate(teams)]


@cache
def found(kind: str, mitigation: str = "", n: int = 30) -> dict[str, Measure]:
    game = HandoffChain().mitigated(mitigation) if mitigation else HandoffChain()
    return game.indicators(played(game, game.teams(kind, range(n))))


def test_planted_noise_is_recovered_with_nominal_coverage() -> None:
    omit, strengthen, shorten, invent = HandoffChain().noise
    truth = {
        "omission": omit,
        "strengthening": strengthen,
        "shortening": shorten,
        "invention": invent,
        "exaggeration": HandoffChain().sigma,
    }
    game, covered = HandoffChain(hops=4), dict.fromkeys(truth, 0)
    runs = 60
    for run in range(runs):
        seeds = range(100 * run, 100 * run + 30)
        episodes = [
            play(game, team, seed, "chain") for seed, team in zip(seeds, game.teams("scripted", seeds), strict=True)
        ]
        measured = hop_noise([game._steps(episode) for episode in episodes])
        for name, value in truth.items():
            estimate = measured[name]
            assert isinstance(estimate, Estimate)
            covered[name] += estimate.low <= value <= estimate.high
    assert min(covered.values()) >= 0.87 * runs, covered
    many = found("scripted", n=600)
    for name, value in truth.items():
        assert many[name].value == pytest.approx(value, abs=0.02)


def test_recall_and_limits_of_noisy_retellers_have_closed_forms() -> None:
    game = HandoffChain(noise=(0.1, 0.0, 0.3, 0.0), hops=3, blank=0)
    measured = game.indicators(played(game, game.teams("scripted", range(300))))
    assert measured["recall"].value == pytest.approx(0.9**3, abs=0.02)
    kept = (1 - 0.1 - 0.3) / 0.9  # of a limit of a fact that is passed on, by hop
    assert measured["qualifier_loss"].value == pytest.approx(1 - kept**3, abs=0.04)
    assert isinstance(measured["half_life"], Estimate)


def test_half_life_is_that_of_a_constant_hazard() -> None:
    hazard = Estimate(value=0.5, low=0.25, high=0.75, n=9, method="")
    life = half_life(hazard)
    assert isinstance(life, Estimate) and life.value == pytest.approx(1) and life.low == pytest.approx(0.5)
    assert isinstance(half_life(Estimate(value=0.1, low=0, high=0.2, n=9, method="")), NotMeasured)


def test_severity_and_the_papers_scale() -> None:
    fact = (10.0, 1, None)
    assert severity(fact, fact) == severity(None, None) == 0
    assert severity(fact, None) == severity(None, fact) == 1
    assert severity(fact, (10.0, None, None)) == 0.5 == severity(fact, (20.0, 1, None))
    assert severity(fact, (40.0, None, None)) == 1
    told = [fact, (11.0, 1, None), (10.0, None, None), (16.0, 1, None)]
    assert [judged(fact, x) for x in told] == [1, 2.5, 5, 7.5] and judged(None, fact) == 9.5
    share = rate([[True, False], [True, True]])
    assert isinstance(share, Estimate) and share.value == 0.75 and share.n == 2
    assert isinstance(rate([[], []]), NotMeasured)


def test_what_pays_is_to_drop_limits_and_then_to_exaggerate() -> None:
    game = HandoffChain()
    assert game.best_option(0, (12.0, 0, None)) == 1 and game.best_option(0, (12.0, None, None)) == 2
    assert game.best_option(0, None) == 0 and HandoffChain(liability=0.5).best_option(0, None) == 2
    exact = found("exact")
    # Alone the last hop does one step; the chain drops limits first and exaggerates twice after that.
    assert exact["qualifier_loss"].value == 1 and exact["unsupported"].value == 0
    drift = exact["handoff_drift"]
    assert isinstance(drift, Estimate) and drift.low > 0.1
    mean = game.sigma * math.sqrt(2 / math.pi)  # of ln of a factor
    without = HandoffChain(stated=4, blank=0)
    trials = played(without, without.teams("exact", range(200)))
    boosts = [len([s for s in without._steps(t["chain"]) if s[0] and s[1] and s[0][0] != s[1][0]]) for t in trials]
    error = without.indicators(trials)["value_error"]
    assert error.value == pytest.approx(mean * np.mean(boosts) / 4, rel=0.06)


def test_learners_come_to_it_from_rewards() -> None:
    learned = found("learning")
    drift = learned["handoff_drift"]
    assert isinstance(drift, Estimate) and drift.low > 0.1
    for name in ("handoff_drift", "drift", "unsupported", "value_error"):
        assert found("null")[name].value == 0


def test_mitigations_and_where_the_risk_goes() -> None:
    for kind in ("exact", "learning"):
        before, audited, gated = found(kind), found(kind, "audit"), found(kind, "second_opinion")
        assert audited["handoff_drift"].value < 0.4 * before["handoff_drift"].value  # type: ignore[operator]
        assert gated["handoff_drift"].value < 0.4 * before["handoff_drift"].value  # type: ignore[operator]
        form = found(kind, "schema")
        assert form["qualifier_loss"].value == 0 and form["value_error"].value > before["value_error"].value  # type: ignore[operator]
    # A pointer to the source heals noise, but not an interest.
    assert found("scripted", "evidence_first")["recall"].value > found("scripted")["recall"].value  # type: ignore[operator]
    assert found("exact", "evidence_first")["drift"].value == found("exact")["drift"].value


def test_the_direct_control_is_the_last_hop_with_the_source() -> None:
    game = HandoffChain()
    direct = play(game, game.teams("null", [0])[0], 0, "direct")
    assert {turn.seat for turn in direct.turns} == {2} and len(direct.turns) == game.attributes
    chain = play(game, game.teams("null", [0])[0], 0, "chain")
    assert chain.facts["source"] == direct.facts["source"] == chain.facts["final"]


def test_a_hop_sees_the_text_before_it_and_not_the_source() -> None:
    def last_view(change: bool, **options: bool) -> dict[str, object]:
        session = Session(HandoffChain(**options), 4)  # type: ignore[arg-type]
        for _ in range(session.scenario.attributes):  # type: ignore[attr-defined]
            session.submit({0: (0,)})
        if change:
            session.state.source = [(99.0, None, None)] * 5
        return dict(session.observe(1).view)

    assert last_view(False) == last_view(True)
    assert last_view(False, source_shown=True) != last_view(True, source_shown=True)


def test_facts_without_a_decision_are_left_out() -> None:
    game = HandoffChain()
    team = (RuleAgent(lambda seen, rng: None if seen.view["row"] == 0 else (3,)), *game.teams("null", [0])[0][1:])
    episode = play(game, team, 1, "chain")
    assert episode.facts["decided"] == [False, True, True, True, True]
    assert episode.facts["final"][0] == episode.facts["source"][0] and len(game._pairs(episode)) == 4
