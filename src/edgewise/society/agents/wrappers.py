"""Agents around agents: a forced deviation, a replay. The causal probes are made of these."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING

from edgewise.society.agents.base import Agent
from edgewise.society.types import Action, Move, Observation, Turn

if TYPE_CHECKING:
    from edgewise.society.scenario import Scenario

Answer = Move | Action | None | Awaitable[Move | Action | None]


class Forced(Agent):
    """Another agent, made to deviate: in the given rounds it plays the given actions.

    Args:
        agent: Who decides in all other rounds, and watches the forced ones.
        actions: Action by round.
    """

    def __init__(self, agent: Agent, actions: Mapping[int, Action]) -> None:
        self.agent, self.actions, self.kind = agent, actions, agent.kind

    def begin(self, scenario: Scenario, seat: int, seed: int) -> None:
        """The agent takes the seat."""
        self.agent.begin(scenario, seat, seed)

    def act(self, observation: Observation) -> Answer:
        """The forced action where there is one."""
        action = self.actions.get(observation.round)
        if action is None:
            return self.agent.act(observation)
        self.agent.watch(observation, action)
        return action

    def learn(self, reward: float) -> None:
        """Pass the reward on."""
        self.agent.learn(reward)


class Replay(Agent):
    """Plays recorded turns, then hands over.

    Args:
        turns: Of one seat, in order.
        then: Who goes on; nobody (no decision) unless given. It watches the replayed turns.
    """

    kind = "replay"

    def __init__(self, turns: Sequence[Turn], then: Agent | None = None) -> None:
        self.turns, self.then = turns, then
        self._next = 0

    def begin(self, scenario: Scenario, seat: int, seed: int) -> None:
        """Start from the first turn."""
        self._next = 0
        if self.then is not None:
            self.then.begin(scenario, seat, seed)

    def act(self, observation: Observation) -> Answer:
        """The recorded move, or the other agent's."""
        if self._next < len(self.turns):
            turn = self.turns[self._next]
            self._next += 1
            move = Move(turn.action, turn.message, turn.status, turn.attempts, turn.weights)
            if self.then is not None:
                self.then.watch(observation, move)
            return move
        return None if self.then is None else self.then.act(observation)

    def learn(self, reward: float) -> None:
        """Pass the reward on."""
        if self.then is not None:
            self.then.learn(reward)
