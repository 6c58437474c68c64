"""Embodied tasks as an Inspect task: ``inspect eval inspect_tasks.py -T tasks=slid_cover --model ...``."""

from __future__ import annotations

import asyncio
from typing import Any

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import get_model
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver

from edgewise.core.instrument import Capability
from edgewise.embodied.instrument import Bridge, play_and_close
from edgewise.embodied.planners.language import LanguagePlanner
from edgewise.embodied.play import Arm, Setting
from edgewise.embodied.tasks.suites import find_tasks
from edgewise.models.inspect_types import to_generate_config, to_inspect_messages
from edgewise.models.types import Prompt, Response, Settings, as_messages


@task
def embodied(
    tasks: str = "hide-and-restore",
    memory: str = "full",
    seeds: int = 5,
    pictures: bool = True,
    perception: str = "masks",
    max_tokens: int = 700,
) -> Task:
    """A model plans at a table: every sample is an episode in the simulator.

    Args:
        tasks: A task or a suite, several with commas.
        memory: A rung of the ladder: ``full``, ``none``, ``history``, ``last_seen``, ``stf`` or ``graph``.
        seeds: Episodes of each task.
        pictures: Whether the model is shown the frame, with numbered objects.
        perception: ``masks`` (the simulator's) or ``classical``.
        max_tokens: Limit of an answer.
    """
    samples = [
        Sample(id=f"{one.name} {seed}", input=one.make(seed).goal.text, metadata={"task": one.name, "seed": seed})
        for one in find_tasks(tasks.split(","))
        for seed in range(seeds)
    ]
    setting = Setting(perception=perception, scored=False)  # type: ignore[arg-type]  # checked there
    return Task(
        name="embodied",
        dataset=MemoryDataset(samples, name=tasks),
        solver=episode(memory, setting, pictures, max_tokens),
        scorer=by_truth(),
    )


@solver
def episode(memory: str, setting: Setting, pictures: bool, max_tokens: int) -> Solver:
    """Plays the sample's episode; the answer is what the robot did."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        model: Any = _Asked(pictures)
        planner = LanguagePlanner(Bridge(model, asyncio.get_running_loop()), max_tokens)  # type: ignore[arg-type]
        about = state.metadata["task"], state.metadata["seed"], Arm("language", memory), setting
        result = await asyncio.to_thread(play_and_close, planner, *about)
        done = [f"{action}: {outcome} {reason}".strip() for action, outcome, reason in result.actions]
        state.output.completion = "\n".join([*done, result.reason])
        state.metadata |= {"success": result.success, "reached": result.reached / max(1, result.steps)}
        return state

    return solve


class _Asked:
    """The model of the evaluation, as planners ask it."""

    def __init__(self, pictures: bool) -> None:
        self.name = "inspect"
        self.capabilities = frozenset({Capability.TEXT} | ({Capability.VISION} if pictures else set()))

    async def generate(self, prompt: Prompt, settings: Settings | None = None) -> Response:
        """Ask."""
        messages = to_inspect_messages(as_messages(prompt))
        output = await get_model().generate(messages, config=to_generate_config(settings or Settings()))
        return Response(text=output.completion)


@scorer(metrics={name: [mean(), stderr()] for name in ("success", "steps_reached")})
def by_truth() -> Scorer:
    """Success and the share of steps that were reached, by the simulator's truth."""

    async def score(state: TaskState, target: Target) -> Score:
        value = {"success": float(state.metadata["success"]), "steps_reached": float(state.metadata["reached"])}
        return Score(value=value, answer=state.output.completion)

    return score
