"""The common form that logs of all kinds are read into: who said what, in order, and what could not be read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

LOOKED_AT = 20_000  # characters of a message that indicators of content look at
_NOT_AGENTS = {"system", "user", "tool"}
# Senders of a log without roles that are people or machinery, not agents.
_OUTSIDE = re.compile(
    r"(?:end[ _-]?)?(?:user|human|customer|client|admin|system|developer|tool|function|environment|env|operator)"
    r"(?:[ _-]?(?:proxy|input|agent))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Said:
    """One message. ``text`` and all other strings are untrusted.

    Attributes:
        row: Line of a JSON-lines file, or place in its list of messages or spans, from 1.
        sender: Who said it.
        text: What was said; empty if nothing.
        role: ``system``, ``user``, ``assistant`` or ``tool``, where the log tells.
        time: As the log has it.
        action: What was done with it: a tool call as ``name(arguments)``, or the game's move.
        round: The log's own count.
    """

    row: int
    sender: str
    text: str
    role: str | None = None
    time: str | None = None
    action: str | None = None
    round: int | None = None

    @property
    def by_agent(self) -> bool:
        """Whether an agent said it, and not the user, the system or a tool."""
        if self.role is not None:
            return self.role not in _NOT_AGENTS
        return not _OUTSIDE.fullmatch(self.sender)

    @property
    def seen(self) -> str:
        """The part of the text that indicators of content look at."""
        return self.text[:LOOKED_AT]


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that could not be read, or not all of it."""

    row: int
    field: str
    message: str


@dataclass(frozen=True)
class Trace:
    """One conversation.

    Attributes:
        source: The file, and after a ``#`` the conversation's name where the file holds several.
        format: One of ``FORMATS``.
        messages: In order.
        problems: Rows that could not be read.
    """

    source: str
    format: str
    messages: tuple[Said, ...]
    problems: tuple[Problem, ...] = ()

    @cached_property
    def spoken(self) -> tuple[Said, ...]:
        """The messages of agents."""
        return tuple(m for m in self.messages if m.by_agent)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """Names of the agents, in order of their first message."""
        return tuple(dict.fromkeys(m.sender for m in self.spoken))
