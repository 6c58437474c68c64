"""Records of the one door: messages, settings, responses, usage."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from edgewise.core.errors import BadInput
from edgewise.core.profile import Turn
from edgewise.core.records import Record

Role = Literal["system", "user", "assistant"]


def storable(text: str) -> str:
    """Text that can be stored as UTF-8: a lone surrogate, which no file can hold, becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


StorableText = Annotated[str, AfterValidator(storable)]
_IMAGE_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}


class Image(Record):
    """A picture in a message, as a ``data:`` URI so that a record of the call holds all of it."""

    data_uri: str = Field(pattern=r"^data:image/[a-z+.-]+;base64,")

    @classmethod
    def read(cls, path: Path | str) -> Image:
        """Read a PNG, JPEG or WebP file."""
        path = Path(path)
        kind = _IMAGE_TYPES.get(path.suffix.lower())
        if kind is None:
            raise BadInput("not a picture edgewise can send", file=path, fix="use PNG, JPEG or WebP")
        return cls(data_uri=f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}")


class Message(Record):
    """One turn of a chat."""

    role: Role
    text: StorableText
    images: tuple[Image, ...] = ()

    @classmethod
    def user(cls, text: str, *images: Image) -> Message:
        """What the user says."""
        return cls(role="user", text=text, images=images)

    @classmethod
    def assistant(cls, text: str) -> Message:
        """What the model said."""
        return cls(role="assistant", text=text)

    @classmethod
    def system(cls, text: str) -> Message:
        """The standing instruction."""
        return cls(role="system", text=text)


Prompt = str | list[Message] | tuple[Message, ...]


def as_messages(prompt: Prompt) -> tuple[Message, ...]:
    """A prompt as messages; a plain string is one user message.

    Raises:
        BadInput: There is no message.
    """
    messages = (Message.user(prompt),) if isinstance(prompt, str) else tuple(prompt)
    if not messages:
        raise BadInput("a prompt needs at least one message")
    return messages


def as_turns(prompt: Prompt, answer: str | None = None) -> tuple[Turn, ...]:
    """A prompt, and the answer to it, as the turns of a transcript."""
    turns = tuple(Turn(role=m.role, text=m.text) for m in as_messages(prompt))
    return turns if answer is None else (*turns, Turn(role="assistant", text=answer))


class Settings(Record):
    """How to generate. What is ``None`` is left to the backend.

    Attributes:
        max_tokens: Upper limit of generated tokens; also what a token budget reserves.
        temperature: 0 is greedy.
        seed: Sampling seed, where the backend has one.
        stop: Strings that end the answer.
        top_logprobs: Alternatives to record per generated token; ``None`` records no log-probabilities.
        json_schema: Constrain the answer to this JSON schema, where the backend can.
    """

    max_tokens: int = Field(default=256, ge=1)
    temperature: float | None = Field(default=0.0, ge=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = Field(default=None, ge=0)
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    json_schema: dict[str, Any] | None = None


class TokenLogprob(Record):
    """A generated or scored token, with its natural-log probability and the alternatives at its place."""

    token: StorableText
    logprob: float
    top: dict[str, float] = {}


class Usage(Record):
    """What calls cost. ``attempts`` counts requests sent, ``calls`` those answered; ``cost`` in US dollars."""

    calls: int = 0
    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    faults: int = 0
    cached: int = 0

    def counted(self) -> dict[str, Any]:
        """The figures that are not zero, as JSON data."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def __add__(self, other: Usage) -> Usage:
        cost = None if self.cost is None and other.cost is None else (self.cost or 0.0) + (other.cost or 0.0)
        return Usage(
            calls=self.calls + other.calls,
            attempts=self.attempts + other.attempts,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost=cost,
            faults=self.faults + other.faults,
            cached=self.cached + other.cached,
        )


class Response(Record):
    """A model's answer. ``text`` is untrusted.

    Attributes:
        stop_reason: ``stop``, ``max_tokens``, ``content_filter`` or ``unknown``.
        logprobs: Per generated token, where they were asked for and the backend has them.
    """

    text: StorableText
    stop_reason: Literal["stop", "max_tokens", "content_filter", "unknown"] = "stop"
    logprobs: tuple[TokenLogprob, ...] | None = None
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def logprob(self) -> float | None:
        """Sum of the generated tokens' log-probabilities, or ``None`` where none were recorded."""
        return None if self.logprobs is None else sum(t.logprob for t in self.logprobs)


class Scored(Record):
    """Log-probabilities of a given continuation, token by token, under teacher forcing."""

    tokens: tuple[TokenLogprob, ...]

    @property
    def total(self) -> float:
        """Log-probability of the whole continuation, in nats."""
        return sum(t.logprob for t in self.tokens)
