"""An environment for TRL's ``GRPOTrainer``: a data set of prompts, and reward functions with TRL's signature.

A fault is ``None``, which TRL leaves out of its advantages. What a grader does wrong is contained and counted.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.loopholes.adapters.contained import Contained, faulty
from edgewise.loopholes.types import Environment, Grade, Task

COLUMN = "task"
Recorder = Callable[[int, Sequence[str], Sequence[Grade]], None]


def dataset(environment: Environment, rng: np.random.Generator, n: int, *, conversational: bool = True) -> Any:
    """A ``datasets.Dataset`` of n tasks: the column ``prompt``, and ``task`` for the reward function.

    Args:
        environment: Whose tasks.
        rng: Draws them.
        n: Rows.
        conversational: Prompts as a list of one message from the user, for models with a chat template; else as text.
    """
    from datasets import Dataset

    rows = []
    for task in environment.sample(rng, n):
        prompt: Any = [{"role": "user", "content": task.prompt}] if conversational else task.prompt
        rows.append({"prompt": prompt, COLUMN: to_column(task)})
    return Dataset.from_list(rows)


def to_column(task: Task) -> str:
    """A task as the text of one cell; a table's columns would give all facts one shape."""
    return json.dumps({"prompt": task.prompt, "facts": dict(task.facts)})


def from_column(text: str) -> Task:
    """The task of a cell.

    Raises:
        BadInput: It is none.
    """
    try:
        data = json.loads(text)
        return Task(str(data["prompt"]), dict(data["facts"]))
    except (ValueError, TypeError, KeyError):
        raise BadInput("this is no task", field=COLUMN, fix="build the data set with edgewise's `dataset`") from None


class RewardFunction:
    """The environment's proxy as a reward function. True performance and exploit ratio go into TRL's metrics.

    Args:
        environment: Grades.
        seed: Of graders that draw lots. The same step and the same answers draw the same lots, so that a resumed run
            pays as an unbroken one.
        timeout: Seconds that grading a batch may take.
        record: Told the training step, the answers and their grades, batch by batch.
    """

    def __init__(
        self, environment: Environment, *, seed: int = 0, timeout: float | None = None, record: Recorder | None = None
    ) -> None:
        self.contained = environment if isinstance(environment, Contained) else Contained(environment, timeout=timeout)
        self.seed, self.record = seed, record
        self.__name__ = f"proxy_{environment.name}"  # what TRL logs it under

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float | None]:
        """Rewards of completions, plain or conversational; ``None`` for faults."""
        state = columns.get("trainer_state")
        step = int(getattr(state, "global_step", 0) or 0)
        grades = self.grades(columns.get(COLUMN), completions, step)
        sound = [grade for grade in grades if not grade.fault]
        if log := columns.get("log_metric"):
            log("faults", float(len(grades) - len(sound)))
            for name in ("true", "trusted", "exploit") if sound else ():
                log(name, float(np.mean([getattr(grade, name) for grade in sound])))
        if self.record is not None:
            self.record(step, [text_of(completion) for completion in completions], grades)
        return [None if grade.fault else float(grade.proxy) for grade in grades]

    def grades(self, column: Sequence[str] | None, completions: Sequence[Any], step: int) -> list[Grade]:
        """Grades of one batch."""
        texts = [text_of(completion) for completion in completions]
        if column is None or len(column) != len(texts):
            self.contained.counts["no task"] += len(texts)
            return [faulty("no task")] * len(texts)
        place = zlib.crc32("\x00".join(texts).encode("utf-8", "replace"))
        rng = np.random.default_rng([self.seed, step, place])
        return self.contained.grade([from_column(cell) for cell in column], texts, rng)


def reward_functions(
    environment: Environment, *, seed: int = 0, timeout: float | None = None, record: Recorder | None = None
) -> list[RewardFunction]:
    """For ``GRPOTrainer(reward_funcs=...)``; arguments as for ``RewardFunction``."""
    return [RewardFunction(environment, seed=seed, timeout=timeout, record=record)]


def text_of(completion: Any) -> str:
    """What was said, in a text, a message or a list of messages; the last one counts."""
    if isinstance(completion, list | tuple):
        completion = completion[-1] if completion else ""
    if not isinstance(completion, str):
        content = completion.get("content") if isinstance(completion, dict) else getattr(completion, "content", None)
        if isinstance(content, list):  # of parts
            content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
        return content if isinstance(content, str) else ""
    return completion
