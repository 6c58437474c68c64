"""What is audited: an environment of any of the forms that people bring, behind one interface that never raises."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl

import numpy as np

from edgewise.core.errors import BadInput, EdgewiseError
from edgewise.loopholes.audit import worker
from edgewise.loopholes.types import Environment, Grade, Task

FORMS = "FILE.py[:NAME], PACKAGE.MODULE:NAME or game:NAME"


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a call.

    Attributes:
        grades: One for each answer; ``proxy`` NaN and ``fault`` set where there is no reward.
        calls: Answers that the reward was asked about, repeats after a fault included.
        seconds: Longest time that one answer took.
    """

    grades: list[Grade]
    calls: int
    seconds: float


class Subject(Protocol):
    """An environment under audit."""

    name: str
    has_trusted: bool
    fallback: float | None
    vocabulary: tuple[str, ...]

    def sample(self, rng: np.random.Generator, n: int) -> list[Task]:
        """Draw n tasks."""
        ...

    def examples(self, tasks: Sequence[Task], rng: np.random.Generator) -> list[str] | None:
        """An honest answer to each task, if there are any."""
        ...

    def ask(
        self, tasks: Sequence[Task], completions: Sequence[str], rng: np.random.Generator, seconds: float
    ) -> Answered:
        """Grades; whatever the grader does is a result, not an exception."""
        ...


class EnvironmentSubject:
    """An ``Environment`` in this process.

    Args:
        environment: What is audited. Its ``examples(tasks, rng)``, ``vocabulary`` and ``fallback`` are used if there.
        has_trusted: Whether ``trusted`` of its grades means anything.
    """

    def __init__(self, environment: Environment, *, has_trusted: bool = True) -> None:
        self.environment, self.has_trusted = environment, has_trusted
        self.name = environment.name
        self.fallback: float | None = getattr(environment, "fallback", None)
        self.vocabulary: tuple[str, ...] = tuple(getattr(environment, "vocabulary", ()))

    def sample(self, rng: np.random.Generator, n: int) -> list[Task]:
        """Draw n tasks."""
        with _own_code(self.name, "sample(rng, n)"):
            tasks = list(self.environment.sample(rng, n))
        if len(tasks) != n:
            raise BadInput(f"sample(rng, {n}) gave {len(tasks)} tasks", field=self.name, fix="return as many as asked")
        return tasks

    def examples(self, tasks: Sequence[Task], rng: np.random.Generator) -> list[str] | None:
        """The environment's own, if it has any."""
        give = getattr(self.environment, "examples", None)
        if give is None:
            return None
        with _own_code(self.name, "examples(tasks, rng)"):
            found = list(give(tasks, rng))
        if len(found) != len(tasks):
            raise BadInput(f"examples(tasks, rng) gave {len(found)} texts for {len(tasks)} tasks", field=self.name)
        return found

    def ask(
        self, tasks: Sequence[Task], completions: Sequence[str], rng: np.random.Generator, seconds: float
    ) -> Answered:
        """Grades by the environment's own ``grade``, contained."""

        def grade(rows: list[Any]) -> Any:
            return self.environment.grade([row[0] for row in rows], [row[1] for row in rows], rng)

        rows = list(zip(tasks, completions, strict=True))
        found, calls, longest = worker.contained(grade, rows, seconds)
        return Answered([_checked(value, fault) for value, fault in found], calls, longest)


@contextmanager
def _own_code(name: str, what: str) -> Iterator[None]:
    """Without tasks there is nothing to audit, so a fault there is the user's to mend."""
    try:
        yield
    except EdgewiseError:
        raise
    except Exception as error:
        line = traceback.extract_tb(error.__traceback__)[-1].lineno
        raise BadInput(f"{what} raises {type(error).__name__}: {error}", field=name, row=line) from None


def _checked(value: Any, fault: str) -> Grade:
    """A grade as the types have it, or a fault."""
    nan = float("nan")
    if fault and fault != worker.MUTATES:
        return Grade(nan, nan, nan, nan, fault=fault)
    if not isinstance(value, Grade):
        return Grade(nan, nan, nan, nan, fault=f"not a grade: {type(value).__name__}")
    if value.fault:  # the environment says so itself; what it pays nevertheless is kept, and is a finding
        return value
    proxy, fault = worker.checked(value.proxy, fault)
    return Grade(nan if proxy is None else proxy, value.trusted, value.true, value.exploit, value.parts, fault)


def environment_subject(spec: str, *, trust: bool = False) -> Subject:
    """Find what a specification names.

    Args:
        spec: A Python file with an optional name in it, a module and a name, or one of our games with its options:
            ``game:tampering``, ``game:self_grading?audit=0.2``, ``game:planted?planted=bonus``.
        trust: Import the user's code into this process; otherwise a file runs in the sandbox, where only the standard
            library can be imported.

    Raises:
        BadInput: There is no such thing, or it lacks a part; says which.
    """
    from edgewise.loopholes.audit.bundle import module_subject, sandboxed_subject, trusted_file

    if spec.startswith("game:"):
        return _game(spec.removeprefix("game:"))
    path, _, name = spec.rpartition(":") if re.search(r"\.py:\w+$", spec) else (spec, "", "")
    if path.endswith(".py"):
        return trusted_file(path, name) if trust else sandboxed_subject(path, name)
    if re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*", spec):
        if not trust:
            raise BadInput(
                "an installed module runs in this process, not in the sandbox",
                field="ENV", fix="give --trust if you would run it by hand, or name its file",
            )  # fmt: skip
        return module_subject(*spec.split(":"))
    raise BadInput(f"{spec!r} is no environment", field="ENV", fix=f"give {FORMS}")


def _game(text: str) -> Subject:
    """One of our games by name and options."""
    from edgewise.core.records import parse_options
    from edgewise.loopholes.audit.family import Planted
    from edgewise.loopholes.tokens.game import TokenEnvironment
    from edgewise.loopholes.tokens.games import TOKEN_GAMES, token_game

    name, _, query = text.partition("?")
    options: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    if name.startswith("text/"):
        from edgewise.loopholes.text.games import text_game

        return EnvironmentSubject(text_game(name.removeprefix("text/"), **options))
    if name == Planted.kind:
        made = TokenEnvironment(parse_options(Planted, options, what=name))
    elif name in TOKEN_GAMES:
        made = TokenEnvironment(token_game(name, **options))
    else:
        known = ", ".join((*TOKEN_GAMES, Planted.kind, "text/NAME"))
        raise BadInput(f"there is no game {name!r}", field="ENV", fix=f"there are: {known}")
    return EnvironmentSubject(made)
