"""What a memory must know of things that it does not see."""

from __future__ import annotations

import pytest

from edgewise.scene import Action, MemoryConfig
from edgewise.scene.types import Kind, Outcome, Provenance, RobotState, Source, Visibility
from support.box_frames import Box, cube
from support.movie import Movie

CUP = Box("grey cup", (0.41, -0.24, 0), (0.49, -0.16, 0.09))
WALL = Box("white block", (0.33, -0.08, 0), (0.35, 0.08, 0.16))


def covered() -> Movie:
    """A cube, and a cup that was put over it."""
    movie = Movie({"cube": cube("red cube", 0.45, 0.1), "cup": CUP})
    movie.slide((0, 0, 0.12), "cup")
    movie.slide((0, 0.3, 0), "cup")
    movie.slide((0, 0, -0.12), "cup")
    return movie


def test_a_covered_object_is_known_to_be_there() -> None:
    movie = covered()
    cube_id, cup = movie.id("red cube"), movie.id("grey cup")
    fact = movie.memory.where(cube_id)
    assert (fact.visibility, fact.provenance) == (Visibility.CONTAINED, Provenance.CARRIED)
    assert movie.error("red cube", "cube") < 0.01
    assert ("covered", cube_id, cup) in movie.memory.graph.relations and movie.memory.blockers(cube_id) == (cup,)
    assert movie.told(Kind.OCCLUDE) == [(Kind.OCCLUDE, cube_id)]
    assert [f.id for f in movie.memory.hidden()] == [cube_id] and movie.memory.check() == ()


def test_a_slid_cover_takes_its_content_along() -> None:
    movie = covered()
    cube_id, cup = movie.id("red cube"), movie.id("grey cup")
    # Inside the cup there are 1.5 cm of play; the wall behind pushes the cube.
    movie.slide((0.0, -0.015, 0), "cup", frames=1)
    movie.slide((0.0, -0.105, 0), "cup", "cube")
    assert movie.error("red cube", "cube") < 0.015
    fact = movie.memory.where(cube_id)
    assert (fact.visibility, fact.provenance) == (Visibility.CONTAINED, Provenance.INFERRED)
    (move,) = [e for e in movie.events if e.kind == Kind.MOVE and e.object == cube_id]
    assert move.source == Source.INFERRED and movie.memory.events[move.cause or 0].object == cup
    movie.slide((0, 0, 0.15), "cup")
    assert movie.told(Kind.REVEAL, Kind.LOSE)[-1] == (Kind.REVEAL, cube_id)


def test_a_lifted_cover_leaves_its_content() -> None:
    movie = covered()
    movie.slide((0, 0, 0.15), "cup")
    movie.slide((0, -0.3, 0), "cup")
    assert movie.told(Kind.REVEAL) == [(Kind.REVEAL, movie.id("red cube"))]
    assert movie.error("red cube", "cube") < 0.01
    assert not [e for e in movie.events if e.kind == Kind.MOVE and e.object == movie.id("red cube")]


def test_an_empty_place_under_a_lifted_cover_is_a_loss_and_the_object_is_recognised_elsewhere() -> None:
    movie = covered()
    cube_id = movie.id("red cube")
    hidden = movie.boxes.pop("cube")
    movie.slide((0, 0, 0.15), "cup")
    movie.slide((0, -0.3, 0), "cup")
    assert movie.told(Kind.LOSE) == [(Kind.LOSE, cube_id)]
    assert movie.memory.where(cube_id).visibility == Visibility.LOST
    movie.boxes["cube"] = hidden.moved(x=0.1, y=0.1)
    movie.still()
    assert [fact.label for fact in movie.memory.objects()].count("red cube") == 1
    assert movie.told(Kind.REVEAL, Kind.MOVE)[-2:] == [(Kind.REVEAL, cube_id), (Kind.MOVE, cube_id)]
    assert movie.error("red cube", "cube") < 0.01


