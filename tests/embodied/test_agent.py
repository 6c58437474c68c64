"""Whole episodes: the closed loop, its limits, and the faults of sensing, acting and planning that it meets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from support.worlds import needs_pictures

needs_pictures()

from edgewise.embodied.agent import NOT_CARRIED_OUT, Frame, Limits, run_scenario  # noqa: E402
from edgewise.embodied.planners.symbolic import SymbolicPlanner  # noqa: E402
from edgewise.embodied.play import Arm, Setting, play  # noqa: E402
from edgewise.embodied.tasks import TASKS, find_task  # noqa: E402
from edgewise.embodied.tasks.types import Scenario  # noqa: E402
from edgewise.embodied.truth_arm import TruthArm  # noqa: E402
from edgewise.embodied.types import Directive, EpisodeResult, Goal  # noqa: E402
from edgewise.scene.memory import Memory  # noqa: E402
from edgewise.scene.perception.simulated import SimulatorMasks  # noqa: E402
from edgewise.scene.types import Action, Kind, Observation, Outcome, Segmentation  # noqa: E402
from edgewise.scene.worlds.spec import WorldSpec, cube, drawer  # noqa: E402
from edgewise.scene.worlds.world import World  # noqa: E402
from support.beliefs import goal  # noqa: E402

MASKS = Setting(perception="masks", scored=False)


class Obstinate:
    """A planner that says these things in turn, the last for ever."""

    name = "obstinate"

    def __init__(self, *directives: Directive) -> None:
        self.directives, self.feedback = list(directives), []

    def reset(self, goal: Goal) -> None: ...

    def decide(self, facts: Any, observation: Any, segmentation: Any, feedback: str) -> Directive:
        self.feedback.append(feedback)
        return self.directives.pop(0) if len(self.directives) > 1 else self.directives[0]


def episode(
    planner: Any = None,
    task: str = "stack_three_colors",
    spoil: Callable[[int, Observation, Segmentation], tuple[Observation, Segmentation]] | None = None,
    memory: Any = None,
    **limits: Any,
) -> EpisodeResult:
    """With the simulator's masks; ``spoil`` sees every frame before the memory does."""
    scenario = find_task(task).make(3)
    with World(scenario.spec, 3) as world:
        masks, count = SimulatorMasks(world.segmentation), iter(range(10**6))

        def perceive(observation: Observation, rng: np.random.Generator) -> tuple[Observation, Segmentation]:
            seen = masks(observation, rng)
            return seen if spoil is None else spoil(next(count), *seen)

        memory = TruthArm(world) if memory == "truth" else memory or Memory()
        rng = np.random.default_rng(0)
        return run_scenario(
            scenario, world, planner or SymbolicPlanner(), memory, perceive, rng, name=task, limits=Limits(**limits)
        )


def failed(result: EpisodeResult) -> bool:
    return not result.success and result.reached < result.steps


def some(quick: tuple[str, ...], names: Iterable[str]) -> list[Any]:
    """Tasks as parameters; those that are not quick run with the slow tests."""
    return [pytest.param(name, marks=() if name in quick else (pytest.mark.slow,)) for name in names]


@pytest.mark.parametrize("task", some(("bridge_between_towers", "cup_shuffle"), (task.name for task in TASKS)))
def test_with_the_truth_for_a_memory_every_task_is_done(task: str) -> None:
    result = play(task, 0, Arm("oracle", "full"), MASKS)
    assert result.success, result.reason
    assert result.reached == result.steps and result.reason == "done"


HARD = ("cover_bottom_block_with_box", "cup_shuffle", "swap_under_cover", "hide_restore_medium")


@pytest.mark.parametrize("task", some(HARD[:1], HARD))
def test_with_its_own_memory_and_eyes_it_is_done_as_well(task: str) -> None:
    result = play(task, 1, Arm("symbolic", "full"), Setting())
    assert result.success, result.reason
    kinds = {event.kind for event in result.events}
    assert {Kind.INITIALISE, Kind.PICK, Kind.PLACE, Kind.OCCLUDE, Kind.COMPLETE} <= kinds
    assert sum(event.kind == Kind.COMPLETE for event in result.events) == result.steps
    assert result.scores["hidden"] > 0 and result.scores["frames"] == result.frames


def test_an_episode_depends_on_task_and_seed_alone() -> None:
    first, again = (play("building_easy", 5, Arm("symbolic", "full"), Setting()) for _ in range(2))
    assert replace(first, seconds=0.0) == replace(again, seconds=0.0)
    other = play("building_easy", 6, Arm("symbolic", "full"), Setting())
    assert other.events[0].end != first.events[0].end


def test_arms_meet_the_same_world() -> None:
    seen: list[list[float]] = []

    def first_picture(frame: Frame) -> None:
        seen.append([frame.observation.time, float(frame.observation.rgb.mean())])

    from edgewise.embodied import play as module

    original = module.run_scenario
    try:
        module.run_scenario = lambda *args, **named: original(*args, **(named | {"watch": first_picture}))  # type: ignore[attr-defined]
        for memory in ("none", "full"):
            play("stack_three_colors", 2, Arm("symbolic", memory), MASKS)
    finally:
        module.run_scenario = original  # type: ignore[attr-defined]
    starts = [frame for frame in seen if frame[0] == seen[0][0]]
    assert len(starts) == 2 and starts[0] == starts[1]


def test_a_planner_that_repeats_itself_is_stopped() -> None:
    look = Obstinate(Directive(action=Action(0, "look")))
    result = episode(look)
    assert failed(result) and result.reason == "the planner repeats itself: look"
    assert len(result.actions) == Limits().repeats


