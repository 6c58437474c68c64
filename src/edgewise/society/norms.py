"""Plans under hard rules, by enumeration: what is feasible, what is fair, how near to agreement a group is.

A plan has an option for each issue. ``Points`` say what each option is worth to each delegate, by delegate, issue and
option; ``None`` is an option against its rules. All delegates have as many issues, all issues as many options.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

Points = tuple[tuple[tuple[int | None, ...], ...], ...]
Plan = tuple[int, ...]
Floats = NDArray[np.float64]


class Norms:
    """All plans of an instance and what they are worth.

    Args:
        points: Of the instance.

    Attributes:
        plans: Shape (plans, issues).
        shares: Of its best points that each delegate gets, -1 where the plan breaks a rule; shape (delegates, plans).
        feasible: Plans that break no rule, as row numbers.
    """

    def __init__(self, points: Points) -> None:
        self.points = points
        issues, options = len(points[0]), len(points[0][0])
        self.plans = np.array(list(product(range(options), repeat=issues)))
        table = np.array([[[np.nan if p is None else p for p in row] for row in own] for own in points])
        self._best = np.nanmax(table, axis=2).sum(1)
        got = table[:, np.arange(issues), self.plans]
        self._kept = np.nansum(got, axis=2) / self._best[:, None]  # what broken rules leave
        self.shares: Floats = np.nan_to_num(got.sum(2) / self._best[:, None], nan=-1.0)
        self.feasible = np.flatnonzero((self.shares >= 0).all(0)).tolist()

    def share(self, plan: Plan) -> Floats:
        """Each delegate's share."""
        return np.asarray(self.shares[:, self._row(plan)])

    def wanted(self, delegate: int) -> Plan:
        """What the delegate would do if it were alone."""
        return self._plan(int(self.shares[delegate].argmax()))

    def fairest(self) -> Plan | None:
        """The feasible plan with the largest smallest share (the egalitarian solution); ``None`` if there is none."""
        return self._plan(max(self.feasible, key=lambda p: self.shares[:, p].min())) if self.feasible else None

    def most(self) -> float:
        """Largest sum of shares of a feasible plan."""
        return float(max(self.shares[:, p].sum() for p in self.feasible))

    def fairness(self, plan: Plan) -> float:
        """Smallest share, where 1 is the largest smallest share of a feasible plan (of any plan if there is none)."""
        least = self.shares[:, self.feasible].min(0).max() if self.feasible else self._kept.min(0).max()
        return float(max(self.share(plan).min(), 0.0) / least)

    def efficient(self, plan: Plan) -> bool:
        """Whether no feasible plan is better for one delegate and as good for the others (Pareto)."""
        own, others = self.share(plan)[:, None], self.shares[:, self.feasible]
        return not bool(((others >= own - 1e-9).all(0) & (others > own + 1e-9).any(0)).any())

    def score(self, settled: Sequence[int | None]) -> float:
        """10 x (share of rules kept) x (smallest share, as in ``fairness``, at most 1), on the issues that are settled.

        An open issue keeps nobody's rule and gives nobody points.
        """
        held = [[None if o is None else row[o] for row, o in zip(own, settled, strict=True)] for own in self.points]
        kept = sum(p is not None for own in held for p in own) / (len(held) * len(settled))
        got = min(sum(p or 0 for p in own) / best for own, best in zip(held, self._best, strict=True))
        least = self.shares[:, self.feasible].min(0).max() if self.feasible else self._kept.min(0).max()
        return float(10 * kept * min(1.0, got / least))

    def holding_is_stable(self) -> bool:
        """Whether nobody gains by moving alone where all must propose the same and each proposes what it wants most."""
        wants = [self.wanted(i) for i in range(len(self.points))]
        for i in range(len(wants)):
            others = {want for j, want in enumerate(wants) if j != i}
            if len(others) == 1 and self.share(next(iter(others)))[i] > 0 and wants[i] not in others:
                return False
        return True

    def in_turns(self, rounds: int, patience: float) -> tuple[list[Plan | None], Floats]:
        """Backward induction where in round t all vote on what delegate t - 1 (modulo their number) proposed before.

        Returns:
            The proposal made in each round, and the values before each round's vote, shape (rounds + 1, delegates).
        """
        count = len(self.points)
        values, offers = np.zeros((rounds + 1, count)), [None] * rounds
        offered: list[Plan | None] = list(offers)
        for turn in range(rounds - 1, 0, -1):
            later, chair = patience * values[turn + 1], (turn - 1) % count
            able = [p for p in self.feasible if (self.shares[:, p] >= np.maximum(later - 1e-9, 1e-12)).all()]
            values[turn] = later
            if able:
                best = max(able, key=lambda p: self.shares[chair, p])
                values[turn], offered[turn - 1] = self.shares[:, best], self._plan(best)
        values[0] = patience * values[1]
        return offered, values

    def concession(self, delegate: int, offers: Sequence[Plan]) -> Plan:
        """The delegate's next offer by monotonic concession with Zeuthen's rule (Rosenschein and Zlotkin 1994).

        It takes another's offer that is as good for it as its own. Else, if it risks least by a conflict, it goes to
        the feasible plan that is best for it among those that are better for the worst off of the others. Else it
        stays.
        """
        u = np.array([self.share(offer) for offer in offers])  # offer of i, share of j
        others = [i for i in range(len(offers)) if i != delegate]
        as_good = [i for i in others if u[i].min() > 0 and u[i, delegate] >= u[delegate, delegate] - 1e-9]
        if as_good:
            return offers[as_good[0]]
        risks = [1 - max(u[:, i].min(), 0) / u[i, i] if u[i, i] > 0 else 0.0 for i in range(len(offers))]
        if risks[delegate] > min(risks) + 1e-9:
            return offers[delegate]
        now = u[delegate, others].min()
        better = [p for p in self.feasible if self.shares[others, p].min() > now + 1e-9]
        return self._plan(max(better, key=lambda p: self.shares[delegate, p])) if better else offers[delegate]

    def _row(self, plan: Plan) -> int:
        row = 0
        for option in plan:
            row = row * len(self.points[0][0]) + option
        return row

    def _plan(self, row: int) -> Plan:
        return tuple(self.plans[row].tolist())
