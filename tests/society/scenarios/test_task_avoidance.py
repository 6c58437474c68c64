"""Competitive task avoidance: the random null, backward induction against brute force, the control at equal pay."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from edgewise.core.estimate import Estimate
from edgewise.core.profile import Verdict
from edgewise.society.agents.base import RuleAgent
from edgewise.society.engine import Session, play
from edgewise.society.games import StageGame
from edgewise.society.measure import judge
from edgewise.society.scenario import Team
from edgewise.society.scenarios.task_avoidance import PAPER, TaskAvoidance, complete, dealt, volunteers
from edgewise.society.types import Trial
from edgewise.stats.intervals import proportion

GAME = TaskAvoidance()


def played(game: TaskAvoidance, teams: list[Team], first: int = 0) -> list[Trial]:
    return [{c: play(game, team, first + i, c) for c in game.conditions} for i, team in enumerate(teams)]


def constant(*picks: int) -> Team:
    return tuple(RuleAgent(lambda seen, rng, own=own: (own,)) for own in picks)  # type: ignore[misc]


def value(game: TaskAvoidance, kind: str, name: str, trials: int = 30) -> float:
    found = game.indicators(played(game, game.teams(kind, range(trials))))[name]
    assert isinstance(found, Estimate)
    return found.value


def test_random_picks_fail_in_28_5_percent_of_runs_and_a_planner_in_none() -> None:
    chance = (21 / 27) ** 5
    assert chance == pytest.approx(0.285, abs=5e-4)
    trials = played(GAME, GAME.teams("null", range(2_000)))
    found = GAME.indicators(trials)
    assert found["paper_failure"].value == pytest.approx(chance, abs=0.03)
    assert found["excess_over_chance"].value == pytest.approx(0, abs=0.03)
    # At equal pay the same draws make the same picks: whatever chance does, it does twice.
    assert found["avoidance"].value == 0
    assert found["worst_step_free"].value == pytest.approx(0, abs=0.02)
    assert found["worst_step_picks"].value == pytest.approx(1 / 3, abs=0.02)
    planned = GAME.indicators(played(GAME, [constant(0, 1, 2)] * 10))
    assert planned["paper_failure"].value == 0 and planned["restricted_time"].value == 1
    assert planned["welfare"].value == pytest.approx(1)


def test_three_runs_cannot_tell_the_papers_rates_from_chance() -> None:
    for failures in (0, 1, 2):
        interval = proportion(failures, 3)
        assert interval.low < (21 / 27) ** 5 < interval.high


def test_backward_induction_is_right_in_every_last_round() -> None:
    for rewards, times, told in PAPER.values():
        game = TaskAvoidance(rewards=rewards, times=times, stake=2.0 if told else 0.0, rounds=1)
        pay = game.pay("play")
        plan = game.solve(pay)

        def paid(*picks: int, game: TaskAvoidance = game, pay: tuple[float, ...] = pay) -> list[float]:
            return game.paid(picks, pay, (0, 1, 2))

        for a, b in product(range(3), repeat=2):
            assert paid(a, b, plan[0, (a, b, None)])[2] == pytest.approx(max(paid(a, b, c)[2] for c in range(3)))
        for a in range(3):
            after = [(b, plan[0, (a, b, None)]) for b in range(3)]
            chosen = plan[0, (a, None, None)]
            assert paid(a, *after[chosen])[1] == pytest.approx(max(paid(a, *bc)[1] for bc in after))


def test_backward_induction_in_the_papers_conditions() -> None:
    fails = {}
    for name, (rewards, times, told) in PAPER.items():
        game = TaskAvoidance(rewards=rewards, times=times, stake=2.0 if told else 0.0)
        fails[name] = not complete(game.solution(game.pay("play"))[-1])
    assert fails == {"C1": False, "C2": True, "C3": False, "C4": False, "C5": True, "C6": True}
    assert complete(GAME.solution(GAME.pay("equal"))[-1])


def test_the_stake_from_which_the_last_takes_the_worst_step() -> None:
    # The last of the three gets .25 alone at the worst step, or half of 2 at the best, less the stake.
    for stake, fails in ((0.74, True), (0.76, False)):
        game = TaskAvoidance(stake=stake, rounds=1)
        assert (not complete(game.solution(game.pay("play"))[-1])) is fails


@pytest.mark.parametrize("kind", ["exact", "learning"])
def test_avoidance_is_by_incentive_and_ends_with_it(kind: str) -> None:
    assert value(GAME, kind, "avoidance", 10) == 1 and value(GAME, kind, "failure_at_equal_pay", 10) == 0
    for name in ("side_payment", "deadline"):
        assert value(GAME.mitigated(name), kind, "paper_failure", 10) < 0.2
    assert value(GAME.mitigated("mediator"), kind, "left_undone", 10) == 0
    assert value(GAME.mitigated("rotation"), kind, "avoidance", 10) > 0.5  # no help, honestly


def test_random_picks_are_no_avoidance_by_the_verdict() -> None:
    null = GAME.indicators(played(GAME, GAME.teams("null", range(60))))["avoidance"]
    again = GAME.indicators(played(GAME, GAME.teams("null", range(100, 160)), 100))["avoidance"]
    assert judge(again, null, GAME.margin)[0] is Verdict.PASS


def test_the_volunteers_dilemma() -> None:
    cost, stake = 0.75, 2.0
    q = volunteers(cost, stake, 3)
    game = StageGame.tabulate([2] * 3, lambda profile: [-cost * a - stake * (not any(profile)) for a in profile])
    mixed = [np.array([q, 1 - q])] * 3
    worth = [game.expected([np.eye(2)[a], *mixed[1:]])[0] for a in (0, 1)]
    assert worth[0] == pytest.approx(worth[1]) and volunteers(2.0, 1.0, 3) == 1


def test_steps_given_by_lot() -> None:
    for lot in permutations(range(3)):
        for picks in product(range(3), repeat=3):
            settled = dealt(picks, lot)
            assert complete(settled) and settled[lot[0]] == picks[lot[0]]
    assert dealt((1, None, 1), (0, 1, 2)) == (1, None, 0)


def test_who_is_first_does_not_see_what_comes_after_and_silence_is_no_failure() -> None:
    one, two = Session(GAME, 0), Session(GAME, 0)
    assert one.observe(0) == two.observe(0)
    one.submit({0: (1,)})
    assert one.observe(1).view["named"] == (1, None, None)
    assert "staff 1: assembly" in GAME.tell(one.observe(1))
    team = (*constant(0, 0), RuleAgent(lambda seen, rng: None))
    trials = played(GAME, [team] * 5)
    assert not GAME.indicators(trials)["paper_failure"].measured
    assert GAME.indicators(trials)["avoidance"].measured is False


def test_the_order_rotates_and_rules_say_so() -> None:
    game = GAME.mitigated("rotation")
    assert [game.order(r)[0] for r in range(4)] == [0, 1, 2, 0]
    assert "another one begins" in game.rules(0) and "lot" in GAME.mitigated("mediator").rules(1)
    assert "loses 2" in GAME.mitigated("deadline").rules(2)
