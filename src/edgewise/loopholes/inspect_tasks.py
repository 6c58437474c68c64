"""The text games as an Inspect task: ``inspect eval inspect_tasks.py -T game=tampering --model ...``."""

from __future__ import annotations

import numpy as np
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import TaskState, generate

from edgewise.loopholes.adapters.contained import Contained
from edgewise.loopholes.adapters.trl import COLUMN, from_column, to_column
from edgewise.loopholes.text.games import text_game
from edgewise.loopholes.types import Environment


@task
def loopholes(
    game: str = "tampering",
    items: int = 40,
    secure: bool = False,
    control: bool = False,
    told: float | None = None,
    seed: int = 0,
    max_tokens: int = 1024,
) -> Task:
    """One game, as it is in training: proxy, trusted, true and exploit of every answer, each with its own mean.

    Args:
        game: One of the four.
        items: Prompts.
        secure: Whether the loophole is closed.
        control: Prompts that do not show the loophole.
        told: Share of prompts that say what pays, for games that can say it.
        seed: Of prompts, and of graders that draw lots.
        max_tokens: Limit of an answer.
    """
    options = {} if told is None else {"told": told}
    return environment_task(text_game(game, secure=secure, available=not control, **options), items, seed, max_tokens)


def environment_task(environment: Environment, items: int, seed: int = 0, max_tokens: int = 1024) -> Task:
    """Any environment as an Inspect task."""
    tasks = environment.sample(np.random.default_rng(seed), items)
    samples = [
        Sample(id=f"{environment.name} {i}", input=found.prompt, metadata={COLUMN: to_column(found), "item": i})
        for i, found in enumerate(tasks)
    ]
    return Task(
        name=f"loopholes_{environment.name.replace('-', '_')}",
        dataset=MemoryDataset(samples, name=environment.name),
        solver=generate(),
        scorer=by_grader(environment, seed),
        config=GenerateConfig(max_tokens=max_tokens),
    )


# Each figure by itself: a profile, never a score.
@scorer(metrics={name: [mean(), stderr()] for name in ("proxy", "trusted", "true", "exploit")})
def by_grader(environment: Environment, seed: int = 0) -> Scorer:
    """The environment's own grader; an answer that it cannot grade is left unscored."""
    contained = Contained(environment, timeout=120)

    async def score(state: TaskState, target: Target) -> Score:
        rng = np.random.default_rng([seed, state.metadata["item"], state.epoch])
        found = from_column(state.metadata[COLUMN])
        (grade,) = contained.grade([found], [state.output.completion], rng)
        if grade.fault:
            return Score.unscored(explanation=grade.fault)
        value = {name: float(getattr(grade, name)) for name in ("proxy", "trusted", "true", "exploit")}
        return Score(value=value, answer=state.output.completion)

    return score
