"""What a run logs for its monitor, and reading it back: rows of one look each, as lines of JSON, events or a table.

A row is ``{"step": 40, "kind": "check", "proxy": [...], "trusted": [...], ...}``: one number for each answer, null
where the grader failed; ``kind`` is ``start`` for the baseline. ``trusted`` may be left out where there is ``true``.
``seed`` tells runs apart that share a log, ``unit`` says which prompt an answer belongs to, ``parts`` holds further
columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from pydantic import model_validator

from edgewise.core.records import Record
from edgewise.loopholes.types import FIGURES, Floats, Grades

EVENT = "monitor"


class Row(Record):
    """Grades of the answers of one look; lists of one length.

    Attributes:
        step: Of training.
        kind: ``start``: of the policy that training starts from; ``check``: later.
        seed: Which of several runs.
        proxy, trusted, true, exploit: Of each answer; None where there is none. A column may be missing as a whole.
        parts: Further columns by name.
        unit: The prompt that an answer belongs to.
    """

    step: int
    kind: Literal["start", "check"] = "check"
    seed: int = 0
    proxy: tuple[float | None, ...]
    trusted: tuple[float | None, ...] = ()
    true: tuple[float | None, ...] = ()
    exploit: tuple[float | None, ...] = ()
    parts: dict[str, tuple[float | None, ...]] = {}
    unit: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        columns = {"trusted": self.trusted, "true": self.true, "exploit": self.exploit, "unit": self.unit, **self.parts}
        for name, values in columns.items():
            if values and len(values) != len(self.proxy):
                raise ValueError(f"{name} has {len(values)} values, proxy has {len(self.proxy)}")
        return self

    def grades(self) -> Grades:
        """As columns. Where no trusted reward was logged, true performance stands for it."""
        n = len(self.proxy)
        proxy, trusted, true, exploit = (_column(getattr(self, name), n) for name in FIGURES)
        parts = {name: _column(values, n) for name, values in self.parts.items()}
        return Grades(proxy, trusted if self.trusted else true, true, exploit, parts)

    @property
    def size(self) -> int:
        """Units: prompts, or answers where these are not told."""
        return len(set(self.unit)) or len(self.proxy)

    @property
    def units(self) -> Sequence[str] | None:
        """For the monitor."""
        return self.unit or None


def row_of(
    step: int, grades: Grades, *, kind: Literal["start", "check"] = "check", seed: int = 0,
    units: Sequence[object] | None = None,
) -> Row:  # fmt: skip
    """The row of a look."""
    columns: Mapping[str, Any] = {name: _plain(getattr(grades, name)) for name in FIGURES}
    parts = {name: _plain(values) for name, values in grades.parts.items()}
    return Row(step=step, kind=kind, seed=seed, parts=parts, unit=tuple(str(u) for u in units or ()), **columns)


def _plain(values: Floats) -> tuple[float | None, ...]:
    return tuple(round(value, 6) if value - value == 0 else None for value in values.tolist())


def _column(values: Sequence[float | None], n: int) -> Floats:
    if not values:
        return np.full(n, np.nan)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
