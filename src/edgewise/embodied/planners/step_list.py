"""A list of moves that is made once from the words of a task and then carried out, whatever becomes of it.

The two baselines without memory share it: they know which item of their list they are at, see the present frame, and
nothing else. What they cannot find in the frame they leave out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace

from edgewise.core.errors import BadInput
from edgewise.embodied.beliefs import Beliefs
from edgewise.embodied.types import Directive, Goal, Predicate
from edgewise.scene.types import Action, Fact, ObjectFact, Observation, Provenance, Segmentation, Visibility

_TRIES = 2  # of an item that fails


@dataclass(frozen=True)
class Move:
    """Take one thing and put it somewhere.

    Attributes:
        step: Index of the goal's step that it is for.
        verb: A primitive that places, or ``open`` or ``close``, which need nothing in the hand.
        target: Name of the thing.
        condition: What is to come of it.
    """

    step: int
    verb: str
    target: str
    condition: Predicate


_VERBS = {"on": "place_on", "inside": "place_in", "at": "place_at", "standing": "place_at", "moved": "place_at",
          "bridged": "bridge", "covered": "cover", "open": "open", "closed": "close"}  # fmt: skip


def list_moves(goal: Goal) -> Iterator[Move]:
    """The moves that a task's steps ask for by their words, each once."""
    under: dict[str, str] = {}
    for index, step in enumerate(goal.steps):
        for condition in step.conditions:
            names = condition.arguments
            if condition.name == "covered":
                under[names[0]] = names[1]
                yield Move(index, "cover", names[1], condition)
            elif condition.name == "uncovered" and names[0] in under:
                yield Move(index, "place_at", under.pop(names[0]), condition)
            elif condition.name == "on" and names[1] == "table":
                yield Move(index, "place_at", names[0], condition)
            elif condition.name in _VERBS:
                yield Move(index, _VERBS[condition.name], names[0], condition)


class ListPlanner(ABC):
    """Goes through its list. Subclasses say where things go."""

    name: str

    def __init__(self) -> None:
        self._goal: Goal | None = None
        self._moves: list[Move] = []

    def reset(self, goal: Goal) -> None:
        """A new episode: the list is made here."""
        self._goal, self._moves = goal, list(list_moves(goal))
        self._index, self._tries, self._taken, self._asked = 0, 0, False, False

    def decide(
        self, facts: tuple[Fact, ...], observation: Observation, segmentation: Segmentation, feedback: str
    ) -> Directive:
        """The next half of the next move: take, then put."""
        if self._goal is None:
            raise BadInput("the planner has no goal", fix="call reset(goal) first")
        beliefs = seen_now(facts)
        names = beliefs.resolve(self._goal)
        if self._asked and "not carried out" not in feedback:
            self._advance(failed=any(f": {word}" in feedback for word in ("failed", "refused")))
        while self._index < len(self._moves):
            move = self._moves[self._index]
            action = self._action(move, beliefs, names)
            self._asked = action is not None
            if action is not None:
                why = f"item {self._index + 1} of {len(self._moves)}"
                return Directive(action=replace(action, why=why), reached=move.step - 1, thought=why)
            self._next()  # something that it speaks of is not in the frame: it goes on with the next item
        self._asked = False
        return Directive(done=True, reached=len(self._goal.steps) - 1, thought="the list is done")

    def _action(self, move: Move, beliefs: Beliefs, names: dict[str, int]) -> Action | None:
        # What is to be uncovered need not be seen; everything else that the item speaks of must be.
        spoken = () if move.condition.name == "uncovered" else move.condition.arguments
        if any(name not in names for name in (move.target, *spoken) if name != "table"):
            return None
        target = names[move.target]
        if move.verb in ("open", "close"):
            return Action(0, move.verb, target)
        if self._taken:
            return self._put(move, beliefs, names)
        return Action(0, "pick", target)

    @abstractmethod
    def _put(self, move: Move, beliefs: Beliefs, names: dict[str, int]) -> Action | None:
        """Where what is in the hand goes; None if that cannot be said."""

    def _advance(self, failed: bool) -> None:
        """Take note of what became of the last action."""
        if failed:
            self._tries += 1
            if self._tries >= _TRIES:
                self._next()
        elif self._taken or self._moves[self._index].verb in ("open", "close"):
            self._next()
        else:
            self._taken = True

    def _next(self) -> None:
        self._index, self._tries, self._taken = self._index + 1, 0, False


def seen_now(facts: tuple[Fact, ...]) -> Beliefs:
    """Beliefs from what is measured in this frame alone, whatever else a memory tells."""
    now = [
        fact
        for fact in facts
        if isinstance(fact, ObjectFact)
        and not fact.initial
        and fact.provenance == Provenance.MEASURED
        and fact.visibility in (Visibility.VISIBLE, Visibility.PARTIAL, Visibility.HELD)
    ]
    return Beliefs.of(now)
