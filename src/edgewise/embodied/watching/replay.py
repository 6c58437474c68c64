"""Episodes of a run that can be watched: those that were kept, and any other by playing it again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from edgewise.core.errors import BadInput, Unsupported
from edgewise.core.records import parse_options
from edgewise.core.run import Run
from edgewise.embodied.job import KIND, EmbodiedConfig
from edgewise.embodied.planners.find import PLANNERS
from edgewise.embodied.play import Arm, play
from edgewise.embodied.tasks.suites import find_task
from edgewise.embodied.watching.recording import episode_folder


class Kept(NamedTuple):
    """An episode on disk."""

    arm: str
    task: str
    seed: int
    folder: Path


def kept_episode(path: Path, arm: str | None, task: str | None, seed: int | None, *, ready: Callable[[], None]) -> Kept:
    """The episode that was asked for.

    What was not asked for is free: then an episode that failed comes first, then one that was kept. An episode that was
    not kept is played again, which gives the same, since it depends on nothing but names, seed and settings.

    Args:
        path: The run's folder.
        arm: Who played, as the run calls it; its last part, the memory, will do.
        task: Its name.
        seed: Of the episode.
        ready: Called before an episode is played: raises if the simulator is missing.

    Raises:
        BadInput: The run is none of this kind, or has no such episode.
        Unsupported: The episode was not kept, and its planner is a model: its answers cannot be had again.
    """
    run = Run.open(path)
    if run.manifest.kind != KIND:
        raise BadInput(f"this is a run of kind {run.manifest.kind}", file=path, fix="give one of `edgewise embodied`")
    config = parse_options(EmbodiedConfig, run.manifest.config, what="manifest")
    name = None if task is None else find_task(task).name
    played: list[tuple[bool, Kept]] = []
    for event in run.read_events("episode"):
        who = event.key.rsplit("/", 2)[0]
        of, number = event.data["task"], event.data["seed"]
        mine = arm is None or arm == who or arm.replace("-", "_") == who.rpartition("+")[2]
        if mine and name in (None, of) and seed in (None, number):
            folder = episode_folder(path, who, of, number)
            played.append((bool(event.data["success"]), Kept(who, of, number, folder)))
    if not played:
        arms = ", ".join(str(one) for one in config.arms)
        known = f"tasks: {', '.join(config.names())}; arms: {arms}; {config.seeds} seeds from {1_000_000 * run.seed}"
        raise BadInput("the run has no such episode", file=path, fix=known)
    within_reach = [(done, one) for done, one in played if one.folder.is_dir() or _offline(one, config)]
    if not within_reach:
        raise Unsupported(
            "the episode was not kept, and a model's answers cannot be had again", fix="run with a larger --record"
        )
    _, one = min(within_reach, key=lambda item: (item[0], not item[1].folder.is_dir()))
    if not one.folder.is_dir():
        ready()
        chosen = next(a for a in config.arms if str(a) == one.arm)
        play(one.task, one.seed, chosen, config.setting, keep=path)
    return one


def _offline(one: Kept, config: EmbodiedConfig) -> bool:
    """Whether the episode can be played again without a model."""
    return any(str(arm) == one.arm and Arm(*arm).planner in PLANNERS for arm in config.arms)
