"""Which question is asked next: the search behind all policies, and their settings.

The search is a function of its seed and of the outcomes in the order of its tickets, so that it can be replayed; who
asks the questions, and how many at a time, is not its business.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from edgewise.core.errors import BadInput
from edgewise.probing.search.tree import REGIMES, Node, Regime, Tree

_FIRST = 10  # tickets before the least share of a regime is looked at

Root = Literal["ucb", "alternate", "uniform"]


@dataclass(frozen=True)
class Policy:
    """How the search divides its budget.

    Attributes:
        root: How a regime is chosen: by the bound (``ucb``), in turn, or none: every question is a fresh one.
        min_share: Least share of tickets for each regime.
        promote: Whether a failure that macro found may be refined by micro (the bridge).
        inherit: Whether a node starts with its own outcome.
        novelty: Weight of a failure being unlike the earlier ones, in its reward.
        beta: Weight of the exploration bonus.
        w_max: Children of a node at most.
        max_depth: Depth of the tree.
    """

    root: Root = "ucb"
    min_share: float = 0.0
    promote: bool = False
    inherit: bool = False
    novelty: float = 0.0
    beta: float = 1.0
    w_max: int = 3
    max_depth: int = 8


POLICIES: dict[str, Policy] = {
    "bridge": Policy(min_share=0.4, promote=True, inherit=True),
    "paper": Policy(),
    "alternate": Policy(root="alternate", promote=True, inherit=True),
    "novelty": Policy(promote=True, inherit=True, novelty=0.5),
    "uniform": Policy(root="uniform"),
}
DEFAULT = "bridge"


def find_policy(name: str) -> Policy:
    """The policy of this name.

    Raises:
        BadInput: There is none.
    """
    if name not in POLICIES:
        raise BadInput(f"there is no policy {name!r}; there are {', '.join(POLICIES)}", field="policy")
    return POLICIES[name]


@dataclass(frozen=True)
class Ticket:
    """Leave to ask one question.

    Attributes:
        number: From 0; outcomes are settled in this order.
        regime: Macro: somewhere new; micro: close to ``node``.
        node: Where it starts from; ``None`` without a tree.
    """

    number: int
    regime: Regime
    node: Node | None


class Search:
    """Tickets out, outcomes in.

    Args:
        policy: How the budget is divided.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.tree = Tree(beta=policy.beta, w_max=policy.w_max, max_depth=policy.max_depth, inherit=policy.inherit)
        self._given = dict.fromkeys(REGIMES, 0)
        self._count = 0

    def seed(self, case_id: str, *, failed: bool) -> None:
        """A question whose outcome is known, to start from: in both regimes."""
        for regime in REGIMES:
            self.tree.attach(self.tree.root(regime), case_id, failed=failed)

    def next(self) -> Ticket | None:
        """The next ticket; ``None`` if nothing can be asked any more."""
        if self.policy.root == "uniform":
            ticket = Ticket(self._count, "macro", None)
        else:
            regime = self._regime()
            if regime is None:
                return None
            ticket = Ticket(self._count, regime, self.tree.select(regime))
            self._given[regime] += 1
        self._count += 1
        return ticket

    def settle(self, ticket: Ticket, case_id: str, *, failed: bool, novel: bool = True) -> Node | None:
        """The outcome of a ticket: a new node, and the counts of its ancestors."""
        if ticket.node is None:
            return None
        share = self.policy.novelty
        self.tree.settle(ticket.node, failed * ((1 - share) + share * novel))
        node = self.tree.attach(ticket.node, case_id, failed=failed)
        if failed and ticket.regime == "macro" and self.policy.promote:
            self.tree.attach(self.tree.root("micro"), case_id, failed=True)
        return node

    def cancel(self, ticket: Ticket, *, barren: bool) -> None:
        """The ticket was not used: nothing could be made from its node (``barren``), or the outcome is invalid."""
        if ticket.node is not None:
            self.tree.undo(ticket.node, barren=barren)
            self._given[ticket.regime] -= 1

    def _regime(self) -> Regime | None:
        able = [regime for regime in REGIMES if self.tree.can_grow(regime)]
        if len(able) < 2:
            return able[0] if able else None
        macro, micro = (self._given[regime] for regime in REGIMES)
        total = macro + micro
        if self.policy.root == "alternate":
            return "macro" if macro <= micro else "micro"
        if total >= _FIRST:
            for regime in REGIMES:
                if self._given[regime] < self.policy.min_share * total:
                    return regime
        bounds = [self._bound(regime, total) for regime in REGIMES]
        return "macro" if bounds[0] >= bounds[1] else "micro"

    def _bound(self, regime: Regime, total: int) -> float:
        visits = self._given[regime]
        if not visits:
            return math.inf
        bonus = self.policy.beta * math.sqrt(math.log(max(1, total)) / visits)
        return self.tree.failure_rate(self.tree.root(regime)) + bonus
