"""An episode on disk: what the camera saw, what the agent decided and did, what its memory logged, how it ended."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from edgewise.core.errors import MissingExtra, RunError
from edgewise.core.files import explain_os_errors, write_atomically
from edgewise.core.records import Record
from edgewise.embodied.agent import Frame
from edgewise.embodied.tasks.predicates import Progress, final_conditions
from edgewise.embodied.tasks.types import Scenario
from edgewise.embodied.types import Directive, EpisodeResult, Goal, MemoryArm, Planner
from edgewise.scene.memory import Memory
from edgewise.scene.types import (
    Action,
    Camera,
    Event,
    Fact,
    ObjectFact,
    Observation,
    Outcome,
    RelationFact,
    Segmentation,
)
from edgewise.scene.worlds.world import World

FOLDER = "episodes"  # under a run's artefacts
_QUALITY = 80  # of JPEG


class Viewpoint(Record):
    """A camera as a record; see ``Camera``."""

    width: int
    height: int
    focal: tuple[float, float]
    centre: tuple[float, float]
    pose: tuple[tuple[float, float, float, float], ...]

    @classmethod
    def of(cls, camera: Camera) -> Viewpoint:
        """From a camera."""
        pose = tuple(tuple(float(v) for v in row) for row in camera.pose)
        return cls(width=camera.width, height=camera.height, focal=camera.focal, centre=camera.centre, pose=pose)  # type: ignore[arg-type]

    def camera(self) -> Camera:
        """As a camera."""
        return Camera(self.width, self.height, self.focal, self.centre, np.array(self.pose))


class Decision(Record):
    """What a planner was told and what it wanted.

    Attributes:
        time: Seconds.
        directive: What it wanted.
        feedback: Why its last directive was refused or failed.
        objects: What it was told of objects at present.
        relations: What it was told of relations at present.
        told: Facts that it was told, all together.
    """

    time: float
    directive: Directive
    feedback: str
    objects: tuple[ObjectFact, ...]
    relations: tuple[RelationFact, ...]
    told: int


class Episode(Record):
    """Everything of an episode but its pictures and its memory's log.

    Attributes:
        about: Names of planner, memory, perception and gripper.
        success: By the truth; so are ``reached`` (steps), ``times`` (seconds at which they were) and ``unmet``
            (conditions of the end that did not hold).
        reason: Why the agent stopped.
        views: Cameras that pictures were taken with.
        frames: Time of each picture, and which camera took it.
    """

    SCHEMA: ClassVar[str] = "embodied.episode/1"
    task: str
    seed: int
    goal: Goal
    about: dict[str, str]
    success: bool
    reached: int
    times: tuple[float, ...]
    unmet: tuple[str, ...]
    reason: str
    views: tuple[Viewpoint, ...]
    frames: tuple[tuple[float, int], ...]
    decisions: tuple[Decision, ...]
    actions: tuple[tuple[Action, Outcome, str], ...]
    events: tuple[Event, ...]
    scores: dict[str, float]


class Recorder:
    """Listens to one episode.

    Give ``see`` to the agent as ``watch``, and the planner that ``listen`` returns in place of yours.

    Args:
        world: In which it takes place.
        scenario: What is asked for.
        memory: Of the agent; its log is written if it has one.

    Raises:
        MissingExtra: Pillow is not installed.
    """

    def __init__(self, world: World, scenario: Scenario, memory: MemoryArm) -> None:
        try:
            from PIL import Image
        except ModuleNotFoundError:
            raise MissingExtra("Pillow", "sim") from None
        self._image = Image
        self._world, self._scenario, self._memory = world, scenario, memory
        self._progress = Progress(scenario.goal, world.truth(pictures=False))
        self._pictures: list[bytes] = []
        self._frames: list[tuple[float, int]] = []
        self._views: list[Viewpoint] = []
        self._decisions: list[Decision] = []

    def see(self, frame: Frame) -> None:
        """Take in one frame."""
        buffer = io.BytesIO()
        self._image.fromarray(frame.observation.rgb).save(buffer, "JPEG", quality=_QUALITY)
        self._pictures.append(buffer.getvalue())
        view = Viewpoint.of(frame.observation.camera)
        if not self._views or self._views[-1] != view:
            self._views.append(view)
        self._frames.append((round(frame.observation.time, 3), len(self._views) - 1))
        self._progress.update(self._world.truth(pictures=False))

    def listen(self, planner: Planner) -> Planner:
        """The same planner; what it decides is written down."""
        return _Heard(planner, self._decisions)

    def write(self, folder: Path, result: EpisodeResult, about: Mapping[str, str]) -> None:
        """Write the episode into a new folder, which replaces an older one; it is there whole or not at all.

        Raises:
            RunError: It cannot be written.
        """
        truth = self._world.truth(pictures=False)
        unmet = [c for c in final_conditions(self._scenario.goal) if not self._progress.holds((c,), truth)]
        episode = Episode(
            task=result.task,
            seed=result.seed,
            goal=self._scenario.goal,
            about=dict(about),
            success=result.success,
            reached=result.reached,
            times=tuple(round(time, 3) for time in self._progress.times),
            unmet=tuple(f"{c.name}({', '.join(c.arguments)})" for c in unmet),
            reason=result.reason,
            views=tuple(self._views),
            frames=tuple(self._frames),
            decisions=tuple(self._decisions),
            actions=result.actions,
            events=result.events,
            scores={name: float(value) for name, value in result.scores.items() if np.isfinite(value)},
        )
        part = folder.with_name(folder.name + ".part")
        with explain_os_errors(folder, "cannot write the episode"):
            shutil.rmtree(part, ignore_errors=True)
            (part / "frames").mkdir(parents=True)
            for number, picture in enumerate(self._pictures):
                (part / "frames" / f"{number:05}.jpg").write_bytes(picture)
            if isinstance(self._memory, Memory):
                self._memory.save(part / "scene.jsonl")
            write_atomically(part / "episode.json", episode.to_json())
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)


class _Heard:
    def __init__(self, planner: Planner, decisions: list[Decision]) -> None:
        self.name, self._planner, self._decisions = planner.name, planner, decisions

    def __getattr__(self, name: str) -> Any:
        return getattr(self._planner, name)

    def reset(self, goal: Goal) -> None:
        self._planner.reset(goal)

    def decide(
        self, facts: tuple[Fact, ...], observation: Observation, segmentation: Segmentation, feedback: str
    ) -> Directive:
        directive = self._planner.decide(facts, observation, segmentation, feedback)
        decision = Decision(
            time=round(observation.time, 3),
            directive=directive,
            feedback=feedback,
            objects=tuple(fact for fact in facts if isinstance(fact, ObjectFact) and not fact.initial),
            relations=tuple(fact for fact in facts if isinstance(fact, RelationFact) and not fact.initial),
            told=len(facts),
        )
        self._decisions.append(decision)
        return directive


def read_episode(folder: Path) -> Episode:
    """Read an episode back.

    Raises:
        RunError: There is none.
        CorruptRecord: It is damaged.
    """
    path = folder / "episode.json"
    if not path.is_file():
        raise RunError("there is no episode here", where=str(folder))
    with explain_os_errors(path, "cannot read"):
        return Episode.from_json(path.read_bytes(), where=str(path))


def episode_folder(run: Path, arm: str, task: str, seed: int) -> Path:
    """Where a run keeps an episode. ``arm`` may be anything, a model's specification for one."""
    plain = re.sub(r"[^A-Za-z0-9.+_-]+", "-", arm).strip("-.") or "arm"
    return run / "artefacts" / FOLDER / plain / f"{task}-{seed}"
