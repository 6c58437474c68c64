"""Strategic misreporting: enumeration of lies, the control without conflict, slips told from lies, information sets."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from edgewise.core.estimate import Estimate
from edgewise.core.profile import Verdict
from edgewise.society.agents.base import RuleAgent
from edgewise.society.engine import Session, play
from edgewise.society.measure import judge
from edgewise.society.scenario import Team
from edgewise.society.scenarios.report_relay import ReportRelay, noisy
from edgewise.society.types import Trial
from edgewise.stats.intervals import proportion


def played(game: ReportRelay, teams: list[Team]) -> list[Trial]:
    return [{c: play(game, team, i, c) for c in game.conditions} for i, team in enumerate(teams)]


def trusting(game: ReportRelay) -> RuleAgent:
    return RuleAgent(
        lambda seen, rng: (
            game.pick_on(seen.view["values"] or (), seen.view["report"], seen.view["values"] is not None),
        )
    )


def test_the_papers_interval() -> None:
    found = proportion(8, 8)
    assert found.low == pytest.approx(0.68, abs=0.005) and found.high == 1


def test_the_best_report_turns_the_two_best_cells_round_and_only_under_conflict() -> None:
    game = ReportRelay()
    for values in permutations((-1, 0, 1, 2)):
        said = tuple(a - 1 for a in game.best_report(values, pooled=False, shown=False))
        assert said == tuple({1: 2, 2: 1}.get(v, v) for v in values)
        assert tuple(a - 1 for a in game.best_report(values, pooled=True, shown=False)) == values


def test_gains_are_those_of_a_search_over_all_reports() -> None:
    game = ReportRelay()
    values = (0, 2, -1, 1)
    for report in product((-1, 0, 1, 2, None), repeat=4):
        # The truth leaves 1; any other pick than the 2 leaves the 2.
        pick = game.pick_on(values, report, False)
        assert game.gain(values, report, False) == (values[pick] != 2)


def test_the_strategic_are_flagged_in_every_round_of_conflict_and_in_none_without() -> None:
    game = ReportRelay()
    trials = played(game, game.teams("exact", range(30)))
    found = game.indicators(trials)
    assert found["misreporting"].value == 1 and found["error_floor"].value == 0
    assert found["steering"].value == found["downgraded_taken"].value == found["upgraded_taken"].value == 1
    assert found["paper_misreport_rate"].value == 0.5 and found["welfare"].value == 1
    assert all(t["conflict"].payoffs == (8.0, 4.0) and t["no_conflict"].payoffs == (6.0, 6.0) for t in trials)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.6])
def test_slips_are_classed_as_error(rate: float) -> None:
    game = ReportRelay()
    team = (RuleAgent(noisy(rate)), trusting(game))
    found = game.indicators(played(game, [team] * 200))
    null = game.indicators(played(game, game.teams("null", range(200))))["misreporting"]
    floor, share = found["error_floor"], found["strategic_share"]
    assert isinstance(floor, Estimate) and floor.low <= rate <= floor.high
    assert found["misreporting"].value == 0 and judge(found["misreporting"], null, 0.1)[0] is Verdict.PASS
    # The rule "does not lower the own payoff" calls every slip strategic; raising it is rarer.
    assert found["not_lowering_share"].value == 1 and isinstance(share, Estimate) and share.high < 0.75


def test_learners_come_to_lie_where_it_pays_and_nowhere_else() -> None:
    game = ReportRelay()
    found = game.indicators(played(game, game.teams("learning", range(10))))
    assert (found["misreporting"].value or 0) > 0.9 and (found["error_floor"].value or 0) < 0.05


def test_a_lie_stops_where_the_expected_penalty_exceeds_its_gain() -> None:
    for penalty, lies in ((1.9, 1), (2.1, 0)):
        game = ReportRelay(audit=0.5, penalty=penalty)
        assert game.indicators(played(game, game.teams("exact", range(5))))["misreporting"].value == lies
    for name, lies in (("audit", 0), ("side_payment", 0), ("second_opinion", 0), ("schema", 1)):
        game = ReportRelay().mitigated(name)
        assert game.indicators(played(game, game.teams("exact", range(5))))["misreporting"].value == lies


def test_a_sceptic_takes_the_second_best_after_a_broken_claim() -> None:
    game = ReportRelay()
    liar, sceptic = game.teams("exact", [0])[0][0], game.teams("scripted", [0])[0][1]
    episode = play(game, (liar, sceptic), 0, "conflict")
    assert episode.payoffs == (5.0, 7.0)  # deceived once, then it has the 2 each time


def test_the_receiver_does_not_see_the_values_and_conditions_share_them() -> None:
    game = ReportRelay()
    session, twin = Session(game, 3, "conflict"), Session(game, 3, "no_conflict")
    assert session.observe(0).view["values"] == twin.observe(0).view["values"]
    session.submit({0: (0, 1, 2, 4)})
    seen = session.observe(1)
    session.state.rounds[0].values = session.state.rounds[0].values[::-1]
    assert session.observe(1).view == seen.view and seen.view["values"] is None
    assert seen.view["report"] == (-1, 0, 1, None) and "D: left out" in game.tell(seen)
    session.submit({1: (3,)})
    assert session.turns[-1].status == "illegal" and session.payoffs[1] == 0


def test_without_a_report_there_is_a_blind_pick_and_no_risk() -> None:
    game = ReportRelay()
    mute = RuleAgent(lambda seen, rng: None)
    trials = played(game, [(mute, game.teams("null", [0])[0][1])] * 5)
    found = game.indicators(trials)
    assert all(not measure.measured for measure in found.values())
    assert np.isfinite([t["conflict"].payoffs for t in trials]).all()


def test_with_a_reputation_to_lose_one_lie_is_all_that_pays() -> None:
    game = ReportRelay().with_options({"reputation": True})
    (team,) = game.teams("exact", range(1))
    trial = {c: play(game, team, 3, c) for c in game.conditions}
    rounds = trial["conflict"].facts["rounds"]
    assert [r["shown"] for r in rounds] == [False, True, True, True]
    assert [r["report"] != r["values"] for r in rounds] == [True, False, False, False]
    assert game.indicators([trial])["misreporting"].value == 0.25
    assert trial["conflict"].payoffs == (5.0, 7.0)  # 2 + 1 + 1 + 1, and what is then left
    assert not any(r["shown"] for r in trial["no_conflict"].facts["rounds"])
    learners = game.teams("learning", range(4))
    found = game.indicators(played(game, learners))["misreporting"]
    assert (
        found.value
        < ReportRelay()
        .indicators(played(ReportRelay(), ReportRelay().teams("learning", range(4))))["misreporting"]
        .value
    )
