"""Deadlock of norms: plans, scores and equilibria against brute force; what a mediator does; infeasible instances."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from edgewise.society.agents.base import RuleAgent
from edgewise.society.engine import Session, play
from edgewise.society.norms import Norms, Plan
from edgewise.society.scenario import Team
from edgewise.society.scenarios.norm_deadlock import NormDeadlock
from edgewise.society.types import Trial

GAME = NormDeadlock()
ALL = list(product(range(4), repeat=4))


def played(game: NormDeadlock, teams: list[Team], first: int = 0) -> list[Trial]:
    return [{"play": play(game, team, first + i)} for i, team in enumerate(teams)]


def drawn(seed: int, game: NormDeadlock = GAME) -> Norms:
    norms: Norms = game.start(np.random.default_rng(seed), "play").norms
    return norms


def shares(norms: Norms, plan: Plan) -> list[float]:
    found = []
    for own in norms.points:
        got = [row[option] for row, option in zip(own, plan, strict=True)]
        best = sum(max(p for p in row if p is not None) for row in own)
        found.append(-1.0 if None in got else sum(p or 0 for p in got) / best)
    return found


@pytest.mark.parametrize("seed", range(8))
def test_plans_and_scores_are_those_of_brute_force(seed: int) -> None:
    norms = drawn(seed)
    table = {plan: shares(norms, plan) for plan in ALL}
    assert all(norms.share(plan) == pytest.approx(table[plan]) for plan in ALL)
    feasible = [plan for plan in ALL if min(table[plan]) >= 0]
    assert len(norms.feasible) == len(feasible)
    if not feasible:
        return
    best = max(min(table[plan]) for plan in feasible)
    fairest = norms.fairest()
    assert fairest is not None and min(table[fairest]) == pytest.approx(best)
    assert norms.score(fairest) == pytest.approx(10) and norms.fairness(fairest) == pytest.approx(1)
    assert norms.score((None,) * 4) == 0
    for plan in feasible:
        assert norms.score(plan) == pytest.approx(10 * min(table[plan]) / best)
        better = [p for p in feasible if all(a >= b - 1e-9 for a, b in zip(table[p], table[plan], strict=True))]
        assert norms.efficient(plan) is (max(sum(table[p]) for p in better) <= sum(table[plan]) + 1e-9)
    broken = next(plan for plan in ALL if min(table[plan]) < 0)
    rules = sum(row[o] is None for own in norms.points for row, o in zip(own, broken, strict=True))
    assert norms.score(broken) <= 10 * (12 - rules) / 12


@pytest.mark.parametrize("seed", range(4))
def test_holding_out_is_an_equilibrium_of_the_round(seed: int) -> None:
    norms = drawn(seed)
    wants = [norms.wanted(i) for i in range(3)]
    for i, plan in product(range(3), ALL):
        profile = [plan if j == i else want for j, want in enumerate(wants)]
        assert len(set(profile)) > 1  # nobody brings about agreement alone
    assert norms.holding_is_stable()


def test_best_repliers_are_in_deadlock_and_the_mediator_ends_it() -> None:
    found = GAME.indicators(played(GAME, GAME.teams("exact", range(30))))
    assert found["deadlock"].value == 1 and found["best_score"].value == 0
    game = GAME.mitigated("mediator")
    mediated = game.indicators(played(game, game.teams("exact", range(30))))
    assert mediated["deadlock"].value == 0 and mediated["best_score"].value == 1
    assert mediated["restricted_time"].value == 2 and mediated["imposition"].value == 0
    game = GAME.mitigated("deadline")
    assert game.indicators(played(game, game.teams("exact", range(10))))["deadlock"].value == 1


def test_an_infeasible_instance_is_told_and_no_deadlock() -> None:
    game = NormDeadlock(strictness=1.0, taboo=1.0)
    for kind in game.kinds:
        found = game.indicators(played(game, game.teams(kind, range(5))))
        assert found["infeasible"].value == 1 and not found["deadlock"].measured
    assert drawn(0, game).fairest() is None


def test_taking_turns_brings_agreement_in_the_first_round_that_can_and_the_chair_gains() -> None:
    game = GAME.mitigated("rotation")
    trials = played(game, game.teams("exact", range(30)))
    for trial in trials:
        episode = trial["play"]
        if episode.facts["feasible"]:
            assert len(episode.facts["scores"]) == 2 and episode.facts["plan"] is not None
    found = game.indicators(trials)
    assert found["agreement"].value == found["pareto"].value == 1 and (found["fairness"].value or 1) < 0.9


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_backward_induction_leaves_no_better_offer(seed: int) -> None:
    norms = drawn(seed)
    rounds, patience = 5, 0.97
    offers, values = norms.in_turns(rounds, patience)
    assert offers[-1] is None and (values[rounds] == 0).all()
    for turn in range(1, rounds):
        chair, offer = (turn - 1) % 3, offers[turn - 1]
        assert offer is not None and values[turn] == pytest.approx(shares(norms, offer))
        table, later = [shares(norms, p) for p in ALL], patience * values[turn + 1]
        accepted = [u for u in table if all(a >= b and a > 0 for a, b in zip(u, later, strict=True))]
        assert max(u[chair] for u in accepted) == pytest.approx(values[turn][chair])


def test_zeuthens_bargainers_never_take_back_a_concession() -> None:
    for seed, team in enumerate(GAME.teams("scripted", range(10))):
        episode, norms = play(GAME, team, seed), drawn(seed)
        if not episode.facts["feasible"]:
            continue
        for i in range(3):
            own = [norms.share(action[:4])[i] for action in episode.actions(i) if action is not None]
            assert all(b <= a + 1e-9 for a, b in pairwise(own))


def test_who_breaks_a_rule_loses_and_it_counts_as_imposed() -> None:
    norms = drawn(0)
    plan = next(p for p in ALL if min(shares(norms, p)) < 0)
    team = tuple(RuleAgent(lambda seen, rng: (*plan, 0)) for _ in range(3))
    episode = play(GAME, team, 0)
    assert len(episode.facts["scores"]) == 1 and min(episode.payoffs) == -1
    assert GAME.indicators([{"play": episode}])["imposition"].value == 1


def test_an_open_round_has_no_score_if_somebody_is_silent() -> None:
    session = Session(GAME, 0)
    session.submit({0: (0, 0, 0, 0, 0), 1: (0, 0, 0, 0, 0)})
    assert session.state.scores == [None] and session.state.agreed is None
    seen = session.observe(2)
    assert seen.view["plans"][2] is None and "delegate 1 last proposed midday: silence" in GAME.tell(seen)
