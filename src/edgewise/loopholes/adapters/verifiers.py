"""An environment in the shape that ``verifiers`` knows: a data set and a rubric of functions, for one turn.

Nothing here needs the package. ``to_single_turn`` makes its ``SingleTurnEnv`` where versions before 0.2 are installed,
``VerifiersEnvironment`` serves those who score rollouts themselves. Later versions have tasksets in place of rubrics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewise.core.errors import Unsupported
from edgewise.loopholes.adapters.contained import Contained
from edgewise.loopholes.adapters.trl import COLUMN, from_column, text_of, to_column
from edgewise.loopholes.types import Environment, Grade

Function = Callable[..., float]
_KEPT = "edgewise_grade"


@dataclass(frozen=True)
class Rubric:
    """Functions ``(prompt, completion, answer, state, info)`` and their weights; those of weight 0 are metrics."""

    funcs: list[Function]
    weights: list[float]

    def score(self, prompt: Any, completion: Any, answer: str, state: MutableMapping[str, Any], info: Any) -> float:
        """The reward of one rollout; metrics go into ``state``."""
        state["metrics"] = {
            function.__name__: function(prompt=prompt, completion=completion, answer=answer, state=state, info=info)
            for function in self.funcs
        }
        paid = zip(self.weights, state["metrics"].values(), strict=True)
        state["reward"] = sum(weight * value for weight, value in paid if weight)
        return float(state["reward"])


class VerifiersEnvironment:
    """A single-turn environment with ``dataset`` (columns prompt, answer, info) and ``rubric``.

    ``proxy`` is the reward; ``trusted``, ``true``, ``exploit`` and ``fault`` are metrics. A fault is NaN: verifiers'
    own rubric turns an exception into 0, and 0 is a reward.

    Args:
        environment: Any.
        rng: Draws the tasks.
        n: How many.
        seed: Of graders that draw lots.
        timeout: Seconds that grading an answer may take.
    """

    def __init__(
        self, environment: Environment, rng: np.random.Generator, n: int, *, seed: int = 0, timeout: float | None = None
    ) -> None:
        self.contained, self._lots = Contained(environment, timeout=timeout), np.random.default_rng(seed)
        self.name = environment.name
        self.rows = [
            {
                "prompt": [{"role": "user", "content": task.prompt}],
                "answer": "",  # what is right is for the grader to know; games have more than one right answer
                "info": {COLUMN: to_column(task)},
            }
            for task in self.contained.sample(rng, n)
        ]
        names = ("proxy", "trusted", "true", "exploit", "fault")
        self.rubric = Rubric([self._function(name) for name in names], [1.0, 0.0, 0.0, 0.0, 0.0])

    @property
    def dataset(self) -> Any:
        """The rows as a ``datasets.Dataset``."""
        from datasets import Dataset

        return Dataset.from_list(self.rows)

    def _function(self, name: str) -> Function:
        def function(
            prompt: Any, completion: Any, answer: str = "", state: Any = None, info: Any = None, **_: Any
        ) -> float:
            grade = self._grade(completion, state, info)
            if name == "fault":
                return float(bool(grade.fault))
            return float(getattr(grade, name))

        function.__name__ = name
        return function

    def _grade(self, completion: Any, state: Any, info: Any) -> Grade:
        """The grade of a rollout, worked out once."""
        kept = state.get(_KEPT) if isinstance(state, Mapping) else None
        if isinstance(kept, Grade):
            return kept
        if not isinstance(info, Mapping) and isinstance(state, Mapping):
            info = state.get("info")
        (grade,) = self.contained.grade([from_column(str(info[COLUMN]))], [text_of(completion)], self._lots)
        if isinstance(state, MutableMapping):
            state[_KEPT] = grade
        return grade

    def to_single_turn(self, **options: Any) -> Any:
        """The same as a ``SingleTurnEnv`` of the package.

        Raises:
            Unsupported: It is not installed, or of a version that has none.
        """
        try:
            from verifiers import Rubric as TheirRubric
            from verifiers import SingleTurnEnv
        except ImportError:
            fix = "pip install 'verifiers<0.2'"
            raise Unsupported("verifiers with SingleTurnEnv is not installed", fix=fix) from None
        rubric = TheirRubric(funcs=self.rubric.funcs, weights=self.rubric.weights)
        return SingleTurnEnv(dataset=self.dataset, rubric=rubric, **options)
