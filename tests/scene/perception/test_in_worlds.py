"""The classical segmenter on the worlds' own pictures, against the simulator's truth."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.embodied.tasks.suites import TASKS
from edgewise.scene.perception import ClassicalSegmenter, SensorNoise, SimulatorMasks
from edgewise.scene.types import ROBOT
from edgewise.scene.worlds.spec import Thing, WorldSpec, ball, box, container, cube, cup, cylinder, drawer, prism
from edgewise.scene.worlds.world import World
from support.boxes import overlap
from support.worlds import go, needs_pictures, pick

needs_pictures()

NOISE = SensorNoise(missed=0, confusion=0)


def compare(world: World, segmenter: ClassicalSegmenter, rng: np.random.Generator) -> list[tuple[str, str, float]]:
    """Label, label that was found, and intersection over union, of everything with 60 visible pixels or more."""
    truth = world.segmentation()
    _, found = segmenter(world.observe(), rng)
    counts = np.bincount(truth.map[truth.map > 0], minlength=len(truth.detections) + 1)
    return [
        (detection.label, *overlap(truth, found, k))
        for k, detection in enumerate(truth.detections)
        if counts[k + 1] >= 60
    ]


def look(*things: Thing, seed: int = 0) -> list[tuple[str, str, float]]:
    with World(WorldSpec(things), seed) as world:
        return compare(world, ClassicalSegmenter(noise=NOISE, robot=world.robot), np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(3))
def test_every_form(seed: int) -> None:
    things = (
        cube("red", 0.36, 0.2), cylinder("green", 0.36, 0.1), prism("blue", 0.36, 0.0), ball("yellow", 0.36, -0.1),
        cup("grey", 0.5, 0.2), box("brown", 0.5, 0.05), container("purple", 0.5, -0.18, wide=0.06),
    )  # fmt: skip
    for label, found, share in look(*things, seed=seed):
        assert found == label
        assert share > 0.9


def test_a_drawer_is_one_thing_with_its_handle() -> None:
    for label, found, share in look(*drawer("red", 0.6, 0.0)):
        assert found == label
        assert share > 0.8


def test_a_lifted_thing_keeps_its_label() -> None:
    with World(WorldSpec((cup("grey", 0.5, 0.0), cube("red", 0.4, 0.15)))) as world:
        segmenter = ClassicalSegmenter(noise=NOISE, robot=world.robot)
        pick(world, "grey cup")
        for label, found, share in compare(world, segmenter, np.random.default_rng(0)):
            assert found == label
            assert share > 0.85
        _, found = segmenter(world.observe(), np.random.default_rng(1))
        robot, seen = world.segmentation().map == ROBOT, found.map == ROBOT
        assert (robot & seen).sum() / (robot | seen).sum() > 0.85


def test_the_scenes_of_all_tasks() -> None:
    rng = np.random.default_rng(0)
    rows, extra = [], 0
    for task in TASKS:
        for seed in range(2):
            with World(task.make(seed).spec, seed) as world:
                segmenter = ClassicalSegmenter(noise=NOISE, robot=world.robot)
                rows += compare(world, segmenter, rng)
                truth = world.segmentation()
                _, found = segmenter(world.observe(), rng)
                extra += len(found.detections) - len(np.unique(truth.map[truth.map > 0]))
    assert len(rows) > 200
    assert np.mean([label == found for label, found, _ in rows]) >= 0.99
    assert np.median([share for *_, share in rows]) >= 0.95
    assert min(share for *_, share in rows) > 0.5
    assert extra <= 1


def test_simulator_masks_are_exact_without_noise() -> None:
    with World(WorldSpec((cube("red", 0.4, 0.1), cup("grey", 0.5, -0.1)))) as world:
        see = SimulatorMasks(world.segmentation)
        go(world.wait(0.2))
        observation, masks = see(world.observe(), np.random.default_rng(0))
        assert np.array_equal(masks.map, world.segmentation().map)
        noisy, frayed = SimulatorMasks(world.segmentation, NOISE)(observation, np.random.default_rng(0))
        assert noisy.depth is not None and observation.depth is not None
        assert not np.array_equal(noisy.depth, observation.depth)
        assert 0 < (frayed.map != masks.map).mean() < 0.01
