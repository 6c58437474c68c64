"""Scenes that a memory only watches: alike objects that change places, and things hidden among many others."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from _table import table

from edgewise.embodied.play import Setting, perception
from edgewise.embodied.scoring import ScoredMemory
from edgewise.scene import Memory
from edgewise.scene.worlds.hand import Carry
from edgewise.scene.worlds.spec import COLOURS, Thing, WorldSpec, cube, cup
from edgewise.scene.worlds.world import World
from edgewise.stats import proportion

_QUIET = 1.0  # seconds watched after somebody's hand has gone
_SPOTS = [(x, y) for x in (0.62, 0.54, 0.46, 0.38) for y in (0.26, 0.18, 0.1, -0.1, -0.18, -0.26)]


def watch(world: World, memory: ScoredMemory, rng: np.random.Generator, script: Sequence[Carry], masks: bool) -> None:
    """Somebody does something; the memory sees it at the default noise, until a moment after."""
    see = perception(world, Setting(perception="masks" if masks else "classical"))
    if script:
        world.hand.perform(script)
    left = _QUIET
    while left > 0:
        for _ in world.wait(0.2):
            memory.update(*see(world.observe(), rng), world.robot())
        left = _QUIET if world.hand.busy else left - 0.2


def identity(seeds: int) -> tuple[str, str]:
    """Two alike cubes change places: in sight, or under one box where nobody can know."""
    rows = []
    for name in ("in sight", "not at all, both under one box", "unseen, both under one box"):
        switches = confused = 0
        for seed in range(seeds):
            switched, unknown = _swapped(name, seed)
            switches += switched
            confused += unknown
        rows.append((name, str(seeds), str(proportion(switches, seeds)), str(proportion(confused, seeds))))
    body = table(("how they are exchanged", "n", "episodes with an identity switch", "said to be unknown"), rows)
    return "Identity of alike objects", (
        f"{body}\n\nIn sight: classical perception; under a box that is larger than the catalogue's: the simulator's "
        "masks; default noise both. The last two rows look the same to every camera, so they must be told alike."
    )


def _swapped(name: str, seed: int) -> tuple[bool, bool]:
    rng = np.random.default_rng(seed)
    hidden = name != "in sight"
    apart = 0.022 if hidden else 0.11
    x = 0.46 + float(rng.uniform(-0.02, 0.02))
    things: list[Thing] = [cube("red", x, apart, name="a"), cube("red", x, -apart, name="b"), cube("blue", 0.36, 0.22)]
    if hidden:
        things.append(Thing("box", "brown box", "cover", (0.06, 0.06, 0.032), (0.63, 0.0, 0.032)))
    with World(WorldSpec(tuple(things)), rng) as world:
        memory = Memory()
        scored = ScoredMemory(memory, world)
        watch(world, scored, rng, (), hidden)
        if hidden:
            watch(world, scored, rng, (Carry("box", (x, 0.0, 0.032)),), True)
            if name.startswith("unseen"):
                world.exchange("a", "b")
            watch(world, scored, rng, (Carry("box", (0.63, 0.0, 0.032)),), True)
        else:
            watch(world, scored, rng, (Carry("a", (0.37, 0.0, 0.02)), Carry("b", "a"), Carry("a", "b")), False)
        unknown = any(fact.confused_with for fact in memory.objects())
        return scored.scores()["switches"] > 0, unknown


def clutter(seeds: int) -> tuple[str, str]:
    """A cube is covered, and the cup slid away, among more and more other things."""
    rows = []
    for others in (0, 4, 8, 16, 24):
        located, errors, extra, kept = 0, [], 0, 0
        for seed in range(seeds):
            error, told, known = _among(others, seed)
            located += error <= 0.05
            errors.append(error)
            extra += told
            kept += known
        median = f"{1000 * float(np.median([e for e in errors if math.isfinite(e)] or [math.nan])):.1f}"
        total = seeds * (others + 2)
        rows.append(
            (others + 2, str(proportion(located, seeds)), median, f"{extra / seeds:.2f}", f"{kept / total:.3f}")
        )
    columns = ("things", "hidden cube located within 5 cm", "median error, mm", "moves told of things that stood still",
               "things known, share")  # fmt: skip
    return (
        "Clutter: a hidden thing among others",
        f"{table(columns, rows)}\n\n{seeds} episodes each, classical perception.",
    )


def _among(others: int, seed: int) -> tuple[float, int, int]:
    """Error of the hidden cube (metres), moves told of things that nobody moved, and objects known in the end."""
    rng = np.random.default_rng(seed)
    names = [name for name in COLOURS if name not in ("grey", "white")]
    spots = [_SPOTS[k] for k in rng.permutation(len(_SPOTS))[:others]]
    rest = [cube(names[k % len(names)], *spot, name=f"other_{k}") for k, spot in enumerate(spots)]
    things = (cube("red", 0.46, 0.02, name="hidden"), cup("grey", 0.34, 0.0, name="cup"), *rest)
    with World(WorldSpec(things), rng) as world:
        memory = Memory()
        scored = ScoredMemory(memory, world)
        watch(world, scored, rng, (), False)
        at = world.position("hidden")
        near = [fact for fact in memory.objects() if fact.position and math.dist(fact.position[:2], at[:2]) < 0.03]
        watch(world, scored, rng, (Carry("cup", "hidden"), Carry("cup", (0.38, 0.01, 0.0), slide=True)), False)
        still = {f.id for f in memory.objects() if f.label.endswith("cube")} - {f.id for f in near}
        told = sum(event.kind in ("move", "lose", "collide") and event.object in still for event in memory.events)
        if not near:
            return math.inf, told, len(memory.objects())
        fact = memory.where(near[0].id)
        error = math.inf if fact.position is None else math.dist(fact.position, world.position("hidden"))
        return error, told, min(len(memory.objects()), others + 2)
