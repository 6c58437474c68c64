"""Every task: drawn from its seed, seen at the start, stable, and possible."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from support.worlds import go, needs_pictures

needs_pictures()

from edgewise.core.errors import BadInput  # noqa: E402
from edgewise.embodied.tasks import SUITES, TASKS, Referee, Task, find_task, suite  # noqa: E402
from edgewise.embodied.tasks.layout import COVER, places  # noqa: E402
from edgewise.scene.types import NOUNS, Kind  # noqa: E402
from edgewise.scene.worlds.mjcf import REACH_HIGH, REACH_LOW  # noqa: E402
from edgewise.scene.worlds.truth import TruthLog  # noqa: E402
from edgewise.scene.worlds.world import World  # noqa: E402
from embodied.tasks.oracle import Oracle  # noqa: E402

each = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)


def test_suites_and_names() -> None:
    assert Counter(task.suite for task in suite("all")) == {
        "long-horizon": 8, "adversarial": 7, "building": 3, "disassembly": 3, "hide-and-restore": 3,
    }  # fmt: skip
    assert [task.difficulty for task in suite("building")] == ["easy", "medium", "hard"]
    assert all(suite(name) for name in SUITES)
    assert find_task("Cup-Shuffle").name == "cup_shuffle"
    with pytest.raises(BadInput, match="no task 'juggle'") as raised:
        find_task("juggle")
    assert "stack_five_colors" in str(raised.value)
    with pytest.raises(BadInput, match="no suite 'short'"):
        suite("short")


@each
def test_a_seed_draws_one_scenario(task: Task) -> None:
    assert task.make(3) == task.make(3)
    assert task.make(3) != task.make(4)


@each
def test_goals_speak_of_what_there_is(task: Task) -> None:
    for seed in range(10):
        spec, goal, interventions = task.make(seed)
        names = {referent.name for referent in goal.referents}
        conditions = [c for part in goal.steps for c in part.conditions] + list(goal.final)
        assert {name for c in conditions for name in c.arguments} == names
        labels = Counter((referent.label, referent.index) for referent in goal.referents)
        assert max(labels.values()) == 1
        for referent in goal.referents:
            alike = sorted((t for t in spec.things if t.label == referent.label), key=lambda t: -t.position[1])
            assert alike[referent.index].name == referent.name
            # Nothing that is drawn besides may change the order from left to right.
            assert all(a.position[1] - b.position[1] > 0.03 for a, b in pairwise(alike))
        assert goal.text and all(part.text for part in goal.steps)
        assert bool(interventions) == (task.suite == "adversarial")
        for thing in spec.things:
            x, y, z = thing.position
            assert REACH_LOW[0] < x < REACH_HIGH[0] and abs(y) < 0.31 and z > 0
            assert thing.label.split()[-1] in {*NOUNS, "cube", "block", "cylinder", "board"}


@each
def test_it_starts_at_rest_with_everything_in_sight(task: Task) -> None:
    for seed in range(3):
        scenario = task.make(seed)
        with World(scenario.spec, seed) as world:
            referee = Referee(world, scenario)
            before = world.truth()
            go(world.wait(0.6))
            after = world.truth(pictures=False)
        assert before.visible.min() > 0.2
        assert np.abs(after.positions - before.positions).max() < 0.001
        assert referee.progress.reached == 0 and not referee.success


@each
@pytest.mark.parametrize("seed", [0, 1])
def test_it_can_be_done(task: Task, seed: int) -> None:
    scenario = task.make(seed)
    with World(scenario.spec, seed) as world:
        referee = Referee(world, scenario)
        assert Oracle(world, referee, scenario.goal).run(), world.truth(pictures=False)
        assert referee.progress.times == sorted(referee.progress.times)
        assert referee.happened == list(scenario.interventions)


@pytest.mark.parametrize("gripper", ["weld", "friction"])
def test_either_gripper_does_the_longest_task(gripper: str) -> None:
    scenario = find_task("unstack_then_stack_four_colors").make(5)
    with World(scenario.spec, 5, gripper) as world:  # type: ignore[arg-type]
        assert Oracle(world, Referee(world, scenario), scenario.goal).run()


def test_four_cubes_go_two_by_two_and_one_at_least_to_the_other_colour() -> None:
    for seed in range(20):
        _, goal, _ = find_task("place_blocks_in_two_containers_hard").make(seed)
        where = {c.arguments[0]: c.arguments[1] for part in goal.steps for c in part.conditions}
        assert sorted(where.values()) == ["left_bin", "left_bin", "right_bin", "right_bin"]
        of_colour = {r.label.split()[0]: r.name for r in goal.referents if r.label.endswith("bin")}
        assert any(where.get(colour) not in (None, name) for colour, name in of_colour.items())


def after_covering(name: str, seed: int) -> TruthLog:
    """The true events of a task of which the oracle does the first steps and then waits."""
    scenario = find_task(name).make(seed)
    log = TruthLog()
    with World(scenario.spec, seed) as world:
        referee = Referee(world, scenario)
        log.update(world.truth())
        world.ticks.append(lambda world: log.update(world.truth()))
        oracle = Oracle(world, referee, scenario.goal)
        for part in scenario.goal.steps[: scenario.interventions[0].after]:
            for condition in part.conditions:
                oracle.bring(condition)
        oracle.settle()
        oracle.wait(0.5)
    return log


@pytest.mark.parametrize("seed", range(3))
def test_what_is_done_in_hiding_is_not_seen(seed: int) -> None:
    box = [e for e in after_covering("moved_while_hidden", seed).events if (e.kind, e.name) == (Kind.MOVE, "box")]
    assert len(box) == 1 and not box[0].seen
    cubes = [e for e in after_covering("swap_under_cover", seed).events if e.kind == Kind.MOVE]
    assert {e.name for e in cubes} == {"red", "green"} and not any(e.seen for e in cubes)


@pytest.mark.parametrize("name", ["slid_cover", "two_covers", "cup_shuffle"])
def test_what_is_slid_in_sight_is_seen(name: str) -> None:
    moves = [e for e in after_covering(name, 0).events if e.kind == Kind.MOVE]
    assert {"red"} <= {e.name for e in moves} and all(e.seen for e in moves)


def test_too_many_things_find_no_room() -> None:
    with pytest.raises(BadInput, match="no room for 40 things"):
        places(np.random.default_rng(0), [COVER] * 40)
