"""The closed loop of one episode: observe, perceive, remember, decide, act; and again until it is done or pointless."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from edgewise.core.records import Record
from edgewise.embodied.acting.executor import INTERRUPTED, Executor
from edgewise.embodied.beliefs import Beliefs
from edgewise.embodied.conditions import final_conditions, holds
from edgewise.embodied.tasks.referee import Referee
from edgewise.embodied.tasks.types import Scenario
from edgewise.embodied.types import Directive, EpisodeResult, Goal, MemoryArm, Planner
from edgewise.scene.perception.types import Perception
from edgewise.scene.types import Action, Event, Observation, Outcome, Segmentation
from edgewise.scene.worlds.spec import HAND
from edgewise.scene.worlds.world import World

NOT_CARRIED_OUT = "not carried out: it would undo what just came off, so the scene was looked at again"
_FIRST_LOOK = 0.6  # seconds
_LOOK = 0.2
_QUIET = 1.4  # seconds without a hand in the picture after which somebody is taken to have gone


class Limits(Record):
    """When an episode is pointless.

    Attributes:
        actions: Most actions.
        replans: Most failures in a row of actions for one step of the goal.
        same: Most times that one directive is refused or fails.
        repeats: Most times that one directive is given altogether: a planner that undoes what it did goes in circles.
        waiting: Seconds that the robot waits for somebody's hand to leave the picture.
    """

    actions: int = 60
    replans: int = 4
    same: int = 3
    repeats: int = 6
    waiting: float = 12.0


@dataclass(slots=True)
class Frame:
    """What was taken in last."""

    observation: Observation
    segmentation: Segmentation


@dataclass(slots=True)
class Agent:
    """Runs one episode in a world.

    Attributes:
        world: Where.
        referee: Watches it, by the truth; nothing here asks it before the end.
        goal: What for.
        planner: Decides.
        memory: Remembers.
        perceive: Sees.
        rng: For perception and grasps.
        budget: Tokens of facts that the planner is told.
        limits: When to stop.
        watch: Called after every frame, with the frame as the robot has it.
    """

    world: World
    referee: Referee
    goal: Goal
    planner: Planner
    memory: MemoryArm
    perceive: Perception
    rng: np.random.Generator
    budget: int
    limits: Limits
    watch: Callable[[Frame], None] | None = None
    frames: int = 0
    frame: Frame | None = None
    actions: list[tuple[Action, Outcome, str]] = field(default_factory=list)
    told: int = 0  # steps that the memory was told are reached

    def run(self) -> str:
        """Carry the episode out; why it ended."""
        executor = Executor(self.world, self.memory, self._see, self._wait_for_hand, self.rng, self.budget)
        self.planner.reset(self.goal)
        executor.look(_FIRST_LOOK)
        reason = self._loop(executor)
        if self.world.robot().holding:
            for _ in self.world.follow([], False):
                self._see()
        for _ in self.referee.end():
            self._see()
        return reason

    def _loop(self, executor: Executor) -> str:
        feedback, step, in_a_row = "", -1, 0
        failed: Counter[tuple[object, ...]] = Counter()
        given: Counter[tuple[object, ...]] = Counter()
        premature, doubted = 0, False
        while len(self.actions) < self.limits.actions:
            self._wait_for_hand()
            directive = self._decide(executor, feedback)
            if directive.give_up:
                return directive.give_up
            if directive.done:
                missing = self._missing(executor.beliefs())
                premature += 1
                if not missing or premature >= self.limits.same:
                    return "done" if not missing else f"holds the task for done although {missing}"
                feedback = f"not done: {missing}"
                executor.look()
                continue
            if directive.action is None:
                return "the planner named no action"
            if self._undoes(directive, step) and not doubted:
                doubted, feedback = True, f"{directive.action}: {NOT_CARRIED_OUT}"
                executor.look()  # perception errs now and then
                continue
            doubted = False
            key = _key(directive.action)
            given[key] += 1
            if given[key] > self.limits.repeats:
                return f"the planner repeats itself: {directive.action}"
            outcome, reason = self._act(executor, directive.action)
            feedback = "" if outcome == Outcome.OK else f"{directive.action}: {outcome}: {reason}"
            in_a_row = in_a_row if directive.reached == step else 0
            step = directive.reached
            if reason == INTERRUPTED:
                given[key] -= 1
                continue
            if outcome in (Outcome.OK, Outcome.PARTIAL):
                in_a_row = 0
                continue
            in_a_row += 1
            failed[key] += 1
            if failed[key] >= self.limits.same:
                return f"the same directive fails again and again: {feedback}"
            if in_a_row >= self.limits.replans:
                return f"{in_a_row} plans for one step have failed, the last: {feedback}"
        return f"not done after {self.limits.actions} actions"

    def _decide(self, executor: Executor, feedback: str) -> Directive:
        assert self.frame is not None
        directive = self.planner.decide(executor.facts(), self.frame.observation, self.frame.segmentation, feedback)
        for index in range(self.told, min(directive.reached + 1, len(self.goal.steps))):
            self.memory.complete(index, self.goal.steps[index].text)
            self.told = index + 1
        return directive

    def _act(self, executor: Executor, wanted: Action) -> tuple[Outcome, str]:
        action = replace(wanted, index=len(self.actions) + 1)
        outcome, reason = executor.run(action)
        self.actions.append((action, outcome, reason))
        return outcome, reason

    def _undoes(self, directive: Directive, step: int) -> bool:
        """It takes up again what was just put down as it should be, though no step was reached by that."""
        if not self.actions or directive.action is None:
            return False
        last, outcome, _ = self.actions[-1]
        again = directive.action.name == "pick" and last.name != "pick" and directive.action.target == last.target
        return again and outcome == Outcome.OK and directive.reached == step

    def _missing(self, beliefs: Beliefs) -> str:
        """A condition of the end that is believed not to hold: a planner that says otherwise is too early."""
        names = beliefs.resolve(self.goal)
        for condition in final_conditions(self.goal):
            if holds(condition, beliefs, names) is False:
                return f"{condition.name}({', '.join(condition.arguments)}) does not hold"
        return ""

    def _wait_for_hand(self) -> bool:
        """While somebody else is at work, the robot keeps still. Whether that was so.

        A hand may be at work behind something, so it must not have been seen for a while.
        """
        started = seen = self.world.time
        if not self._hand_seen():
            return False
        while self.world.time - seen < _QUIET and self.world.time - started < self.limits.waiting:
            for _ in self.world.wait(_LOOK):
                self._see()
            seen = self.world.time if self._hand_seen() else seen
        return True

    def _hand_seen(self) -> bool:
        if self.frame is None:
            return False
        segmentation = self.frame.segmentation
        hands = [k + 1 for k, seen in enumerate(segmentation.detections) if seen.label == HAND]
        return bool(hands) and bool(np.isin(segmentation.map, hands).any())

    def _see(self) -> None:
        observation, segmentation = self.perceive(self.world.observe(), self.rng)
        self.memory.update(observation, segmentation, self.world.robot())
        self.frame = Frame(observation, segmentation)
        self.frames += 1
        if self.watch is not None:
            self.watch(self.frame)


def run_scenario(
    scenario: Scenario,
    world: World,
    planner: Planner,
    memory: MemoryArm,
    perceive: Perception,
    rng: np.random.Generator,
    *,
    name: str = "",
    seed: int = 0,
    budget: int = 1500,
    limits: Limits | None = None,
    watch: Callable[[Frame], None] | None = None,
) -> EpisodeResult:
    """One episode. Success is judged by the truth alone.

    Args:
        scenario: What is asked for.
        world: Of the scenario's spec.
        planner: Decides.
        memory: Remembers.
        perceive: Sees.
        rng: For perception and grasps.
        name: Of the task, for the record.
        seed: For the record.
        budget: Tokens of facts that the planner is told.
        limits: When to stop.
        watch: Called after every frame.
    """
    started = time.perf_counter()
    referee = Referee(world, scenario)
    agent = Agent(world, referee, scenario.goal, planner, memory, perceive, rng, budget, limits or Limits(), watch)
    reason = agent.run()
    events: tuple[Event, ...] = getattr(memory, "events", ())
    return EpisodeResult(
        task=name,
        seed=seed,
        success=referee.success,
        reached=referee.progress.reached,
        steps=len(scenario.goal.steps),
        reason=reason,
        actions=tuple(agent.actions),
        events=events,
        frames=agent.frames,
        seconds=time.perf_counter() - started,
    )


def _key(action: Action) -> tuple[object, ...]:
    place = None if action.position is None else tuple(round(value, 2) for value in action.position)
    return (action.name, action.target, action.reference, action.second, place)
