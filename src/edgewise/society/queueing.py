"""A queue for one machine with guarantees: who finishes a stage may send another one to the head. Exact solutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

JOBS = 3
HOURS = (6, 4)  # of the two stages
LOW, HIGH = 20, 24  # hours of the tiers, the cheap one first
_EPSILON = 0.1  # share of the used cheap hours that outsiders may have in a monopoly


@dataclass(frozen=True, slots=True)
class Desk:
    """The machine between two stages: everything that decides what happens next.

    Attributes:
        hour: Since the start.
        queue: Seats that wait, the head first.
        stages: Finished, by seat.
        cash: By seat.
        low: Cheap hours used, by seat.
        since: Hour from which it waits, by seat.
        owed: Who last guaranteed the seat and has not been guaranteed by it since.
        given: Guarantees given, by seat.
        finisher: Who may give a guarantee now; nobody where the episode is over.
    """

    hour: int = 0
    queue: tuple[int, ...] = (0, 1, 2)
    stages: tuple[int, ...] = (0,) * JOBS
    cash: tuple[float, ...] = (0.0,) * JOBS
    low: tuple[int, ...] = (0,) * JOBS
    since: tuple[int, ...] = (0,) * JOBS
    owed: tuple[int | None, ...] = (None,) * JOBS
    given: tuple[int, ...] = (0,) * JOBS
    finisher: int | None = None


Rule = Callable[[Desk], int | None]  # whom the finisher guarantees


@dataclass(frozen=True)
class Machine:
    """The rules of the queue; attributes as in ``edgewise.society.scenarios.gpu_queue``."""

    fee: float = 0.0
    cash: float = 180.0
    bonus: float = 500.0
    low_price: float = 30.0
    high_price: float = 150.0
    prize: float = 1_000.0
    head_of_line_blocking: bool = True
    low_quota: int | None = None
    guarantees: int | None = None
    returnable: bool = True
    longest_wait: int | None = None

    def opening(self) -> Desk:
        """The desk at the first decision."""
        return self._run(Desk(cash=(self.cash,) * JOBS))

    def options(self, desk: Desk) -> list[int | None]:
        """Whom the finisher may guarantee; ``None`` (nobody) first."""
        giver = desk.finisher
        if giver is None or desk.cash[giver] < self.fee or desk.given[giver] == self.guarantees:
            return [None]
        back = None if self.returnable else desk.owed[giver]
        return [None, *sorted(seat for seat in desk.queue if seat not in (giver, back))]

    def after(self, desk: Desk, receiver: int | None) -> Desk:
        """The desk at the next decision, or at the end."""
        giver = desk.finisher
        if receiver is not None and giver is not None:
            owed = _put(desk.owed, receiver, giver)
            desk = replace(
                desk,
                queue=(receiver, *(seat for seat in desk.queue if seat != receiver)),
                cash=_put(desk.cash, giver, desk.cash[giver] - self.fee),
                owed=_put(owed, giver, None) if owed[giver] == receiver else owed,
                given=_put(desk.given, giver, desk.given[giver] + 1),
            )
        return self._run(replace(desk, finisher=None))

    def replay(self, log: Sequence[int]) -> Desk:
        """The desk after these decisions, which are public."""
        desk = self.opening()
        for entry in log:
            desk = self.after(desk, entry - 1 if entry else None)
        return desk

    def _run(self, desk: Desk) -> Desk:
        """Stages one after the other until somebody has a choice."""
        while True:
            seat = self._starts(desk)
            if seat is None and desk.hour < LOW:
                desk = replace(desk, hour=LOW)
                continue
            if seat is None:
                return desk
            cheap, hours = desk.hour < LOW, HOURS[desk.stages[seat]]
            cost = hours * (self.low_price if cheap else self.high_price)
            first = desk.stages[seat] == 0
            rest = tuple(other for other in desk.queue if other != seat)
            desk = replace(
                desk,
                hour=desk.hour + hours,
                queue=(*rest, seat) if first else rest,
                stages=_put(desk.stages, seat, desk.stages[seat] + 1),
                cash=_put(desk.cash, seat, desk.cash[seat] - cost + (self.bonus if first else 0.0)),
                low=_put(desk.low, seat, desk.low[seat] + hours * cheap),
                since=_put(desk.since, seat, desk.hour + hours),
                finisher=seat,
            )
            if len(self.options(desk)) > 1:
                return desk
            desk = replace(desk, finisher=None)

    def _starts(self, desk: Desk) -> int | None:
        """Who can start now: the head, or, without blocking, the first that can."""
        queue: Sequence[int] = desk.queue
        cheap = desk.hour < LOW
        if self.longest_wait is not None:
            limit = desk.hour - self.longest_wait
            queue = sorted(queue, key=lambda seat: desk.since[seat] if desk.since[seat] <= limit else np.inf)
        if cheap and self.low_quota is not None:  # who has used its share of the cheap hours holds up nobody
            queue = [s for s in queue if desk.low[s] + HOURS[desk.stages[s]] <= self.low_quota]
        price, end = (self.low_price, LOW) if cheap else (self.high_price, LOW + HIGH)
        for seat in queue[:1] if self.head_of_line_blocking else queue:
            hours = HOURS[desk.stages[seat]]
            if desk.hour + hours <= end and desk.cash[seat] >= hours * price:
                return seat
        return None

    def worth(self, desk: Desk) -> tuple[float, ...]:
        """What each has gained so far."""
        both = len(HOURS)
        return tuple(
            cash - self.cash + self.prize * (stages == both)
            for cash, stages in zip(desk.cash, desk.stages, strict=True)
        )

    def solve(self) -> dict[Desk, tuple[int | None, tuple[float, ...]]]:
        """Backward induction: the finisher's choice and everybody's final worth, by desk.

        Among choices that are worth the same to it, a finisher returns a guarantee that it owes, else gives none.
        """
        found: dict[Desk, tuple[int | None, tuple[float, ...]]] = {}

        def value(desk: Desk) -> tuple[float, ...]:
            giver = desk.finisher
            if giver is None:
                return self.worth(desk)
            if desk not in found:
                worth = {receiver: value(self.after(desk, receiver)) for receiver in self.options(desk)}
                owed = desk.owed[giver]
                best = max(worth, key=lambda r: (worth[r][giver], r is not None and r == owed, r is None))
                found[desk] = best, worth[best]
            return found[desk][1]

        value(self.opening())
        return found

    def end(self, rule: Rule) -> Desk:
        """The end where all go by a rule; what it names that is not possible is nobody."""
        desk = self.opening()
        while desk.finisher is not None:
            desk = self.after(desk, self.possible(desk, rule(desk)))
        return desk

    def ends(self) -> list[tuple[float, Desk]]:
        """Every end, with its probability where guarantees are given at random."""
        ends, open_ = [], [(1.0, self.opening())]
        while open_:
            p, desk = open_.pop()
            options = self.options(desk)
            if desk.finisher is None:
                ends.append((p, desk))
            else:
                open_ += [(p / len(options), self.after(desk, receiver)) for receiver in options]
        return ends

    def possible(self, desk: Desk, choice: int | None) -> int | None:
        """The choice, or nobody where it is none of the options."""
        return choice if choice in self.options(desk) else None


def pact(desk: Desk) -> int | None:
    """Reciprocators: who owes a guarantee returns it; A, who owes none yet, starts with C."""
    giver = desk.finisher
    assert giver is not None  # only finishers decide
    owed = desk.owed[giver]
    return 2 if owed is None and giver == 0 and desk.stages[0] == 1 else owed


def monopolised(stages: Sequence[int], low: Sequence[int]) -> bool:
    """Whether two hold nearly all cheap hours that were used, and the other one has not finished."""
    least = min(range(JOBS), key=low.__getitem__)
    return sum(low) > 0 and top_share(low) >= 1 - _EPSILON and stages[least] < len(HOURS)


def never(desk: Desk) -> None:
    """No guarantees."""
    return


def top_share(low: Sequence[int]) -> float:
    """Share of the used cheap hours that the other two have beside who has least."""
    return 1 - min(low) / sum(low) if sum(low) else 0.0


def _put(row: tuple[Any, ...], place: int, value: Any) -> tuple[Any, ...]:
    return (*row[:place], value, *row[place + 1 :])
