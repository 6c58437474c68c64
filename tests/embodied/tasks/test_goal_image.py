"""Goals as pictures."""

from __future__ import annotations

import numpy as np
import pytest

from support.worlds import go, needs_pictures

needs_pictures()

from edgewise.embodied.tasks import TASKS, Task  # noqa: E402
from edgewise.embodied.tasks.goal_image import goal_image, goal_spec  # noqa: E402
from edgewise.embodied.tasks.predicates import final_conditions, holds  # noqa: E402
from edgewise.scene.worlds.spec import STILL  # noqa: E402
from edgewise.scene.worlds.world import World  # noqa: E402


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("seed", range(3))
def test_the_end_holds_in_the_picture_and_stands(task: Task, seed: int) -> None:
    spec, goal, _ = task.make(seed)
    with World(spec, randomise=STILL) as world:
        start = world.truth(pictures=False)
    with World(goal_spec(task.make(seed)), randomise=STILL) as world:
        before = world.truth(pictures=False)
        go(world.wait(1.0))
        truth = world.truth(pictures=False)
    assert np.abs(truth.positions - before.positions).max() < 0.002
    for condition in final_conditions(goal):
        assert holds(condition, truth, start), condition


def test_it_is_a_picture_of_another_scene() -> None:
    task = next(task for task in TASKS if task.name == "stack_five_colors")
    picture = goal_image(task.make(0), (64, 48))
    with World(task.make(0).spec, randomise=STILL, size=(64, 48)) as world:
        assert (world.observe().rgb != picture.rgb).any()
