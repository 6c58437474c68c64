"""The one interface of agents, and the smallest agent that has it: a rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import numpy as np

from edgewise.society.types import Action, Move, Observation

if TYPE_CHECKING:
    from edgewise.society.scenario import Scenario

Rule = Callable[[Observation, np.random.Generator], Action | None]


class Agent(ABC):
    """Somebody in a seat. A new episode calls ``begin``; then ``act`` and ``learn`` take turns.

    An agent knows what it is told in ``begin`` and shown in observations, and nothing else.
    """

    kind: str = "scripted"

    def begin(self, scenario: Scenario, seat: int, seed: int) -> None:  # noqa: B027 - most need nothing here
        """Take a seat for one episode. What is random about the agent comes from ``seed`` and ``seat``."""

    @abstractmethod
    def act(self, observation: Observation) -> Move | Action | Awaitable[Move | Action | None] | None:
        """Decide. ``None`` is no decision."""

    def watch(self, observation: Observation, move: Move | Action | None) -> None:
        """Its seat made this move without it. By default it decides all the same, so that its draws stay aligned."""
        self.act(observation)

    def learn(self, reward: float) -> None:  # noqa: B027 - who does not learn ignores it
        """The reward of the step that the last action was part of."""


class RuleAgent(Agent):
    """Decides by a function of what it sees.

    Args:
        rule: ``(observation, generator) -> action``.
        kind: ``scripted``, or ``exact`` where the rule is a solution of the game.
    """

    def __init__(self, rule: Rule, kind: str = "scripted") -> None:
        self.rule, self.kind = rule, kind
        self._rng = np.random.default_rng(0)

    def begin(self, scenario: Scenario, seat: int, seed: int) -> None:
        """A generator of its own."""
        self._rng = np.random.default_rng([seed, 1 + seat])

    def act(self, observation: Observation) -> Action | None:
        """Follow the rule."""
        return self.rule(observation, self._rng)