def test_a_planner_that_names_what_is_not_there_is_told_and_stopped() -> None:
    wrong = Obstinate(Directive(action=Action(0, "pick", 99)))
    result = episode(wrong)
    assert "fails again and again" in result.reason and "there is no object 99" in result.reason
    assert wrong.feedback == ["", *["pick 99: refused: there is no object 99"] * 2]
    assert all(outcome == Outcome.REFUSED for _, outcome, _ in result.actions)


def test_plans_that_fail_one_after_another_are_given_up() -> None:
    wrong = Obstinate(*(Directive(action=Action(0, "pick", 90 + k)) for k in range(9)))
    result = episode(wrong)
    assert result.reason.startswith("4 plans for one step have failed") and len(result.actions) == 4


def test_done_is_not_believed_while_something_denies_it() -> None:
    early = Obstinate(Directive(done=True))
    result = episode(early)
    assert failed(result) and "holds the task for done although on(" in result.reason
    assert "not done: on(" in early.feedback[1]


def test_before_it_undoes_what_came_off_it_looks_again() -> None:
    class Forgetful(SymbolicPlanner):
        """Takes up again what it has just put down, once: it misread a frame."""

        heard: list[str] = []

        def decide(self, facts: Any, observation: Any, segmentation: Any, feedback: str) -> Directive:
            self.heard.append(feedback)
            directive = super().decide(facts, observation, segmentation, feedback)
            if len(self.heard) == 3:
                target = next(f.action.target for f in facts if getattr(f, "action", None) is not None)
                return replace(directive, action=Action(0, "pick", target), reached=-1)
            return directive

    result = episode(Forgetful())
    assert result.success and [a.name for a, _, _ in result.actions] == ["pick", "place_on"] * 2
    assert NOT_CARRIED_OUT in Forgetful.heard[3]


def test_a_planner_that_gives_up_says_why_and_actions_are_limited() -> None:
    assert episode(Obstinate(Directive(give_up="unknown: which"))).reason == "unknown: which"
    assert episode(Obstinate(Directive())).reason == "the planner named no action"
    assert episode(actions=2).reason == "not done after 2 actions"


def test_what_is_still_in_the_hand_is_let_go_at_the_end() -> None:
    result = episode(actions=1)
    assert result.actions[0][0].name == "pick" and failed(result)


def test_frames_without_depth_are_told_and_got_over() -> None:
    def blind(number: int, observation: Observation, segmentation: Segmentation) -> tuple[Observation, Segmentation]:
        return (replace(observation, depth=None) if 10 <= number < 14 else observation), segmentation

    result = episode(spoil=blind)
    assert result.success, result.reason
    assert any(event.kind == Kind.FAULT for event in result.events)


def test_frames_that_do_not_come_are_got_over() -> None:
    last: list[tuple[Observation, Segmentation]] = []

    def stuck(number: int, observation: Observation, segmentation: Segmentation) -> tuple[Observation, Segmentation]:
        if number % 5 != 4:
            last[:] = [(observation, segmentation)]
        return last[0]  # now and then the camera gives the picture before once more

    assert episode(spoil=stuck).success


def test_empty_masks_are_got_over() -> None:
    def empty(number: int, observation: Observation, segmentation: Segmentation) -> tuple[Observation, Segmentation]:
        if number % 6 == 5:
            segmentation = Segmentation(np.zeros_like(segmentation.map), ())
        return observation, segmentation

    assert episode(spoil=empty).success


def test_a_grasp_that_slips_is_tried_again() -> None:
    setting = MASKS.model_copy(update={"slip": 0.5})
    results = [play("stack_three_colors", seed, Arm("symbolic", "full"), setting) for seed in range(2)]
    assert all(result.success for result in results)
    assert max(result.frames for result in results) > 50  # it took more than it does where nothing slips


def test_friction_alone_holds_things_as_well() -> None:
    assert play(
        "stack_three_colors", 0, Arm("symbolic", "full"), MASKS.model_copy(update={"gripper": "friction"})
    ).success


def test_what_leaves_the_table_is_not_waited_for() -> None:
    from edgewise.scene.worlds.hand import Carry

    scenario = find_task("stack_three_colors").make(3)
    with World(scenario.spec, 3) as world:
        gone = scenario.goal.referents[-1].name
        world.hand.perform([Carry(gone, (0.5, 0.75, 0.02))])  # over the edge

        def settle() -> Iterator[None]:
            yield from world.wait(0.2)

        for _ in settle():
            pass
        masks = SimulatorMasks(world.segmentation)
        result = run_scenario(scenario, world, SymbolicPlanner(), Memory(), masks, np.random.default_rng(0))
    assert failed(result) and result.reason.startswith("unknown")


def test_a_drawer_is_opened_filled_and_shut() -> None:
    spec = WorldSpec((*drawer("brown", 0.6, 0.1), cube("red", 0.4, -0.15), cube("green", 0.45, -0.25)))
    wanted = goal({"red": "red cube", "drawer": "brown drawer"}, "inside(red, drawer)", "closed(drawer)")
    with World(spec, 0) as world:
        masks = SimulatorMasks(world.segmentation)
        scenario = Scenario(spec, wanted)
        result = run_scenario(scenario, world, SymbolicPlanner(), Memory(), masks, np.random.default_rng(0))
    assert result.success, result.reason
    assert [action.name for action, _, _ in result.actions] == ["open", "pick", "place_in", "close"]
