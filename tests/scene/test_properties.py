"""What holds of every memory, whatever it saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from edgewise.core.errors import CorruptRecord, Unsupported
from edgewise.scene import Action, Memory, MemoryConfig
from edgewise.scene.graph import read_log, replay
from edgewise.scene.types import Kind, Observation, Outcome
from support.box_frames import Box, camera, cube, render
from support.movie import Movie

NAMES = ("red", "green", "blue", "cup", "box")
SCENE = {
    "red": cube("red cube", 0.42, 0.1),
    "green": cube("green cube", 0.42, 0.1, 0.04),
    "blue": cube("blue cube", 0.5, -0.05),
    "cup": Box("grey cup", (0.46, -0.24, 0), (0.54, -0.16, 0.09)),
    "box": Box("white box", (0.50, 0.16, 0), (0.60, 0.26, 0.1)),
}
# A case takes a second to play: where one fails it is shown as it is.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
moves = st.lists(
    st.tuples(
        st.sampled_from(NAMES), st.floats(-0.15, 0.15), st.floats(-0.25, 0.25), st.floats(0, 0.12), st.booleans()
    ),
    min_size=1,
    max_size=4,
)


def played(script: list[tuple[str, float, float, float, bool]], numbering: list[int] | None = None) -> Movie:
    """Lift, carry and put down things wherever, in the course of actions or not; things may end up anywhere."""
    movie = Movie(SCENE, noise=0.0, numbering=numbering)
    for index, (name, x, y, z, acting) in enumerate(script, 1):
        if acting:
            movie.memory.start(Action(index, "look"))
        movie.slide((0, 0, z), name, frames=2)
        movie.slide((x, y, 0), name, frames=4)
        movie.slide((0, 0, -z), name, frames=2)
        if acting:
            movie.memory.finish(Outcome.OK, "as planned")
            movie.memory.complete(index - 1, "moved")
    return movie


@settings(max_examples=12, deadline=None, phases=PHASES)
@given(moves)
def test_a_replay_of_the_log_is_the_live_graph(script: list[tuple[str, float, float, float, bool]]) -> None:
    memory = played(script).memory
    assert replay(memory.log.changes) == memory.graph
    assert [event.sequence for event in memory.events] == list(range(len(memory.events)))
    assert all(violation.rule != "log" for violation in memory.check())


@settings(max_examples=8, deadline=None, phases=PHASES)
@given(moves, st.permutations(range(len(NAMES))))
def test_the_order_of_regions_changes_nothing(
    script: list[tuple[str, float, float, float, bool]], order: list[int]
) -> None:
    one, other = played(script).memory, played(script, order).memory
    assert one.graph == other.graph
    assert one.text() == other.text()


def test_a_log_on_disk_is_the_same_log(tmp_path: Path) -> None:
    movie = played([("cup", 0.04, 0.15, 0.12, True), ("red", 0.0, -0.1, 0.0, False)])
    memory, file = movie.memory, tmp_path / "scene.jsonl"
    memory.save(file)
    log, config, _ = read_log(file)
    assert log.graph == memory.graph and config == memory.config
    loaded = Memory.load(file)
    some = memory.graph.events[-1].object or 1
    assert loaded.why(some) == memory.why(some) and loaded.facts() == memory.facts()
    assert loaded.tokens(some) == ()
    with pytest.raises(Unsupported, match="no more frames"):
        loaded.update(*render([], 99.0, camera()))
    lines = file.read_bytes().splitlines()
    file.write_bytes(b"\n".join([*lines[:2], lines[2][:-4], *lines[3:]]))
    with pytest.raises(CorruptRecord, match="line 3"):
        read_log(file)
    file.write_bytes(lines[0] + b'\n{"time": "late"}\n')
    with pytest.raises(CorruptRecord, match="time"):
        read_log(file)
    file.write_bytes(b'{"schema": "other/1"}\n')
    with pytest.raises(CorruptRecord, match="scene-log/1"):
        read_log(file)


def test_travel_in_time_gives_what_was_believed_then() -> None:
    movie = Movie({"cube": cube("red cube", 0.45, 0.2), "other": cube("blue cube", 0.45, -0.2)})
    one, seen = movie.id("red cube"), {}
    for k in range(6):
        movie.slide((0, -0.03 if k % 2 == 0 else 0.03, 0), "cube", frames=2)
        seen[movie.memory.time] = (movie.memory.where(one), movie.memory.graph.copy())
    assert len({fact.position for fact, _ in seen.values()}) >= 2
    for time, (fact, graph) in seen.items():
        then = movie.memory.state_at(time)
        assert movie.memory.where(one, time) == fact
        assert (then.nodes, then.relations, then.events) == (graph.nodes, graph.relations, graph.events)
    assert movie.memory.initial().nodes[one].position == pytest.approx((0.45, 0.2, 0.02), abs=0.01)
    assert movie.memory.state_at(-1.0).nodes == {}


def test_time_travel_across_snapshots_equals_a_replay() -> None:
    movie = Movie({"cube": cube("red cube", 0.45, 0.2)})
    for k in range(300):
        movie.boxes["cube"] = movie.boxes["cube"].moved(y=-0.01 if k % 40 < 20 else 0.01)
        movie.frame()
    log = movie.memory.log
    assert len(log.changes) > 260
    for time in (0.0, 10.0, 51.2, 51.3, 60.0):
        then, again = log.at(time), replay(log.changes, time)
        assert (then.nodes, then.relations, then.events, then.transitions) == (
            again.nodes, again.relations, again.events, again.transitions,
        )  # fmt: skip


def test_the_window_limits_tokens_and_nothing_else() -> None:
    """K of the paper: a state from long ago is remembered with any."""
    found = []
    for window in (1, 5):
        scene = {"cube": cube("red cube", 0.45, 0.2), "other": cube("blue cube", 0.45, -0.2)}
        movie = Movie(scene, MemoryConfig(window=window))
        movie.slide((0.05, -0.1, 0), "cube")
        tokens = movie.memory.tokens(movie.id("red cube"))
        assert len(tokens) == window and [token.label for token in tokens] == ["red cube"] * window
        assert tokens[-1].time == movie.memory.time
        assert tokens[-1].shape.shape == (3, 4) and tokens[-1].colour.shape == (3,)
        assert np.abs(tokens[-1].centroid - movie.memory.where(movie.id("red cube")).position).max() < 0.02
        found.append((movie.memory.graph, movie.memory.text()))
    assert found[0] == found[1]


def test_noise_of_two_millimetres_moves_nothing_in_ten_thousand_frames() -> None:
    view = camera(160, 120)
    boxes = [*(cube(f"{c} cube", 0.45, y) for c, y in (("red", 0.2), ("blue", 0.0))), SCENE["cup"]]
    boxes.append(cube("green cube", 0.45, 0.0, 0.04))
    observation, segmentation = render(boxes, 0.0, view)
    assert observation.depth is not None
    memory, rng = Memory(), np.random.default_rng(7)
    for k in range(10_000):
        depth = observation.depth + rng.standard_normal(observation.depth.shape, np.float32) * np.float32(0.002)
        memory.update(Observation(0.2 * k, observation.rgb, depth, view), segmentation)
    assert {event.kind for event in memory.events} == {Kind.INITIALISE}
    assert memory.check() == ()
