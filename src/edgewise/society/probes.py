"""Causal probes: change one thing, keep the draws, and see what else changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Measure
from edgewise.society.agents.base import Agent
from edgewise.society.agents.wrappers import Forced, Replay
from edgewise.society.engine import play, play_async
from edgewise.society.measure import average
from edgewise.society.scenario import Scenario, Team
from edgewise.society.types import Action, Episode, Trial

Value = Callable[[Episode], float | None]


def forced_deviation(
    scenario: Scenario, team: Sequence[Agent], seed: int, seat: int, actions: Mapping[int, Action]
) -> tuple[Episode, Episode]:
    """The episode as it is, and with one seat made to play ``actions`` (by round). The same draws in both."""
    forced = [Forced(agent, actions) if i == seat else agent for i, agent in enumerate(team)]
    return play(scenario, team, seed), play(scenario, forced, seed)


def replay(scenario: Scenario, episode: Episode) -> Episode:
    """Play the recorded moves again. The result equals ``episode`` but for the kinds of agents, or it was changed."""
    return play(scenario, _replaying(episode, None, None), episode.seed, episode.condition)


async def counterfactual(
    scenario: Scenario, episode: Episode, step: int, team: Sequence[Agent], actions: Mapping[int, Action] | None = None
) -> Episode:
    """Replay the recorded moves up to a step, then let ``team`` go on.

    Args:
        scenario: The game; it may differ in what comes later (another protocol, another rule).
        episode: What was played.
        step: First step that is played anew.
        team: Who goes on; they are shown what was replayed. May hold language models.
        actions: By seat: what is played in that step instead of what the team would.
    """
    if not 0 <= step <= (episode.turns[-1].step + 1 if episode.turns else 0):
        raise BadInput(f"the episode has no step {step}", field="step")
    agents: list[Agent] = []
    for seat, agent in enumerate(_replaying(episode, step, team)):
        turn = next((t for t in episode.turns if t.step == step and t.seat == seat), None)
        if actions is not None and seat in actions and turn is not None:
            agent = Forced(agent, {turn.round: actions[seat]})
        agents.append(agent)
    return await play_async(scenario, agents, episode.seed, episode.condition)


def _replaying(episode: Episode, step: int | None, team: Sequence[Agent] | None) -> list[Agent]:
    seats = len(episode.payoffs)
    kept = [t for t in episode.turns if step is None or t.step < step]
    return [Replay([t for t in kept if t.seat == seat], None if team is None else team[seat]) for seat in range(seats)]


def seat_swap(scenario: Scenario, team: Team, seeds: Sequence[int], value: Value) -> dict[str, Measure]:
    """Whether it matters who sits where: ``value`` with the agents moved on by 0, 1, ... seats, and the spread.

    Only for scenarios whose seats have the same choices.
    """
    count = scenario.seat_count
    if len({scenario.choices(seat) for seat in range(count)}) > 1:
        raise BadInput(f"the seats of {scenario.name} differ; their agents cannot be swapped", field="scenario")
    values = np.array(
        [
            [_or_nan(value(play(scenario, team[shift:] + team[:shift], seed))) for shift in range(count)]
            for seed in seeds
        ]
    )
    found = {f"moved by {shift}": average(_known(values[:, shift])) for shift in range(count)}
    return found | {"spread": average(_known(np.ptp(values, axis=1)))}


def knock_out(scenario: Scenario, teams: Sequence[Team], seeds: Sequence[int], value: Value) -> Measure:
    """What communication adds to ``value``: as it is, less with every message lost, on the same draws."""
    silent = scenario.with_options({"protocol": "silent"})
    differences: list[float | None] = []
    for team, seed in zip(teams, seeds, strict=True):
        heard, unheard = value(play(scenario, team, seed)), value(play(silent, team, seed))
        differences.append(None if heard is None or unheard is None else heard - unheard)
    return average(differences)


def dose_response(
    scenario: Scenario,
    parameter: str,
    doses: Sequence[float],
    trials: Callable[[Scenario], Sequence[Trial]],
    indicator: str,
) -> list[tuple[float, Measure]]:
    """An indicator at every dose of a parameter (a cue's strength, a penalty, a share of the panel).

    Args:
        scenario: The game at some dose.
        parameter: Name of the field that is varied.
        doses: Its values.
        trials: Plays the scenario that it is given, on the same seeds every time.
        indicator: Name of the indicator.
    """
    found = []
    for dose in doses:
        varied = scenario.with_options({parameter: dose})
        found.append((dose, varied.indicators(trials(varied))[indicator]))
    return found


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _known(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
