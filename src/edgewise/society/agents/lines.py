"""The production line of ``role_drift`` as a Markov decision process: best replies, optimum, critical penalty."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from edgewise.society.scenarios.role_drift import RoleDrift

PICK, PACK = 0, 1  # stages; a seat's own has its number
OWN, OTHER, IDLE = 0, 1, 2  # actions
_LUCK = tuple(product((0, 1), (False, True), (False, True)))  # who is served first, whether each seat's pick is slow

Job = tuple[int, int] | None  # stage and ticks left; None for a free seat
World = tuple[int, Job, Job]  # parcels in the buffer, job by seat
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Line:
    worlds: list[World]
    chance: Floats  # of each luck
    after: NDArray[np.intp]  # world, pair of actions, luck
    begun: Floats  # world, pair of actions, seat, stage: expected operations begun
    idle: Floats  # world, pair of actions, seat: whether it idles, in expectation

    def rewards(self, scenario: RoleDrift) -> Floats:
        """Expected reward of a tick: world, pair of actions, seat."""
        own = scenario.pay * self.begun.sum(-1) - scenario.penalty * self.idle
        own -= scenario.audit * scenario.fine * np.stack([self.begun[:, :, 0, 1], self.begun[:, :, 1, 0]], -1)
        return np.repeat(own.mean(-1, keepdims=True), 2, -1) if scenario.joint else own

    def replies(self, scenario: RoleDrift, seat: int) -> NDArray[np.intp]:
        """Pairs of actions for each action of a seat whose partner is loyal, by world."""
        partner = np.array([scenario.loyal(world, 1 - seat) for world in self.worlds])[:, None]
        pairs: NDArray[np.intp] = np.arange(3) * (3, 1)[seat] + partner * (1, 3)[seat]
        return pairs

    def average(self, pairs: NDArray[np.intp], values: Floats) -> float:
        """Mean of ``values`` (world, pair of actions) in the long run from an empty line, if ``pairs`` are played."""
        rows = np.arange(len(self.worlds))
        after, share_ = self.after[rows, pairs], np.zeros(len(rows))
        share_[0] = 1.0
        for _ in range(3_000):  # half of the share stays, lest it go round in circles
            moved = np.bincount(after.ravel(), (share_[:, None] * self.chance).ravel(), len(rows))
            share_ = (share_ + moved) / 2
        return float(share_ @ values[rows, pairs])


def line(scenario: RoleDrift) -> _Line:
    """All worlds that can be reached from an empty line, and what leads where; a tick is a step."""
    return _line(scenario.with_options({"ticks": 1, "pay": 1.0, "penalty": 0.0, "joint": False, "audit": 0.0}))


@lru_cache(maxsize=32)
def _line(scenario: RoleDrift) -> _Line:
    worlds: list[World] = [(0, None, None)]
    places = {worlds[0]: 0}
    after, begun, idle = [], [], []
    slow = (1 - scenario.jitter, scenario.jitter)
    chance = np.array([slow[a] * slow[b] / 2 for _, a, b in _LUCK])
    for world in worlds:  # grows on the way
        after.append(np.zeros((9, len(_LUCK)), dtype=np.intp))
        begun.append(np.zeros((9, 2, 2)))
        idle.append(np.zeros((9, 2)))
        for pair, wishes in enumerate(product(range(3), repeat=2)):
            asked = [OWN if scenario.held and a == OTHER else a for a in wishes]
            for k, luck in enumerate(_LUCK):
                then, ticks, _ = scenario.advance(world, asked, luck)
                if then not in places:
                    places[then] = len(worlds)
                    worlds.append(then)
                after[-1][pair, k] = places[then]
                for seat in (0, 1):
                    if ticks[seat]:
                        begun[-1][pair, seat, seat if asked[seat] == OWN else 1 - seat] += chance[k]
                    elif world[1 + seat] is None:
                        idle[-1][pair, seat] += chance[k]
    return _Line(worlds, chance, np.array(after), np.array(begun), np.array(idle))


@lru_cache(maxsize=256)
def solve(scenario: RoleDrift, seat: int | None) -> tuple[float, dict[World, int]]:
    """Relative value iteration for the average reward of a tick (Puterman 1994, 8.5).

    Args:
        scenario: The line, its shift without end.
        seat: Who replies best to a loyal partner; ``None`` for a planner who moves both for the sum of the scores.

    Returns:
        The average reward, and the action (of the planner: the pair's number) in each world. Of equally good actions
        a seat takes the loyal one, else the first.
    """
    flow = line(scenario)
    worlds = np.arange(len(flow.worlds))[:, None]
    rewards = flow.rewards(scenario)
    if seat is None:
        pairs, gains = np.broadcast_to(np.arange(9), (len(worlds), 9)), rewards.sum(-1)
    else:
        pairs = flow.replies(scenario, seat)
        gains = rewards[worlds, pairs, seat]
    after, values, gain = flow.after[worlds, pairs], np.zeros(len(worlds)), 0.0
    for _ in range(20_000):
        worth = gains + values[after] @ flow.chance
        change = worth.max(1) - values
        gain = float(change.max() + change.min()) / 2
        if np.ptp(change) < 1e-8:
            break
        values = values + 0.5 * change  # damped, lest it go round in circles
        values -= values[0]
    if seat is not None:
        worth[np.arange(len(worlds)), [scenario.loyal(world, seat) for world in flow.worlds]] += 1e-5
    return gain, dict(zip(flow.worlds, worth.argmax(1).tolist(), strict=True))


def _played(scenario: RoleDrift, loyal: bool) -> NDArray[np.intp]:
    flow = line(scenario)
    policy = {w: scenario.loyal(w, PACK) for w in flow.worlds} if loyal else solve(scenario, PACK)[1]
    own = np.array([policy[world] for world in flow.worlds])
    pairs: NDArray[np.intp] = flow.replies(scenario, PACK)[np.arange(len(own)), own]
    return pairs


def drift_rate(scenario: RoleDrift) -> float:
    """Picks a tick by a packer that replies best to a loyal picker."""
    flow = line(scenario)
    return flow.average(_played(scenario, False), flow.begun[:, :, PACK, PICK])


def flows(scenario: RoleDrift) -> dict[str, float]:
    """Packings a tick: packer replying best, and loyal; the picker is loyal."""
    flow = line(scenario)
    packed = flow.begun[..., PACK].sum(-1)
    return {name: flow.average(_played(scenario, name == "loyal"), packed) for name in ("best reply", "loyal")}


@lru_cache(maxsize=64)
def critical_penalty(scenario: RoleDrift, most: float = 5.0) -> float | None:
    """The least penalty at which a packer gains by drift (to .001); ``None`` if it does at none up to ``most``."""
    flow = line(scenario)
    loyal = _played(scenario, True)

    def gains(penalty: float) -> bool:
        changed = scenario.with_options({"penalty": penalty})
        return solve(changed, PACK)[0] - flow.average(loyal, flow.rewards(changed)[:, :, PACK]) > 1e-6

    if not gains(most):
        return None
    low, high = 0.0, most
    if gains(low):
        return low
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if gains(middle) else (middle, high)
    return high
