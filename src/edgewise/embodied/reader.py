"""A scripted planner that reads its prompt: the controls of the instrument.

It knows the task's steps and what the memory tells, as text, like a language model that reasons without mistakes. What
its memory does not tell, it does not know.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from edgewise.core.instrument import Capability
from edgewise.models.door import Model
from edgewise.models.scripted import scripted_model
from edgewise.models.types import Message, Settings

_OBJECT = re.compile(r"^\[(\d+)\] ([a-z]+ [a-z]+); centre \(([-\d.]+), ([-\d.]+), ([-\d.]+)\)(.*)$")
_RELATION = re.compile(r"\[(\d+)\] (rests on|is in|is under) (?:[a-z ]+)?\[(\d+)\]$")
_HELD = re.compile(r"\[(\d+)\] is in the gripper$")
_STEP = re.compile(r"^\d+\. (.+)$", re.MULTILINE)
_NAMED = re.compile(r"\bthe ([a-z]+ (?:cube|cup|box|pad))\b")
_SPOTS = [(x / 100, y / 100) for x in (36, 42, 48, 54, 60) for y in (-26, -18, -9, 0, 9, 18, 26)]
_LOW = 0.03  # metres: the centre of a cube that stands on the table is lower


@dataclass
class Scene:
    """What a prompt tells of the present, and the steps that it says were reached."""

    labels: dict[int, str] = field(default_factory=dict)
    places: dict[int, tuple[float, float, float]] = field(default_factory=dict)
    relations: set[tuple[str, int, int]] = field(default_factory=set)
    held: int | None = None
    reached: int = 0
    remembers: bool = True

    def order(self, identity: int) -> float:
        """From left to right: by id, as they stood at the start, or by where they are now."""
        return identity if self.remembers else -self.places[identity][1]

    def over(self, identity: int) -> int | None:
        """What covers it or stands on it."""
        return next((b for r, a, b in sorted(self.relations) if r == "is under" and a == identity), None) or next(
            (a for r, a, b in sorted(self.relations) if r == "rests on" and b == identity), None
        )

    def free(self) -> tuple[float, float]:
        """The place on the table that is farthest from everything."""
        places = [place for i, place in self.places.items() if i != self.held]
        return max(_SPOTS, key=lambda spot: min((math.dist(spot, place[:2]) for place in places), default=1.0))


def reading_model(name: str, *, remembers: bool = True) -> Model:
    """The planner as a model with eyes. One that does not remember goes by what is seen now and by nothing else."""

    def script(messages: Sequence[Message], settings: Settings, sample: int) -> str:
        text = messages[1].text
        return json.dumps(
            _reply(_STEP.findall(text.partition("Its steps:")[2].partition("\n\n")[0]), read(text, remembers))
        )

    return scripted_model(script, name=name, capabilities=frozenset({Capability.TEXT, Capability.VISION}))


def read(text: str, remembers: bool = True) -> Scene:
    """The scene that a prompt describes."""
    scene = Scene(remembers=remembers)
    now = text.partition("\nNow:\n")[2].partition("\n\n")[0]
    for line in now.splitlines():
        if found := _OBJECT.match(line):
            seen = "visible" in found[6] or "held" in found[6] or "partial" in found[6]
            if remembers or seen:
                scene.labels[int(found[1])] = found[2]
                scene.places[int(found[1])] = (float(found[3]), float(found[4]), float(found[5]))
        elif found := _RELATION.search(line):
            scene.relations.add((found[2], int(found[1]), int(found[3])))
        elif found := _HELD.search(line):
            scene.held = int(found[1])
    if remembers:
        scene.reached = max((int(number) for number in re.findall(r": step (\d+) is reached", text)), default=0)
    return scene


def _reply(steps: Sequence[str], scene: Scene) -> dict[str, Any]:
    """The next directive."""
    reached = scene.reached
    try:
        while reached < len(steps) and _holds(steps[reached], scene):
            reached += 1
        if reached == len(steps):
            return _put_away(scene, reached) if scene.held is not None else _say(reached, "all is done", done=True)
        return _towards(steps[reached], scene, reached)
    except KeyError as missing:
        return _say(reached, f"step {reached + 1}", give_up=f"I do not know where {missing.args[0]} is")


def _named(step: str, scene: Scene) -> list[int]:
    """Ids of what a step speaks of. Alike things are numbered from left to right as they were at the start."""
    parts = _NAMED.split(step)
    found = []
    for label, after in zip(parts[1::2], parts[2::2], strict=True):
        alike = sorted((i for i, called in scene.labels.items() if called == label), key=scene.order)
        place = 1 if "in the middle" in after else 0
        if place >= len(alike):
            raise KeyError(f"the {label}")
        found.append(alike[place])
    return found


def _holds(step: str, scene: Scene) -> bool:
    """Whether a step's condition holds now."""
    ids = _named(step, scene)
    if scene.held in ids and not step.startswith("Uncover"):
        return False
    if step.startswith("Uncover"):
        return not any(r == "is under" and a == ids[0] for r, a, _ in scene.relations)
    if step.startswith("Cover"):
        return ("is under", ids[0], ids[1]) in scene.relations
    if len(ids) == 1:
        return scene.places[ids[0]][2] < _LOW and not any(a == ids[0] for _, a, _ in scene.relations)
    return ("rests on", ids[0], ids[1]) in scene.relations


def _towards(step: str, scene: Scene, reached: int) -> dict[str, Any]:
    ids = _named(step, scene)
    if step.startswith("Cover"):
        mover, ground, verb = ids[1], ids[0], "cover"
    elif step.startswith("Uncover"):
        mover, ground, verb = ids[0], ids[0], ""
    elif len(ids) == 1:
        mover, ground, verb = ids[0], None, "place_at"
    else:
        mover, ground, verb = ids[0], ids[1], "place_on"
    if scene.held == mover:
        if verb == "place_at":
            return _put_away(scene, reached)
        return _say(reached, step, [f"held({mover})", f"clear({ground})"], verb=verb, target=mover, reference=ground)
    if scene.held is not None:
        return _put_away(scene, reached)
    blocker = (None if ground is None else scene.over(ground)) or scene.over(mover)
    wanted = mover if blocker is None or blocker == mover else blocker
    while (over := scene.over(wanted)) is not None and over != wanted:
        wanted = over
    return _say(reached, step, [f"clear({wanted})", "hand_empty()"], verb="pick", target=wanted)


def _put_away(scene: Scene, reached: int) -> dict[str, Any]:
    x, y = scene.free()
    return _say(reached, "the hand must be free", [f"held({scene.held})"], verb="place_at", target=scene.held, x=x, y=y)


def _say(reached: int, thought: str, claims: Sequence[str] = (), **fields: Any) -> dict[str, Any]:
    return {"thought": thought, "claims": list(claims), "reached": reached, **fields}
