"""The memory ladder on a real world: what each rung keeps of the same frames, at one budget."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.worlds import go, needs_pictures, pick, place

needs_pictures()

from edgewise.core.errors import BadInput  # noqa: E402
from edgewise.embodied.arms import ARMS, find_arm  # noqa: E402
from edgewise.embodied.types import MemoryArm  # noqa: E402
from edgewise.scene.render import count_tokens  # noqa: E402
from edgewise.scene.types import (  # noqa: E402
    Action,
    ActionFact,
    EventFact,
    Fact,
    ObjectFact,
    Outcome,
    RelationFact,
)
from edgewise.scene.worlds.spec import STILL, WorldSpec, box, cube  # noqa: E402
from edgewise.scene.worlds.world import World  # noqa: E402

HIDDEN = "red cube"


@pytest.fixture(scope="module")
def arms() -> Iterator[dict[str, MemoryArm]]:
    """All rungs after the same episode: the box was put over the red cube; then time passed."""
    spec = WorldSpec((cube("red", 0.42, 0.1), cube("green", 0.5, -0.15), box("brown", 0.6, 0.2, name="box")))
    made = {name: find_arm(name) for name in ARMS}
    with World(spec, 0, randomise=STILL) as world:

        def look(motion: Iterator[None] | None = None) -> None:
            for _ in motion or world.wait(0.2):
                observation, segmentation = world.observe(), world.segmentation()
                for arm in made.values():
                    arm.update(observation, segmentation, world.robot())

        look()
        look()
        ids = {n: {f.label: f.id for f in present(arm.facts())} for n, arm in made.items()}
        steps = [
            (Action(1, "pick"), lambda: pick(world, "box")),
            (Action(2, "cover"), lambda: place(world, "box", 0.42, 0.1)),
        ]
        for bare, carry_out in steps:
            for name, arm in made.items():
                known = ids[name]
                target, reference = known["brown box"], known[HIDDEN] if bare.name == "cover" else None
                arm.start(Action(bare.index, bare.name, target, reference))
            carry_out()
            look(world.wait(0.4))
            for arm in made.values():
                arm.finish(Outcome.OK)
        for arm in made.values():
            arm.complete(0, "Cover the red cube.")
        go(world.wait(0.5))
        look()
        yield made


def present(facts: tuple[Fact, ...]) -> list[ObjectFact]:
    return [fact for fact in facts if isinstance(fact, ObjectFact) and not fact.initial]


def of(arms: dict[str, MemoryArm], name: str) -> tuple[Fact, ...]:
    return arms[name].facts()


def test_every_rung_says_its_name_and_keeps_its_budget(arms: dict[str, MemoryArm]) -> None:
    for name, arm in arms.items():
        assert arm.name == name
        for budget in (40, 150, 1500):
            assert sum(count_tokens(fact.text + "\n") for fact in arm.facts(budget)) <= budget
        assert arm.facts(40) == arm.facts(150)[: len(arm.facts(40))]
        assert all(fact.text for fact in arm.facts())


def test_who_remembers_the_hidden_cube(arms: dict[str, MemoryArm]) -> None:
    knows = {name: any(fact.label == HIDDEN for fact in present(of(arms, name))) for name in arms}
    assert knows == {"none": False, "history": True, "last_seen": True, "stf": True, "graph": True, "full": True}
    where = {n: [f for f in present(of(arms, n)) if f.label == HIDDEN] for n in arms if knows[n]}
    for name in ("graph", "history"):  # that it exists, by what was done with it, but not where
        assert where[name][0].position is None and where[name][0].low is None
    for name in ("last_seen", "stf", "full"):
        x, y, _ = where[name][0].position or (0, 0, 0)
        assert abs(x - 0.42) < 0.02 and abs(y - 0.1) < 0.02


def test_who_remembers_what_was_done(arms: dict[str, MemoryArm]) -> None:
    done = {n: [f.action.name for f in of(arms, n) if isinstance(f, ActionFact)] for n in arms}
    assert sorted(done["full"]) == sorted(done["graph"]) == ["cover", "pick"]
    # Where there is no log, the first entry says that the episode begins.
    assert done["history"] == done["last_seen"] == ["cover", "pick", "look"]
    assert done["none"] == done["stf"] == []
    logs = {n: any(isinstance(f, EventFact) for f in of(arms, n)) for n in arms}
    assert logs == {"none": False, "history": False, "last_seen": False, "stf": False, "graph": True, "full": True}


def test_who_knows_what_covers_what(arms: dict[str, MemoryArm]) -> None:
    covers = {n: [f for f in of(arms, n) if isinstance(f, RelationFact) and f.name == "covered"] for n in arms}
    assert {n for n, found in covers.items() if found} == {"graph", "full"}


def test_the_graph_alone_has_no_places_of_the_past(arms: dict[str, MemoryArm]) -> None:
    for fact in of(arms, "graph"):
        if isinstance(fact, EventFact):
            assert fact.event.start is None and fact.event.end is None
            assert "0.42" not in fact.text
        if isinstance(fact, ObjectFact) and fact.initial:
            assert fact.position is None


def test_names_stand_for_labels_and_places_from_left_to_right() -> None:
    spec = WorldSpec(tuple(cube("red", 0.45, y, name=f"c{k}") for k, y in enumerate((-0.15, 0.0, 0.15))))
    arm = find_arm("none")
    with World(spec, 0, randomise=STILL) as world:
        arm.update(world.observe(), world.segmentation(), world.robot())
        first = [fact.position for fact in sorted(present(arm.facts()), key=lambda fact: fact.id)]
        assert len(first) == 3
        assert sorted((place[1] for place in first if place), reverse=True) == [place[1] for place in first if place]
        pick(world, "c1")
        arm.update(world.observe(), world.segmentation(), world.robot())
        facts = arm.facts()
        held = [fact for fact in facts if isinstance(fact, RelationFact) and fact.name == "held"]
        assert len(held) == 1  # the fingers feel something, and it is at the fingertips


def test_the_window_of_tokens_forgets() -> None:
    spec = WorldSpec((cube("red", 0.45, 0.0), cube("green", 0.55, 0.2)))
    arm = find_arm("stf")
    with World(spec, 0, randomise=STILL) as world:
        arm.update(world.observe(), world.segmentation())
        arm.finish(Outcome.OK)
        seen = world.segmentation()
        gone = type(seen)(seen.map * (seen.map != 1), seen.detections)  # the red cube is no longer detected
        for _ in range(3):
            arm.update(world.observe(), gone)
            assert any(fact.label == HIDDEN for fact in present(arm.facts()))
            arm.finish(Outcome.OK)
        assert not any(fact.label == HIDDEN for fact in present(arm.facts()))


def test_there_is_no_other_rung() -> None:
    with pytest.raises(BadInput, match="no memory 'photographic'"):
        find_arm("photographic")
