"""One episode from names alone: what it is depends on the task, the seed and the settings, and on nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import orjson
from pydantic import Field

from edgewise.core.records import Record
from edgewise.embodied.agent import Limits, run_scenario
from edgewise.embodied.arms import BUDGET, find_arm
from edgewise.embodied.planners.find import find_planner
from edgewise.embodied.planners.language import LanguagePlanner
from edgewise.embodied.scoring import ScoredMemory
from edgewise.embodied.tasks.goal_image import goal_image
from edgewise.embodied.tasks.suites import find_task
from edgewise.embodied.truth_arm import TruthArm
from edgewise.embodied.types import EpisodeResult, MemoryArm, Planner
from edgewise.embodied.watching.recording import Recorder, episode_folder
from edgewise.models.door import Model
from edgewise.scene.perception.classical import ClassicalSegmenter
from edgewise.scene.perception.noise import SensorNoise
from edgewise.scene.perception.simulated import SimulatorMasks
from edgewise.scene.perception.types import Perception
from edgewise.scene.worlds.spec import Randomisation
from edgewise.scene.worlds.world import World


class Arm(NamedTuple):
    """Who plays: a planner and what it remembers."""

    planner: str
    memory: str

    def __str__(self) -> str:
        return f"{self.planner}+{self.memory}"


class Setting(Record):
    """How an episode is played.

    Attributes:
        perception: ``classical`` (colours, depth and forms) or ``masks`` (the simulator's).
        noise: Errors of camera and segmenter, as a multiple of the default ones; 0 for none.
        gripper: ``weld`` or ``friction``.
        slip: Chance that a welded grasp is lost while it is lifted.
        rate: Frames per second of simulated time.
        budget: Tokens of facts that a planner is told, whatever its memory.
        limits: When an episode is pointless.
        scored: Compare the memory with the truth after every frame.
    """

    perception: Literal["classical", "masks"] = "classical"
    noise: float = Field(default=1.0, ge=0)
    gripper: Literal["weld", "friction"] = "weld"
    slip: float = Field(default=0.0, ge=0, le=1)
    rate: float = Field(default=5.0, gt=0)
    budget: int = Field(default=BUDGET, ge=100)
    limits: Limits = Limits()
    scored: bool = True


def play(
    task: str,
    seed: int,
    arm: Arm,
    setting: Setting,
    *,
    model: Model | None = None,
    planner: Planner | None = None,
    keep: Path | None = None,
) -> EpisodeResult:
    """One episode. Arms meet the same worlds, disturbances and noise under one seed.

    Args:
        task: Name of the task.
        seed: Of everything random in it.
        arm: Who plays.
        setting: How.
        model: Of a language planner.
        planner: In place of one that is found by name.
        keep: Run in which the episode is kept for ``watch``.

    Raises:
        BadInput: There is no such task, planner or memory.
        BudgetExhausted: The model's budget ran out.
    """
    found = find_task(task)
    draw, chance, senses = (np.random.default_rng(child) for child in _root(found.name, seed).spawn(3))
    scenario = found.make(draw)
    world = World(scenario.spec, chance, setting.gripper, rate=setting.rate, randomise=Randomisation(slip=setting.slip))
    planner = find_planner(arm.planner, model) if planner is None else planner
    with world:
        if isinstance(planner, LanguagePlanner):
            planner.show_goal(goal_image(scenario) if scenario.goal.image and planner.sees else None)
        memory: MemoryArm = TruthArm(world) if arm.planner == "oracle" else find_arm(arm.memory)
        scored = ScoredMemory(memory, world) if setting.scored and arm.planner != "oracle" else None
        recorder = None if keep is None else Recorder(world, scenario, memory)
        result = run_scenario(
            scenario,
            world,
            planner if recorder is None else recorder.listen(planner),
            scored or memory,
            perception(world, setting),
            senses,
            name=found.name,
            seed=seed,
            budget=setting.budget,
            limits=setting.limits,
            watch=None if recorder is None else recorder.see,
        )
        result = result if scored is None else replace(result, scores=scored.scores())
        if recorder is not None and keep is not None:
            about = {"planner": arm.planner, "memory": arm.memory, "perception": setting.perception}
            recorder.write(
                episode_folder(keep, str(arm), found.name, seed), result, about | {"gripper": setting.gripper}
            )
    return result


def play_unit(unit: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """One episode as plain data, for ``fanout``; the generator is not used, since the seed decides everything."""
    arm, setting = Arm(*unit["arm"]), Setting.model_validate(unit["setting"])
    keep = None if unit["keep"] is None else Path(unit["keep"])
    return pack(play(unit["task"], unit["seed"], arm, setting, keep=keep))


def pack(result: EpisodeResult) -> dict[str, Any]:
    """An episode as JSON data."""
    data: dict[str, Any] = orjson.loads(orjson.dumps(result, option=orjson.OPT_SERIALIZE_NUMPY))
    return data


def perception(world: World, setting: Setting) -> Perception:
    """What turns the world's pictures into regions."""
    noise = SensorNoise().scaled(setting.noise) if setting.noise else None
    if setting.perception == "masks":
        return SimulatorMasks(world.segmentation, noise)
    return ClassicalSegmenter(noise=noise, robot=world.robot)


def _root(task: str, seed: int) -> np.random.SeedSequence:
    """Where an episode's randomness comes from: tasks of one seed have nothing in common."""
    name = int.from_bytes(hashlib.sha256(task.encode()).digest()[:8], "big")
    return np.random.SeedSequence([name, seed])
