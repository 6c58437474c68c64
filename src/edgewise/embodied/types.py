"""Records of the embodied room: what a task asks for, what an agent did and what it came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from edgewise.core.records import Record
from edgewise.scene.types import Action, Event, Fact, Observation, Outcome, RobotState, Segmentation


class Predicate(Record):
    """One condition of a task, evaluated on the simulator's truth (success) or on beliefs (planning).

    Attributes:
        name: ``on(a, b)``: a rests on b. ``inside(a, c)``. ``covered(a, c)``. ``uncovered(a)``. ``at(a)``: a stands
            within ``tolerance`` of ``position`` (x, y). ``moved(a)``: a stands at least ``distance`` from where it
            was when the step before was done, towards ``direction``. ``bridged(a, b, c)``: a lies on b and c.
            ``returned(a)``: a is within ``tolerance`` of where it was at the start and rests on what it rested on.
            ``standing(a)``: a rests on the table. ``open(d)`` and ``closed(d)``: a drawer.
        arguments: Names of objects (``Thing.name`` of the task).
        position: For ``at``, metres.
        direction: For ``moved``: ``left``, ``right``, ``near`` or ``far``.
        distance: For ``moved``, metres.
        tolerance: Metres.
    """

    name: str
    arguments: tuple[str, ...]
    position: tuple[float, float] | None = None
    direction: str = ""
    distance: float = 0.1
    tolerance: float = 0.03


class Step(Record):
    """A part of a task. Steps are reached one after the other; each must be observed true at some moment.

    Attributes:
        conditions: All hold at once.
        text: As told to a language model.
    """

    conditions: tuple[Predicate, ...]
    text: str


class Referent(Record):
    """How a task speaks of an object, so that an agent can find it among what it sees at the start.

    Attributes:
        name: Used by predicates.
        label: What perception calls it (``red cube``).
        index: Among objects of that label at the start, counted from left to right (greatest Y first).
    """

    name: str
    label: str
    index: int = 0


class Goal(Record):
    """What a task asks for.

    Attributes:
        text: The task in words.
        referents: Objects that it speaks of.
        steps: What must be reached, in order.
        final: What must hold at the end, one second after the gripper let go, besides the last step.
        image: Whether the goal is also given as a picture (of the final state).
    """

    text: str
    referents: tuple[Referent, ...]
    steps: tuple[Step, ...]
    final: tuple[Predicate, ...] = ()
    image: bool = False


class MemoryArm(Protocol):
    """One rung of the memory ladder: what an agent keeps between frames."""

    name: str

    def update(self, observation: Observation, segmentation: Segmentation, robot: RobotState | None = None) -> object:
        """Take in one frame. What it returns is not used."""
        ...

    def start(self, action: Action) -> None:
        """An action begins."""
        ...

    def finish(self, outcome: Outcome, reason: str = "") -> None:
        """The action under way has ended."""
        ...

    def complete(self, step: int, text: str) -> None:
        """A step of the task was found to be reached."""
        ...

    def facts(self, budget: int | None = None) -> tuple[Fact, ...]:
        """What it can tell, the most important first, in at most ``budget`` tokens of text."""
        ...


@dataclass(frozen=True, slots=True)
class Directive:
    """What a planner wants next.

    Attributes:
        action: A primitive with ids; code resolves them to poses. None if the planner is done or gives up.
        done: The planner holds the task for done.
        give_up: Why no action can be named.
        reached: Index of the step that the planner holds for reached last, -1 for none.
        thought: Its reasoning, for the record.
    """

    action: Action | None = None
    done: bool = False
    give_up: str = ""
    reached: int = -1
    thought: str = ""


class Planner(Protocol):
    """Chooses the next primitive from what memory tells, never from the simulator's state."""

    name: str

    def reset(self, goal: Goal) -> None:
        """A new episode."""
        ...

    def decide(
        self, facts: tuple[Fact, ...], observation: Observation, segmentation: Segmentation, feedback: str
    ) -> Directive:
        """The next directive. ``feedback`` says why the last one was refused or failed; empty if it did not."""
        ...


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """One episode.

    Attributes:
        task: Its name.
        seed: Of the episode.
        success: All steps in order, and the end holds after release.
        reached: Steps reached.
        steps: Steps asked for.
        reason: Why it ended.
        actions: Every action with its outcome and reason.
        events: The memory's log.
        frames: Frames taken in.
        seconds: Wall-clock time.
        scores: The memory's figures on this episode, see ``scoring``.
    """

    task: str
    seed: int
    success: bool
    reached: int
    steps: int
    reason: str
    actions: tuple[tuple[Action, Outcome, str], ...]
    events: tuple[Event, ...]
    frames: int
    seconds: float
    scores: dict[str, float] = field(default_factory=dict)
