"""Watches an episode: starts what somebody else does, counts steps and says in the end whether the task is done."""

from __future__ import annotations

from collections.abc import Iterator

from edgewise.embodied.tasks.predicates import Progress
from edgewise.embodied.tasks.types import Exchange, Intervention, Scenario
from edgewise.scene.worlds.hand import Carry
from edgewise.scene.worlds.world import World

AFTER_RELEASE = 1.0  # seconds that the end must hold after the gripper let go
_CLEAR = 0.12  # somebody waits until the robot's fingers are so far above the table, metres


class Referee:
    """Attach it to a world before the first picture.

    Args:
        world: Of the scenario's spec.
        scenario: What is asked for and what will happen.

    Attributes:
        progress: Steps reached.
        happened: Interventions that have begun.
    """

    def __init__(self, world: World, scenario: Scenario) -> None:
        self._world, self._scenario = world, scenario
        self.progress = Progress(scenario.goal, world.truth(pictures=False))
        self.happened: list[Intervention] = []
        self._since: dict[int, float] = {}
        world.ticks.append(self._tick)

    def end(self) -> Iterator[None]:
        """Let the last second pass; an item for each picture that is due. Then ask ``success``."""
        yield from self._world.wait(AFTER_RELEASE)

    @property
    def success(self) -> bool:
        """All steps were reached, the robot holds nothing and the end holds now."""
        truth = self._world.truth(pictures=False)
        return truth.held is None and self.progress.done(truth)

    def _tick(self, world: World) -> None:
        truth = world.truth(pictures=False)
        for k, intervention in enumerate(self._scenario.interventions):
            if intervention in self.happened or world.hand.busy:
                continue
            ready = self.progress.reached >= intervention.after and self.progress.holds(intervention.when, truth)
            since = self._since.setdefault(k, truth.time) if ready else None
            if since is None:
                self._since.pop(k, None)
                continue
            free = truth.held is None and world.robot().position[2] > _CLEAR
            allowed = truth.held == intervention.holding if intervention.holding else free
            if allowed and truth.time - since >= intervention.seconds:
                self.happened.append(intervention)
                _begin(world, intervention)
        self.progress.update(truth)


def _begin(world: World, intervention: Intervention) -> None:
    carries: list[Carry] = []
    for part in intervention.script:
        if isinstance(part, Exchange):
            world.exchange(part.a, part.b)
        else:
            carries.append(part)
    if carries:
        world.hand.perform(carries)
