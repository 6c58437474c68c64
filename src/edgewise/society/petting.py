"""Every scenario as a PettingZoo environment (extra ``agents``): parallel, and one agent at a time.

Both are views of the same session. A seat's observation is the numbers of its view in a row of fixed length, with the
number of the round before them; what it does not know is -1. Its action is a vector with an option for each choice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pettingzoo import AECEnv, ParallelEnv

from edgewise.society.engine import Session
from edgewise.society.scenario import Scenario
from edgewise.society.types import Action

UNKNOWN = -1.0


def numbers(view: Any, width: int) -> NDArray[np.float32]:
    """A view as a row of numbers, filled up with ``UNKNOWN``; what does not fit is cut off."""
    flat: list[float] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for part in value.values():
                walk(part)
        elif isinstance(value, tuple):
            for part in value:
                walk(part)
        else:
            flat.append(UNKNOWN if value is None else float(value))

    walk(view)
    row = np.full(width, UNKNOWN, dtype=np.float32)
    row[: min(width, len(flat))] = flat[:width]
    return row


class _View:
    """What both views share."""

    def __init__(self, scenario: Scenario, condition: str | None = None) -> None:
        self.scenario, self.condition = scenario, condition
        self.possible_agents = [seat.name for seat in scenario.seats]
        self.agents: list[str] = []
        self.metadata = {"name": f"{scenario.name}_v0", "render_modes": [], "is_parallelizable": True}
        self.render_mode = None
        self.observation_spaces = {}
        self.action_spaces = {}
        self._random = np.random.default_rng()
        for seat, name in enumerate(self.possible_agents):
            sizes = [len(choice.options) for choice in scenario.choices(seat)]
            self.action_spaces[name] = spaces.MultiDiscrete(sizes)
            self.observation_spaces[name] = spaces.Box(-np.inf, np.inf, (1 + scenario.width,), np.float32)

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """The space of a seat's observations; the same object every time."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """The space of a seat's actions; the same object every time."""
        return self.action_spaces[agent]

    def _open(self, seed: int | None) -> None:
        if seed is not None:
            self._random = np.random.default_rng(seed)
        draw = int(self._random.integers(2**31)) if seed is None else seed
        self.session = Session(self.scenario, draw, self.condition)
        self.agents = list(self.possible_agents)

    def _seen(self, agent: str) -> NDArray[np.float32]:
        scenario, state = self.scenario, self.session.state
        view = scenario.view(state, self.possible_agents.index(agent))
        return numbers({"at": scenario.round(state), **view}, 1 + scenario.width)

    def render(self) -> None:
        """Nothing to draw: the report shows episodes."""

    def close(self) -> None:
        """Nothing to release."""


def _action(given: Any) -> Action | None:
    return None if given is None else tuple(int(part) for part in given)


class ParallelView(_View, ParallelEnv):  # type: ignore[misc]
    """All seats act in every step; the session takes the actions of those whose turn it is."""

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, dict[str, Any]]]:
        """A new episode."""
        self._open(seed)
        return self._all(), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """One step of the session."""
        acting = self.session.acting
        moves = {seat: _action(actions.get(self.possible_agents[seat])) for seat in acting}
        rewards = self.session.submit(moves)
        over, agents = not self.session.acting, self.agents
        seen = self._all()
        if over:
            self.agents = []
        return (
            seen,
            {agent: float(rewards[i]) for i, agent in enumerate(agents)},
            dict.fromkeys(agents, over),
            dict.fromkeys(agents, False),
            {agent: {} for agent in agents},
        )

    def _all(self) -> dict[str, NDArray[np.float32]]:
        return {agent: self._seen(agent) for agent in self.agents}


class TurnView(_View, AECEnv):  # type: ignore[misc]
    """One seat at a time; seats that move together are asked one after the other, and played together."""

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """A new episode."""
        self._open(seed)
        agents = self.agents
        self.rewards: dict[str, float] = dict.fromkeys(agents, 0.0)
        self._cumulative_rewards: dict[str, float] = dict.fromkeys(agents, 0.0)
        self.terminations, self.truncations = dict.fromkeys(agents, False), dict.fromkeys(agents, False)
        self.infos: dict[str, dict[str, Any]] = {agent: {} for agent in agents}
        self._moves: dict[int, Action | None] = {}
        self._next()

    def observe(self, agent: str) -> NDArray[np.float32]:
        """What the seat may know now."""
        return self._seen(agent)

    def step(self, action: Any) -> None:
        """Take the action of the seat whose turn it is; the last of those that move together plays them all."""
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        self._cumulative_rewards[agent] = 0.0
        self._moves[self.possible_agents.index(agent)] = _action(action)
        self._clear_rewards()
        if len(self._moves) == len(self.session.acting):
            rewards = self.session.submit(self._moves)
            self.rewards = {name: float(rewards[seat]) for seat, name in enumerate(self.possible_agents)}
            self._moves = {}
            if not self.session.acting:
                self.terminations = dict.fromkeys(self.agents, True)
        self._next()
        self._accumulate_rewards()

    def _next(self) -> None:
        waiting = [seat for seat in self.session.acting if seat not in self._moves]
        self.agent_selection = self.possible_agents[waiting[0]] if waiting else self.agents[0]


def parallel_env(scenario: Scenario, condition: str | None = None) -> ParallelView:
    """The scenario as a ``ParallelEnv``."""
    return ParallelView(scenario, condition)


def turn_env(scenario: Scenario, condition: str | None = None) -> TurnView:
    """The scenario as an ``AECEnv``."""
    return TurnView(scenario, condition)
