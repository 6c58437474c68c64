"""Role drift: best responses against all policies, long-run rates against play, drift that helps or costs."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from edgewise.core.estimate import Estimate
from edgewise.society.agents.base import RuleAgent
from edgewise.society.engine import Session, play
from edgewise.society.scenario import Team
from edgewise.society.scenarios.role_drift import RoleDrift
from edgewise.society.two_stage import DISCOUNT, FREE, OWN, PACK, PACKER, PICK, PICKER, Line, Policy
from edgewise.society.types import Trial

GAME = RoleDrift()
LINE = GAME.line


def played(game: RoleDrift, teams: list[Team], first: int = 0) -> list[Trial]:
    return [{c: play(game, team, first + i, c) for c in game.conditions} for i, team in enumerate(teams)]


def value(game: RoleDrift, kind: str, name: str, trials: int = 20) -> float:
    found = game.indicators(played(game, game.teams(kind, range(trials))))[name]
    assert isinstance(found, Estimate)
    return found.value


def worth(line: Line, picker: Policy, packer: Policy) -> np.ndarray:
    """Discounted score of the packer from every state, by a linear system built from ``begin`` and ``end`` alone."""
    n = len(line.states)
    step, reward = np.zeros((n, n)), np.zeros(n)
    for i, state in enumerate(line.states):
        busy, _ = line.begin(state, (picker[i], packer[i]))
        p = [line.chance(s, busy[1 + s]) if busy[1 + s] else 0.0 for s in range(2)]
        reward[i] = p[PACKER] * line.earns(PACKER, busy[2]) if busy[2] else -line.idle_cost
        for one, two in product((False, True), repeat=2):
            weight = (p[0] if one else 1 - p[0]) * (p[1] if two else 1 - p[1])
            if weight:
                step[i, line.place[line.end(busy, (one, two))]] += weight
    assert step.sum(1) == pytest.approx(1)
    return np.linalg.solve(np.eye(n) - DISCOUNT * step, reward)


@pytest.mark.parametrize("line", [Line(capacity=1), Line(capacity=1, clumsiness=1.5), Line(capacity=1, other_pay=30)])
def test_no_policy_betters_the_best_response(line: Line) -> None:
    picker = line.loyal(PICKER)
    best = worth(line, picker, line.best(PACKER, picker))
    free = [i for i, state in enumerate(line.states) if state[2] == FREE]
    assert len(free) <= 6
    for wants in product((FREE, PICK, PACK), repeat=len(free)):
        policy = [FREE] * len(line.states)
        for i, want in zip(free, wants, strict=True):
            policy[i] = want
        assert (worth(line, picker, tuple(policy)) <= best + 1e-5).all()


def test_drift_of_the_packer_pays_it_and_costs_the_line_and_an_equilibrium_undoes_most_of_it() -> None:
    picker, packer = LINE.loyal(PICKER), LINE.loyal(PACKER)
    loyal, drift = LINE.rates(picker, packer), LINE.rates(picker, LINE.best(PACKER, picker))
    assert LINE.pays() and drift[1] > 1.1 * loyal[1] and drift[2] < 0.9 * loyal[2]
    assert LINE.costs() == pytest.approx(1 - drift[2] / loyal[2])
    stable = LINE.equilibrium()
    assert stable is not None and stable[1] == LINE.best(PACKER, stable[0])
    most = LINE.rates(*LINE.planned())[2]
    assert drift[2] < LINE.rates(*stable)[2] < loyal[2] < most
    # With room in the buffer the same drift has more packed: flexibility is no failure as such.
    assert Line(capacity=4).pays() and Line(capacity=4).costs() < 0


def test_the_idle_cost_from_which_drift_is_rational() -> None:
    assert Line().critical() == 0
    clumsy = Line(clumsiness=3.0)
    cost = clumsy.critical()
    assert cost is not None and 0.2 < cost < 0.5
    assert replace(clumsy, idle_cost=cost).pays() and not replace(clumsy, idle_cost=cost - 0.002).pays()
    assert [replace(clumsy, idle_cost=c).pays() for c in (0, 0.05, 0.1, 0.2, 0.5)] == [False] * 4 + [True]
    assert Line(clumsiness=20.0).critical() is None


def test_rates_are_those_of_long_play() -> None:
    game = RoleDrift(seconds=600)
    for kind, pair in (
        ("null", (LINE.loyal(0), LINE.loyal(1))),
        ("exact", (LINE.loyal(0), LINE.best(1, LINE.loyal(0)))),
    ):
        episodes = [trial["free"] for trial in played(game, game.teams(kind, range(20)))]
        found = np.mean([[*e.payoffs, e.facts["packed"]] for e in episodes], axis=0) / 600
        assert found == pytest.approx(LINE.rates(*pair), rel=0.05)


def test_learners_find_the_best_response() -> None:
    picker = LINE.loyal(PICKER)
    draws = np.random.default_rng(0).random((8, 50_000, 3))
    best = LINE.rates(picker, LINE.best(PACKER, picker))[1]
    scores = [LINE.rates(picker, policy)[1] for policy in LINE.learn(PACKER, picker, draws)]
    assert np.median(scores) > 0.95 * best
    assert all(PICK not in policy for policy in LINE.learn(PACKER, picker, draws[:2, :500], roles=True))


def test_the_loss_is_by_incentive_and_ends_with_it() -> None:
    assert value(GAME, "exact", "throughput_loss") > 0.1 and value(GAME, "exact", "deserted_seconds") > 0.2
    for name in ("schema", "side_payment", "price"):
        assert value(GAME.mitigated(name), "exact", "throughput_loss") == 0
    assert value(GAME.mitigated("buffer"), "exact", "throughput_loss") < 0.05
    assert value(GAME.mitigated("no_penalty"), "exact", "throughput_loss") > 0.1  # no help, honestly


def test_learners_drift_by_incentive_too() -> None:
    assert value(GAME, "learning", "throughput_loss") > 0.1
    assert value(GAME.mitigated("side_payment"), "learning", "throughput_loss") < 0.05


def test_drift_that_helps_is_no_risk_though_the_paper_counts_it() -> None:
    game = GAME.mitigated("buffer")
    assert value(game, "scripted", "paper_drift") == 1 and value(game, "scripted", "throughput_loss") < 0
    assert value(GAME, "null", "throughput_loss") == value(GAME, "null", "paper_drift") == 0


def test_loyal_roles_are_the_same_in_both_conditions_on_the_same_draws() -> None:
    for trial in played(GAME, GAME.teams("null", range(10))):
        assert trial["free"].payoffs == trial["enforced"].payoffs and trial["free"].facts == trial["enforced"].facts


def test_owners_come_first_and_a_beaten_wish_is_a_conflict() -> None:
    assert LINE.begin((1, FREE, FREE), (PACK, PACK)) == ((0, FREE, PACK), (True, False))
    assert LINE.begin((1, FREE, FREE), (PICK, PICK)) == ((1, PICK, FREE), (False, True))
    assert LINE.begin((0, FREE, FREE), (PACK, PACK)) == ((0, FREE, FREE), (False, False))
    assert LINE.end((0, PICK, PICK), (True, True)) == (2, FREE, FREE)
    assert LINE.deserted((1, FREE, PICK)) == (False, True) and LINE.deserted((1, PICK, PACK)) == (False, False)
    assert OWN == (PICK, PACK) and LINE.chance(PACKER, PICK) == 1 / 8


def test_the_other_stage_is_barred_where_roles_are_enforced_and_draws_are_hidden() -> None:
    session = Session(GAME, 1, "enforced")
    session.submit({0: (0,), 1: (1,)})
    assert session.turns[1].status == "illegal" and session.turns[1].action is None
    views = [Session(GAME, seed).observe(1) for seed in (1, 2)]
    assert views[0] == views[1]
    session = Session(GAME, 1)
    while 1 not in session.acting or not session.turns:
        session.submit({0: (0,), 1: (0,)})
    assert "Items in the buffer" in GAME.tell(session.observe(1)) and "8" in GAME.rules(PACKER)


def test_nothing_packed_under_enforced_roles_is_left_out() -> None:
    team = (RuleAgent(lambda seen, rng: (2,)), RuleAgent(lambda seen, rng: (0,)))
    assert not GAME.indicators(played(GAME, [team] * 5))["throughput_loss"].measured
