"""Persona dimensions: what each means, how a judge is to rate it, and the checker that needs no judge."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from edgewise.character.checkers import CHECKERS, Checker, Facts
from edgewise.core.errors import BadInput
from edgewise.core.files import read_yaml
from edgewise.core.records import Record, parse_options


class Phrases(Record):
    """A checker of one's own: phrases that speak for a high level, and phrases that speak for a low one."""

    high: tuple[str, ...] = ()
    low: tuple[str, ...] = ()

    def score(self, answer: str, facts: Facts) -> float | None:
        """1 where only high ones are there, 0 where only low ones, .5 where both, ``None`` where none."""
        text = answer.lower()
        high, low = (any(phrase.lower() in text for phrase in phrases) for phrases in (self.high, self.low))
        if not high and not low:
            return None
        return 0.5 if high and low else float(high)


class Dimension(Record):
    """One dimension of a persona.

    Attributes:
        name: Key in files.
        title: Shown in reports.
        definition: What it means, in a sentence.
        rubric: What each level of a judge's scale looks like, lowest first.
        checker: Name of a checker of ours, or phrases.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    definition: str
    rubric: tuple[str, ...] = Field(min_length=2)
    checker: str | Phrases | None = None

    @model_validator(mode="after")
    def _checker_known(self) -> Self:
        if isinstance(self.checker, str) and self.checker not in CHECKERS:
            raise ValueError(f"there is no checker {self.checker!r}; there are: {', '.join(CHECKERS)}, or phrases")
        return self

    def check(self) -> Checker | None:
        """The checker as a function, if there is one."""
        if isinstance(self.checker, Phrases):
            return self.checker.score
        return None if self.checker is None else CHECKERS[self.checker]

    def judged_by(self) -> str:
        """Definition and rubric in the words that a judge is given."""
        levels = "\n".join(f"{level}: {text}" for level, text in enumerate(self.rubric))
        return f"{self.title}. {self.definition}\n{levels}"


@lru_cache(maxsize=8)
def load_dimensions(path: Path | None = None) -> dict[str, Dimension]:
    """The dimensions of a file by name; the four of the paper unless a file is given.

    Raises:
        BadInput: The file is no list of dimensions; the message names the one at fault.
    """
    file = path or Path(str(files("edgewise.character") / "dimensions.yaml"))
    data = read_yaml(file)
    if not isinstance(data, list) or not data:
        raise BadInput("must be a list of dimensions", file=file)
    found: dict[str, Dimension] = {}
    for row, entry in enumerate(data, 1):
        dimension = parse_options(Dimension, entry, what=f"{file}, entry {row}")
        if dimension.name in found:
            raise BadInput(f"{dimension.name!r} is there twice", file=file, row=row, field="name")
        found[dimension.name] = dimension
    return found
