"""Every task as a Gymnasium environment: ``register()``, then ``gymnasium.make("edgewise/StackFiveColors-v0")``.

An action moves the gripper by a little and sets its fingers, as policies want it; primitives by object are the agent's,
see ``edgewise.embodied.agent``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import gymnasium
import numpy as np
import numpy.typing as npt

from edgewise.core.errors import BadInput
from edgewise.embodied.tasks.referee import AFTER_RELEASE, Referee
from edgewise.embodied.tasks.suites import TASKS, find_task
from edgewise.scene.worlds.mjcf import OPENING
from edgewise.scene.worlds.spec import Randomisation
from edgewise.scene.worlds.world import World

SHIFT, TURN = 0.08, 0.6  # of one action at most, metres and radians
RATE = 5.0  # actions and pictures per second
REACH = 5.0  # greatest depth, metres
_STEPS = 400  # of an episode at most

Observation = dict[str, npt.NDArray[Any]]


class TaskEnv(gymnasium.Env):  # type: ignore[misc, unused-ignore]
    """One task.

    An action is (x, y, z, yaw, fingers), each in [-1, 1]: the first three move the gripper by up to 8 cm, the fourth
    turns it by up to .6 rad, the last closes the fingers if it is negative and opens them by its share of 8 cm if not.
    An observation has ``rgb`` (h, w, 3), ``depth`` (h, w, 1) in metres with 0 for none, and ``robot`` (7,): position,
    sine and cosine of the yaw, opening of the fingers, and whether they hold something. The reward is the number of the
    task's steps that were reached by the action. An episode terminates when the end has held for a second with nothing
    in the robot's hand; ``info`` has ``success``, ``reached``, ``steps``, and ``goal`` in words.

    Args:
        task: Name, see ``edgewise.embodied.tasks.TASKS``.
        gripper: ``weld`` or ``friction``.
        size: Of pictures, (width, height) pixels.
        randomise: What is drawn at random besides the task's own.
        render_mode: ``rgb_array`` or None.

    Raises:
        BadInput: There is no such task or gripper.
        Unsupported: No picture can be drawn on this machine.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": int(RATE)}

    def __init__(
        self,
        task: str,
        gripper: Literal["weld", "friction"] = "weld",
        size: tuple[int, int] = (320, 240),
        randomise: Randomisation | None = None,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise BadInput(f"no render mode {render_mode!r}", field="render_mode", fix="rgb_array or None")
        self.render_mode = render_mode
        self._task, self._gripper, self._size, self._randomise = find_task(task), gripper, size, randomise
        width, height = size
        box = gymnasium.spaces.Box
        self.action_space = box(-1.0, 1.0, (5,), np.float32)
        self.observation_space = gymnasium.spaces.Dict(
            {
                "rgb": box(0, 255, (height, width, 3), np.uint8),
                "depth": box(0.0, REACH, (height, width, 1), np.float32),
                "robot": box(
                    np.array([-1, -1, -1, -1, -1, -0.01, 0], np.float32),
                    np.array([2, 1, 1, 1, 1, 2 * OPENING, 1], np.float32),
                    dtype=np.float32,
                ),
            }
        )
        self._world: World | None = None
        self._referee: Referee | None = None
        self._goal = ""
        self._done_since: float | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """A new episode, drawn from the environment's generator; the same ``seed`` gives the same one."""
        super().reset(seed=seed)
        self.close()
        scenario = self._task.make(self.np_random)
        self._world = World(scenario.spec, self.np_random, self._gripper, self._size, RATE, self._randomise)
        self._referee = Referee(self._world, scenario)
        self._goal, self._done_since = scenario.goal.text, None
        return self._observe(), self._info()

    def step(self, action: npt.NDArray[np.floating[Any]]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Move the gripper for a fifth of a second, or longer if the fingers open or close."""
        assert self._world is not None and self._referee is not None, "call reset first"
        world, before = self._world, self._referee.progress.reached
        values = np.clip(np.asarray(action, float), -1.0, 1.0)
        for _ in self._motion(world, values):
            pass
        info = self._info()
        done = bool(info["success"])
        since = self._done_since
        self._done_since = (world.time if since is None else since) if done else None
        terminated = done and since is not None and world.time - since >= AFTER_RELEASE
        return self._observe(), float(info["reached"] - before), terminated, False, info

    def _motion(self, world: World, values: npt.NDArray[np.float64]) -> Iterator[None]:
        robot = world.robot()
        shift, yaw = SHIFT * values[:3], robot.yaw + TURN * float(values[3])
        x, y, z = (float(v) for v in np.array(robot.position) + shift)
        close = bool(values[4] < 0)
        change = close if close != world.gripper.closed else None
        if change is None and not values[:4].any():
            yield from world.wait(1 / RATE)
        else:
            speed = max(float(np.linalg.norm(shift)) * RATE, SHIFT)
            yield from world.follow([((x, y, z), yaw)], change, float(values[4]) * OPENING, speed)

    def _observe(self) -> Observation:
        assert self._world is not None
        shot, robot = self._world.observe(), self._world.robot()
        assert shot.depth is not None
        own = (*robot.position, np.sin(robot.yaw), np.cos(robot.yaw), robot.opening, robot.holding)
        depth = np.clip(shot.depth, 0.0, REACH)[:, :, None]
        return {"rgb": shot.rgb, "depth": depth, "robot": np.array(own, np.float32)}

    def _info(self) -> dict[str, Any]:
        assert self._referee is not None
        progress = self._referee.progress
        return {
            "success": self._referee.success,
            "reached": progress.reached,
            "steps": progress.steps,
            "goal": self._goal,
        }

    def render(self) -> npt.NDArray[np.uint8] | None:
        """The camera's picture."""
        return self._world.observe().rgb if self._world is not None and self.render_mode else None

    def close(self) -> None:
        """Free the world."""
        if self._world is not None:
            self._world.close()
            self._world = None


def environment_id(task: str) -> str:
    """What Gymnasium calls a task: ``edgewise/StackFiveColors-v0`` for ``stack_five_colors``."""
    return f"edgewise/{''.join(word.capitalize() for word in task.split('_'))}-v0"


def register() -> None:
    """Make Gymnasium know all tasks; doing it again changes nothing."""
    for task in TASKS:
        name = environment_id(task.name)
        if name not in gymnasium.registry:
            gymnasium.register(name, f"{__name__}:TaskEnv", kwargs={"task": task.name}, max_episode_steps=_STEPS)
