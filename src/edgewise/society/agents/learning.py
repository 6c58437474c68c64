"""Agents that learn by playing: tabular Q-learning, bandits, policy gradient. They are told rewards, never what to do.

For repeated games in matrix form ``edgewise.society.repeated`` does the same for many markets at once.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgewise.society.agents.base import Agent
from edgewise.society.engine import play
from edgewise.society.types import Action, Observation

if TYPE_CHECKING:
    from edgewise.society.scenario import Scenario

Key = Callable[[Observation], Hashable]


def everything(observation: Observation) -> Hashable:
    """The default state of a learner: all that it sees."""
    return (observation.round, *observation.view.values())


def nothing(observation: Observation) -> Hashable:
    """The state of a bandit."""
    return None


class Learner(Agent):
    """Base of the learners: a table from what is seen to numbers, one for each action.

    Args:
        key: What of an observation the learner goes by; must be hashable.
        actions: Actions it may try; all of its seat's unless given.
        start: Number that each action starts from.
    """

    kind = "learning"

    def __init__(self, key: Key = everything, actions: Sequence[Action] | None = None, start: float = 0.0) -> None:
        self.key, self.start = key, start
        self.actions = None if actions is None else list(actions)
        self.table: dict[Hashable, NDArray[np.float64]] = {}
        self.training = False
        self.rng = np.random.default_rng(0)

    def begin(self, scenario: Scenario, seat: int, seed: int) -> None:
        """A generator of its own, except in training, where draws go on from episode to episode."""
        if self.actions is None:
            ranges = (range(len(choice.options)) for choice in scenario.choices(seat))
            self.actions = list(product(*ranges))
        if not self.training:
            self.rng = np.random.default_rng([seed, 1 + seat])

    def row(self, observation: Observation) -> NDArray[np.float64]:
        """The numbers of the actions here."""
        key = self.key(observation)
        if key not in self.table:
            self.table[key] = np.full(len(self.actions or ()), self.start)
        return self.table[key]

    @abstractmethod
    def act(self, observation: Observation) -> Action:
        """The best action; in training, now and then another."""

    def finish(self, payoff: float) -> None:
        """In training, before ``end``: what its seat earned in the episode as a whole."""

    def end(self) -> None:
        """In training: an episode is over."""


class QLearner(Learner):
    """Tabular Q-learning (Watkins 1989) with epsilon-greedy exploration; with ``discount=0``, a contextual bandit.

    Args:
        rate: Of learning, in (0, 1].
        discount: Of the future, in [0, 1].
        explore: Probability of a random action in training.
    """

    def __init__(
        self,
        key: Key = everything,
        actions: Sequence[Action] | None = None,
        *,
        rate: float = 0.1,
        discount: float = 0.95,
        explore: float = 0.1,
        start: float = 0.0,
    ) -> None:
        super().__init__(key, actions, start)
        self.rate, self.discount, self.explore = rate, discount, explore
        self._last: tuple[NDArray[np.float64], int] | None = None
        self._reward = 0.0

    def act(self, observation: Observation) -> Action:
        """Greedy, ties at random; in training, a random action with probability ``explore``."""
        row, actions = self.row(observation), self.actions
        assert actions is not None  # ``begin`` comes first
        if self.training:
            self._settle(float(row.max()))
            choice = int(self.rng.integers(len(actions))) if self.rng.random() < self.explore else _best(row, self.rng)
            self._last = row, choice
        else:
            choice = _best(row, self.rng)
        return actions[choice]

    def learn(self, reward: float) -> None:
        """Keep the reward until the next state is seen."""
        self._reward = reward

    def end(self) -> None:
        """Nothing comes after the last action."""
        self._settle(0.0)
        self._last = None

    def _settle(self, after: float) -> None:
        if self._last is not None:
            row, choice = self._last
            row[choice] += self.rate * (self._reward + self.discount * after - row[choice])


class PolicyLearner(Learner):
    """Policy gradient (REINFORCE, Williams 1992): tabular softmax, undiscounted returns, a running baseline.

    Args:
        rate: Of learning.
    """

    def __init__(self, key: Key = everything, actions: Sequence[Action] | None = None, *, rate: float = 0.1) -> None:
        super().__init__(key, actions)
        self.rate = rate
        self._trail: list[tuple[NDArray[np.float64], int]] = []
        self._rewards: list[float] = []
        self._baseline = 0.0

    def act(self, observation: Observation) -> Action:
        """Draw from the policy."""
        row, actions = self.row(observation), self.actions
        assert actions is not None  # ``begin`` comes first
        choice = int(self.rng.choice(len(actions), p=softmax(row)))
        if self.training:
            self._trail.append((row, choice))
        return actions[choice]

    def learn(self, reward: float) -> None:
        """Keep the reward until the episode ends."""
        if self.training:
            self._rewards.append(reward)

    def end(self) -> None:
        """Climb along the gradient of the return."""
        returns = np.cumsum(self._rewards[::-1])[::-1]
        for (row, choice), value in zip(self._trail, returns, strict=True):
            gradient = -softmax(row)
            gradient[choice] += 1
            row += self.rate * (value - self._baseline) * gradient
        if len(returns):
            self._baseline += 0.05 * (returns[0] - self._baseline)
        self._trail, self._rewards = [], []


def softmax(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Exponentials, scaled to sum to 1."""
    powers = np.exp(x - x.max())
    return np.asarray(powers / powers.sum())


def _best(row: NDArray[np.float64], rng: np.random.Generator) -> int:
    best = np.flatnonzero(row == row.max())
    return int(best[0]) if len(best) == 1 else int(best[rng.integers(len(best))])


def train(
    scenario: Scenario, team: Sequence[Agent], episodes: int, seed: int, conditions: Sequence[str] | None = None
) -> None:
    """Let the learners of a team play, then freeze what they learned. Others in the team play as they always do.

    Args:
        scenario: The game that is practised; it need not be the one that is played later.
        team: An agent for each seat. The same agent may sit in several.
        episodes: How many are played, each with draws of its own.
        seed: Of all draws; other than those that are examined.
        conditions: Variants to practise, in turn; the scenario's first unless given.
    """
    learners = list(dict.fromkeys(agent for agent in team if isinstance(agent, Learner)))
    generators = np.random.default_rng([seed, 2**31]).spawn(len(learners))
    for agent, rng in zip(learners, generators, strict=True):
        agent.training, agent.rng = True, rng
    seeds = np.random.default_rng([seed, 2**31 + 1]).integers(2**62, size=episodes).tolist()
    variants = conditions or scenario.conditions[:1]
    for i, draw in enumerate(seeds):
        episode = play(scenario, team, draw, variants[i % len(variants)])
        for member, payoff in zip(team, episode.payoffs, strict=True):
            if isinstance(member, Learner):
                member.finish(payoff)
        for agent in learners:
            agent.end()
    for agent in learners:
        agent.training = False
