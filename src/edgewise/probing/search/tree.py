"""The search tree: two regimes, upper confidence bounds, widening, virtual visits (ProbeLLM, arXiv 2602.12966).

Macro nodes look for new regions, micro nodes refine what fails. A node's ``visits`` count the questions asked from its
subtree, ``failures`` how many of them the target failed. Selection descends by UCB; a node may have a few children at
most; what is being asked already counts as a visit, so that searches in parallel spread (virtual loss).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Regime = Literal["macro", "micro"]
REGIMES: tuple[Regime, Regime] = ("macro", "micro")
_FEW = 24  # children up to which a plain loop is faster than arrays


@dataclass
class Node:
    """A question that was asked, or the root of a regime.

    Attributes:
        node_id: Place in ``Tree.nodes``; 0 and 1 are the roots of macro and micro.
        parent: Place of the parent; -1 for a root.
        regime: Whose tree it is in.
        depth: 0 for a root, 1 for seeds and promoted failures.
        case_id: The question; empty for a root.
        open_children: Those below which something can still be asked, in the order they came.
        asked: Questions asked or being asked from here.
        barren: How often in vain something was to be made from here.
        is_open: Whether anything can be asked from here or below.
    """

    node_id: int
    parent: int
    regime: Regime
    depth: int
    case_id: str = ""
    open_children: list[int] = field(default_factory=list)
    asked: int = 0
    barren: int = 0
    is_open: bool = False


class Tree:
    """Nodes with their counts.

    Args:
        beta: Weight of the exploration bonus.
        w_max: Children that a node may have (progressive widening with a constant cap). Roots have any number.
        max_depth: Depth from which nodes are not expanded.
        patience: How often in vain before a node is given up.
        inherit: Whether a new node starts with its own outcome as its first visit; otherwise with nothing.
    """

    def __init__(
        self, *, beta: float = 1.0, w_max: int = 3, max_depth: int = 8, patience: int = 3, inherit: bool = True
    ) -> None:
        self.beta, self.w_max, self.max_depth, self.patience = beta, w_max, max_depth, patience
        self.inherit = inherit
        self.nodes = [Node(place, -1, regime, 0) for place, regime in enumerate(REGIMES)]
        self.visits: NDArray[np.float64] = np.zeros(1024)
        self.failures: NDArray[np.float64] = np.zeros(1024)

    def root(self, regime: Regime) -> Node:
        """The root of a regime."""
        return self.nodes[REGIMES.index(regime)]

    def can_grow(self, regime: Regime) -> bool:
        """Whether anything can be asked in the regime."""
        return self.root(regime).is_open

    def attach(self, parent: Node, case_id: str, *, failed: bool) -> Node:
        """A question that was asked becomes a node."""
        node = Node(len(self.nodes), parent.node_id, parent.regime, parent.depth + 1, case_id)
        self.nodes.append(node)
        if len(self.nodes) > len(self.visits):
            self.visits = np.concatenate([self.visits, np.zeros(len(self.visits))])
            self.failures = np.concatenate([self.failures, np.zeros(len(self.failures))])
        if self.inherit:
            self.visits[node.node_id], self.failures[node.node_id] = 1, failed
        self._update(node)
        return node

    def select(self, regime: Regime) -> Node:
        """The node to expand. It and its ancestors count a visit at once; ``settle`` or ``undo`` must follow.

        Raises:
            LookupError: Nothing in the regime can be expanded.
        """
        node = self.root(regime)
        if not node.is_open:
            raise LookupError(f"nothing to expand in {regime}")
        while not self._expandable(node):
            node = self.nodes[self._best(node)]
        node.asked += 1
        self._add(node, visits=1)
        self._update(node)
        return node

    def settle(self, node: Node, reward: float) -> None:
        """Back up the outcome of a question asked from ``node``: 1 if it failed."""
        self._add(node, failures=reward)

    def undo(self, node: Node, *, barren: bool) -> None:
        """A question asked from ``node`` came to nothing: it counts no visit."""
        node.asked -= 1
        node.barren += barren
        self._add(node, visits=-1)
        self._update(node)

    def failure_rate(self, node: Node) -> float:
        """Share of the questions below that failed."""
        return float(self.failures[node.node_id] / max(1.0, self.visits[node.node_id]))

    def _expandable(self, node: Node) -> bool:
        return 0 < node.depth < self.max_depth and node.asked < self.w_max and node.barren < self.patience

    def _update(self, node: Node) -> None:
        """Open or close the node, and its ancestors with it."""
        while True:
            is_open = self._expandable(node) or bool(node.open_children)
            if is_open == node.is_open:
                return
            node.is_open = is_open
            if node.parent < 0:
                return
            siblings = self.nodes[node.parent].open_children
            if is_open:
                siblings.append(node.node_id)
            else:
                siblings.remove(node.node_id)
            node = self.nodes[node.parent]

    def _add(self, node: Node, visits: float = 0, failures: float = 0) -> None:
        place = node.node_id
        while place >= 0:
            self.visits[place] += visits
            self.failures[place] += failures
            place = self.nodes[place].parent

    def _best(self, node: Node) -> int:
        """The open child of the highest bound; of equals the one visited least, then the first."""
        log = math.log(max(1.0, self.visits[node.node_id]))
        children = node.open_children
        if len(children) > _FEW:
            places = np.asarray(children)
            visits = self.visits[places]
            n = np.maximum(visits, 1)
            bound = self.failures[places] / n + self.beta * np.sqrt(log / n)
            best = np.flatnonzero(bound == bound.max())
            return int(min(places[best[visits[best] == visits[best].min()]]))
        return min(children, key=lambda c: (-self._bound(c, log), self.visits[c], c))

    def _bound(self, place: int, log: float) -> float:
        n = max(1.0, self.visits[place])
        return float(self.failures[place] / n + self.beta * math.sqrt(log / n))
