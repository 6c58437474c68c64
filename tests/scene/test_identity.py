"""Alike objects in a simulated world, seen by the classical segmenter with its default noise."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.scene import Memory
from edgewise.scene.perception.classical import ClassicalSegmenter
from edgewise.scene.perception.noise import SensorNoise
from edgewise.scene.perception.simulated import SimulatorMasks
from edgewise.scene.types import Kind
from edgewise.scene.worlds.hand import Carry
from edgewise.scene.worlds.render import gl_problem
from edgewise.scene.worlds.spec import Thing, WorldSpec, cube
from edgewise.scene.worlds.world import World

pytestmark = pytest.mark.skipif(gl_problem() is not None, reason=str(gl_problem()))


def watched(
    world: World,
    memory: Memory,
    script: list[Carry],
    rng: np.random.Generator,
    masks: bool = False,
    seconds: float = 1.0,
) -> None:
    """Somebody does something, and the memory watches until a moment after."""
    classical = ClassicalSegmenter(noise=SensorNoise(), robot=world.robot)
    see = SimulatorMasks(world.segmentation, SensorNoise()) if masks else classical
    if script:
        world.hand.perform(script)
    rest = seconds
    while rest > 0:
        for _ in world.wait(0.2):
            memory.update(*see(world.observe(), rng), world.robot())
        rest = seconds if world.hand.busy else rest - 0.2


def ids_by_name(world: World, memory: Memory, names: tuple[str, ...]) -> dict[str, int]:
    """The red cube whose believed place is nearest to where each one is."""
    truth, found = world.truth(), {}
    for name in names:
        place = truth.positions[truth.index(name)]
        red = [fact for fact in memory.objects() if fact.label == "red cube" and fact.position is not None]
        near = min(red, key=lambda fact: float(np.linalg.norm(np.array(fact.position) - place)))
        found[name] = near.id
    return found


@pytest.mark.parametrize("seed", range(4))
def test_a_swap_in_plain_sight_keeps_identities(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spec = WorldSpec((cube("red", 0.5, 0.12, name="a"), cube("red", 0.5, -0.1, name="b"), cube("blue", 0.36, 0.2)))
    memory = Memory()
    with World(spec, seed=rng) as world:
        watched(world, memory, [], rng)
        before = ids_by_name(world, memory, ("a", "b"))
        swap = [Carry("a", (0.38, 0.02, 0.02)), Carry("b", "a"), Carry("a", "b")]
        watched(world, memory, swap, rng)
        truth = world.truth()
        assert truth.positions[truth.index("a")][1] < -0.05  # they really have changed places
        assert ids_by_name(world, memory, ("a", "b")) == before and len(set(before.values())) == 2
    assert [event for event in memory.events if event.kind == Kind.CONFUSE] == []
    assert len(memory.objects()) == 3


@pytest.mark.parametrize("exchanged", (False, True))
def test_an_exchange_that_nobody_could_see_is_said_to_be_unknown(exchanged: bool) -> None:
    """The same pictures come before and after: it cannot be known, and that is what is said."""
    rng = np.random.default_rng(5)
    things = (
        cube("red", 0.45, 0.022, name="a"),
        cube("red", 0.45, -0.022, name="b"),
        cube("blue", 0.36, 0.2),
        Thing("box", "brown box", "cover", (0.06, 0.06, 0.032), (0.62, 0.0, 0.032)),
    )
    memory = Memory()
    with World(WorldSpec(things), seed=rng) as world:
        watched(world, memory, [], rng, masks=True)
        one, other = ids_by_name(world, memory, ("a", "b")).values()
        watched(world, memory, [Carry("box", (0.45, 0.0, 0.032))], rng, masks=True)
        assert {fact.id for fact in memory.hidden()} >= {one, other}
        if exchanged:
            world.exchange("a", "b")
        watched(world, memory, [Carry("box", (0.62, 0.0, 0.032))], rng, masks=True)
    facts = {fact.id: fact for fact in memory.objects()}
    assert facts[one].confused_with == (other,) and facts[other].confused_with == (one,)
    (event,) = [event for event in memory.events if event.kind == Kind.CONFUSE]
    assert "can no longer be told apart" in event.text and "exchanged" in memory.text()
