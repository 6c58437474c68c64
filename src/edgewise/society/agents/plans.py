"""A learner whose actions are plans: what a plan means on a turn follows from what is seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgewise.society.agents.learning import Key, QLearner, everything
from edgewise.society.types import Action, Observation

Meaning = Callable[[Observation, Action], Action]


class PlanLearner(QLearner):
    """Tabular Q-learning over plans ("report as it is", "ask"), so that what is learned carries over to other labels.

    Args:
        plans: What it may try; any tuples of numbers.
        meaning: ``(observation, plan) -> action``.
        key: As for ``QLearner``, as are the others.
        paid: Entry of its view that says what its last action earned, where that comes only after others have moved;
            an episode's last action then teaches nothing. Rewards of its own steps unless given.
        discount: Of the future.
        explore: Probability of a random plan in training.
        rate: Of learning.
    """

    def __init__(
        self,
        plans: Sequence[Action],
        meaning: Meaning,
        key: Key = everything,
        *,
        paid: str | None = None,
        discount: float = 0.0,
        explore: float = 0.1,
        rate: float = 0.1,
    ) -> None:
        super().__init__(key, plans, rate=rate, discount=discount, explore=explore)
        self.meaning, self.paid = meaning, paid

    def act(self, observation: Observation) -> Action:
        """The action that the best plan means here."""
        if self.paid is not None:
            self._reward = observation.view[self.paid] or 0.0
        return self.meaning(observation, super().act(observation))

    def learn(self, reward: float) -> None:
        """Keep the reward, unless it is read from the view."""
        if self.paid is None:
            super().learn(reward)

    def end(self) -> None:
        """The last action is settled if its reward is known."""
        if self.paid is not None:
            self._last = None
        super().end()
