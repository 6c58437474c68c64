"""Negotiation by rule: concede over time and in answer to the other's concessions, never taking one back.

The mixture of time-dependent and behaviour-dependent tactics is Faratin, Sierra and Jennings (1998).
"""

from __future__ import annotations

from collections.abc import Sequence

Prices = Sequence[int | None]  # by round; None where none was named

_WEIGHT = 0.5  # of the time-dependent part
_SMOOTHING = 0.3  # of the estimate of the other's limit


def concede(
    first: float, goal: float, own: Prices, others: Prices, rounds: int, left: int, *, exponent: float = 1.0
) -> float:
    """The next price: half way by the clock, half in proportion to what the other conceded last.

    Args:
        first: Price to open with.
        goal: Price of the last round.
        own: Own prices so far.
        others: The other's.
        rounds: Of the negotiation.
        left: Rounds left, this one included.
        exponent: 1 concedes linearly; more, sooner.
    """
    mine, theirs = [p for p in own if p is not None], [p for p in others if p is not None]
    if not mine:
        return first
    clock = float(((rounds - left) / max(rounds - 1, 1)) ** (1 / exponent))
    by_clock = mine[0] + (goal - mine[0]) * clock
    answer = mine[-1] * theirs[-2] / max(theirs[-1], 1) if len(theirs) > 1 else float(mine[-1])
    price = _WEIGHT * by_clock + (1 - _WEIGHT) * answer
    if goal < mine[0]:
        return min(max(price, goal), mine[-1])
    return max(min(price, goal), mine[-1])


def estimate_ceiling(prior: float, asks: Prices, bids: Prices) -> float:
    """A seller's estimate of what the buyer can pay: moving average of the middles of refused asks and bids."""
    found = prior
    for ask, bid in zip(asks, bids, strict=True):
        if ask is not None and bid is not None:
            found += _SMOOTHING * ((ask + bid) / 2 - found)
    return found
