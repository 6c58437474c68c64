"""A learner for games where what an action earns comes only after others have moved."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edgewise.society.agents.learning import Key, Learner, everything
from edgewise.society.agents.plans import Meaning
from edgewise.society.types import Action, Observation

Possible = Callable[[Observation, Action], bool]


class ReturnLearner(Learner):
    """Monte Carlo control (Sutton and Barto 2018, 5.4): each action's number moves to the payoff of the whole episode.

    Every action of the episode counts, with no discount. It learns in one seat only.

    Args:
        key: As for ``Learner``, as are ``actions`` and ``start``.
        rate: Of learning, in (0, 1].
        explore: Probability of a random action in training.
        possible: Whether an action can be taken here; all can unless given. One always must.
        meaning: ``(observation, plan) -> action`` where what it chooses among are plans (``PlanLearner``).
    """

    def __init__(
        self,
        key: Key = everything,
        actions: Sequence[Action] | None = None,
        *,
        rate: float = 0.1,
        explore: float = 0.1,
        start: float = 0.0,
        possible: Possible | None = None,
        meaning: Meaning | None = None,
    ) -> None:
        super().__init__(key, actions, start)
        self.rate, self.explore, self.possible, self.meaning = rate, explore, possible, meaning
        self._trail: list[tuple[NDArray[np.float64], int]] = []

    def act(self, observation: Observation) -> Action:
        """Greedy, ties at random; in training, a random action with probability ``explore``."""
        row, actions = self.row(observation), self.actions
        assert actions is not None  # ``begin`` comes first
        options = np.arange(len(actions))
        if self.possible is not None:
            options = options[[self.possible(observation, action) for action in actions]]
        if not (self.training and self.rng.random() < self.explore):
            options = options[row[options] == row[options].max()]
        choice = int(options[0] if len(options) == 1 else options[self.rng.integers(len(options))])
        if self.training:
            self._trail.append((row, choice))
        return actions[choice] if self.meaning is None else self.meaning(observation, actions[choice])

    def finish(self, payoff: float) -> None:
        """Move what was done towards what came of it."""
        for row, choice in self._trail:
            row[choice] += self.rate * (payoff - row[choice])

    def end(self) -> None:
        """Forget the episode."""
        self._trail = []
