"""Games in matrix form: equilibria and optima by enumeration, for games small enough to write down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class StageGame:
    """One round of a game.

    Attributes:
        payoffs: Shape (seats, actions of seat 0, actions of seat 1, ...).
    """

    payoffs: Floats

    @property
    def seats(self) -> int:
        """Number of seats."""
        return len(self.payoffs)

    def equilibria(self, tolerance: float = 1e-9) -> list[tuple[int, ...]]:
        """All equilibria in pure strategies: profiles from which nobody gains by moving alone."""
        stable = np.ones(self.payoffs.shape[1:], dtype=bool)
        for seat in range(self.seats):
            own = self.payoffs[seat]
            stable &= own >= own.max(axis=seat, keepdims=True) - tolerance
        return [tuple(int(a) for a in profile) for profile in np.argwhere(stable)]

    def optimum(self) -> tuple[int, ...]:
        """The profile with the highest sum of payoffs; the first of several."""
        total = self.payoffs.sum(0)
        return tuple(int(a) for a in np.unravel_index(int(total.argmax()), total.shape))

    def best_response(self, seat: int, profile: Sequence[int]) -> int:
        """The seat's best action against the others' actions in ``profile``; the lowest of several."""
        place: list[int | slice] = list(profile)
        place[seat] = slice(None)
        return int(self.payoffs[(seat, *place)].argmax())

    def best_replies(self, start: Sequence[int], rounds: int = 1_000) -> tuple[int, ...] | None:
        """Where replying in turn ends: an equilibrium, or ``None`` if it goes in circles."""
        profile = list(start)
        for _ in range(rounds):
            before = tuple(profile)
            for seat in range(self.seats):
                best = self.best_response(seat, profile)
                here = (seat, *profile)
                there = (seat, *profile[:seat], best, *profile[seat + 1 :])
                if self.payoffs[there] > self.payoffs[here]:
                    profile[seat] = best
            if tuple(profile) == before:
                return before
        return None

    def dominant(self, seat: int) -> int | None:
        """The seat's strictly dominant action, if it has one."""
        own = np.moveaxis(self.payoffs[seat], seat, 0).reshape(self.payoffs.shape[1 + seat], -1)
        for action in range(len(own)):
            others = np.delete(own, action, axis=0)
            if len(others) and (own[action] > others).all():
                return action
        return None

    def worth(self, profile: Sequence[int]) -> float:
        """Sum of the payoffs."""
        return float(self.payoffs.sum(0)[tuple(profile)])

    def expected(self, mixed: Sequence[Floats]) -> Floats:
        """Each seat's expected payoff under independent mixed strategies."""
        values = self.payoffs
        for strategy in reversed(mixed):
            values = values @ strategy
        return values

    @classmethod
    def tabulate(cls, sizes: Sequence[int], payoff: Callable[[tuple[int, ...]], Sequence[float]]) -> StageGame:
        """From a function ``payoff(profile) -> payoffs by seat``."""
        rows = [payoff(profile) for profile in product(*(range(size) for size in sizes))]
        return cls(np.array(rows, dtype=float).T.reshape(len(sizes), *sizes))
