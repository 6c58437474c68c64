"""Frames that should not be believed: told once, ignored, and nothing is lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgewise.core.errors import BadInput
from edgewise.scene import Memory
from edgewise.scene.graph import Node
from edgewise.scene.types import Camera, Kind, Provenance, Segmentation, Visibility
from edgewise.scene.verify import check_graph
from support.box_frames import Box, camera, cube, render
from support.movie import Movie

SCENE = {
    "red": cube("red cube", 0.45, 0.15),
    "green": cube("green cube", 0.45, 0.0),
    "blue": cube("blue cube", 0.45, -0.15),
}


def faults(movie: Movie) -> list[str]:
    return [event.text for event in movie.memory.events if event.kind == Kind.FAULT]


def shown(movie: Movie, frames: int = 3, **changes: object) -> None:
    """Frames in which the observation or the masks are changed."""
    for _ in range(frames):
        movie.time = round(movie.time + 0.2, 3)
        observation, segmentation = render(list(movie.boxes.values()), movie.time, movie.view)
        movie.memory.update(
            replace(observation, **{k: v for k, v in changes.items() if k in ("depth", "time")}),  # type: ignore[arg-type]
            replace(segmentation, **{k: v for k, v in changes.items() if k in ("map", "detections")}),  # type: ignore[arg-type]
        )


@pytest.mark.parametrize(
    ("changes", "text"),
    (
        ({"depth": None}, "there is no depth"),
        ({"depth": np.zeros((240, 320), np.float32)}, "there is no depth"),
        ({"map": np.zeros((240, 320), np.int16)}, "nothing was segmented"),
        ({"time": 0.1}, "came after"),
    ),
)
def test_a_frame_that_says_nothing_is_told_once_and_ignored(changes: dict[str, object], text: str) -> None:
    movie = Movie(SCENE)
    before = dict(movie.memory.graph.nodes)
    shown(movie, **changes)
    assert len(faults(movie)) == 1 and text in faults(movie)[0]
    movie.still()
    assert len(faults(movie)) == 1 and movie.memory.graph.nodes.keys() == before.keys()
    assert all(node.visibility == Visibility.VISIBLE for node in movie.memory.graph.nodes.values())
    shown(movie, **(changes if "time" not in changes else {"depth": None}))
    assert len(faults(movie)) == 2


def test_a_pose_of_the_camera_that_is_wrong_moves_nothing() -> None:
    movie = Movie(SCENE)
    right = movie.view
    pose = right.pose.copy()
    pose[:3, 3] += (0.0, 0.08, 0.0)
    wrong = Camera(right.width, right.height, right.focal, right.centre, pose)
    for _ in range(3):
        movie.time = round(movie.time + 0.2, 3)
        observation, segmentation = render(list(movie.boxes.values()), movie.time, right)
        movie.memory.update(replace(observation, camera=wrong), segmentation)
    assert len(faults(movie)) == 1 and "at once" in faults(movie)[0]
    movie.still()
    assert {e.kind for e in movie.memory.events} == {Kind.INITIALISE, Kind.FAULT}


def test_a_camera_that_really_moved_is_told_and_moves_nothing() -> None:
    movie = Movie(SCENE)
    movie.view = camera(eye=(-0.30, 0.15, 0.8))
    movie.still()
    assert len(faults(movie)) == 1 and "the camera moved by 0." in faults(movie)[0]
    assert {e.kind for e in movie.memory.events} == {Kind.INITIALISE, Kind.FAULT}


def test_missing_frames_confuse_alike_objects_that_moved_meanwhile() -> None:
    alike = {"a": cube("red cube", 0.45, 0.15), "b": cube("red cube", 0.45, -0.15), "c": cube("blue cube", 0.6, 0.0)}
    for moved in (False, True):
        movie = Movie(alike)
        movie.time += 5.0
        if moved:
            movie.boxes["a"] = movie.boxes["a"].moved(x=0.1)
        movie.still()
        assert "no frames for 5.2 s" in faults(movie)
        assert len(movie.told(Kind.CONFUSE)) == int(moved)


def test_an_object_that_leaves_the_table_is_lost_and_not_forgotten() -> None:
    movie = Movie(SCENE)
    one = movie.id("red cube")
    del movie.boxes["red"]
    movie.still()
    assert movie.told(Kind.LOSE) == [(Kind.LOSE, one)]
    fact = movie.memory.where(one)
    assert fact.visibility == Visibility.LOST and fact.position == pytest.approx((0.45, 0.15, 0.02), abs=0.01)
    assert movie.memory.last_seen(one).visibility == Visibility.VISIBLE
    assert "not seen elsewhere" in movie.memory.why(one)[-1]


def test_a_region_that_flashes_up_is_no_object() -> None:
    movie = Movie(SCENE)
    movie.boxes["flash"] = cube("white cube", 0.6, 0.1)
    movie.order.append("flash")
    movie.frame()
    del movie.boxes["flash"]
    movie.still()
    assert len(movie.memory.objects()) == 3 and movie.told() == []


def test_a_label_that_is_wrong_for_a_moment_changes_no_identity() -> None:
    movie = Movie(SCENE)
    for label in ("orange cube", "red cube", "red block"):
        movie.boxes["red"] = Box(label, SCENE["red"].low, SCENE["red"].high)
        movie.frame()
    movie.boxes["red"] = SCENE["red"]
    movie.still()
    assert sorted(fact.label for fact in movie.memory.objects()) == ["blue cube", "green cube", "red cube"]
    assert movie.told() == []


def test_shapes_that_do_not_fit_are_refused() -> None:
    observation, segmentation = render(list(SCENE.values()), 0.0, camera())
    for wrong, message in (
        (replace(segmentation, map=segmentation.map[:100]), "shape"),
        (replace(segmentation, detections=segmentation.detections[:1]), "names region 3"),
    ):
        with pytest.raises(BadInput, match=message):
            Memory().update(observation, wrong)
    with pytest.raises(BadInput, match="camera"):
        Memory().update(replace(observation, camera=camera(160, 120)), segmentation)
    with pytest.raises(BadInput, match="no object has the id 7"):
        Memory().where(7)
    empty = Memory()
    assert empty.update(observation, Segmentation(np.zeros((240, 320), np.int16), ())) == ()
    assert empty.text() == "" and empty.check() == () and empty.initial().nodes == {}


def test_what_cannot_be_is_found_with_its_witnesses() -> None:
    movie = Movie(SCENE)
    graph = movie.memory.graph.copy()
    red, green, blue = (movie.id(f"{colour} cube") for colour in ("red", "green", "blue"))

    def changed(identity: int, **fields: object) -> Node:
        return replace(graph.nodes[identity], **fields)  # type: ignore[arg-type]

    assert check_graph(graph) == ()
    there = graph.nodes[green]
    graph.nodes[red] = changed(red, low=there.low, high=there.high)
    (found,) = check_graph(graph)
    assert found.rule == "interpenetration" and set(found.objects) == {red, green} and len(found.witnesses) == 2
    graph.nodes[red] = changed(red, visibility=Visibility.HELD, provenance=Provenance.INFERRED)
    graph.nodes[blue] = changed(blue, visibility=Visibility.HELD)
    graph.nodes[green] = changed(green, visibility=Visibility.CONTAINED, behind=None)
    graph.relations = {("on", red, green), ("on", green, red)}
    assert [v.rule for v in check_graph(graph)] == ["one_held", "container", "support", "support"]
    graph.events.reverse()
    assert "log" in {v.rule for v in check_graph(graph)}
