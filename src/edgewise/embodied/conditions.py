"""Conditions of a goal judged on beliefs: true, false, or not known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edgewise.embodied.beliefs import Beliefs, distance
from edgewise.embodied.types import Goal, Predicate
from edgewise.scene.types import Action, Outcome, Point, Visibility

Names = Mapping[str, int]

_CAUTION = 0.8  # of a tolerance: what is believed to be just within it may in truth be just outside
AXES: Mapping[str, tuple[float, float]] = {"left": (0.0, 1.0), "right": (0.0, -1.0), "near": (-1.0, 0.0),
                                           "far": (1.0, 0.0)}  # fmt: skip
_BRING: Mapping[str, tuple[str, ...]] = {
    "on": ("place_on",),
    "inside": ("place_in",),
    "covered": ("cover",),
    "uncovered": ("pick",),
    "at": ("place_at",),
    "moved": ("place_at",),
    "standing": ("place_at",),
    "bridged": ("bridge",),
    "returned": ("place_at", "place_on", "place_in"),
    "open": ("open",),
    "closed": ("close",),
}
OPENED = 0.06  # metres that a drawer must have come out to count as open, and less than a third of it as closed


def holds(condition: Predicate, beliefs: Beliefs, names: Names) -> bool | None:
    """Whether the condition holds now, by what is believed; None where the beliefs do not tell.

    What is in the hand has not been put anywhere yet, so no condition on its place holds.
    """
    condition = plain(condition)
    ids = [names.get(name) for name in condition.arguments]
    known = [identity for identity in ids if identity is not None]
    if len(known) < len(ids) or not known:
        return None
    a = known[0]
    fact = beliefs.objects.get(a)
    if fact is None:
        return None
    if fact.visibility == Visibility.LOST:
        return False if condition.name == "uncovered" else None
    if a == beliefs.held:
        return condition.name == "uncovered"
    return _JUDGES[condition.name](condition, beliefs, known)


def plain(condition: Predicate) -> Predicate:
    """``on(a, table)`` is ``standing(a)``; everything else is what it is."""
    if condition.name == "on" and condition.arguments[1] == "table":
        return condition.model_copy(update={"name": "standing", "arguments": condition.arguments[:1]})
    return condition


def reached(goal: Goal, beliefs: Beliefs, names: Names) -> int:
    """Index of the last step that was reached, -1 for none, as well as the facts tell.

    The log says it. Where the facts do not go back to the beginning, own actions are taken for steps where their
    effect is the step's condition; where there are no actions either, only the present is left: the last step that
    holds now. Then steps that hold now, one after the other, count.
    """
    told = step = beliefs.steps_told - 1
    if step < 0 and not beliefs.initial:
        if beliefs.actions:
            step = _by_actions(goal, beliefs, names)
        else:
            holding = [i for i in range(len(goal.steps)) if met(goal.steps[i].conditions, beliefs, names)]
            step = max(holding, default=-1)
    while step + 1 < len(goal.steps) and met(goal.steps[step + 1].conditions, beliefs, names):
        if step > told and any(c.name == "moved" for c in goal.steps[step + 1].conditions):
            break  # the step before was reached only now, so nothing has moved since
        step += 1
    return min(step, len(goal.steps) - 1)


def met(conditions: Sequence[Predicate], beliefs: Beliefs, names: Names) -> bool:
    """Whether all are believed to hold."""
    return all(holds(condition, beliefs, names) is True for condition in conditions)


def final_conditions(goal: Goal) -> tuple[Predicate, ...]:
    """What must hold at the end: the last step's conditions and the goal's own.

    A ``moved`` says something of the moment at which its step was reached, not of the end.
    """
    last = tuple(c for c in goal.steps[-1].conditions if c.name != "moved") if goal.steps else ()
    return (*last, *(c for c in goal.final if c not in last))


def rest_of(goal: Goal, step: int) -> tuple[tuple[Predicate, ...], ...]:
    """Conditions that are still to come after ``step``, step by step, and at the end those of the end."""
    return (*(s.conditions for s in goal.steps[step + 1 :]), final_conditions(goal))


def _by_actions(goal: Goal, beliefs: Beliefs, names: Names) -> int:
    """Steps of which every condition is the effect of an own action, in the order of the actions."""
    step = -1
    waiting: set[Predicate] = set()
    for told in beliefs.actions:
        if step + 1 >= len(goal.steps) or told.outcome not in (Outcome.OK, Outcome.PARTIAL):
            continue
        waiting = waiting or set(goal.steps[step + 1].conditions)
        waiting = {condition for condition in waiting if not _brings(told.action, condition, beliefs, names)}
        if not waiting:
            step += 1
    return step


def _brings(action: Action, condition: Predicate, beliefs: Beliefs, names: Names) -> bool:
    """Whether the condition is the effect of the action, as far as names tell."""
    a, *others = (names.get(name) for name in condition.arguments)
    if action.name not in _BRING[condition.name] or a is None:
        return False
    if condition.name == "covered":
        return action.reference == a and action.target in others
    if condition.name == "uncovered":
        return beliefs.cover(a) is None and action.target is not None and beliefs.can(action.target).covers
    return action.target == a and (not others or action.reference in others)


def _on(condition: Predicate, beliefs: Beliefs, ids: list[int]) -> bool | None:
    return ("on", ids[0], ids[1]) in beliefs.relations


def _inside(condition: Predicate, beliefs: Beliefs, ids: list[int]) -> bool | None:
    # What lies on another thing in there sticks out: it is not counted as inside.
    heaped = any(beliefs.container(below) == ids[1] for _, below in beliefs.related("on", a=ids[0]))
    return ("inside", ids[0], ids[1]) in beliefs.relations and not heaped


def _covered(condition: Predicate, beliefs: Beliefs, ids: list[int]) -> bool | None:
    return ("covered", ids[0], ids[1]) in beliefs.relations and ids[1] != beliefs.held


def _uncovered(condition: Predicate, beliefs: Beliefs, ids: list[int]) -> bool | None:
    return beliefs.cover(ids[0]) is None


def _at(condition: Predicate, beliefs: Beliefs, ids: list[int]) -> bool | None:
    place = beliefs.centre(ids[0])
    if place is None or condition.position is None:
        return None
    return distance(place, condition.position) <= _CAUTION * condition.tolerance


def _moved(condition: Predicate, beliefs: Beliefs, ids: list[int]) -> bool | None:
    now, then = beliefs.centre(ids[0]), moved_from(beliefs, ids[0])
    if then is None and beliefs.done("place_at", ids[0]):
        return True  # the best guess of a memory without places: it was put somewhere
    if now is None or then is None:
        return None
    x, y = AXES[condition.direction]
    return (now[0] - then[0]) * x + (now[1] - then[1]) * y >= condition.distance


def moved_from(beliefs: Beliefs, identity: int) -> Point | None:
    """Where the object was when the last step was reached; None if the facts do not go back to then."""
    time = beliefs.last_step_time
    if time is None:
        return None if not beliefs.initial else beliefs.position_at(identity, 0.0)
    return beliefs.position_at(identity, time)


def _bridged(condition: Predicate, beliefs: Beliefs, ids: list[int]) -> bool | None:
    a, b, c = ids
    fact = beliefs.objects[a]
    size, middle = beliefs.size(a), beliefs.centre(a)
    ends = beliefs.centre(b), beliefs.centre(c)
    if fact.low is None or size is None or middle is None or ends[0] is None or ends[1] is None:
        return None
    level = all(abs(fact.low[2] - beliefs.top(support)) <= 0.015 for support in (b, c))
    between = distance(middle, ((ends[0][0] + ends[1][0]) / 2, (ends[0][1] + ends[1][1]) / 2)) <= 0.03
    return level and between


def _returned(condition: Predicate, beliefs: Beliefs, ids: list[int]) -> bool | None:
    a = ids[0]
    then, now = beliefs.position_at(a, 0.0), beliefs.centre(a)
    if then is None or now is None:
        return None
    near = distance(now, then) <= _CAUTION * condition.tolerance
    return near and beliefs.support(a) == beliefs.before_support(a) and beliefs.cover(a) is None


def _standing(condition: Predicate, beliefs: Beliefs, ids: list[int]) -> bool | None:
    fact = beliefs.objects[ids[0]]
    if fact.low is None:
        return None
    return beliefs.support(ids[0]) is None and beliefs.container(ids[0]) is None and fact.low[2] < 0.02


def _open(condition: Predicate, beliefs: Beliefs, ids: list[int]) -> bool | None:
    out = drawer_out(beliefs, ids[0])
    return None if out is None else out >= OPENED


def _closed(condition: Predicate, beliefs: Beliefs, ids: list[int]) -> bool | None:
    out = drawer_out(beliefs, ids[0])
    return None if out is None else out < OPENED / 3


def drawer_out(beliefs: Beliefs, identity: int) -> float | None:
    """How far a drawer has come out towards the near side since the start, where it was shut; metres."""
    then = beliefs.initial.get(identity)
    now = beliefs.objects.get(identity)
    if then is None or now is None or then.low is None or now.low is None:
        opened, closed = beliefs.done("open", identity), beliefs.done("close", identity)
        return None if not (opened or closed) else (0.1 if opened and not closed else 0.0)
    return then.low[0] - now.low[0]


_JUDGES: Mapping[str, Callable[[Predicate, Beliefs, list[int]], bool | None]] = {
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
