"""An environment for Gymnasium (extra ``agents``): one prompt, one answer, one reward."""

from __future__ import annotations

import string
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces

from edgewise.loopholes.adapters.contained import Contained
from edgewise.loopholes.tokens.game import TokenEnvironment
from edgewise.loopholes.tokens.vocabulary import SIZE, to_row, to_text
from edgewise.loopholes.types import Environment, Task

_CHARACTERS = string.printable
_UNKNOWN = "?"


class GymEnvironment(gymnasium.Env[Any, Any]):  # type: ignore[misc]
    """Episodes of a single step. ``info`` has trusted reward, true performance, exploit, and the reason of a fault.

    Observations and actions are texts or, for a token game unless ``as_text``, rows of tokens. Characters that are not
    printable ASCII are question marks in a text observation; ``info["prompt"]`` of ``reset`` has them all.

    A fault has the reward ``fault_reward``. It is NaN unless given, for whatever number stands there is a reward;
    learners that cannot leave such an episode out should be given the lowest one that the game pays.

    Args:
        environment: Any.
        as_text: Texts also for a token game.
        longest_prompt, longest_answer: Characters of a text; longer ones are cut.
        timeout: Seconds that grading may take.
        fault_reward: See above.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(
        self,
        environment: Environment,
        *,
        as_text: bool = False,
        longest_prompt: int = 8_000,
        longest_answer: int = 8_000,
        timeout: float | None = None,
        fault_reward: float = float("nan"),
    ) -> None:
        self.contained = Contained(environment, timeout=timeout)
        self.fault_reward, self._longest = fault_reward, longest_prompt
        self.render_mode = None
        self._task: Task | None = None
        self._tokens = None if as_text or not isinstance(environment, TokenEnvironment) else environment.game
        if self._tokens is not None:
            self.observation_space = spaces.MultiDiscrete([SIZE] * self._tokens.prompt_length)
            self.action_space = spaces.MultiDiscrete([SIZE] * self._tokens.answer_length)
        else:
            self.observation_space = spaces.Text(longest_prompt, min_length=0, charset=_CHARACTERS)
            self.action_space = spaces.Text(longest_answer, min_length=0, charset=_CHARACTERS)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Draw a prompt."""
        super().reset(seed=seed)
        (self._task,) = self.contained.sample(self.np_random, 1)
        return self._observation(self._task), {"prompt": self._task.prompt}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Grade an answer; the episode ends.

        Raises:
            gymnasium.error.ResetNeeded: There is no prompt.
        """
        if self._task is None:
            raise gymnasium.error.ResetNeeded("call reset first: an episode has one step")
        task, self._task = self._task, None
        answer = action if isinstance(action, str) else to_text(np.asarray(action))
        (grade,) = self.contained.grade([task], [answer], self.np_random)
        info = {"trusted": grade.trusted, "true": grade.true, "exploit": grade.exploit, "fault": grade.fault}
        reward = self.fault_reward if grade.fault else float(grade.proxy)
        return self._observation(task), reward, True, False, info

    def _observation(self, task: Task) -> Any:
        if self._tokens is not None:
            return to_row(task.prompt, self._tokens.prompt_length)
        known = set(_CHARACTERS)
        return "".join(c if c in known else _UNKNOWN for c in task.prompt[: self._longest])
