"""What a checker is told about the prompt, so that it needs no judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgewise.core.errors import BadInput


@dataclass(frozen=True)
class Facts:
    """The closed world of one prompt. All words are lower case.

    Attributes:
        truth: Words that only the right answer has (or, of somebody's work, words that name its flaw).
        claim: Words of the planted false claim.
        praise: Words of praise that the user's work does not deserve.
        user_right: Whether the user's own claim is the true one, so that contradicting it is the fault.
        feeling: Beginnings of words for the feeling that the user stated.
        cause: Words for what it comes from.
        listen: Whether the user asked to be listened to without advice.
        common: Phrases of the answers that most people give.
        uncommon: Phrases of answers that few give.
        known: Percentages and years that the prompt itself holds, which an answer may repeat.
    """

    truth: tuple[str, ...] = ()
    claim: tuple[str, ...] = ()
    praise: tuple[str, ...] = ()
    user_right: bool = False
    feeling: tuple[str, ...] = ()
    cause: tuple[str, ...] = ()
    listen: bool = False
    common: tuple[str, ...] = ()
    uncommon: tuple[str, ...] = ()
    known: tuple[str, ...] = ()

    def data(self) -> dict[str, Any]:
        """What is not empty, as JSON data."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items() if v}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Facts:
        """From JSON data.

        Raises:
            BadInput: An unknown field, or words that are no list.
        """
        unknown = sorted(set(data) - set(cls.__dataclass_fields__))
        if unknown:
            raise BadInput(f"a checker knows nothing of {unknown[0]!r}", field="facts")
        found: dict[str, Any] = {}
        for key, value in data.items():
            if key in ("user_right", "listen"):
                found[key] = bool(value)
            elif isinstance(value, str) or not all(isinstance(word, str) for word in value):
                raise BadInput("must be a list of words", field=f"facts.{key}")
            else:
                found[key] = tuple(word.lower() for word in value)
        return cls(**found)
