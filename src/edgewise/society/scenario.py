"""What a scenario is: a game with information sets, its populations and its indicators."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Measure
from edgewise.core.records import Record, parse_options
from edgewise.society.protocols import ProtocolName
from edgewise.society.types import Action, Choice, Observation, Seat, Trial

if TYPE_CHECKING:
    from edgewise.society.agents.base import Agent
    from edgewise.society.games import StageGame

Team = tuple["Agent", ...]


class Scenario(Record):
    """A deterministic game, given the generator that it is started with. Its fields are its parameters.

    A subclass says who sits where, what each seat may know and do, and what follows; how agents are asked, and how
    messages travel, is the engine's business. State is whatever ``start`` returns; only the scenario looks inside.

    Class attributes:
        name: Used on the command line.
        risk: Number of the risk, as the paper has it (``1.1``); ``D`` for dispatch.
        title: A few words.
        about: What goes wrong, in a sentence.
        default: Population that shows the risk by itself; learned or derived, never scripted to.
        kinds: Populations that can be seated without a model.
        conditions: Variants played with every seed; indicators may compare them.
        primary: The one indicator that the verdict rests on. More is worse.
        margin: Excess of the primary indicator over the null population below which the risk counts as absent.
        mitigations: Changes of parameters, by name of the mitigation.
        width: Numbers in a seat's numeric view (``edgewise.society.petting``).
        reported: Headline figures of the paper: (who, what, figure as printed).
    """

    name: ClassVar[str]
    risk: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str]
    default: ClassVar[str] = "learning"
    kinds: ClassVar[tuple[str, ...]] = ("learning", "exact", "scripted", "null")
    conditions: ClassVar[tuple[str, ...]] = ("play",)
    primary: ClassVar[str]
    margin: ClassVar[float] = 0.1
    mitigations: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    width: ClassVar[int] = 16
    reported: ClassVar[tuple[tuple[str, str, str], ...]] = ()

    protocol: ProtocolName = "broadcast"

    # -- the game

    @property
    def played(self) -> tuple[str, ...]:
        """The conditions of a trial: all, unless a parameter leaves some out."""
        return self.conditions

    @property
    @abstractmethod
    def seats(self) -> tuple[Seat, ...]:
        """Who sits where."""

    @abstractmethod
    def start(self, rng: np.random.Generator, condition: str) -> Any:
        """A new state. Everything random in the game is drawn here or kept for later in the state."""

    @abstractmethod
    def acting(self, state: Any) -> Sequence[int]:
        """Seats whose turn it is, together; none when the game is over."""

    @abstractmethod
    def round(self, state: Any) -> int:
        """Number of the round, from 0."""

    @abstractmethod
    def view(self, state: Any, seat: int) -> dict[str, Any]:
        """What the seat may know: numbers, or tuples of numbers, by name; ``None`` for what it does not know."""

    @abstractmethod
    def choices(self, seat: int) -> tuple[Choice, ...]:
        """The parts of the seat's action; the same on every turn."""

    def legal(self, state: Any, seat: int, action: Action) -> bool:
        """Whether the action is possible now. One that is not is counted, and no action is taken."""
        return True

    @abstractmethod
    def step(self, state: Any, actions: Mapping[int, Action | None]) -> Sequence[float]:
        """Play the acting seats' actions at once and return every seat's reward.

        ``None`` is no decision: the scenario says in its docstring what then happens to the seat.
        """

    def facts(self, state: Any) -> dict[str, Any]:
        """What indicators need to know of the end, and of what was hidden, as JSON data."""
        return {}

    # -- words for models that read

    @abstractmethod
    def rules(self, seat: int) -> str:
        """The standing instruction of a seat: the game, its own interest, what it can do. Silent on the risk."""

    @abstractmethod
    def tell(self, observation: Observation) -> str:
        """What the seat sees now, in words."""

    # -- who plays, and what is measured

    @abstractmethod
    def teams(self, kind: str, seeds: Sequence[int]) -> list[Team]:
        """For each seed, an agent for each seat. Learners come trained, each team on draws of its own seed."""

    @abstractmethod
    def indicators(self, trials: Sequence[Trial]) -> dict[str, Measure]:
        """What is measured over the trials, the primary indicator among it, from episodes alone."""

    def stage_game(self) -> StageGame | None:
        """The one-round game in matrix form, where there is one."""
        return None

    def evidence(self, kind: str, trials: Sequence[Trial], seeds: Sequence[int]) -> list[dict[str, Any]]:
        """Further findings as JSON objects with at least ``what`` and ``found``; by default none."""
        return []

    # -- variants of itself

    @property
    def seat_count(self) -> int:
        """Number of seats."""
        return len(self.seats)

    def with_options(self, options: Mapping[str, Any]) -> Self:
        """The same scenario with other parameters.

        Raises:
            BadInput: It has no such parameter, or not that value.
        """
        return parse_options(type(self), self.model_dump() | dict(options), what=f"scenario {self.name}")

    def mitigated(self, mitigation: str) -> Self:
        """The same scenario under a mitigation.

        Raises:
            BadInput: It has none of that name.
        """
        if mitigation not in self.mitigations:
            known = ", ".join(self.mitigations) or "none"
            raise BadInput(f"{self.name} has no mitigation {mitigation!r}", field="mitigation", fix=f"it has: {known}")
        return self.with_options(self.mitigations[mitigation])

    def check_kind(self, kind: str) -> None:
        """Raise ``BadInput`` if there is no such population."""
        if kind not in self.kinds:
            known = ", ".join(self.kinds)
            raise BadInput(f"{self.name} has no {kind!r} agents", field="agents", fix=f"it has: {known}, or a model")
