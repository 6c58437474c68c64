"""Every error that edgewise raises on purpose: what is wrong, where, and what to do about it."""

from __future__ import annotations

from pathlib import Path


class EdgewiseError(Exception):
    """Base of all errors that edgewise raises on purpose.

    Args:
        message: What is wrong, in one sentence.
        where: The place it was found (a file, a row, a field, a model), if there is one.
        fix: What the reader can do about it, if anything.
    """

    exit_code = 2

    def __init__(self, message: str, *, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(message)
        self.message, self.where, self.fix = message, where, fix

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f"\n  → {self.fix}" if self.fix else ""
        return f"{place}{self.message}{advice}"


class BadInput(EdgewiseError):
    """Something that a user gave cannot be used. Names the file, the row (1-based) and the field where known."""

    def __init__(
        self,
        message: str,
        *,
        file: Path | str | None = None,
        row: int | None = None,
        field: str | None = None,
        fix: str | None = None,
    ) -> None:
        parts = [str(file) if file is not None else None, f"row {row}" if row is not None else None]
        parts.append(f"field {field!r}" if field is not None else None)
        super().__init__(message, where=", ".join(p for p in parts if p) or None, fix=fix)
        self.file, self.row, self.field = file, row, field


class RunError(EdgewiseError):
    """A run folder cannot be created, read or written."""


class RunLocked(RunError):
    """Another process is writing to the run."""


class CorruptRecord(RunError):
    """A stored record does not match its checksum or its schema. ``where`` names file and line."""


class BudgetExhausted(EdgewiseError):
    """The next call could overrun a hard budget, so it was not made."""

    exit_code = 3


class ModelFault(EdgewiseError):
    """A call to a model yielded no answer. A fault is never counted as an answer, right or wrong.

    Args:
        kind: What went wrong, as ``edgewise.models.faults`` lists it.
        attempts: Requests sent before giving up.
        retry_after: Seconds that the server asked to wait.
    """

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        attempts: int = 1,
        where: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, where=where)
        self.kind, self.attempts, self.retry_after = kind, attempts, retry_after


class Unsupported(EdgewiseError):
    """The model, the machine or the installation lacks what was asked of it."""

    exit_code = 4


class MissingExtra(Unsupported):
    """An optional part of edgewise is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} is not installed", fix=f"pip install 'edgewise[{extra}]' (see `edgewise doctor`)")
