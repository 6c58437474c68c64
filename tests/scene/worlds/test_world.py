"""Physics and pictures of worlds: what the rest of the room takes for granted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from support.worlds import go, needs_pictures, pick, place

needs_pictures()

from edgewise.core.errors import BadInput  # noqa: E402
from edgewise.scene.types import ROBOT  # noqa: E402
from edgewise.scene.worlds.hand import Carry  # noqa: E402
from edgewise.scene.worlds.spec import (  # noqa: E402
    COLOURS,
    STILL,
    Randomisation,
    Thing,
    View,
    WorldSpec,
    ball,
    box,
    container,
    cube,
    cup,
    cylinder,
    drawer,
    pad,
    prism,
    tower,
)
from edgewise.scene.worlds.world import World  # noqa: E402

SCENE = WorldSpec(
    (cube("red", 0.4, 0.0, yaw=0.3), box("brown", 0.5, 0.2), cup("grey", 0.5, -0.2), pad("orange", 0.35, -0.15))
)


def still(*things: Thing, **options: object) -> World:
    return World(WorldSpec(things), randomise=STILL, **options)  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_frames_to_the_byte() -> None:
    def film(seed: int) -> list[bytes]:
        with World(SCENE, seed) as world:
            frames = []
            for _ in world.follow([((0.4, 0.0, 0.1), 0.0), ((0.4, 0.0, 0.02), 0.3)], closed=True):
                shot, truth = world.observe(), world.truth()
                frames.append(
                    shot.rgb.tobytes() + shot.depth.tobytes() + truth.positions.tobytes() + truth.map.tobytes()
                )
            return frames

    assert film(1) == film(1)
    assert film(1)[0] != film(2)[0]


def test_depth_lies_on_the_surface_of_what_is_seen() -> None:
    with still(cube("red", 0.45, 0.05)) as world:
        shot, regions = world.observe(), world.segmentation()
        rows, columns = np.nonzero(regions.map == 1)
        points = shot.camera.back_project(rows, columns, shot.depth[rows, columns].astype(float))
    assert len(points) > 150
    away = np.abs(points - [0.45, 0.05, 0.02])
    assert np.abs(away.max(axis=1) - 0.02).max() < 0.002  # on one of the faces
    front = np.abs(points[:, 0] - 0.43) < 0.001
    assert front.mean() > 0.4
    assert np.median(points[front], axis=0) == pytest.approx([0.43, 0.05, 0.02], abs=0.003)
    pixels, depth = shot.camera.project(points)
    assert np.abs(pixels - np.stack([columns + 0.5, rows + 0.5], axis=1)).max() < 1e-3
    assert depth == pytest.approx(shot.depth[rows, columns], abs=1e-5)


def test_depth_is_nought_where_nothing_is_and_right_on_the_table() -> None:
    with still(cube("red", 0.45, 0.0)) as world:
        shot = world.observe()
        rows, columns = np.nonzero(world.segmentation().map == 0)
        depth = shot.depth[rows, columns].astype(float)
        points = shot.camera.back_project(rows, columns, depth)[depth > 0]
        table = (points[:, 0] > 0.1) & (points[:, 0] < 0.98) & (np.abs(points[:, 1]) < 0.5)
    assert shot.depth.dtype == np.float32 and shot.rgb.dtype == np.uint8
    assert np.abs(points[table][:, 2]).max() < 0.002


def test_regions_are_named_in_the_order_of_the_truth() -> None:
    with World(SCENE, 0) as world:
        regions, truth = world.segmentation(), world.truth()
        assert [d.label for d in regions.detections] == [*truth.labels, "hand"]
        assert truth.names == ("red", "brown box", "grey cup", "orange pad")
        assert set(np.unique(regions.map)) == {0, 1, 2, 3, 4}
        x, y, _ = world.position("red")
        go(world.follow([((x, y, 0.08), 0.0)]))
        assert (world.segmentation().map == ROBOT).any()
        world.hand.perform([Carry("brown box", (0.5, 0.1, 0.032))])
        go(world.wait(1.5))
        assert (world.segmentation().map == 5).any()
        assert world.truth().hand


def test_a_cube_under_a_cover_is_not_seen_and_stays() -> None:
    with still(cube("red", 0.45, 0.0), cup("grey", 0.5, 0.2)) as world:
        before = world.truth()
        assert before.visible[0] == 1.0 and not before.covered
        pick(world, "grey cup")
        place(world, "grey cup", 0.45, 0.0)
        after = world.truth()
        assert (after.map == 1).sum() == 0 and after.visible[0] == 0
        assert after.covered == {"red": "grey cup"} and after.occluders["red"] == "grey cup"
        assert np.linalg.norm(after.positions[0] - before.positions[0]) < 0.001


@pytest.mark.parametrize("cover", [cup("grey", 0.42, 0.0, name="cover"), box("brown", 0.42, 0.0, name="cover")])
def test_a_slid_cover_takes_along_what_is_under_it_and_a_lifted_one_does_not(cover: Thing) -> None:
    with still(cube("red", 0.42, 0.0), cover) as world:
        assert world.truth(pictures=False).covered == {"red": "cover"}
        world.hand.perform([Carry("cover", (0.42, 0.2, 0.032), slide=True)])
        go(world.wait(6.0))
        slid = world.truth()
        assert not slid.hand and slid.covered == {"red": "cover"} and slid.visible[0] == 0
        assert slid.positions[0, 1] == pytest.approx(0.2, abs=0.025)
        world.hand.perform([Carry("cover", (0.42, -0.1, 0.032))])
        go(world.wait(7.0))
        lifted = world.truth()
        assert not lifted.covered and lifted.visible[0] == 1
        assert np.linalg.norm(lifted.positions[0] - slid.positions[0]) < 0.003


@pytest.mark.parametrize("gripper", ["weld", "friction"])
def test_pick_and_place(gripper: str) -> None:
    for seed in range(4):
        with World(WorldSpec((cube("red", 0.4, 0.1), cube("green", 0.5, -0.1))), seed, gripper) as world:
            pick(world, "red")
            robot = world.robot()
            assert robot.holding and robot.opening == pytest.approx(0.04, abs=0.002)
            assert world.truth(pictures=False).held == "red"
            assert world.position("red")[2] > 0.2
            x, y, _ = world.position("green")
            place(world, "red", x, y, 0.04)
            truth = world.truth(pictures=False)
            assert truth.on == {"red": "green", "green": "table"} and truth.held is None
            assert not world.robot().holding
            assert np.abs(truth.positions[0, :2] - truth.positions[1, :2]).max() < 0.005


@pytest.mark.parametrize("gripper", ["weld", "friction"])
def test_a_cover_is_carried_by_its_knob(gripper: str) -> None:
    with World(WorldSpec((cube("red", 0.4, 0.1), box("brown", 0.5, -0.1))), 3, gripper) as world:
        pick(world, "brown box")
        x, y, _ = world.position("red")
        place(world, "brown box", x, y)
        assert world.truth(pictures=False).covered == {"red": "brown box"}


@pytest.mark.parametrize("gripper", ["weld", "friction"])
def test_a_miss_is_felt(gripper: str) -> None:
    with still(cube("red", 0.4, 0.1), gripper=gripper) as world:
        go(world.follow([((0.4, -0.1, 0.1), 0.0), ((0.4, -0.1, 0.02), 0.0)], closed=True))
        assert not world.robot().holding and world.robot().opening < 0.002
        assert world.truth(pictures=False).held is None


def test_a_grasp_may_slip() -> None:
    with World(WorldSpec((cube("red", 0.4, 0.1),)), 0, randomise=replace(STILL, slip=1.0)) as world:
        pick(world, "red")
        go(world.wait(0.3))
        assert not world.robot().holding and world.truth(pictures=False).held is None
        assert world.position("red")[2] < 0.05


def test_a_drawer_is_pulled_by_its_handle_and_takes_along_what_is_in_it() -> None:
    cabinet, tray = drawer("blue", 0.6, 0.0)
    handle = (0.6 - 0.012 - 0.07 - 0.042, 0.0, 0.05)
    with still(cabinet, tray, cube("red", 0.58, 0.0, bottom=0.012)) as world:
        shut = world.truth()
        assert shut.inside == {"red": "drawer"} and shut.visible[2] < 0.3 and shut.pulled["drawer"] < 0.005
        turned = np.pi / 2
        go(world.follow([(handle, turned)], closed=False, opening=0.04))
        go(world.follow([(handle, turned)], closed=True))
        assert world.robot().holding
        go(world.follow([((handle[0] - 0.11, 0.0, 0.05), turned)], speed=0.2))
        go(world.follow([], closed=False, opening=0.04))
        go(world.follow([((handle[0] - 0.11, 0.0, 0.2), turned)]))
        opened = world.truth()
    assert opened.pulled["drawer"] > 0.09
    assert opened.inside == {"red": "drawer"} and opened.visible[2] > 0.3
    assert opened.positions[2, 0] < shut.positions[2, 0] - 0.07


def test_a_stack_of_five_and_all_shapes_stand_still() -> None:
    stack = tower(("red", "green", "blue", "yellow", "purple"), 0.45, 0.1)
    others = (cylinder("cyan", 0.4, -0.1), prism("orange", 0.5, 0.0), ball("green", 0.4, -0.2, name="ball"))
    with still(*stack, *others, container("blue", 0.55, -0.2)) as world:
        before = world.truth(pictures=False)
        go(world.wait(10.0))
        after = world.truth(pictures=False)
    assert np.abs(after.positions - before.positions).max() < 0.001
    assert after.on["purple"] == "yellow" and after.on["green"] == "red"
    assert np.array(before.positions[:5]) == pytest.approx(np.array([t.position for t in stack]), abs=0.001)


def test_shares_of_what_is_seen() -> None:
    with still(cube("red", 0.4, 0.0), cube("green", 0.47, 0.0)) as world:
        truth = world.truth()
        assert truth.visible[0] == 1.0 and 0.3 < truth.visible[1] < 0.9
        assert truth.occluders == {"green": "red"} and truth.by_robot.max() == 0
        go(world.follow([((0.4, 0.0, 0.03), np.pi / 2)]))
        hidden = world.truth()
        assert hidden.by_robot[0] > 0.02
        assert hidden.visible[0] + hidden.by_robot[0] == pytest.approx(1.0)


def test_things_exchanged_change_places_at_once() -> None:
    with still(cube("red", 0.4, 0.1), cube("green", 0.5, -0.1)) as world:
        red, green = world.position("red"), world.position("green")
        world.exchange("red", "green")
        assert world.position("red") == pytest.approx(green) and world.position("green") == pytest.approx(red)
        assert world.truth(pictures=False).moved_by_others == {"red", "green"}
        go(world.wait(0.5))
        assert world.position("red") == pytest.approx(green, abs=1e-3)
        assert not world.truth(pictures=False).moved_by_others


def test_what_belongs_together_is_shifted_together_and_fixed_things_stay() -> None:
    spec = WorldSpec((*tower(("red", "green"), 0.4, 0.1), pad("orange", 0.5, -0.1), cube("blue", 0.5, -0.1)))
    with World(spec, 5, randomise=Randomisation(position=0.02, yaw=0.3)) as world:
        truth = world.truth(pictures=False)
    shift = truth.positions[:, :2] - [thing.position[:2] for thing in spec.things]
    assert np.abs(shift[0]).max() > 0.002 and shift[0] == pytest.approx(shift[1], abs=1e-3)
    assert np.abs(shift[2:]).max() < 1e-3
    assert truth.on == {"red": "table", "green": "red", "blue": "orange pad"}
    assert world.spec["red"].rgb != spec["red"].colour and world.spec["red"].friction != 1.0


def test_pictures_are_due_at_the_rate_whatever_moves() -> None:
    with still(cube("red", 0.4, 0.0), rate=10.0) as world:
        times: list[float] = []
        world.ticks.append(lambda w: times.append(w.time))
        count = go(world.wait(0.33)) + go(world.follow([((0.5, 0.2, 0.2), 1.0)])) + go(world.wait(1.0))
    assert count == len(times) and np.diff(times) == pytest.approx(0.1)


def test_reach() -> None:
    with still(cube("red", 0.4, 0.0)) as world:
        assert world.reachable((0.45, 0.2, 0.02)) and not world.reachable((1.2, 0.0, 0.1))
        go(world.follow([((2.0, 0.0, 0.3), 0.0)]))
        assert world.robot().position[0] < 0.9


def test_bad_specs_name_what_is_wrong() -> None:
    with pytest.raises(BadInput, match="'red' is taken"):
        WorldSpec((cube("red", 0.4, 0), cube("red", 0.5, 0)))
    with pytest.raises(BadInput, match="no shape 'star'"):
        WorldSpec((Thing("a", "red star", "star", (0.02, 0.02, 0.02), (0.4, 0, 0.02)),))
    with pytest.raises(BadInput, match="no colour 'mauve'"):
        World(WorldSpec((cube("mauve", 0.4, 0),)))
    with pytest.raises(BadInput, match="no gripper 'tongs'"):
        World(SCENE, gripper="tongs")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="no thing 'blue'"):
        SCENE["blue"]
    with pytest.raises(BadInput, match="pictures per second"):
        World(SCENE, rate=0)
    with pytest.raises(BadInput, match="MuJoCo refuses"):
        World(WorldSpec((replace(cube("red", 0.4, 0), size=(0.0, 0.02, 0.02)),)))
    with World(SCENE) as world:
        for wrong in (
            lambda: world.position("blue"),
            lambda: world.exchange("red", "orange pad"),
            lambda: world.hand.perform([Carry("orange pad", (0.4, 0, 0.02))]),
            lambda: world.hand.perform([Carry("red", "blue")]),
        ):
            with pytest.raises(BadInput):
                wrong()


def test_names_that_the_model_uses_itself_are_free() -> None:
    names = ("left", "right", "x", "yaw", "camera", "matte")
    with still(*(cube("red", 0.35, 0.1 * k - 0.25, name=name) for k, name in enumerate(names))) as world:
        go(world.wait(0.2))
        assert world.truth().visible.min() > 0.9


def test_the_camera_may_look_straight_down() -> None:
    spec = WorldSpec((cube("red", 0.4, 0.1),), view=View((0.4, 0.0, 1.0), (0.4, 0.0, 0.0)))
    with World(spec, randomise=STILL) as world:
        shot, regions = world.observe(), world.segmentation()
        rows, columns = np.nonzero(regions.map == 1)
        points = shot.camera.back_project(rows, columns, shot.depth[rows, columns].astype(float))
    assert np.median(points, axis=0) == pytest.approx([0.4, 0.1, 0.04], abs=0.003)
    assert columns.mean() < 160  # left is on the left


def test_a_table_may_be_empty() -> None:
    with World(WorldSpec(())) as world:
        go(world.wait(0.2))
        assert world.truth().names == () and not world.segmentation().map.any()
        assert world.observe().depth.max() > 1


def test_thirty_things_are_seen_apart() -> None:
    spots = [(0.33 + 0.07 * (k % 5), -0.27 + 0.108 * (k // 5)) for k in range(30)]
    things = (cube(list(COLOURS)[k % 7], *spot, name=f"cube{k}") for k, spot in enumerate(spots))
    with still(*things) as world:
        truth = world.truth()
        assert set(np.unique(truth.map)) >= set(range(1, 31))
        go(world.wait(0.4))
        assert np.abs(world.truth().positions - truth.positions).max() < 1e-3
