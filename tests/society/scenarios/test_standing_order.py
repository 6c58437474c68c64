"""Over-adherence: optimal stopping against brute force, J of the rational and the rigid, halts, information sets."""

from __future__ import annotations

import math
from functools import cache

import pytest

from edgewise.core.estimate import Estimate
from edgewise.society.agents.base import RuleAgent
from edgewise.society.agents.wrappers import Forced
from edgewise.society.engine import Session, play
from edgewise.society.scenario import Team
from edgewise.society.scenarios.standing_order import StandingOrder
from edgewise.society.stopping import NEWS_ODDS, ORDERS, Stopping, price
from edgewise.society.types import Trial
from edgewise.stats.intervals import proportion

GAME = StandingOrder()
KINDS = [(news, move) for news in range(3) for move in range(3)]


def played(game: StandingOrder, teams: list[Team]) -> list[Trial]:
    return [{c: play(game, team, i, c) for c in game.conditions} for i, team in enumerate(teams)]


def team_of(game: StandingOrder, kappa: float) -> Team:
    return (*game.teams("null", [0])[0][:2], RuleAgent(game.biased(kappa)))


def test_the_papers_interval() -> None:
    found = proportion(11, 12)
    assert (found.low, found.high) == pytest.approx((0.65, 0.985), abs=0.005)


@pytest.mark.parametrize("order", [0, 1])
def test_values_are_those_of_a_search_over_all_paths(order: int) -> None:
    rule, breach = ORDERS[order], 0.2
    plan = Stopping(0.5, breach)

    @cache
    def likelihood(signals: tuple[tuple[int, int], ...], gone: int) -> float:
        return 0.5 * math.prod(NEWS_ODDS[gone][n] * rule.odds[gone][m] for n, m in signals)

    @cache
    def best(signals: tuple[tuple[int, int], ...]) -> float:  # times the probability of the signals
        now = sum(likelihood(signals, gone) for gone in (0, 1)) * (price(order, signals) - breach)
        if len(signals) == rule.rounds:
            later = sum(likelihood(signals, gone) * price(order, signals) * rule.end[gone] for gone in (0, 1))
        else:
            later = sum(best((*signals, kind)) for kind in KINDS)
        if len(signals) < 3:
            found = plan.values(order, signals)
            weight = sum(likelihood(signals, gone) for gone in (0, 1))
            assert found == pytest.approx((now / weight, later / weight))
        return max(now, later)

    for kind in KINDS:
        best((kind,))


def test_the_rational_switch_as_called_for_and_the_rigid_never() -> None:
    rational = GAME.indicators(played(GAME, GAME.teams("null", range(40))))
    assert rational["youden_j"].value == 1 and rational["rigidity"].value == rational["regret"].value == 0
    rigid = GAME.indicators(played(GAME, [team_of(GAME, math.inf)] * 40))
    assert rigid["youden_j"].value == 0 and rigid["rigidity"].value == 1 and rigid["false_alarms"].value == 0
    assert rigid["paper_severity"].value == rigid["paper_not_timely"].value == 1
    assert isinstance(rigid["regret"], Estimate) and rigid["regret"].low > 0


def test_who_sells_at_once_is_not_rigid_and_no_better_than_chance() -> None:
    found = GAME.indicators(played(GAME, [team_of(GAME, -math.inf)] * 40))
    assert found["rigidity"].value == 0 and found["sensitivity"].value == found["false_alarms"].value == 1
    assert found["youden_j"].value == 0 and (found["premature"].value or 0) > 0.3


def test_rigidity_rises_with_kappa_and_with_the_cost_of_a_breach() -> None:
    values = [GAME.indicators(played(GAME, [team_of(GAME, k)] * 40))["rigidity"].value or 0 for k in (0.5, 2, 4, 6)]
    assert values == sorted(values) and values[-1] > values[0] + 0.3
    trials = played(GAME, GAME.teams("null", range(40)))
    episodes = [trial[name] for trial in trials for name in GAME.conditions]
    for order in (0, 1):
        curve = [GAME.rigidity_at(cost, order, episodes) or 0 for cost in (0, 0.1, 0.2, 0.4, 1.5)]
        assert curve == sorted(curve) and curve[0] == 0 and curve[-1] == 1


def test_a_trader_that_pays_for_a_breach_is_rigid_and_learns_to_be() -> None:
    for kind, n in (("exact", 30), ("learning", 6)):
        found = GAME.indicators(played(GAME, GAME.teams(kind, range(n))))
        assert (found["rigidity"].value or 0) > 0.8 and (found["advice_ignored"].value or 0) > 0.8
        assert (found["youden_j"].value or 0) < 0.3


def test_advice_that_lifts_the_order_restores_the_best_plan_and_a_later_lapse_only_in_part() -> None:
    game = GAME.mitigated("second_opinion")
    found = game.indicators(played(game, game.teams("exact", range(30))))
    assert found["youden_j"].value == 1 and found["rigidity"].value == 0
    game = GAME.mitigated("deadline")
    found = game.indicators(played(game, game.teams("exact", range(30))))
    assert 0.1 < (found["rigidity"].value or 0) < 0.7


def test_a_halted_round_is_no_chance_to_sell_and_counts_for_nothing() -> None:
    game = GAME.with_options({"halts": 1 - 1e-12})
    sells = team_of(game, math.inf)
    forced = (*sells[:2], Forced(sells[2], {1: (1,)}))
    trials = played(game, [forced] * 30)
    found = game.indicators(trials)
    for trial in trials:
        for episode in trial.values():
            assert episode.facts["deeds"][1] is None and not any(episode.facts["calls"][1:])
            assert [t.status for t in episode.turns if t.seat == 2][1] == "illegal"
    assert found["rigidity"].value == 1  # of the calls in the first round alone


def test_conditions_share_their_draws_and_nobody_sees_what_comes() -> None:
    first, second = Session(GAME, 3, "scandal"), Session(GAME, 3, "scare")
    assert first.state.halted == second.state.halted
    # The same draws point to trouble at least as much where the reason is gone.
    for gone, intact in zip(first.state.signals, second.state.signals, strict=True):
        assert gone[0] <= intact[0] and gone[1] <= intact[1]
    seen = [first.observe(seat).view for seat in range(3)]
    first.state.signals, first.state.gone = (first.state.signals[0], (0, 0), (0, 0), (0, 0)), 0
    assert [first.observe(seat).view for seat in range(3)] == seen
    first.submit({0: (2,)})
    assert first.observe(1).view["outlook"] == 2 and first.observe(0).view["outlook"] is None
    first.submit({1: (1,)})
    assert first.observe(2).view["advice"] == 1 and "advises to sell" in GAME.tell(first.observe(2))


def test_payoffs_are_the_capital_less_the_breach() -> None:
    session = Session(GAME, 0, "deal_off")
    for action in (1, 1, 1):
        session.submit({session.acting[0]: (action,)})
    worth = price(1, session.state.signals[:1])
    assert not session.acting and session.payoffs == pytest.approx([worth, worth, worth - GAME.breach])
