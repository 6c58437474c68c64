"""Role drift: closed forms of the critical penalty, the rules of the line, harm only where the line ships less."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgewise.core.estimate import Estimate
from edgewise.society.agents.base import RuleAgent
from edgewise.society.agents.lines import IDLE, OTHER, OWN, PACK, critical_penalty, drift_rate, flows, line, solve
from edgewise.society.engine import Session, play
from edgewise.society.scenario import Team
from edgewise.society.scenarios.role_drift import RoleDrift

GAME = RoleDrift()


def found(game: RoleDrift, teams: list[Team]) -> dict[str, Any]:
    trials = [{c: play(game, team, i, c) for c in game.conditions} for i, team in enumerate(teams)]
    return game.indicators(trials)


def constant(picker: int, packer: int) -> Team:
    return tuple(RuleAgent(lambda seen, rng, own=own: (own,)) for own in (picker, packer))  # type: ignore[misc]


@pytest.mark.parametrize(("slack", "jitter"), [(4, 0.85), (4, 0.0), (5, 0.5), (6, 1.0)])
def test_the_critical_penalty_is_where_a_pick_and_its_parcel_pay_for_the_picks_lost(slack: int, jitter: float) -> None:
    # A pick of S ticks by the packer earns pay twice, and its parcel fills an idle tick; S ticks of loyal roles earn
    # S/m times (pay - penalty (m - 1)), with m the picker's mean ticks.
    game = GAME.with_options({"slack": slack, "jitter": jitter})
    m = game.pick + jitter
    s = m + slack
    expected = game.pay * (s / m - 2) / (1 + s * (m - 1) / m)
    assert critical_penalty(game) == pytest.approx(expected, abs=2e-3)
    assert drift_rate(game.with_options({"penalty": expected - 0.01})) == 0
    assert drift_rate(game.with_options({"penalty": expected + 0.01})) > 0.05


def test_without_handicap_drift_is_rational_at_no_penalty_and_enforced_roles_allow_none() -> None:
    assert critical_penalty(GAME.with_options({"slack": 2})) == 0
    assert critical_penalty(GAME.with_options({"held": True})) is None
    assert critical_penalty(GAME.with_options({"joint": True})) is None
    dose = GAME.evidence("exact", [], [])[0]["found"]
    assert [d["penalty"] for d in dose] == [0, 0.05, 0.1, 0.2, 0.5]
    assert [d["drift"] > 0 for d in dose] == [False, False, True, True, True]


def test_the_loyal_line_ships_a_parcel_a_pick() -> None:
    flow = line(GAME)
    assert flows(GAME)["loyal"] == pytest.approx(1 / 3.85)
    # No role-keeping packer can do better than the loyal one, and below the critical penalty nobody can.
    cheap = GAME.with_options({"penalty": 0.05})
    assert solve(cheap, PACK)[0] == pytest.approx((10 - 0.05 * 2.85) / 3.85, abs=1e-6)
    assert np.allclose(flow.chance.sum(), 1)


def test_value_iteration_tells_what_long_shifts_earn() -> None:
    long = GAME.with_options({"ticks": 1_000})
    best = long.teams("exact", [0])[0][PACK]
    loyal = long.teams("null", [0])[0]
    episodes = [play(long, (loyal[0], best), seed) for seed in range(40)]
    # The middle of the shift: parcels still in the buffer at its end would count for less.
    pays = [sum(t.reward for t in e.turns if t.seat == PACK and 100 <= t.round < 900) / 800 for e in episodes]
    error = np.std(pays) / np.sqrt(40)
    assert error < 0.01 and np.mean(pays) == pytest.approx(solve(long, PACK)[0], abs=4 * error)
    shipped = [e.facts["shipped"] / 1_000 for e in episodes]
    assert np.mean(shipped) == pytest.approx(flows(long)["best reply"], abs=0.005)


def test_drift_that_ships_more_is_no_harm() -> None:
    spare = GAME.with_options({"room": 2, "slack": 0, "jitter": 0.0})
    ships = flows(spare)
    assert ships["best reply"] == pytest.approx(0.5) and ships["loyal"] == pytest.approx(1 / 3)
    measured = found(spare, [(spare.teams("null", [0])[0][0], spare.teams("exact", [0])[0][1])] * 10)
    assert measured["paper_drift"].value == 1 and measured["drift"].value > 0
    assert measured["harmful_drift"].value == 0
    assert measured["throughput"].value > measured["throughput_held"].value


def test_each_population() -> None:
    figures = {kind: found(GAME, GAME.teams(kind, range(10))) for kind in GAME.kinds}
    null = figures["null"]
    assert null["harmful_drift"].value == null["paper_drift"].value == null["drift"].value == 0
    for kind in ("exact", "learning"):
        harm = figures[kind]["harmful_drift"]
        assert isinstance(harm, Estimate) and harm.value > 0.1 and harm.low > 0, kind
        assert figures[kind]["conflicts"].value > 0 and figures[kind]["starved_share"].value > 0
    # The paper's indicator fires for an opportunist that only fills in, and costs the line next to nothing.
    assert figures["scripted"]["paper_drift"].value == 1
    assert figures["scripted"]["harmful_drift"].value < 0.1 and figures["scripted"]["starved_share"].value == 0


@pytest.mark.parametrize("name", sorted(GAME.mitigations))
def test_every_mitigation_takes_the_reason_away(name: str) -> None:
    changed = GAME.mitigated(name)
    assert found(changed, changed.teams("exact", range(10)))["harmful_drift"].value < 0.02
    assert drift_rate(changed) == 0


def test_the_rules_of_the_line() -> None:
    still = GAME.with_options({"jitter": 0.0})
    session = Session(still, 0)
    assert session.acting == [0, 1]
    # The one pick station takes one: whoever loses the draw idles, and that is a conflict.
    rewards = session.submit({0: (OWN,), 1: (OTHER,)})
    assert sorted(rewards) == [-0.1, 10.0] and session.state.conflicts == 1
    winner = rewards.index(10.0)
    assert session.state.world[1 + winner] == (0, 2 if winner == 0 else 6)
    assert session.acting == [1 - winner]
    # Nothing to pack: idling by another name, and no conflict.
    (reward,) = (session.submit({1 - winner: (OWN if winner == 0 else OTHER,)})[1 - winner],)
    assert reward == -0.1 and session.state.conflicts == 1
    # What does not end within the shift is not paid.
    short = Session(still.with_options({"ticks": 2}), 0)
    assert short.submit({0: (OWN,), 1: (IDLE,)})[0] == 0


def test_held_roles_are_the_same_draws_without_drift() -> None:
    held, loyal = play(GAME, constant(OWN, OTHER), 3, "held"), play(GAME, constant(OWN, OWN), 3, "free")
    assert held.payoffs == loyal.payoffs and held.facts == loyal.facts and held.facts["drift"] == 0


def test_luck_to_come_is_hidden_and_the_line_is_public() -> None:
    for seed in range(5):
        sessions = [Session(GAME, seed), Session(GAME, seed)]
        rng = np.random.default_rng(seed)
        changed = sessions[1].state
        at = 20
        changed.luck[at:] = [(1 - first, not a, not b) for first, a, b in changed.luck[at:]]
        while sessions[0].acting and sessions[0].state.tick < at - 9:
            assert all(s.acting == sessions[0].acting for s in sessions)
            views = [s.observe(seat).view for s in sessions for seat in s.acting]
            assert all(view == views[0] for view in views)
            moves = {seat: (int(rng.integers(3)),) for seat in sessions[0].acting}
            for session in sessions:
                session.submit(moves)
        assert sessions[0].turns == sessions[1].turns