def test_an_open_container_carries_what_is_in_it() -> None:
    tray = Box("blue bin", (0.38, -0.06, 0), (0.50, 0.06, 0.05))
    # A bin of a solid box hides its content: what is known of it comes from before.
    movie = Movie({"cube": cube("red cube", 0.44, 0.0)})
    movie.boxes["bin"] = tray
    movie.order.append("bin")
    movie.still(4)
    movie.slide((0.0, 0.2, 0.05), "bin", "cube")
    assert movie.error("red cube", "cube") < 0.015
    assert movie.memory.where(movie.id("red cube")).visibility == Visibility.CONTAINED


def test_what_stands_behind_a_wall_is_occluded_and_not_contained() -> None:
    movie = Movie({"cube": cube("red cube", 0.45, 0.0), "wall": WALL.moved(y=0.3)})
    movie.slide((0, -0.3, 0), "wall")
    fact = movie.memory.where(movie.id("red cube"))
    assert fact.visibility == Visibility.OCCLUDED and movie.memory.graph.nodes[fact.id].behind == movie.id(
        "white block"
    )
    movie.slide((0, 0.3, 0), "wall")
    assert movie.memory.where(movie.id("red cube")).visibility == Visibility.VISIBLE
    assert movie.told(Kind.OCCLUDE, Kind.REVEAL, Kind.LOSE) == [(Kind.OCCLUDE, fact.id), (Kind.REVEAL, fact.id)]


def test_the_robot_in_front_hides_nothing() -> None:
    movie = Movie({"cube": cube("red cube", 0.45, 0.0)})
    movie.boxes["arm"] = Box("robot", (0.30, -0.05, 0.0), (0.34, 0.05, 0.3))
    movie.order.append("arm")
    movie.still(6)
    assert movie.told() == []
    assert movie.memory.where(movie.id("red cube")).provenance == Provenance.CARRIED


def test_alike_objects_exchanged_in_sight_keep_their_identities() -> None:
    movie = Movie({"a": cube("red cube", 0.45, 0.12), "b": cube("red cube", 0.45, -0.12)})
    one, other = sorted(fact.id for fact in movie.memory.objects())
    assert movie.memory.where(one).position[1] > 0  # type: ignore[index]
    movie.slide((-0.1, 0.0, 0.0), "a", frames=3)
    movie.slide((0.0, -0.24, 0.0), "a", frames=8)
    movie.slide((0.0, 0.24, 0.0), "b", frames=8)
    movie.slide((0.1, 0.0, 0.0), "a", frames=3)
    assert movie.memory.where(one).position[1] < -0.1 and movie.memory.where(other).position[1] > 0.1  # type: ignore[index]
    assert movie.told(Kind.CONFUSE) == []


def test_of_alike_objects_the_one_whose_place_is_empty_has_moved() -> None:
    """One block steps before another one like it: what is seen is as near to where either stood."""
    far = Box("grey block", (0.48, -0.04, 0), (0.56, 0.04, 0.1))
    near = Box("grey block", (0.38, 0.06, 0), (0.42, 0.14, 0.3))
    movie = Movie({"far": far, "near": near})
    by_y = sorted(movie.memory.objects(), key=lambda fact: fact.position[1])  # type: ignore[index]
    behind, stepped = (fact.id for fact in by_y)
    movie.boxes["near"] = near.moved(y=-0.1)
    movie.still()
    assert movie.memory.where(behind).visibility == Visibility.OCCLUDED
    assert movie.memory.graph.nodes[behind].behind == stepped
    assert movie.memory.where(stepped).position == pytest.approx((0.40, 0.0, 0.15), abs=0.02)
    assert movie.memory.where(behind).position == pytest.approx((0.52, 0.0, 0.05), abs=0.02)
    assert movie.told(Kind.CONFUSE, Kind.LOSE) == []


