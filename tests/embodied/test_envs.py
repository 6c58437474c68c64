"""Tasks as Gymnasium environments."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from support.worlds import needs_pictures

needs_pictures()
gymnasium = pytest.importorskip("gymnasium")

from gymnasium.utils.env_checker import check_env  # noqa: E402

from edgewise.core.errors import BadInput  # noqa: E402
from edgewise.embodied.envs import SHIFT, TaskEnv, environment_id, register  # noqa: E402
from edgewise.embodied.tasks import TASKS  # noqa: E402

SMALL = (64, 48)


@pytest.mark.parametrize("task", ["bridge_between_towers", "cup_shuffle"])
def test_gymnasium_finds_no_fault(task: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*the environment.*spec.*|.*not have a.*spec.*")
        check_env(TaskEnv(task, size=SMALL, render_mode="rgb_array"))


def test_all_tasks_are_registered() -> None:
    register()
    register()
    assert environment_id("bridge_between_towers") == "edgewise/BridgeBetweenTowers-v0"
    for task in TASKS:
        assert environment_id(task.name) in gymnasium.registry
    env = gymnasium.make("edgewise/StackThreeColors-v0", size=SMALL)
    observation, info = env.reset(seed=1)
    assert observation["rgb"].shape == (48, 64, 3) and info["steps"] == 2 and "red" in info["goal"]
    env.close()


def test_the_same_seed_and_actions_give_the_same_episode() -> None:
    def film(seed: int) -> bytes:
        env = TaskEnv("building_easy", size=SMALL)
        observation, _ = env.reset(seed=seed)
        frames = [observation["rgb"].tobytes()]
        for action in np.random.default_rng(0).uniform(-1, 1, (5, 5)):
            observation, *_ = env.step(action)
            frames.append(b"".join(observation[key].tobytes() for key in ("rgb", "depth", "robot")))
        env.close()
        return b"".join(frames)

    assert film(3) == film(3) != film(4)


def go(env: TaskEnv, to: tuple[float, float, float], fingers: float) -> tuple:
    """Actions that bring the gripper there."""
    result = None
    for _ in range(40):
        away = np.array(to) - np.array(env._world.robot().position)  # type: ignore[union-attr]
        result = env.step(np.array([*np.clip(away / SHIFT, -1, 1), 0.0, fingers]))
        if np.linalg.norm(away) < 0.002:
            break
    assert result is not None
    return result


def test_an_episode_ends_when_the_end_has_held_after_release() -> None:
    env = TaskEnv("building_easy", size=SMALL)
    env.reset(seed=2)
    world, referee = env._world, env._referee
    assert world is not None and referee is not None
    a, b = referee._scenario.goal.steps[0].conditions[0].arguments
    x, y, z = world.position(a)
    rewards = []
    for to, fingers in [((x, y, 0.15), 1.0), ((x, y, z), 1.0), ((x, y, z), -1.0), ((x, y, 0.25), -1.0)]:
        rewards.append(go(env, to, fingers)[1])
    assert world.robot().holding
    x, y, z = world.position(b)
    for to, fingers in [((x, y, 0.25), -1.0), ((x, y, z + 0.042), -1.0), ((x, y, z + 0.042), 0.8)]:
        _, reward, terminated, _, info = go(env, to, fingers)
        rewards.append(reward)
    assert not terminated
    for _ in range(10):
        _, reward, terminated, truncated, info = env.step(np.array([0, 0, 1, 0, 1.0]))
        rewards.append(reward)
        if terminated:
            break
    assert terminated and not truncated and info["success"] and info["reached"] == info["steps"] == 1
    assert sum(rewards) == 1.0
    env.close()


def test_unknown_names_are_refused() -> None:
    with pytest.raises(BadInput, match="no task"):
        TaskEnv("juggle")
    with pytest.raises(BadInput, match="render mode"):
        TaskEnv("building_easy", render_mode="human")
