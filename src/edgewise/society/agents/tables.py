"""Agents for repeated games in matrix form: they play a table from the last round's profile to the next action."""

from __future__ import annotations

from collections.abc import Callable

from edgewise.society.agents.base import Agent
from edgewise.society.repeated import Ints
from edgewise.society.types import Action, Observation

State = Callable[[Observation], int]


class TableAgent(Agent):
    """What a learner of ``edgewise.society.repeated`` has come to do.

    Args:
        table: Action by state, shape (states,).
        state: The state that an observation says.
        kind: ``learning``, or ``exact`` for a solution.
    """

    def __init__(self, table: Ints, state: State, kind: str = "learning") -> None:
        self.table, self.state, self.kind = table, state, kind

    def act(self, observation: Observation) -> Action:
        """Look it up."""
        return (int(self.table[self.state(observation)]),)
