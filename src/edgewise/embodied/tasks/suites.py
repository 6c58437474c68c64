"""All tasks by name and by suite."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.embodied.tasks import adversarial, families, long_horizon
from edgewise.embodied.tasks.types import Scenario, Task

_LEVELS = ("easy", "medium", "hard")


def _task(suite: str, build: Callable[[np.random.Generator], Scenario]) -> Task:
    level = build.__name__.rsplit("_", 1)[-1]
    return Task(build.__name__, suite, build, level if level in _LEVELS and suite != "long-horizon" else "")


TASKS: tuple[Task, ...] = (
    _task("long-horizon", long_horizon.bridge_between_towers),
    _task("long-horizon", long_horizon.cover_top_block_with_box),
    _task("long-horizon", long_horizon.cover_bottom_block_with_box),
    _task("long-horizon", long_horizon.place_blocks_in_two_containers),
    _task("long-horizon", long_horizon.place_blocks_in_two_containers_hard),
    _task("long-horizon", long_horizon.stack_five_colors),
    _task("long-horizon", long_horizon.stack_three_colors),
    _task("long-horizon", long_horizon.unstack_then_stack_four_colors),
    _task("adversarial", adversarial.swap_same_colour),
    _task("adversarial", adversarial.swap_under_cover),
    _task("adversarial", adversarial.cup_shuffle),
    _task("adversarial", adversarial.moved_while_hidden),
    _task("adversarial", adversarial.slid_cover),
    _task("adversarial", adversarial.two_covers),
    _task("adversarial", adversarial.premature_done),
    _task("building", families.building_easy),
    _task("building", families.building_medium),
    _task("building", families.building_hard),
    _task("disassembly", families.disassembly_easy),
    _task("disassembly", families.disassembly_medium),
    _task("disassembly", families.disassembly_hard),
    _task("hide-and-restore", families.hide_restore_easy),
    _task("hide-and-restore", families.hide_restore_medium),
    _task("hide-and-restore", families.hide_restore_hard),
)
SUITES = ("long-horizon", "adversarial", "building", "disassembly", "hide-and-restore")


def suite(name: str) -> tuple[Task, ...]:
    """Tasks of a suite, or of ``all``.

    Raises:
        BadInput: There is no such suite.
    """
    if name != "all" and name not in SUITES:
        raise BadInput(f"no suite {name!r}", field="suite", fix=f"one of: {', '.join(SUITES)}, all")
    return tuple(task for task in TASKS if name in ("all", task.suite))


def find_task(name: str) -> Task:
    """A task by name; hyphens may stand for underscores.

    Raises:
        BadInput: There is no such task.
    """
    for task in TASKS:
        if task.name == name.replace("-", "_").lower():
            return task
    known = f"suites: {', '.join(SUITES)}, all; tasks: {', '.join(task.name for task in TASKS)}"
    raise BadInput(f"no task {name!r}", field="task", fix=known)


def find_tasks(names: Iterable[str]) -> tuple[Task, ...]:
    """The tasks of several suites and single tasks by name, each once.

    Raises:
        BadInput: One of them is neither.
    """
    found = (suite(name) if name in (*SUITES, "all") else (find_task(name),) for name in names)
    return tuple(dict.fromkeys(task for some in found for task in some))
