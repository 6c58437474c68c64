"""Environments of other libraries in our form: Gymnasium (one step an episode) and verifiers (data set and rubric)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.loopholes.types import Grade, Task


class GymnasiumEpisodes:
    """A Gymnasium environment whose episodes end after one step: the observation is the prompt, the action the answer.

    An episode is known by its seed. ``info["true"]`` of the step, where there is one, is what a trusted grader says.
    """

    def __init__(self, environment: Any, name: str) -> None:
        self.environment, self.name = environment, name

    def sample(self, rng: np.random.Generator, n: int) -> list[Task]:
        """Draw n episodes."""
        tasks = []
        for seed in rng.integers(2**31, size=n).tolist():
            seen, _ = self.environment.reset(seed=seed)
            tasks.append(Task(seen if isinstance(seen, str) else _words(seen), {"seed": seed}))
        return tasks

    def grade(self, tasks: Sequence[Task], completions: Sequence[str], rng: np.random.Generator) -> list[Grade]:
        """Play each answer in its own episode."""
        grades = []
        for task, text in zip(tasks, completions, strict=True):
            self.environment.reset(seed=task.facts["seed"])
            _, reward, terminated, truncated, info = self.environment.step(self._action(text))
            nan = float("nan")
            if not (terminated or truncated):
                grades.append(Grade(nan, nan, nan, nan, fault="the episode goes on after one step"))
                continue
            true = float(info.get("true", nan))
            grades.append(Grade(reward, true, true, nan))
        return grades

    def _action(self, text: str) -> Any:
        """A text as it is, or numbers for a space of numbers."""
        space = self.environment.action_space
        kind = type(space).__name__
        if kind == "Text":
            return text
        numbers = [int(word) for word in text.split() if word.lstrip("-").isdigit()]
        if kind == "Discrete":
            return int(np.clip(numbers[0] if numbers else 0, space.start, space.start + space.n - 1))
        size = int(np.prod(space.shape))
        padded = (numbers + [0] * size)[:size]
        return np.clip(np.array(padded).reshape(space.shape), 0, np.asarray(space.nvec) - 1)


def _words(seen: Any) -> str:
    return " ".join(str(x) for x in np.asarray(seen).ravel().tolist())


def verifiers_bundle(environment: Any, where: str) -> dict[str, Any]:
    """The data set and rubric of a single-turn verifiers environment as prompts and reward functions.

    A rubric's functions are called with those of prompt, completion, answer, info, task, state and parser that they
    name; they may be coroutines.

    Raises:
        BadInput: It has no data set, no functions, or a prompt that is no text.
    """
    rubric = environment.rubric
    functions = _first(rubric, "funcs", "reward_funcs")
    weights = _first(rubric, "weights", "reward_weights")
    data = _first(environment, "dataset", "eval_dataset")
    if not functions or data is None:
        raise BadInput("the environment has no data set or its rubric no functions", file=where)
    rows, chats = [], []
    for i, row in enumerate(data, 1):
        prompt = row.get("prompt", row.get("question"))
        chats.append(not isinstance(prompt, str))
        if not isinstance(prompt, str):
            try:
                prompt = "\n".join(str(message["content"]) for message in prompt)
            except (TypeError, KeyError):
                raise BadInput("has no prompt", file=where, row=i, field="prompt") from None
        rows.append({**row, "prompt": prompt, "_original": row.get("prompt", prompt)})
    chat, parser = all(chats), getattr(environment, "parser", getattr(rubric, "parser", None))

    def wrapped(function: Any) -> Any:
        def reward(prompts: list[str], completions: list[str], **columns: list[Any]) -> list[float]:
            return [
                _call(function, {name: column[i] for name, column in columns.items()}, text, chat, parser)
                for i, text in enumerate(completions)
            ]

        reward.__name__ = getattr(function, "__name__", "reward")
        return reward

    bundle = {"prompts": rows, "reward": [wrapped(function) for function in functions], "weights": weights}
    return bundle | {name: getattr(environment, name, None) for name in ("true", "examples", "fallback")}


def _first(found: Any, *names: str) -> Any:
    for name in names:
        value = getattr(found, name, None)
        if value is not None:
            return value
    return None


def _call(function: Any, row: dict[str, Any], text: str, chat: bool, parser: Any) -> float:
    completion: Any = [{"role": "assistant", "content": text}] if chat else text
    given = {
        "prompt": row["_original"], "completion": completion, "answer": row.get("answer", ""),
        "info": row.get("info") or {}, "task": row.get("task", ""), "parser": parser,
        "state": {"prompt": row["_original"], "completion": completion, "answer": row.get("answer", "")},
    }  # fmt: skip
    parameters = inspect.signature(function).parameters.values()
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        names = {p.name for p in parameters}
        given = {name: value for name, value in given.items() if name in names}
    found = function(**given)
    result: float = asyncio.run(found) if inspect.iscoroutine(found) else found
    return result
