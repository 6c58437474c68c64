"""What a source of questions offers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from edgewise.probing.search.tree import Regime
from edgewise.probing.types import Case

# A question; a promise of one, where a model writes it; or none.
Made = Case | Awaitable[Case | None] | None


class World(Protocol):
    """A source of questions. What it gives depends on its seed and on the order it is asked in, and on nothing else."""

    def seeds(self, count: int) -> list[Case]:
        """Questions to start from, spread over all kinds."""
        ...

    def propose(self, regime: Regime, anchor: Case | None) -> Made:
        """A question not given before: somewhere new (macro), or close to ``anchor`` (micro)."""
        ...

    def holdout(self, wanted: Callable[[Case], bool], count: int) -> list[Case]:
        """Up to ``count`` fresh questions that fit."""
        ...
