"""A picture of how a scene looks when its task is done."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from edgewise.embodied.tasks.predicates import DIRECTIONS, final_conditions
from edgewise.embodied.tasks.types import Scenario
from edgewise.embodied.types import Predicate
from edgewise.scene.types import Observation
from edgewise.scene.worlds.spec import KNOB, STILL, Thing, WorldSpec
from edgewise.scene.worlds.world import World

_APART = 0.045  # of things in one bin from its middle, metres


def goal_image(scenario: Scenario, size: tuple[int, int] = (320, 240)) -> Observation:
    """The scenario with everything put where the task asks for, as the camera sees it.

    Raises:
        Unsupported: No picture can be drawn on this machine.
    """
    with World(goal_spec(scenario), randomise=STILL, size=size) as world:
        return world.observe()


def goal_spec(scenario: Scenario) -> WorldSpec:
    """The scenario's things with everything put where its steps and its end ask for, one after the other."""
    spec, goal, _ = scenario
    start = {thing.name: thing for thing in spec.things}
    things = dict(start)
    filled: dict[str, int] = {}
    for condition in [c for step in goal.steps for c in step.conditions] + list(final_conditions(goal)):
        _put(condition, things, start, filled)
    return replace(spec, things=tuple(things.values()))


def _put(condition: Predicate, things: dict[str, Thing], start: dict[str, Thing], filled: dict[str, int]) -> None:
    """Make one condition true. Positions on the table that nobody asks for stay as they are."""
    name, *others = condition.arguments
    thing = things[name]
    x, y, z = thing.position
    match condition.name:
        case "on":
            support = things[others[0]]
            top = 0.0 if support.fixed else support.position[2] + support.size[2]
            top += 2 * KNOB[2] if support.can.covers else 0.0
            things[name] = _at(thing, support.position[0], support.position[1], top)
        case "inside":
            container = things[others[0]]
            place = filled.setdefault(others[0], 0)
            filled[others[0]] += 1
            aside = 0.0 if container.size[1] < 2 * _APART else _APART * (1 if place % 2 == 0 else -1)
            things[name] = _at(
                thing,
                container.position[0] - aside * math.sin(container.yaw),
                container.position[1] + aside * math.cos(container.yaw),
                0.005,
            )
        case "covered":
            things[others[0]] = _at(things[others[0]], x, y, 0.0)
        case "uncovered":
            for cover in [other for other in things.values() if other.can.covers and other.position[:2] == (x, y)]:
                things[cover.name] = start[cover.name]
        case "moved":
            way = np.array(DIRECTIONS[condition.direction]) * condition.distance
            things[name] = _at(thing, x + float(way[0]), y + float(way[1]), z - thing.size[2])
        case "at" if condition.position is not None:
            things[name] = _at(thing, *condition.position, 0.0)
        case "bridged":
            a, b = (np.array(things[other].position) for other in others)
            middle, along = (a + b) / 2, b - a
            top = float(middle[2]) + things[others[0]].size[2]
            turned = replace(thing, yaw=math.atan2(along[1], along[0]))
            things[name] = _at(turned, float(middle[0]), float(middle[1]), top)
        case "returned":
            things[name] = start[name]
        case "standing":
            things[name] = _at(thing, *_free(thing, things), 0.0)


def _at(thing: Thing, x: float, y: float, bottom: float) -> Thing:
    return replace(thing, position=(x, y, bottom + thing.size[2]))


def _free(thing: Thing, things: dict[str, Thing]) -> tuple[float, float]:
    """The nearest place on the table where nothing stands, or where it is."""
    x, y, z = thing.position
    if z < 1.5 * thing.size[2]:
        return x, y
    others = [other for other in things.values() if other.name != thing.name]
    spots = [(a, b) for a in np.arange(0.33, 0.63, 0.03) for b in np.arange(-0.27, 0.28, 0.03)]
    spots.sort(key=lambda spot: math.dist(spot, (x, y)))
    for spot in spots:
        if all(math.dist(spot, other.position[:2]) > 0.06 + max(other.size[:2]) for other in others):
            return float(spot[0]), float(spot[1])
    return x, y
