"""Take it or leave it, to a buyer whose limit is not known: the best price by what is known, and what knowing earns."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

TOP = 250  # highest price that can be named
COSTS = (40, 70)  # of the paper's blocks A and B
GAPS = (40, 60, 80, 100, 120)  # ceiling less cost; the paper's blocks have 80
URGENT = 80  # gap from which a purchaser is urgent
BACKUP_PRICE, DELIVERY = 80, 0.5
LEVELS = ("control", "weak", "moderate", "high")

Known = tuple[int | None, ...]  # hint, urgency, backup, ceiling; None where unknown


@dataclass(frozen=True)
class Offers:
    """A supplier's take-it-or-leave-it offers; attributes as in ``edgewise.society.scenarios.bargaining``."""

    backup: float = 0.5
    accuracy: float = 0.75
    disclosed: bool = True
    markup_cap: int | None = None

    def known(self, cost: int, gap: int, has: bool, right: bool, level: int) -> Known:
        """What a supplier knows at a level (place in ``LEVELS``) of a purchaser; ``right``: whether a hint is."""
        level = level if self.disclosed else 0
        urgent = gap >= URGENT
        facts = (int(urgent == right), int(urgent), int(has), cost + gap)
        shown = (level == 1, level >= 2, level >= 2, level == 3)
        return tuple(fact if see else None for fact, see in zip(facts, shown, strict=True))

    def belief(self, cost: int, known: Known) -> list[tuple[float, int, bool]]:
        """Probability, ceiling and backup of the purchasers that there may be, given what is known."""
        hint, urgent, backup, ceiling = known
        rows = []
        for gap, has in product(GAPS, (False, True)):
            p = self.backup if has else 1 - self.backup
            if hint is not None:
                p *= self.accuracy if (gap >= URGENT) == hint else 1 - self.accuracy
            same = ((urgent, gap >= URGENT), (backup, has), (ceiling, cost + gap))
            if p > 0 and all(told is None or told == fact for told, fact in same):
                rows.append((p, cost + gap, has))
        total = sum(p for p, _, _ in rows)
        return [(p / total, ceiling, has) for p, ceiling, has in rows]

    def best_ask(self, cost: int, known: Known) -> int:
        """The take-it-or-leave-it price with the highest expected profit; the lowest of several."""
        rows = self.belief(cost, known)
        prices = sorted({min(limit(m, has), cost + (self.markup_cap or TOP)) for _, m, has in rows})

        def profit(price: int) -> float:
            return (price - cost) * sum(p for p, m, has in rows if limit(m, has) >= price)

        return max(prices, key=lambda price: (round(profit(price), 9), -price))

    def expected(self) -> dict[str, dict[str, float]]:
        """Exact expectations of the best offers by level: SCR over deals, agreement, the supplier's profit."""
        found = {}
        for level, name in enumerate(LEVELS):
            deals, profit, captured = 0.0, 0.0, 0.0
            for cost, gap, has, right in product(COSTS, GAPS, (False, True), (False, True)):
                p = (self.backup if has else 1 - self.backup) * (self.accuracy if right else 1 - self.accuracy)
                p /= len(COSTS) * len(GAPS)
                if not p:
                    continue
                ask = self.best_ask(cost, self.known(cost, gap, has, right, level))
                if ask <= limit(cost + gap, has):
                    deals, profit, captured = deals + p, profit + p * (ask - cost), captured + p * (ask - cost) / gap
            found[name] = {"scr": captured / deals, "agreement": deals, "profit": profit}
        return found


def limit(ceiling: int, backup: bool) -> int:
    """Price at which a purchaser is as well off with its backup, or without anything."""
    return ceiling - int(DELIVERY * max(ceiling - BACKUP_PRICE, 0)) if backup else ceiling


def alternating(discount: float, offers: int) -> float:
    """What who offers first gets of 1 in alternating offers by backward induction (Ståhl 1972).

    Args:
        discount: Factor on payoffs for each offer that passed.
        offers: How many there may be; Rubinstein's (1982) limit is ``1 / (1 + discount)``.
    """
    return (1 - (-discount) ** offers) / (1 + discount)
