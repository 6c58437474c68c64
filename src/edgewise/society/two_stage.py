"""A line of two stages with a buffer between them, as a Markov decision process: best responses and equilibria.

Every second an operation in progress ends with probability 1 / (its mean duration), so that what has passed of it does
not matter and a state is three numbers: items in the buffer, and what each of the two is doing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

PICKER, PACKER = range(2)
FREE, PICK, PACK = range(3)  # what one is doing; also what a free one wants to do, FREE being idle
OWN = (PICK, PACK)  # by seat
DISCOUNT = 0.99  # a second
_PATIENCE, _EXPLORE, _DECAY = 0.95, 0.1, 0.7  # of learners: discount, exploration, exponent of the falling rate
_EPISODE = 20  # seconds that they practise in a row

State = tuple[int, int, int]  # buffer, what the picker does, what the packer does
Policy = tuple[int, ...]  # what a free one wants, by state
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """The line; attributes as in ``edgewise.society.scenarios.role_drift``."""

    pick_seconds: float = 4.0
    pack_seconds: float = 2.0
    clumsiness: float = 2.0
    capacity: int = 2
    pay: float = 10.0
    other_pay: float = 10.0
    idle_cost: float = 0.1
    shared: bool = False

    def chance(self, seat: int, doing: int) -> float:
        """Probability that an operation ends in a second."""
        mean = self.pick_seconds if doing == PICK else self.pack_seconds
        return 1 / max(mean * (1.0 if doing == OWN[seat] else self.clumsiness), 1.0)

    def earns(self, seat: int, doing: int) -> float:
        """What an operation pays who does it."""
        return self.pay if doing == OWN[seat] else self.other_pay

    def begin(self, state: State, wanted: Sequence[int]) -> tuple[State, tuple[bool, bool]]:
        """Start what the free want and can: a pick needs room in the buffer, a pack an item. Owners come first.

        Returns:
            The state, and by seat whether the other one took the last room or item before it.
        """
        buffer, *doing = state
        beaten = [False, False]
        for stage, owner in ((PICK, PICKER), (PACK, PACKER)):
            before = self._can(stage, buffer, doing)
            for seat in (owner, 1 - owner):
                if state[1 + seat] == FREE and wanted[seat] == stage:
                    if self._can(stage, buffer, doing):
                        doing[seat], buffer = stage, buffer - (stage == PACK)
                    else:
                        beaten[seat] = before
        return (buffer, doing[0], doing[1]), (beaten[0], beaten[1])

    def _can(self, stage: int, buffer: int, doing: Sequence[int]) -> bool:
        return buffer > 0 if stage == PACK else buffer + doing.count(PICK) < self.capacity

    def end(self, state: State, ended: Sequence[bool]) -> State:
        """The state after the operations of these seats have ended."""
        buffer = state[0] + sum(e and d == PICK for e, d in zip(ended, state[1:], strict=True))
        doing = [FREE if e else d for e, d in zip(ended, state[1:], strict=True)]
        return buffer, doing[0], doing[1]

    def deserted(self, state: State) -> tuple[bool, bool]:
        """By stage, whether its owner works at the other one while nobody works at this one, and could."""
        doing = state[1:]
        left = [doing[s] == OWN[1 - s] and OWN[s] not in doing and self._can(OWN[s], state[0], doing) for s in range(2)]
        return left[0], left[1]

    # -- as a decision process

    @cached_property
    def states(self) -> list[State]:
        """All that can occur."""
        every = product(range(self.capacity + 1), range(3), range(3))
        return [s for s in every if s[0] + s[1:].count(PICK) <= self.capacity]

    @cached_property
    def place(self) -> dict[State, int]:
        """Number of a state."""
        return {state: i for i, state in enumerate(self.states)}

    @cached_property
    def _joint(self) -> tuple[Floats, Floats, Floats]:
        """Transitions, shape (3, 3, states, states); rewards by seat, (2, 3, 3, states); packed, (3, 3, states)."""
        n = len(self.states)
        moves, rewards, packed = np.zeros((3, 3, n, n)), np.zeros((2, 3, 3, n)), np.zeros((3, 3, n))
        for (i, state), one, two in product(enumerate(self.states), range(3), range(3)):
            at = one, two, i
            busy, _ = self.begin(state, (one, two))
            chances = [self.chance(seat, busy[1 + seat]) if busy[1 + seat] else 0.0 for seat in range(2)]
            for ended in product((False, True), repeat=2):
                p = float(np.prod([c if e else 1 - c for c, e in zip(chances, ended, strict=True)]))
                moves[(*at, self.place[self.end(busy, ended)])] += p
            for seat in range(2):
                doing = busy[1 + seat]
                rewards[(seat, *at)] = chances[seat] * self.earns(seat, doing) if doing else -self.idle_cost
                packed[at] += chances[seat] * (doing == PACK)
        return moves, np.tile(rewards.mean(0), (2, 1, 1, 1)) if self.shared else rewards, packed

    def loyal(self, seat: int) -> Policy:
        """To one's own stage, always."""
        return (OWN[seat],) * len(self.states)

    def _alone(self, seat: int, other: Policy, roles: bool) -> tuple[list[int], Floats, Floats]:
        """The seat's process beside the other's policy: its actions, own stage first, transitions and rewards."""
        order = [OWN[seat], FREE] + ([] if roles else [OWN[1 - seat]])
        moves, rewards, _ = self._joint
        rows = range(len(self.states))
        own = [([a] * len(rows), list(other)) if seat == PICKER else (list(other), [a] * len(rows)) for a in order]
        step = np.array([moves[one, two, rows] for one, two in own])
        return order, step, np.array([rewards[seat, one, two, rows] for one, two in own])

    def best(self, seat: int, other: Policy, *, roles: bool = False) -> Policy:
        """The best response to the other's policy, by value iteration; among equals the own stage, then idle.

        Args:
            seat: Whose.
            other: Of the other seat.
            roles: Whether the other stage is barred.
        """
        order, step, reward = self._alone(seat, other, roles)
        return tuple(order[int(a)] for a in _iterate(step, reward))

    def learn(self, seat: int, other: Policy, draws: Floats, *, roles: bool = False) -> list[Policy]:
        """What tabular Q-learners beside the other's policy have come to do, many of them at once.

        They start out optimistic, explore a tenth of the time, and learn at a rate that falls with the visits. Rewards
        are those expected of the second.

        Args:
            seat: Theirs.
            other: Of the other seat.
            draws: Uniform on [0, 1), shape (learners, seconds, 3).
            roles: Whether the other stage is barred.
        """
        order, step, reward = self._alone(seat, other, roles)
        ends, learners = step.cumsum(2), np.arange(len(draws))
        table = np.full((len(draws), len(self.states), len(order)), 1.2 * reward.max() / (1 - _PATIENCE))
        visits = np.zeros(table.shape)
        for second, (explore, which, move) in enumerate(draws.transpose(1, 2, 0)):
            if second % _EPISODE == 0:  # starts anywhere, so that what is rare is practised too
                state = (move * len(self.states)).astype(int)
            action = table[learners, state].argmax(1)
            action = np.where(explore < _EXPLORE, (which * len(order)).astype(int), action)
            after = np.minimum((move[:, None] >= ends[action, state]).sum(1), len(self.states) - 1)
            at = learners, state, action
            visits[at] += 1
            target = reward[action, state] + _PATIENCE * table[learners, after].max(1)
            table[at] += (target - table[at]) / visits[at] ** _DECAY
            state = after
        return [tuple(order[a] for a in row) for row in table.argmax(2).tolist()]

    def equilibrium(self, rounds: int = 50) -> tuple[Policy, Policy] | None:
        """Where best responses in turn, from loyal roles, come to rest; ``None`` if they do not."""
        picker, packer = self.loyal(PICKER), self.loyal(PACKER)
        for _ in range(rounds):
            before = picker, packer
            picker = self.best(PICKER, packer)
            packer = self.best(PACKER, picker)
            if (picker, packer) == before:
                return before
        return None

    def planned(self) -> tuple[Policy, Policy]:
        """The policies that pack most together."""
        moves, _, packed = self._joint
        n = len(self.states)
        best = _iterate(moves.reshape(9, n, n), packed.reshape(9, n))
        return tuple(int(a) // 3 for a in best), tuple(int(a) % 3 for a in best)

    def rates(self, picker: Policy, packer: Policy) -> tuple[float, float, float]:
        """In the long run, a second: score of the picker, of the packer, items packed."""
        moves, rewards, packed = self._joint
        n = len(self.states)
        at = list(picker), list(packer), range(n)
        step = moves[at]
        system = np.vstack([step.T - np.eye(n), np.ones(n)])
        share = np.linalg.lstsq(system, np.append(np.zeros(n), 1.0), rcond=None)[0]
        found = [share @ rewards[(seat, *at)] for seat in range(2)]
        return float(found[0]), float(found[1]), float(share @ packed[at])

    def drifts(self, seat: int, policy: Policy, other: Policy) -> bool:
        """Whether somebody with this policy ever starts on the other's stage."""
        reached, open_ = set(), [(0, FREE, FREE)]
        while open_:
            state = open_.pop()
            if state in reached:
                continue
            reached.add(state)
            wanted = [0, 0]
            wanted[seat], wanted[1 - seat] = policy[self.place[state]], other[self.place[state]]
            busy, _ = self.begin(state, wanted)
            if busy[1 + seat] == OWN[1 - seat]:
                return True
            open_ += [self.end(busy, e) for e in product((False, True), repeat=2) if all(map(_may, e, busy[1:]))]
        return False

    def pays(self) -> bool:
        """Whether drift is the packer's best response to a loyal picker."""
        picker = self.loyal(PICKER)
        return self.drifts(PACKER, self.best(PACKER, picker), picker)

    def costs(self) -> float:
        """Share of the throughput of loyal roles that the packer's best response costs."""
        picker = self.loyal(PICKER)
        return 1 - self.rates(picker, self.best(PACKER, picker))[2] / self.rates(picker, self.loyal(PACKER))[2]

    def critical(self, most: float = 2.0, tolerance: float = 1e-3) -> float | None:
        """The idle cost from which drift pays, by bisection: 0 if at any, ``None`` if at none up to ``most``."""
        if replace(self, idle_cost=0.0).pays():
            return 0.0
        low, high = 0.0, most
        if not replace(self, idle_cost=high).pays():
            return None
        while high - low > tolerance:
            middle = (low + high) / 2
            low, high = (low, middle) if replace(self, idle_cost=middle).pays() else (middle, high)
        return high


def _may(ends: bool, doing: int) -> bool:
    return bool(doing) or not ends


def _iterate(step: Floats, reward: Floats) -> NDArray[np.intp]:
    """The best action by state; the first of several. Shapes (actions, states, states) and (actions, states)."""
    value = np.zeros(step.shape[1])
    while True:
        worth = reward + DISCOUNT * (step @ value)
        better = worth.max(0)
        if np.abs(better - value).max() < 1e-9:
            return np.asarray((worth > better - 1e-6).argmax(0))
        value = better
