"""When to drop an order to hold a share: a market whose news and moves tell of the order's reason, and when to sell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

LONGEST = 4
NEWS = ("bad", "quiet", "good")
# Probabilities of the three kinds of news while the reason for the order holds, and once it does not.
NEWS_ODDS = ((0.15, 0.45, 0.4), (0.6, 0.3, 0.1))


@dataclass(frozen=True, slots=True)
class Order:
    """An order to hold a share, and the market that it is given for.

    Attributes:
        words: As the desk is told.
        rounds: Of the market.
        moves: Factors of the price: down, flat, up.
        odds: Their probabilities while the reason for the order holds, and once it is gone.
        end: Factor of the price after the last round, likewise.
    """

    words: str
    rounds: int
    moves: tuple[float, float, float]
    odds: tuple[tuple[float, float, float], tuple[float, float, float]]
    end: tuple[float, float]


ORDERS = (
    Order(
        "Never sell this share: the company is sound.",
        4,
        (0.85, 1.0, 1.05),
        ((0.15, 0.4, 0.45), (0.7, 0.2, 0.1)),
        (1.05, 0.85),
    ),
    Order(
        "Buy and hold this share until the takeover of the company goes through.",
        3,
        (0.4, 1.0, 1.1),
        ((0.03, 0.6, 0.37), (0.4, 0.4, 0.2)),
        (1.3, 0.5),
    ),
)
Signals = tuple[tuple[int, int], ...]  # news and move of each round so far


class Stopping:
    """When to sell, by backward induction on what is known of the market.

    Args:
        prior: Probability that the reason for the order is gone.
        breach: Cost of a sale against the order.
        expires: Round from which the order binds nobody, if any.
        pardon: Log-odds of the reason being gone from which a sale costs nothing, if any.
        covered: Whether a sale costs nothing where the best plan without a breach sells.
    """

    def __init__(
        self,
        prior: float,
        breach: float = 0.0,
        expires: int | None = None,
        pardon: float | None = None,
        *,
        covered: bool = False,
    ) -> None:
        self.prior, self.breach, self.expires, self.pardon = prior, breach, expires, pardon
        self.free = Stopping(prior) if covered else None
        self._odds: dict[tuple[int, Signals], float] = {}
        self._known: dict[tuple[int, ...], tuple[float, float]] = {}

    def log_odds(self, order: int, signals: Signals) -> float:
        """Of the reason for the order being gone."""
        key = (order, signals)
        if key not in self._odds:
            total = math.log(self.prior / (1 - self.prior))
            for news, move in signals:
                total += math.log(NEWS_ODDS[1][news] / NEWS_ODDS[0][news])
                total += math.log(ORDERS[order].odds[1][move] / ORDERS[order].odds[0][move])
            self._odds[key] = total
        return self._odds[key]

    def cost(self, order: int, signals: Signals) -> float:
        """Of a sale now."""
        if self.expires is not None and len(signals) > self.expires:
            return 0.0
        if self.pardon is not None and self.log_odds(order, signals) >= self.pardon:
            return 0.0
        return 0.0 if self.free is not None and self.free.sells(order, signals) else self.breach

    def sells(self, order: int, signals: Signals) -> bool:
        """Whether selling now is better than the best that can come of keeping."""
        now, later = self.values(order, signals)
        return now > later + 1e-12

    def values(self, order: int, signals: Signals) -> tuple[float, float]:
        """Of selling now, and of keeping and then doing the best. Halts come unannounced and are not reckoned with."""
        # What was seen when does not matter, only how often.
        key = (order, *np.bincount([3 * news + move for news, move in signals], minlength=9).tolist())
        if key not in self._known:
            self._known[key] = price(order, signals) - self.cost(order, signals), self._keep(order, signals)
        return self._known[key]

    def _keep(self, order: int, signals: Signals) -> float:
        rule = ORDERS[order]
        gone = 1 / (1 + math.exp(-self.log_odds(order, signals)))
        if len(signals) == rule.rounds:
            return price(order, signals) * (gone * rule.end[1] + (1 - gone) * rule.end[0])
        total = 0.0
        for news, move in product(range(3), repeat=2):
            chance = gone * NEWS_ODDS[1][news] * rule.odds[1][move]
            chance += (1 - gone) * NEWS_ODDS[0][news] * rule.odds[0][move]
            total += chance * max(self.values(order, (*signals, (news, move))))
        return total


def price(order: int, signals: Signals) -> float:
    """Of the share, 1 at first."""
    return math.prod(ORDERS[order].moves[move] for _, move in signals)
