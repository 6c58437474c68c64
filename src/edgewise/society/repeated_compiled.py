"""The compiled engine of ``edgewise.society.repeated``: the same rounds, the same draws, one market at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, prange, uint64

_GOLDEN, _MIX1, _MIX2 = uint64(0x9E3779B97F4A7C15), uint64(0xBF58476D1CE4E5B9), uint64(0x94D049BB133111EB)
_ONE, _TWO = uint64(1), uint64(2)
_S11, _S27, _S30, _S31 = uint64(11), uint64(27), uint64(30), uint64(31)
_NEGLIGIBLE = 1e-12  # chance of exploring below which nothing is drawn: less than one such round in 10^12


@njit(inline="always")
def _uniform(stream: Any, counter: Any) -> Any:
    x = stream + counter * _GOLDEN
    x = (x ^ (x >> _S30)) * _MIX1
    x = (x ^ (x >> _S27)) * _MIX2
    x = x ^ (x >> _S31)
    return np.float64(x >> _S11) * 2.0**-53


@njit(inline="always")
def _best(row: Any, size: int) -> Any:
    best, value = 0, row[0]
    for a in range(1, size):
        if row[a] > value:
            best, value = a, row[a]
    return best


@njit(parallel=True, cache=True, nogil=True)
def learn_markets(
    payoffs: Any, values: Any, streams: Any, states: Any, rounds: Any, quiet: Any, seats: int, size: int,
    rate: float, discount: float, decay: float, memory: int, steps: int, settled: int,
) -> None:  # fmt: skip
    """Play each market until it settles; ``values``, ``states``, ``rounds`` and ``quiet`` are changed in place."""
    for market in prange(len(streams)):
        q, stream = values[market], streams[market]
        greedy = np.empty((seats, q.shape[1]), dtype=np.int64)
        top = np.empty((seats, q.shape[1]))
        for seat in range(seats):
            for state in range(q.shape[1]):
                greedy[seat, state] = _best(q[seat, state], size)
                top[seat, state] = q[seat, state, greedy[seat, state]]
        actions = np.empty(seats, dtype=np.int64)
        state, calm, t = states[market], 0, 0
        while t < steps and calm < settled:
            chance = math.exp(-decay * t)
            profile = 0
            for seat in range(seats):
                counter = uint64(t * seats + seat) * _TWO + _ONE
                if chance > _NEGLIGIBLE and _uniform(stream, counter) < chance:
                    actions[seat] = int(_uniform(stream, counter + _ONE) * size)
                else:
                    actions[seat] = greedy[seat, state]
                profile = profile * size + actions[seat]
            after = profile if memory else 0
            calm += 1
            for seat in range(seats):
                action, row = actions[seat], q[seat, state]
                target = payoffs[profile, seat] + discount * top[seat, after]
                new = (1 - rate) * row[action] + rate * target
                row[action] = new
                was = greedy[seat, state]
                if action == was:
                    if new >= top[seat, state]:
                        best, top[seat, state] = was, new
                    else:
                        best = _best(row, size)
                        top[seat, state] = row[best]
                elif new > top[seat, state] or (new == top[seat, state] and action < was):
                    best, top[seat, state] = action, new
                else:
                    best = was
                if best != was:
                    greedy[seat, state] = best
                    calm = 0
            state = after
            t += 1
        states[market], rounds[market], quiet[market] = state, t, calm
