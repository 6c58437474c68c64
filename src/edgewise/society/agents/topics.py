"""Learners for divided work: who gets which part, and which topics to take up."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np

from edgewise.society.agents.learning import Learner, everything
from edgewise.society.types import Action, Observation

_EXPLORE = 0.1


class AllocationLearner(Learner):
    """A contextual bandit whose options depend on what it sees, and who is paid when the episode is over.

    Args:
        options: What it may do.
        key: What it goes by; the request and whether others see it, not what matters most in it, unless given.
    """

    def __init__(
        self,
        options: Callable[[Observation], Sequence[Action]],
        key: Callable[[Observation], Hashable] = lambda seen: (seen.view["ambiguity"], seen.view["visible"]),
    ) -> None:
        super().__init__(key, start=1.0)
        self.options = options
        self._last: tuple[np.ndarray[tuple[int], np.dtype[np.float64]], int] | None = None

    def act(self, observation: Observation) -> Action:
        """Greedy, ties by chance; in training, now and then any."""
        options, key = self.options(observation), self.key(observation)
        row = self.table.setdefault(key, np.full(len(options), self.start))
        best = np.flatnonzero(row == row.max())
        chosen = int(best[self.rng.integers(len(best))])
        if self.training:
            if self.rng.random() < _EXPLORE:
                chosen = int(self.rng.integers(len(options)))
            self._last = row, chosen
        return options[chosen]

    def settle(self, payoff: float) -> None:
        """The episode is over."""
        if self._last is not None:
            row, chosen = self._last
            row[chosen] += 0.1 * (payoff - row[chosen])
            self._last = None


class TopicLearner(Learner):
    """Learns what a topic is worth by what is known of it, from the sum that the topics taken up earn (delta rule).

    It goes by the size of the own part, and by whether a topic is in it, matters most, and is written already.

    Args:
        capacity: Topics that it may take up.
    """

    def __init__(self, capacity: int) -> None:
        super().__init__(everything, start=1.0)
        self.capacity = capacity
        self.worth: dict[Hashable, float] = {}
        self._last: list[Hashable] = []

    def act(self, observation: Observation) -> Action:
        """The topics of the highest worth above 0, ties by chance; in training, now and then any."""
        view = observation.view
        part, emphasis, written = view["part"], view["emphasis"], view["written"]
        topics, size = range(len(part)), sum(part)
        keys = [(size, part[t], bool(emphasis and emphasis[t]), bool(written and written[t])) for t in topics]
        luck = self.rng.random(1 + len(part)).tolist()
        worth = [self.worth.get(key, self.start) for key in keys]
        order = sorted(topics, key=lambda t: (-worth[t], luck[t]))
        picked = [t for t in order[: self.capacity] if worth[t] > 0]
        if self.training and luck[-1] < _EXPLORE:
            picked = sorted(topics, key=luck.__getitem__)[: self.capacity]
        self._last = [keys[t] for t in picked]
        return tuple(int(t in picked) for t in topics)

    def learn(self, reward: float) -> None:
        """Share the surprise out."""
        if self.training and self._last:
            surprise = reward - sum(self.worth.get(key, self.start) for key in self._last)
            for key in self._last:
                self.worth[key] = self.worth.get(key, self.start) + 0.1 * surprise