@pytest.mark.parametrize("trust", (False, True))
def test_alike_objects_hidden_together_are_said_to_be_confused(trust: bool) -> None:
    box = Box("white box", (0.38, 0.2, 0), (0.52, 0.4, 0.09))
    boxes = {"a": cube("red cube", 0.45, 0.04), "b": cube("red cube", 0.45, -0.04), "c": cube("blue cube", 0.6, 0.2)}
    movie = Movie({**boxes, "box": box}, MemoryConfig(trust_hidden=trust))
    ids = {fact.id for fact in movie.memory.objects() if fact.label == "red cube"}
    movie.slide((0, 0, 0.12), "box")
    movie.slide((0, -0.3, 0), "box")
    movie.slide((0, 0, -0.12), "box")
    movie.slide((0, 0, 0.2), "box")
    movie.slide((0, 0.3, 0), "box")
    confused = {fact.id: set(fact.confused_with) for fact in movie.memory.objects()}
    assert len(movie.told(Kind.CONFUSE)) == (0 if trust else 1)
    for one in ids:
        assert confused[one] == (set() if trust else ids - {one})
    assert confused[movie.id("blue cube")] == set()


def test_a_pick_and_place_is_put_down_to_the_action() -> None:
    movie = Movie({"cube": cube("red cube", 0.45, 0.1), "base": cube("blue cube", 0.45, -0.1)})
    one, base = movie.id("red cube"), movie.id("blue cube")
    grip = [0.45, 0.1, 0.02]
    movie.memory.start(Action(1, "pick", one))

    def carry(by: tuple[float, float, float]) -> None:
        for _ in range(5):
            for axis in range(3):
                grip[axis] += by[axis] / 5
            movie.robot = RobotState((grip[0], grip[1], grip[2]), 0.0, 0.04, True)
            movie.boxes["cube"] = movie.boxes["cube"].moved(*(value / 5 for value in by))
            movie.frame()

    carry((0, 0, 0.1))
    movie.memory.finish(Outcome.OK)
    assert movie.told() == [(Kind.PICK, one)] and ("held", one, one) in movie.memory.graph.relations
    movie.memory.start(Action(2, "place_on", one, base))
    carry((0, -0.2, 0))
    carry((0, 0, -0.06))
    movie.robot = RobotState((grip[0], grip[1], grip[2]), 0.0, 0.08, False)
    movie.still()
    movie.memory.finish(Outcome.OK)
    assert movie.told() == [(Kind.PICK, one), (Kind.PLACE, one)]
    pick, place = movie.events[-2:]
    assert (place.source, place.action, place.cause) == (Source.ACTION, 2, pick.sequence)
    assert place.added == (("on", one, base),) and pick.removed == ()
    lines = movie.memory.why(one)
    assert len(lines) == 3 and "because of 2, action 2" in lines[2]


def test_a_push_is_a_collision_of_the_action_and_a_hand_is_somebody_else() -> None:
    movie = Movie({"a": cube("red cube", 0.45, 0.1), "b": cube("blue cube", 0.45, -0.1)})
    a, b = movie.id("red cube"), movie.id("blue cube")
    movie.memory.start(Action(1, "pick", b))
    movie.robot = RobotState((0.45, 0.06, 0.03), 0.0, 0.08, False)
    movie.slide((0, 0.08, 0), "a", frames=2)
    movie.memory.finish(Outcome.FAILED, "hit something")
    movie.robot = RobotState((0.3, 0.0, 0.45), 0.0, 0.08, False)
    movie.boxes["hand"] = Box("hand", (0.42, -0.2, 0.05), (0.48, -0.1, 0.15))
    movie.order.append("hand")
    movie.slide((0.08, 0, 0), "b", "hand")
    collide, move = [e for e in movie.events if e.kind in (Kind.COLLIDE, Kind.MOVE)]
    assert (collide.kind, collide.object, collide.source, collide.other) == (Kind.COLLIDE, a, Source.ACTION, b)
    assert (move.kind, move.object, move.source, move.confidence) == (Kind.MOVE, b, Source.EXTERNAL, 1.0)
    assert [e.object for e in movie.memory.external_changes()] == [b]
