"""Primitives: what must be believed before one is carried out, and what is expected to be so after it.

The table follows RoboStream's (specification, section 4.4); thresholds are ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from edgewise.embodied.acting.motions import grasp
from edgewise.embodied.beliefs import Beliefs, Related
from edgewise.embodied.conditions import OPENED, drawer_out
from edgewise.scene.types import Action, Outcome, RobotState, Visibility

ARGUMENTS = {"pick": 1, "place_on": 2, "place_at": 1, "place_in": 2, "cover": 2, "bridge": 3, "open": 1, "close": 1,
             "look": 0}  # fmt: skip
_WIDEST = 0.08  # metres between the fingers
_LEVEL = 0.015  # metres that the two supports of a bridge may differ in height
_REACH = ((0.18, -0.42), (0.8, 0.42))  # corners of where the gripper can go, metres
_OFFSET = 0.015  # metres beside where it was meant to be that make an outcome partial


def objections(action: Action, beliefs: Beliefs, robot: RobotState) -> tuple[str, ...]:
    """Preconditions that do not hold, each as a sentence; none if the action can be tried.

    What is not known is not held against an action: it may be tried.
    """
    if action.name not in ARGUMENTS:
        return (f"there is no primitive {action.name!r}; there are: {', '.join(ARGUMENTS)}",)
    given = (action.target, action.reference, action.second)[: ARGUMENTS[action.name]]
    if None in given:
        return (f"{action.name} needs {ARGUMENTS[action.name]} objects",)
    ids = [identity for identity in given if identity is not None]
    unknown = [identity for identity in ids if identity not in beliefs.objects]
    if unknown:
        return tuple(f"there is no object {identity}" for identity in unknown)
    if len(set(ids)) < len(ids):
        return ("the objects must differ",)
    return tuple(_against(action, ids, beliefs, robot))


def _against(action: Action, ids: list[int], beliefs: Beliefs, robot: RobotState) -> Iterator[str]:
    for identity in ids:
        if not beliefs.known(identity):
            yield f"it is not known where {beliefs.called(identity)} is"
    if action.name == "look" or any(not beliefs.known(identity) for identity in ids):
        return
    a, *others = ids
    holding = robot.holding
    if action.name in ("open", "close"):
        yield from _against_drawer(action, a, beliefs, holding)
    elif action.name == "pick" or (action.name == "place_at" and not holding):
        yield from _against_grasp(a, beliefs, holding, slides=action.name == "place_at")
    elif not holding:
        yield f"{beliefs.called(a)} is not in the hand"
    elif beliefs.held not in (None, a):
        yield f"the hand holds {beliefs.called(beliefs.held or 0)} and not {beliefs.called(a)}"
    if action.name == "place_at":
        if action.position is None or not all(math.isfinite(v) for v in action.position):
            yield "place_at needs a position"
        elif not _within(action.position[0], action.position[1]):
            yield "the position is out of reach"
    for other in others:
        yield from _against_support(action, a, other, beliefs)
    if action.name == "bridge" and abs(beliefs.top(others[0]) - beliefs.top(others[1])) > _LEVEL:
        yield "the two supports are not level"


def _against_grasp(a: int, beliefs: Beliefs, holding: bool, slides: bool) -> Iterator[str]:
    if holding:
        yield "the hand is not empty"
    can, fact = beliefs.can(a), beliefs.objects[a]
    if can.fixed or can.actor:
        yield f"{beliefs.called(a)} cannot be moved"
    if slides and not can.covers:
        yield f"{beliefs.called(a)} is not in the hand, and only covers can be slid"
    cover = beliefs.cover(a)
    if cover is not None:
        yield f"{beliefs.called(a)} is under {beliefs.called(cover)}"
    for top in beliefs.on_top(a):
        yield f"{beliefs.called(top)} stands on {beliefs.called(a)}"
    middle = beliefs.centre(a)
    if beliefs.size(a) is not None and grasp(beliefs, fact)[2] > _WIDEST:
        yield f"{beliefs.called(a)} is too wide for the fingers"
    if middle is not None and not _within(middle[0], middle[1]):
        yield f"{beliefs.called(a)} is out of reach"


def _against_support(action: Action, a: int, other: int, beliefs: Beliefs) -> Iterator[str]:
    can = beliefs.can(other)
    cover = beliefs.cover(other)
    if cover is not None and cover != a:
        yield f"{beliefs.called(other)} is under {beliefs.called(cover)}"
    if action.name == "place_in":
        if not can.holds:
            yield f"{beliefs.called(other)} holds nothing"
        elif beliefs.label(other).endswith("drawer") and (drawer_out(beliefs, other) or 0.0) < OPENED:
            yield f"{beliefs.called(other)} is shut"
        return
    if action.name == "cover":
        if not beliefs.can(a).covers:
            yield f"{beliefs.called(a)} is not hollow"
        size, inner = beliefs.size(other), beliefs.size(a)
        if size is not None and inner is not None and max(size[:2]) > max(inner[:2]):
            yield f"{beliefs.called(other)} is larger than {beliefs.called(a)}"
    elif not can.flat or can.actor:
        yield f"nothing stands on {beliefs.called(other)}"
    for top in beliefs.on_top(other):
        if top != a:
            yield f"{beliefs.called(top)} stands on {beliefs.called(other)}"


def _against_drawer(action: Action, a: int, beliefs: Beliefs, holding: bool) -> Iterator[str]:
    if holding:
        yield "the hand is not empty"
    if not beliefs.label(a).endswith("drawer"):
        yield f"{beliefs.called(a)} is no drawer"


def effects(action: Action) -> tuple[Related, ...]:
    """Relations that are expected to hold after the action."""
    a, b, c = action.target, action.reference, action.second
    if a is None:
        return ()
    match action.name:
        case "pick":
            return (("held", a, a),)
        case "place_on":
            return () if b is None else (("on", a, b),)
        case "place_in":
            return () if b is None else (("inside", a, b),)
        case "cover":
            return () if b is None else (("covered", b, a),)
        case "bridge":
            return tuple(("on", a, support) for support in (b, c) if support is not None)
        case _:
            return ()


def compare(action: Action, beliefs: Beliefs, aim: tuple[float, float] | None) -> tuple[Outcome, str]:
    """What the action came to, by what is believed after it.

    Args:
        action: What was done.
        beliefs: After it.
        aim: Where the object was meant to come to stand, x and y in metres.
    """
    if action.name == "look":
        return Outcome.OK, ""
    assert action.target is not None
    if action.name in ("open", "close"):
        out = drawer_out(beliefs, action.target)
        right = out is None or (out >= OPENED if action.name == "open" else out < OPENED / 3)
        return (Outcome.OK, "") if right else (Outcome.FAILED, f"the drawer is {100 * (out or 0):.0f} cm out")
    if not _in_sight(action.target, beliefs):
        return Outcome.PARTIAL, f"{beliefs.called(action.target)} is not seen"
    missing = [relation for relation in effects(action) if relation not in beliefs.relations]
    denied = [relation for relation in missing if _in_sight(relation[1], beliefs)]
    if denied and not (action.name == "bridge" and len(missing) == 1):
        return Outcome.FAILED, "; ".join(_denied(relation, beliefs) for relation in denied)
    middle = beliefs.centre(action.target)
    if aim is not None and middle is not None and action.name != "pick":
        off = math.hypot(middle[0] - aim[0], middle[1] - aim[1])
        if off > _OFFSET:
            return Outcome.PARTIAL, f"it stands {100 * off:.1f} cm from where it was meant to"
    return Outcome.OK, ""


def _in_sight(identity: int, beliefs: Beliefs) -> bool:
    """Whether it is seen now, so that what is believed of it can be held against an action."""
    fact = beliefs.objects.get(identity)
    hidden = (Visibility.LOST, Visibility.OUT_OF_VIEW, Visibility.OCCLUDED)
    return fact is not None and fact.visibility not in hidden


def _denied(relation: Related, beliefs: Beliefs) -> str:
    name, a, b = relation
    words = {"on": "is not on", "inside": "is not in", "covered": "is not under"}
    if name == "held":
        return f"{beliefs.called(a)} is not in the hand"
    return f"{beliefs.called(a)} {words[name]} {beliefs.called(b)}"


def _within(x: float, y: float) -> bool:
    return _REACH[0][0] <= x <= _REACH[1][0] and _REACH[0][1] <= y <= _REACH[1][1]
