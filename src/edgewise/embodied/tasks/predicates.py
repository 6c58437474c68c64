"""Predicates judged on the simulator's truth, and how far a task has got by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.embodied.types import Goal, Predicate
from edgewise.scene.worlds.spec import TABLE
from edgewise.scene.worlds.truth import Truth

DIRECTIONS: Mapping[str, tuple[float, float]] = {
    "left": (0.0, 1.0), "right": (0.0, -1.0), "far": (1.0, 0.0), "near": (-1.0, 0.0),
}  # fmt: skip
APART = 0.02  # how far centres of a stack may be apart along X and Y, metres
OPEN, CLOSED = 0.06, 0.02  # a drawer pulled out at least so far is open, at most so far is shut, metres
STILL = 0.005  # a thing that moved less than this between two pictures is at rest, metres


def holds(predicate: Predicate, truth: Truth, start: Truth, before: Truth | None = None) -> bool:
    """Whether a predicate is true.

    Args:
        predicate: See its class for what the names mean.
        truth: Now; needs no picture.
        start: When the episode began.
        before: When the step before was done; the start if not given.

    Raises:
        BadInput: There is no such predicate, or one of its arguments is not in the world.
    """
    if predicate.name not in _JUDGES:
        raise BadInput(f"no predicate {predicate.name!r}", field="name", fix=f"one of: {', '.join(_JUDGES)}")
    for name in predicate.arguments:
        if name not in (*truth.names, TABLE):
            raise BadInput(f"no thing {name!r}", field="arguments", fix=f"one of: {', '.join(truth.names)}")
    return _JUDGES[predicate.name](predicate, truth, start, before or start)


def final_conditions(goal: Goal) -> tuple[Predicate, ...]:
    """What must hold at the end: the last step and the goal's own. ``moved`` is about the way there and left out."""
    last = goal.steps[-1].conditions if goal.steps else ()
    return (*(condition for condition in last if condition.name != "moved"), *goal.final)


class Progress:
    """How many of a goal's steps have been reached, in order.

    A step is reached when all its conditions hold at one moment at which what they speak of is at rest and in nobody's
    hand. Once reached it stays so; ``done`` asks whether the end holds now.

    Args:
        goal: Of the task.
        start: Truth when the episode began.
    """

    def __init__(self, goal: Goal, start: Truth) -> None:
        self._goal, self._start, self._before, self._last = goal, start, start, start
        self.reached = 0
        self.times: list[float] = []  # when each step was reached, seconds

    @property
    def steps(self) -> int:
        """How many there are."""
        return len(self._goal.steps)

    def update(self, truth: Truth) -> None:
        """Take in the next moment."""
        while self.reached < len(self._goal.steps) and self.holds(self._goal.steps[self.reached].conditions, truth):
            self.reached += 1
            self.times.append(truth.time)
            self._before = truth
        self._last = truth

    def holds(self, conditions: Iterable[Predicate], truth: Truth) -> bool:
        """Whether all hold while what they speak of is at rest."""
        return all(
            self._at_rest(condition.arguments, truth) and holds(condition, truth, self._start, self._before)
            for condition in conditions
        )

    def done(self, truth: Truth) -> bool:
        """All steps were reached and the end holds."""
        return self.reached == len(self._goal.steps) and self.holds(final_conditions(self._goal), truth)

    def _at_rest(self, names: tuple[str, ...], truth: Truth) -> bool:
        rows = [truth.index(name) for name in names if name != TABLE]
        moved = np.abs(truth.positions[rows] - self._last.positions[rows]).max(initial=0.0)
        return moved < STILL and not {truth.held, *truth.moved_by_others} & set(names)


def _place(truth: Truth, name: str) -> np.ndarray:
    return truth.positions[truth.index(name), :2]


def _on(predicate: Predicate, truth: Truth, start: Truth, before: Truth) -> bool:
    a, b = predicate.arguments
    return b in truth.supports.get(a, ()) and (b == TABLE or _centred(a, b, truth))


def _centred(a: str, b: str, truth: Truth) -> bool:
    """The centre of ``a`` is above ``b``, or within 2 cm of its centre along X and Y."""
    k = truth.index(b)
    reach = np.maximum((truth.high[k, :2] - truth.low[k, :2]) / 2, APART)
    return bool((np.abs(_place(truth, a) - _place(truth, b)) <= reach).all())


def _inside(predicate: Predicate, truth: Truth, start: Truth, before: Truth) -> bool:
    a, container = predicate.arguments
    return truth.inside.get(a) == container


def _covered(predicate: Predicate, truth: Truth, start: Truth, before: Truth) -> bool:
    a, cover = predicate.arguments
    return truth.covered.get(a) == cover


def _uncovered(predicate: Predicate, truth: Truth, start: Truth, before: Truth) -> bool:
    return predicate.arguments[0] not in truth.covered


def _at(predicate: Predicate, truth: Truth, start: Truth, before: Truth) -> bool:
    if predicate.position is None:
        raise BadInput("`at` needs a position", field="position")
    away = _place(truth, predicate.arguments[0]) - predicate.position
    return bool(np.hypot(*away) <= predicate.tolerance)


def _moved(predicate: Predicate, truth: Truth, start: Truth, before: Truth) -> bool:
    if predicate.direction not in DIRECTIONS:
        raise BadInput(
            f"no direction {predicate.direction!r}", field="direction", fix=f"one of: {', '.join(DIRECTIONS)}"
        )
    name = predicate.arguments[0]
    way = _place(truth, name) - _place(before, name)
    return bool(way @ DIRECTIONS[predicate.direction] >= predicate.distance)


def _bridged(predicate: Predicate, truth: Truth, start: Truth, before: Truth) -> bool:
    a, *ends = predicate.arguments
    return set(ends) <= set(truth.supports.get(a, ()))


def _returned(predicate: Predicate, truth: Truth, start: Truth, before: Truth) -> bool:
    name = predicate.arguments[0]
    k = truth.index(name)
    near = float(np.linalg.norm(truth.positions[k] - start.positions[k])) <= predicate.tolerance
    same = truth.on.get(name) == start.on.get(name) and truth.inside.get(name) == start.inside.get(name)
    return near and same and truth.covered.get(name) == start.covered.get(name)


def _standing(predicate: Predicate, truth: Truth, start: Truth, before: Truth) -> bool:
    name = predicate.arguments[0]
    low = truth.low[truth.index(name), 2]
    return name in truth.supports and name not in truth.inside and bool(abs(low) < APART / 2)


def _open(predicate: Predicate, truth: Truth, start: Truth, before: Truth) -> bool:
    return truth.pulled.get(predicate.arguments[0], 0.0) >= OPEN


def _closed(predicate: Predicate, truth: Truth, start: Truth, before: Truth) -> bool:
    return truth.pulled.get(predicate.arguments[0], 1.0) <= CLOSED


_JUDGES: Mapping[str, Callable[[Predicate, Truth, Truth, Truth], bool]] = {
    "on": _on,
    "inside": _inside,
    "covered": _covered,
    "uncovered": _uncovered,
    "at": _at,
    "moved": _moved,
    "bridged": _bridged,
    "returned": _returned,
    "standing": _standing,
    "open": _open,
    "closed": _closed,
}
