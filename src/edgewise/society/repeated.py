"""Q-learners in a repeated game in matrix form, many markets at once (Calvano et al. 2020).

``learn_reference`` is the method, step by step in numpy over all markets; ``learn`` does the same in compiled code, one
market after the other on all cores. Tests hold the two equal: both draw their random numbers from the same streams.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_GOLDEN, _MIX1, _MIX2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # SplitMix64 (Steele et al. 2014)
_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Learning:
    """How Q-learners learn. The defaults are those of Calvano et al. (2020), section 4.

    Attributes:
        rate: Of learning (alpha).
        discount: Of the future (delta).
        decay: Of exploration (beta): a random action with probability exp(-decay * t).
        memory: Rounds remembered, 0 or 1.
        steps: Rounds at most.
        settled: Rounds without a change of any greedy action after which a market has converged and stops.
    """

    rate: float = 0.15
    discount: float = 0.95
    decay: float = 4e-6
    memory: int = 1
    steps: int = 3_000_000
    settled: int = 100_000


@dataclass(frozen=True)
class Learned:
    """What came of it.

    Attributes:
        policies: Greedy action by market, seat and state, shape (markets, seats, states). A state is the last profile,
            read as digits, seat 0 first; there is one state without memory.
        values: Q, shape (markets, seats, states, actions).
        rounds: Rounds played by each market.
        converged: Whether it settled.
        last: State after the last round.
    """

    policies: Ints
    values: Floats
    rounds: Ints
    converged: NDArray[np.bool_]
    last: Ints


def first_values(payoffs: Floats, discount: float, states: int) -> Floats:
    """Q at the start: the discounted payoff against rivals that pick at random. Shape (seats, states, actions)."""
    seats, size = len(payoffs), payoffs.shape[1]
    rows = [np.moveaxis(payoffs[i], i, 0).reshape(size, -1).mean(1) / (1 - discount) for i in range(seats)]
    return np.repeat(np.array(rows)[:, None, :], states, axis=1)


def learn(payoffs: Floats, learning: Learning, seeds: Ints | list[int]) -> Learned:
    """Train one market for each seed.

    Args:
        payoffs: Of one round, shape (seats, size, ..., size); every seat has as many actions.
        learning: How.
        seeds: Of the markets; what a market learns depends on its own seed alone.
    """
    compiled = _compiled()
    if compiled is None:
        return learn_reference(payoffs, learning, seeds)
    flat, values, streams = _prepare(payoffs, learning, seeds)
    seats, size = flat.shape[1], payoffs.shape[1]
    rounds, states, quiet = (np.zeros(len(streams), dtype=np.int64) for _ in range(3))
    if learning.memory:
        states[:] = _first_states(streams, flat.shape[0])
    compiled(
        flat, values, streams, states, rounds, quiet, seats, size,
        learning.rate, learning.discount, learning.decay, learning.memory, learning.steps, learning.settled,
    )  # fmt: skip
    return _finished(values, rounds, quiet, states, learning)


def learn_reference(payoffs: Floats, learning: Learning, seeds: Ints | list[int]) -> Learned:
    """The same, in numpy, readable: one round of all markets at a time."""
    flat, values, streams = _prepare(payoffs, learning, seeds)
    markets, seats, size = len(streams), flat.shape[1], payoffs.shape[1]
    digits = size ** np.arange(seats - 1, -1, -1)
    states = _first_states(streams, flat.shape[0]) if learning.memory else np.zeros(markets, dtype=np.int64)
    greedy = values.argmax(-1)
    quiet, rounds = np.zeros(markets, dtype=np.int64), np.zeros(markets, dtype=np.int64)
    everyone, seat = np.arange(markets)[:, None], np.arange(seats)
    for t in range(learning.steps):
        going = quiet < learning.settled
        if not going.any():
            break
        exploring = _uniform(streams, t, seat, seats, 0) < np.exp(-learning.decay * t)
        tried = (_uniform(streams, t, seat, seats, 1) * size).astype(np.int64)
        actions = np.where(exploring, tried, greedy[everyone, seat, states[:, None]])
        profile = actions @ digits
        after = profile if learning.memory else np.zeros_like(profile)
        reward = flat[profile]
        future = values[everyone, seat, after[:, None]].max(-1)
        place = (everyone, seat, states[:, None], actions)
        updated = (1 - learning.rate) * values[place] + learning.rate * (reward + learning.discount * future)
        values[place] = np.where(going[:, None], updated, values[place])
        best = values[everyone, seat, states[:, None]].argmax(-1)
        changed = (best != greedy[everyone, seat, states[:, None]]).any(1)
        greedy[everyone, seat, states[:, None]] = best
        quiet = np.where(going, np.where(changed, 0, quiet + 1), quiet)
        states = np.where(going, after, states)
        rounds += going
    return _finished(values, rounds, quiet, states, learning)


def _prepare(payoffs: Floats, learning: Learning, seeds: Ints | list[int]) -> tuple[Floats, Floats, NDArray[np.uint64]]:
    seats, size = len(payoffs), payoffs.shape[1]
    flat = np.ascontiguousarray(payoffs.reshape(seats, -1).T)
    states = size**seats if learning.memory else 1
    values = np.repeat(first_values(payoffs, learning.discount, states)[None], len(seeds), axis=0)
    streams = np.array([_mix((int(seed) + 1) * _GOLDEN & _MASK) for seed in seeds], dtype=np.uint64)
    return flat, values, streams


def _finished(values: Floats, rounds: Ints, quiet: Ints, states: Ints, learning: Learning) -> Learned:
    return Learned(values.argmax(-1), values, rounds, quiet >= learning.settled, states)


def _mix(x: int) -> int:
    x = (x ^ (x >> 30)) * _MIX1 & _MASK
    x = (x ^ (x >> 27)) * _MIX2 & _MASK
    return x ^ (x >> 31)


def _mix_all(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(_MIX1)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(_MIX2)
    return x ^ (x >> np.uint64(31))


def _first_states(streams: NDArray[np.uint64], states: int) -> Ints:
    return np.asarray((_mix_all(streams ^ np.uint64(_MIX1)) % np.uint64(states)).astype(np.int64))


def _uniform(streams: NDArray[np.uint64], t: int, seat: Ints, seats: int, which: int) -> Floats:
    """Uniform draws in [0, 1), shape (markets, seats): a counter, mixed; number ``which`` of round ``t``."""
    counters = ((t * seats + seat) * 2 + which + 1).astype(np.uint64) * np.uint64(_GOLDEN)
    mixed = _mix_all(streams[:, None] + counters)
    return np.asarray((mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53)


@cache
def _compiled() -> Callable[..., Any] | None:
    """The compiled engine, or ``None`` where numba is not installed (extra ``agents``)."""
    try:
        from edgewise.society.repeated_compiled import learn_markets
    except ImportError:
        return None
    compiled: Callable[..., Any] = learn_markets
    return compiled
