"""A world with tools: some of its questions are made from others, from texts, or by a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from edgewise.probing.search.tree import Regime
from edgewise.probing.tools.edits import RuleEdits
from edgewise.probing.types import Case
from edgewise.probing.worlds.world import Made, World

_SHARE = 0.5  # of the questions that tools make, where they can


class Tool(Protocol):
    """Makes a question with its truth.

    Attributes:
        name: Of the tool.
        regimes: In which it can be of use.
    """

    name: str
    regimes: frozenset[Regime]

    def propose(self, anchor: Case | None, regime: Regime, rng: np.random.Generator) -> Made:
        """A question close to ``anchor`` (micro) or somewhere new (macro); ``None`` if it cannot."""
        ...


class Workbench:
    """A world, half of whose questions come from tools where these can make one.

    Args:
        world: Gives seeds, and what the tools do not.
        tools: Tried in random order.
        rng: For the draws.
    """

    def __init__(self, world: World, tools: Sequence[Tool], rng: np.random.Generator) -> None:
        self._world, self._tools, self._rng = world, list(tools), rng
        self._edits = next((tool for tool in tools if isinstance(tool, RuleEdits)), None)

    def seeds(self, count: int) -> list[Case]:
        """Those of the world."""
        return self._world.seeds(count)

    def propose(self, regime: Regime, anchor: Case | None) -> Made:
        """From a tool, or from the world."""
        able = [tool for tool in self._tools if regime in tool.regimes]
        if able and self._rng.random() < _SHARE:
            for place in self._rng.permutation(len(able)).tolist():
                made: Made = able[place].propose(anchor, regime, self._rng)
                if made is not None:
                    return made
        return self._world.propose(regime, anchor)

    def holdout(self, wanted: Callable[[Case], bool], count: int) -> list[Case]:
        """Of the world's fresh questions, as they are or edited by rule."""
        if self._edits is None:
            return self._world.holdout(wanted, count)
        rng, edits = self._rng, self._edits

        def variants(case: Case) -> list[Case]:
            return [each for each in (case, *edits.variants(case, rng)) if wanted(each)]

        fitting = [variants(case) for case in self._world.holdout(lambda case: bool(variants(case)), count)]
        # A case may have fitted by the luck of a draw; then it does not count.
        return [each[int(rng.integers(len(each)))] for each in fitting if each]


async def settled(made: Made) -> Case | None:
    """The question, when it is there."""
    return made if made is None or isinstance(made, Case) else await made
