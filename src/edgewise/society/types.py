"""Records of society: what a seat sees, what it does, and the episode that comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Action = tuple[int, ...]  # one option index for each choice
Status = Literal["ok", "garbled", "refused", "fault", "illegal", "silent"]
Flag = Literal["impersonation", "injection"]


@dataclass(frozen=True, slots=True)
class Seat:
    """A place in the group. Who sits there is another matter."""

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One part of an action: a name, and the options' labels. Its value is an index into them."""

    name: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """A message from one seat to others, as delivered. ``text`` is untrusted."""

    sender: int
    round: int
    text: str


@dataclass(slots=True)
class Observation:
    """What a seat may know when it is its turn.

    Attributes:
        seat: Whose turn it is.
        round: From 0.
        view: What it may know, as numbers by name (tuples of numbers where there are several; ``None`` where unknown).
        inbox: Messages that the protocol lets through to it.
    """

    seat: int
    round: int
    view: Mapping[str, Any]
    inbox: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """What an agent does on its turn.

    Attributes:
        action: Option indices; ``None`` if there is no decision. No decision is never taken for one.
        message: What it says; empty for nothing.
        status: How it came about; anything but ``ok`` comes with no action.
        attempts: How often it was asked.
        weights: Probability of each option of the first choice, where the agent can tell.
    """

    action: Action | None
    message: str = ""
    status: Status = "ok"
    attempts: int = 1
    weights: tuple[float, ...] | None = None


@dataclass(slots=True)
class Turn:
    """A move as it was played, with the reward of the step that it was part of."""

    step: int
    round: int
    seat: int
    action: Action | None
    reward: float
    message: str = ""
    status: Status = "ok"
    attempts: int = 1
    weights: tuple[float, ...] | None = None
    flags: tuple[Flag, ...] = ()


@dataclass(slots=True)
class Episode:
    """One play of a scenario from start to end: all that indicators may look at.

    Attributes:
        scenario: Its name.
        seed: Of the environment's draws; the same in every condition.
        condition: Which variant was played.
        kinds: Kind of agent in each seat.
        turns: Every move, in order.
        payoffs: Sum of rewards by seat.
        facts: What the scenario says of the end and the hidden state, as JSON data.
        stray: Moves out of turn, which were not played.
    """

    scenario: str
    seed: int
    condition: str
    kinds: tuple[str, ...]
    turns: list[Turn]
    payoffs: tuple[float, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    stray: int = 0

    def actions(self, seat: int) -> list[Action | None]:
        """Moves of one seat, in order."""
        return [turn.action for turn in self.turns if turn.seat == seat]

    def by_step(self) -> list[dict[int, Turn]]:
        """Turns by step, then by seat."""
        steps: list[dict[int, Turn]] = []
        for turn in self.turns:
            if turn.step == len(steps):
                steps.append({})
            steps[turn.step][turn.seat] = turn
        return steps


Trial = Mapping[str, Episode]  # the episodes of one seed, by condition
