"""Causal probes: one thing changes, the draws stay, and planted effects come out at their size."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate
from edgewise.society.agents.base import Agent, RuleAgent
from edgewise.society.engine import play
from edgewise.society.probes import counterfactual, dose_response, forced_deviation, knock_out, replay, seat_swap
from edgewise.society.scenarios import find_scenario
from edgewise.society.types import Episode, Move, Observation


def draws(observation: Observation, rng: np.random.Generator) -> tuple[int]:
    return (int(rng.integers(7)),)


def follows(observation: Observation, rng: np.random.Generator) -> tuple[int]:
    """What the first service asked for last."""
    return (max(observation.view["last"][0] - 2, 0),)


def mean_request(episode: Episode) -> float | None:
    asked = [turn.action[0] + 2 for turn in episode.turns if turn.action is not None]
    return float(np.mean(asked)) if asked else None


def test_a_replay_is_the_episode() -> None:
    scenario = find_scenario("compute_commons")
    episode = play(scenario, [RuleAgent(draws) for _ in range(5)], 5)
    again = replay(scenario, episode)
    assert again.turns == episode.turns and again.payoffs == episode.payoffs and set(again.kinds) == {"replay"}


def test_a_forced_deviation_moves_those_who_follow_and_nobody_else() -> None:
    scenario = find_scenario("compute_commons")
    team = [RuleAgent(draws), RuleAgent(follows), *(RuleAgent(draws) for _ in range(3))]
    base, forced = forced_deviation(scenario, team, 3, 0, {1: (6,)})
    assert base.actions(0)[1] != (6,)
    for seat in (2, 3, 4):
        assert forced.actions(seat) == base.actions(seat)
    assert forced.actions(1)[2] == (6,) and forced.actions(1)[3:] == base.actions(1)[3:]
    assert forced.actions(0)[2:] == base.actions(0)[2:]


@pytest.mark.parametrize("step", [0, 2, 5])
def test_from_any_state_the_same_team_goes_on_to_the_same_end(step: int) -> None:
    scenario = find_scenario("compute_commons")
    team = [RuleAgent(draws) for _ in range(5)]
    episode = play(scenario, team, 11)
    again = asyncio.run(counterfactual(scenario, episode, step, team))
    assert again.turns == episode.turns
    if step < 5:
        changed = asyncio.run(counterfactual(scenario, episode, step, team, {2: (6,)}))
        assert [t for t in changed.turns if t.step < step] == [t for t in episode.turns if t.step < step]
        assert changed.actions(2)[step] == (6,)
    with pytest.raises(BadInput, match="no step 99"):
        asyncio.run(counterfactual(scenario, episode, 99, team))


def test_who_sits_where_matters_only_if_seats_differ() -> None:
    scenario = find_scenario("compute_commons")
    team: tuple[Agent, ...] = tuple(RuleAgent(lambda o, r, k=k: (k,)) for k in range(5))
    swapped = seat_swap(scenario, team, range(4), lambda e: e.payoffs[0])
    values = [swapped[f"moved by {k}"] for k in range(5)]
    payoffs = play(scenario, team, 0).payoffs
    assert [v.value for v in values if isinstance(v, Estimate)] == pytest.approx(payoffs)
    spread = seat_swap(scenario, team, range(4), mean_request)["spread"]
    assert isinstance(spread, Estimate) and spread.value == 0


def test_silence_takes_away_what_talk_did() -> None:
    class Talker(Agent):
        """Asks for the most if it was told to."""

        def act(self, observation: Observation) -> Move:
            told = any(note.text == "more" for note in observation.inbox)
            return Move((6 if told else 0,), "more")

    scenario = find_scenario("compute_commons", rounds=4)
    effect = knock_out(scenario, [tuple(Talker() for _ in range(5))] * 3, [1, 2, 3], mean_request)
    assert isinstance(effect, Estimate) and effect.value == pytest.approx(6 * 3 / 4)


def test_a_dose_response_rises_with_its_dose() -> None:
    scenario = find_scenario("compute_commons")
    found = dose_response(
        scenario,
        "price",
        [0.0, 0.5, 1.5],
        lambda varied: [{"play": play(varied, team, i)} for i, team in enumerate(varied.teams("exact", range(3)))],
        "overreach",
    )
    values = [measure.value for _, measure in found if isinstance(measure, Estimate)]
    assert len(values) == 3 and values[0] == 1.0 and values[-1] < values[0]
