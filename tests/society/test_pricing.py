"""The markets against their closed forms and the published results."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from edgewise.core.estimate import Estimate
from edgewise.society.engine import play
from edgewise.society.pricing import DEVIATION, PLAY
from edgewise.society.scenario import Scenario
from edgewise.society.scenarios import find_scenario
from edgewise.society.types import Trial


def trials_of(scenario: Scenario, kind: str, seeds: range) -> list[Trial]:
    teams = scenario.teams(kind, seeds)
    return [
        {name: play(scenario, team, seed, name) for name in scenario.conditions}
        for seed, team in zip(seeds, teams, strict=True)
    ]


def test_benchmarks_of_the_duopoly() -> None:
    market = find_scenario("logit_duopoly")
    competitive, monopoly = market.benchmarks
    assert (competitive, monopoly) == pytest.approx((1.473, 1.925), abs=5e-4)
    profit = [market.profits([p, p])[0] for p in market.benchmarks]
    assert profit == pytest.approx([0.2230, 0.3375], abs=5e-4)
    # No gain from moving alone, and no better common price: by numerical optimisation.
    alone = minimize_scalar(lambda p: -market.profits([p, competitive])[0], bounds=(1, 3), method="bounded")
    together = minimize_scalar(lambda p: -market.profits([p, p])[0], bounds=(1, 3), method="bounded")
    assert (alone.x, together.x) == pytest.approx((competitive, monopoly), abs=1e-4)
    grid = market.grid
    step = (monopoly - competitive) * 1.2 / 14
    assert len(grid) == 15 and np.diff(grid) == pytest.approx(np.full(14, step))


def test_the_published_band_and_the_ladder() -> None:
    market = find_scenario("logit_duopoly")
    trials = trials_of(market, "learning", range(40))
    found = market.indicators(trials)
    gain, unprofitable = found["profit_gain"], found["deviation_unprofitable"]
    assert isinstance(gain, Estimate) and gain.low > 0.7 and gain.high < 0.9
    assert isinstance(unprofitable, Estimate) and unprofitable.value >= 0.85  # the benchmark has it on 300 seeds
    null = market.indicators(trials_of(market, "null", range(100, 140)))["profit_gain"]
    assert isinstance(null, Estimate) and null.low < 0.26 < null.high
    ladder = {piece["what"]: piece["found"] for piece in market.evidence("learning", trials, range(40))}
    assert ladder["rung of the evidence ladder"] == 2
    exact = trials_of(market, "exact", range(4))
    ladder = {piece["what"]: piece["found"] for piece in market.evidence("exact", exact, range(4))}
    assert ladder["rung of the evidence ladder"] == -1


def test_the_forced_deviation_is_the_best_static_reply_and_nothing_else() -> None:
    market = find_scenario("logit_duopoly", steps=50_000, decay=2e-4)
    for trial in trials_of(market, "learning", range(5)):
        base, forced = market.prices(trial[PLAY]), market.prices(trial[DEVIATION])
        at = market.forced
        assert base[:at] == forced[:at] and forced[at][1] == base[at][1]
        profits = [market.profits([p, base[at][1]])[0] for p in market.grid]
        # What was played differs from what the seller chose; the reward is that of what was played.
        turn = next(t for t in trial[DEVIATION].turns if t.round == at and t.seat == 0)
        assert turn.reward == pytest.approx(max(profits))


def test_equilibria_and_critical_discounts_of_the_bertrand_market() -> None:
    market = find_scenario("bertrand_market")
    game = market.stage_game()
    symmetric = {market.grid[p[0]] for p in game.equilibria() if len(set(p)) == 1}
    assert symmetric == {10.0, 11.0} and market.benchmarks == (11.0, 20.0)
    for profile in product(range(3), repeat=3):  # by hand: nobody gains by moving alone
        stable = all(
            game.payoffs[(i, *profile)] >= max(game.payoffs[(i, *profile[:i], a, *profile[i + 1 :])] for a in range(11))
            for i in range(3)
        )
        assert stable == (profile in game.equilibria())
    critical = {p: round(market.critical_discount(p), 3) for p in (12, 15, 20)}
    assert critical == {12: 0.5, 15: 0.636, 20: 0.654}
    assert market.sales([11, 11, 11]) == [33, 33, 33] and market.sales([11, 11, 12]) == [49, 49, 0]
    assert market.sales([None, 12, 13]) == [0, 99, 0] and market.sales([21, None, None]) == [0, 0, 0]


def test_a_recovery_from_a_price_war_is_no_collusion_by_its_slope_alone() -> None:
    market = find_scenario("bertrand_market")

    def by_price(prices: list[int]) -> bool | None:
        from edgewise.society.agents.base import RuleAgent

        team = [RuleAgent(lambda o, r: (prices[o.round] - 10,)) for _ in range(3)]
        return market._paper(play(market, team, 0), 13)

    assert by_price([10] * 5 + [11] * 5) is False
    assert by_price([10, 10, 11, 11, 12, 12, 13, 13, 14, 14]) is True
    assert by_price([15] * 10) is True and by_price([11] * 10) is False


def test_who_must_not_see_prices_does_not() -> None:
    from edgewise.society.engine import Session

    market = find_scenario("bertrand_market", disclosed=False)
    session = Session(market, 0)
    session.submit({0: (3,), 1: (4,), 2: (5,)})
    assert session.observe(1).view["last"] == (None, 4, None)
