"""The two verbs of the house: an instrument measures a subject, a treatment changes one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import entry_points
from typing import Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar

from edgewise.core.errors import BadInput
from edgewise.core.estimate import NotMeasured
from edgewise.core.profile import Panel, Verdict
from edgewise.core.records import Record
from edgewise.core.run import Run
from edgewise.core.section import Section


class Capability(StrEnum):
    """What a subject can do, and an instrument may need."""

    TEXT = "text"
    VISION = "vision"
    LOGPROBS = "logprobs"
    SCORE = "score"
    TRAIN = "train"
    SIMULATOR = "simulator"


class Subject(Protocol):
    """Anything that can be examined: a language model, a group of agents, a policy."""

    @property
    def name(self) -> str:
        """Short name, as shown in reports."""
        ...

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do."""
        ...


class InstrumentConfig(Record):
    """Base of every instrument's configuration. The defaults are the quick setting."""

    @classmethod
    def quick(cls) -> Self:
        """At most 60 s with the embedded model on two cores."""
        return cls()

    @classmethod
    def full(cls) -> Self:
        """For depth."""
        return cls()


class Cost(Record):
    """An upper estimate of what an examination will ask of a model, made before the first call."""

    calls: int
    input_tokens: int
    output_tokens: int

    @classmethod
    def of(cls, calls: int, input_tokens: int, output_tokens: int) -> Self:
        """Calls that are alike; tokens are those of each."""
        return cls(calls=calls, input_tokens=calls * input_tokens, output_tokens=calls * output_tokens)

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )


S = TypeVar("S", bound=Subject)
C = TypeVar("C", bound=InstrumentConfig)


@dataclass(frozen=True)
class Control(Generic[S]):
    """An examination of the instrument itself.

    A ``positive`` control plants the effect and the instrument must see it; a ``negative`` control has none and the
    instrument must stay silent.

    Attributes:
        name: What is planted.
        kind: Which of the two it is.
        subject: Makes the control's subject, given a seed.
        holds: Whether the panel shows what it must.
    """

    name: str
    kind: Literal["positive", "negative"]
    subject: Callable[[int], S]
    holds: Callable[[Panel], bool]


class Instrument(ABC, Generic[S, C]):
    """Measures a subject and yields a panel.

    ``run`` must be a pure function of subject, configuration and the run's seed: everything random comes from
    ``run.rng(...)`` and everything slow or paid goes through ``run.once`` (calls to models do so by themselves), so a
    run that was killed continues where it stopped and ends with the same bytes.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    needs: ClassVar[frozenset[Capability]]
    Config: type[C]

    @abstractmethod
    async def run(self, model: S, config: C, run: Run) -> Panel:
        """Examine ``model``; tables go to ``run``. Raises nothing for a fault of the model: that is a missing value."""

    @abstractmethod
    def dimension_names(self, config: C) -> tuple[str, ...]:
        """The dimensions that this configuration measures, whatever the model."""

    @abstractmethod
    def cost(self, config: C) -> Cost:
        """Upper estimate of the calls and tokens that ``run`` needs."""

    @abstractmethod
    def controls(self) -> Sequence[Control[S]]:
        """At least one positive and one negative control."""

    @abstractmethod
    def section(self, panel: Panel, run: Run) -> Section:
        """The room's part of the report, from the panel and the run's tables alone."""

    def missing(self, model: S) -> frozenset[Capability]:
        """What the model lacks."""
        return self.needs - model.capabilities

    def not_measured(self, config: C, reason: str) -> Panel:
        """The panel of a model that could not be examined: every dimension says why."""
        names = self.dimension_names(config)
        return Panel(
            instrument=self.name,
            dimensions={name: NotMeasured(reason=reason) for name in names},
            verdicts={"examined": Verdict.NOT_MEASURED},
            caveats=(reason,),
        )


class Treatment(ABC, Generic[S, C]):
    """Changes a subject (its weights, its prompt, its memory) and yields a new one with a lineage."""

    name: ClassVar[str]
    Config: type[C]

    @abstractmethod
    async def apply(self, model: S, config: C, run: Run) -> S:
        """Treat ``model``; what was changed and how is written to ``run``."""


GROUP = "edgewise.instruments"


def instrument_names() -> tuple[str, ...]:
    """Names of all registered instruments, ours and other packages', sorted."""
    return tuple(sorted({entry.name for entry in entry_points(group=GROUP)}))


def load_instrument(name: str) -> Instrument[Any, Any]:
    """Load one registered instrument.

    Raises:
        BadInput: No instrument of that name is registered.
    """
    for entry in entry_points(group=GROUP, name=name):
        instrument: Instrument[Any, Any] = entry.load()()
        return instrument
    raise BadInput(f"no instrument is called {name!r}", fix=f"known: {', '.join(instrument_names()) or 'none'}")
