"""The executor with a robot of straw: retries, refusals, what slips, and who comes in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from edgewise.embodied.acting.executor import ATTEMPTS, INTERRUPTED, Executor, felt
from edgewise.embodied.acting.motions import Waypoint
from edgewise.scene.types import Action, ActionFact, Fact, Outcome, RelationFact, RobotState, Visibility
from support.beliefs import seen


@dataclass
class Straw:
    """A robot whose fingers hold something after the closings named, and lose it at the motions named."""

    holds: tuple[bool, ...] = (True,)
    slips: tuple[int, ...] = ()
    state: RobotState = field(default_factory=lambda: RobotState((0.3, 0.0, 0.45), 0.0, 0.08, False))
    closings: int = 0
    moves: list[tuple[tuple[Waypoint, ...], bool | None]] = field(default_factory=list)
    waited: float = 0.0

    def robot(self) -> RobotState:
        return self.state

    def follow(self, waypoints: list[Waypoint], closed: bool | None, opening: float, speed: float) -> Iterator[None]:
        holding = self.state.holding
        if closed:
            holding = self.holds[min(self.closings, len(self.holds) - 1)]
            self.closings += 1
        elif closed is False:
            holding = False
        if len(self.moves) in self.slips:
            holding = False
        self.moves.append((tuple(waypoints), closed))
        place, yaw = waypoints[-1] if waypoints else (self.state.position, self.state.yaw)
        self.state = RobotState(place, yaw, 0.04 if holding else 0.08, holding)
        yield

    def wait(self, seconds: float) -> Iterator[None]:
        self.waited += seconds
        yield


class Notes:
    """A memory that says what it is told to, and notes what it hears."""

    name = "notes"

    def __init__(self, body: Straw, *after: RelationFact) -> None:
        self.body, self.after = body, after
        self.heard: list[object] = []

    def update(self, *frame: object) -> None: ...

    def start(self, action: Action) -> None:
        self.heard.append(action.name)

    def finish(self, outcome: Outcome, reason: str = "") -> None:
        self.heard.append((outcome, reason))

    def complete(self, step: int, text: str) -> None: ...

    def facts(self, budget: int | None = None) -> tuple[Fact, ...]:
        holding = self.body.state.holding
        cube = seen(1, "red cube", (0.4, 0.1, 0), visibility=Visibility.HELD if holding else Visibility.VISIBLE)
        relations = self.after if not holding else (RelationFact("held", 1, 1),)
        box = seen(3, "brown box", (0.6, -0.2, 0), (0.082, 0.082, 0.094))
        return (cube, seen(2, "green cube", (0.5, -0.1, 0)), box, *relations)


def executor(body: Straw, *after: RelationFact, pauses: tuple[bool, ...] = ()) -> tuple[Executor, Notes, list[int]]:
    notes, frames = Notes(body, *after), []
    left = list(pauses)
    pause = lambda: left.pop(0) if left else False  # noqa: E731
    made = Executor(body, notes, lambda: frames.append(1), pause, np.random.default_rng(0))  # type: ignore[arg-type]
    return made, notes, frames


def test_a_grasp_that_comes_off_is_reported_with_a_frame_at_every_tick() -> None:
    body = Straw()
    run, notes, frames = executor(body)
    assert run.run(Action(1, "pick", 1)) == (Outcome.OK, "")
    assert notes.heard == ["pick", (Outcome.OK, "")]
    assert len(frames) == len(body.moves) + 1


def test_what_may_not_be_done_is_refused_and_nothing_moves() -> None:
    body = Straw()
    run, notes, frames = executor(body)
    outcome, why = run.run(Action(1, "pick", 42))
    assert (outcome, why) == (Outcome.REFUSED, "there is no object 42")
    assert body.moves == [] and frames == [] and notes.heard == []


def test_a_miss_is_tried_again_after_another_look() -> None:
    body = Straw(holds=(False, False, True))
    run, _, _ = executor(body)
    assert run.run(Action(1, "pick", 1)) == (Outcome.OK, "")
    assert body.closings == 3 and body.waited > 0.4


def test_three_misses_are_enough() -> None:
    body = Straw(holds=(False,))
    run, notes, _ = executor(body)
    outcome, why = run.run(Action(1, "pick", 1))
    assert outcome == Outcome.FAILED and "closed on nothing" in why and str(ATTEMPTS) in why
    assert body.closings == ATTEMPTS and notes.heard[-1] == (outcome, why)
    assert not body.state.holding and body.moves[-1][1] is None  # fingers open, and out of the way


def test_what_slips_while_it_is_lifted_is_a_miss() -> None:
    body = Straw(slips=(2,))  # the lift of the first attempt
    run, _, _ = executor(body)
    assert run.run(Action(1, "pick", 1)) == (Outcome.OK, "")
    assert body.closings == 2


def test_what_is_dropped_on_the_way_fails() -> None:
    body = Straw(slips=(3,))  # the carry
    run, _, _ = executor(body, RelationFact("near", 1, 2))
    run.run(Action(1, "pick", 1))
    outcome, why = run.run(Action(2, "place_on", 1, 2))
    assert outcome == Outcome.FAILED and "slipped" in why


def test_a_place_is_judged_by_what_is_seen_after_it() -> None:
    run, _, _ = executor(Straw(), RelationFact("on", 1, 2))
    run.run(Action(1, "pick", 1))
    outcome, why = run.run(Action(2, "place_on", 1, 2))
    # The straw robot's cube stands where it stood, by what is seen.
    assert outcome == Outcome.PARTIAL and "from where it was meant to" in why
    run, _, _ = executor(Straw(), RelationFact("near", 1, 2))
    run.run(Action(1, "pick", 1))
    assert run.run(Action(2, "place_on", 1, 2)) == (Outcome.FAILED, "red cube 1 is not on green cube 2")


def test_nothing_is_begun_that_somebody_interrupted() -> None:
    body = Straw()
    run, notes, _ = executor(body, pauses=(True,))
    assert run.run(Action(1, "pick", 1)) == (Outcome.FAILED, INTERRUPTED)
    assert body.moves == [] and notes.heard[-1] == (Outcome.FAILED, INTERRUPTED)


def test_something_in_the_hand_stays_there_when_somebody_comes() -> None:
    body = Straw()
    run, _, _ = executor(body, pauses=(False, True))
    run.run(Action(1, "pick", 1))
    assert run.run(Action(2, "place_on", 1, 2)) == (Outcome.FAILED, INTERRUPTED)
    assert body.state.holding


def test_a_cover_that_is_not_in_the_hand_is_slid() -> None:
    body = Straw()
    run, _, _ = executor(body)
    run.run(Action(1, "place_at", 3, position=(0.6, 0.0, 0.0)))
    heights = [waypoints[-1][0][2] for waypoints, _ in body.moves[1:3]]
    assert heights[0] == heights[1]  # along the table
    assert body.moves[2][0][-1][0][:2] == (0.6, 0.0)


def test_a_look_takes_frames_and_moves_out_of_the_way() -> None:
    body = Straw()
    run, _, frames = executor(body)
    assert run.run(Action(1, "look")) == (Outcome.OK, "")
    assert frames and body.state.position[2] > 0.4


def test_a_way_that_beliefs_cannot_tell_fails() -> None:
    body = Straw()
    run, notes, _ = executor(body)
    facts = notes.facts()
    notes.facts = lambda budget=None: (replace(facts[0], low=None, high=None), *facts[1:])  # type: ignore[method-assign]
    outcome, why = run.run(Action(1, "pick", 1))
    assert outcome == Outcome.FAILED and "not known where" in why


def test_what_the_fingers_feel_is_what_was_picked_up_last() -> None:
    cube, other = seen(1, "red cube", (0.4, 0.1, 0)), seen(2, "green cube", (0.5, -0.1, 0))
    picked = ActionFact(Action(4, "pick", 1), Outcome.PARTIAL, "red cube 1 is not in the hand")
    full, empty = RobotState((0.4, 0.1, 0.2), 0.0, 0.04, True), RobotState((0.4, 0.1, 0.2), 0.0, 0.08, False)
    facts = (cube, other, picked)
    assert RelationFact("held", 1, 1) in felt(facts, full)
    assert felt(facts, full)[0] == replace(cube, visibility=Visibility.HELD)
    assert felt(facts, empty) == facts
    # Nothing is added to what a memory tells itself, nor where it keeps no actions or the grasp failed.
    assert felt((*facts, RelationFact("held", 2, 2)), full)[-1] == RelationFact("held", 2, 2)
    assert felt((cube, other), full) == (cube, other)
    failed = (cube, replace(picked, outcome=Outcome.FAILED))
    assert felt(failed, full) == failed
