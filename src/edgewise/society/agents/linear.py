"""A learner for choices between two options that generalises: a logistic policy on features of what is seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from edgewise.society.agents.learning import Learner
from edgewise.society.types import Action, Observation

Features = Callable[[Observation], Sequence[float]]


class LinearLearner(Learner):
    """Policy gradient (REINFORCE, Williams 1992) on P(option 1) = sigma(weights · features), by each step's reward.

    It is told rewards only. Its one choice has two options; ``key`` and ``table`` of its base are not used.

    Args:
        features: What it goes by, always as many numbers.
        rate: Of learning.
    """

    def __init__(self, features: Features, rate: float = 0.2) -> None:
        super().__init__()
        self.features, self.rate = features, rate
        self.weights: list[float] = []
        self._last: tuple[Sequence[float], float] | None = None
        self._baseline = 0.5

    def act(self, observation: Observation) -> Action:
        """Draw from the policy."""
        x = self.features(observation)
        if not self.weights:
            self.weights = [0.0] * len(x)
        score = sum(w * value for w, value in zip(self.weights, x, strict=True))
        p = 0.5 * (1 + math.tanh(0.5 * score))
        chosen = int(self.rng.random() < p)
        if self.training:
            self._last = x, chosen - p
        return (chosen,)

    def learn(self, reward: float) -> None:
        """Climb along the gradient of the reward, in training."""
        if self.training and self._last is not None:
            x, surprise = self._last
            gain = self.rate * (reward - self._baseline) * surprise
            self.weights = [w + gain * value for w, value in zip(self.weights, x, strict=True)]
            self._baseline += 0.01 * (reward - self._baseline)
            self._last = None

    def end(self) -> None:
        """Nothing is left over: every step has had its reward."""
        self._last = None
