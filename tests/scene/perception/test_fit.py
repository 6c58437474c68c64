"""Signed distances against brute force, their gradients, and poses that are found again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edgewise.scene.perception.catalogue import (
    BITS,
    FIRST,
    HAND_COLOUR,
    ROBOT_COLOUR,
    Catalogue,
    Colour,
    Form,
    Part,
    colour_table,
)
from edgewise.scene.perception.fit import Forms, Hypotheses, distance, in_world, local, misfit, refine
from edgewise.scene.worlds.spec import COLOURS

HALF = (0.03, 0.02, 0.025)
KINDS = ("cuboid", "cylinder", "roll", "ball", "prism")


def form(kind: str) -> Form:
    return Form(noun=kind, parts=(Part.model_validate({"kind": kind, "half": HALF}),))


def inside(kind: str, p: np.ndarray) -> np.ndarray:
    """Whether points are inside a solid, from its definition."""
    x, y, z = np.moveaxis(p, -1, 0)
    a, b, c = HALF
    match kind:
        case "cuboid":
            return (np.abs(x) <= a) & (np.abs(y) <= b) & (np.abs(z) <= c)
        case "cylinder":
            return (np.hypot(x, y) <= a) & (np.abs(z) <= c)
        case "roll":
            return (np.hypot(y, z) <= c) & (np.abs(x) <= a)
        case "ball":
            return np.linalg.norm(p, axis=-1) <= a
        case _:
            return (np.abs(x) <= a) & (np.abs(z) <= c) & (np.abs(y) <= b * (c - z) / (2 * c))


@pytest.mark.parametrize("kind", KINDS)
def test_distance_is_that_to_the_surface(kind: str) -> None:
    rng = np.random.default_rng(0)
    step = 0.0015
    axis = np.arange(-0.045, 0.045, step)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    full = inside(kind, grid)
    edge = np.zeros_like(full)
    for k in range(3):
        edge |= full != np.roll(full, 1, axis=k)
    surface = grid[edge]
    points = rng.uniform(-0.04, 0.04, (1, 300, 3)).astype(np.float32)
    d, _ = distance(Forms([form(kind)]), np.array([0]), points)
    assert ((d[0] < 0) == inside(kind, points[0])).mean() > 0.99
    brute = np.linalg.norm(points[0][:, None] - surface[None], axis=2).min(axis=1)
    # Beside a prism's sloping edges the distance to its planes is a little less than that to the solid.
    bound = 0.008 if kind == "prism" else 2 * step
    assert np.abs(np.abs(d[0]) - brute).max() < bound


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_the_distance(kind: str) -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform(-0.05, 0.05, (1, 200, 3)).astype(np.float32)
    forms, which, h = Forms([form(kind)]), np.array([0]), 1e-4
    d, g = distance(forms, which, points, gradients=True)
    for axis in range(3):
        moved = points.copy()
        moved[..., axis] += h
        slope = (distance(forms, which, moved)[0] - d) / h
        assert np.median(np.abs(slope - g[..., axis])) < 0.01
        assert (np.abs(slope - g[..., axis]) < 0.1).mean() > 0.9  # all but those that cross a crease


def test_a_union_is_as_near_as_its_nearest_part() -> None:
    cup = Form.cup("cup", (0.08, 0.08, 0.06), round_=True, knob=(0.01, 0.01, 0.015))
    forms = Forms([cup, form("cuboid")])
    points = np.array([[[0.0, 0.0, 0.06], [0.0, 0.0, 0.061], [0.045, 0.0, 0.0]]], dtype=np.float32)
    d, _ = distance(forms, np.array([0]), points)
    assert d[0] == pytest.approx([0.0, 0.001, 0.005], abs=1e-5)


@given(st.floats(-3, 3), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_frames_are_inverse_to_each_other(yaw: float, x: float, y: float) -> None:
    pose = np.array([[x, y, 0.1, yaw]], dtype=np.float32)
    points = np.random.default_rng(0).uniform(-0.1, 0.1, (1, 20, 3)).astype(np.float32)
    assert np.allclose(in_world(pose, local(pose, points)), points, atol=1e-6)


@settings(max_examples=30)
@given(
    st.sampled_from(["cuboid", "cylinder", "prism"]),
    st.floats(-0.25, 0.25),
    st.floats(-0.008, 0.008),
    st.floats(-0.008, 0.008),
    st.integers(0, 1000),
)
def test_poses_are_found_again(kind: str, yaw: float, x: float, y: float, seed: int) -> None:
    forms = Forms([form(kind)])
    rng = np.random.default_rng(seed)
    # Points of the surface: random ones, moved onto it along the gradient.
    points = rng.uniform(-1.2, 1.2, (1, 400, 3)).astype(np.float32) * np.float32(HALF)
    for _ in range(4):
        d, g = distance(forms, np.array([0]), points, gradients=True)
        points -= d[..., None] * g
    points = points[:, np.abs(distance(forms, np.array([0]), points)[0][0]) < 1e-4]
    true = np.array([[0.4, 0.1, 0.2, 0.7]], dtype=np.float32)
    world = in_world(true, points)
    start = true + np.array([[x, y, 0.004, yaw]], dtype=np.float32)
    guess = Hypotheses(np.array([0]), np.array([0]), start)
    sigma = np.array([0.003], dtype=np.float32)
    before = misfit(forms, guess, world, sigma)[0]
    refine(forms, guess, world, sigma, 12)
    after = misfit(forms, guess, world, sigma)[0]
    assert after <= before + 1e-6
    assert after < 0.05
    assert np.abs(guess.pose[0, :3] - true[0, :3]).max() < 0.0015


def test_a_form_does_not_sink_into_the_table() -> None:
    forms = Forms([form("cuboid")])
    points = np.zeros((1, 40, 3), dtype=np.float32)
    points[0, :, :2] = np.random.default_rng(0).uniform(-0.02, 0.02, (40, 2))
    points[..., 2] = -0.01
    guess = Hypotheses(np.array([0]), np.array([0]), np.array([[0, 0, 0.025, 0]], dtype=np.float32))
    refine(forms, guess, points, np.array([0.003], dtype=np.float32), 10)
    assert guess.pose[0, 2] >= HALF[2] - 0.0031


def test_colours_are_told_apart_in_light_and_shade() -> None:
    table = colour_table(Catalogue.standard())
    for k, (name, rgb) in enumerate(COLOURS.items()):
        for shade in (0.6, 0.8, 1.0):
            code = (np.array(rgb) * shade * (2**BITS - 1e-6)).astype(int)
            found = table[(code[0] << 2 * BITS) | (code[1] << BITS) | code[2]]
            assert found == FIRST + k, f"{name} in {shade:.0%} of the light"


def test_hand_and_robot_have_classes_of_their_own() -> None:
    catalogue = Catalogue.standard()
    table = colour_table(catalogue)
    for rgb, wanted in ((catalogue.hand, HAND_COLOUR), (catalogue.robot, ROBOT_COLOUR)):
        assert rgb is not None
        code = (np.array(rgb) * 2**BITS).astype(int)
        assert table[(code[0] << 2 * BITS) | (code[1] << BITS) | code[2]] == wanted


def test_a_catalogue_must_be_consistent() -> None:
    red, cube = Colour(name="red", rgb=(1, 0, 0)), Form.solid("cube", "cuboid", (0.04, 0.04, 0.04))
    with pytest.raises(ValidationError, match="twice"):
        Catalogue(colours=(red, red), forms=(cube,))
    with pytest.raises(ValidationError, match="no colour and noun"):
        Catalogue(colours=(red,), forms=(cube,), labels=("blue cube",))
    with pytest.raises(ValidationError):
        Catalogue(colours=(red,), forms=())
    named = Catalogue(colours=(red,), forms=(cube,), labels=("red cube",))
    assert named.allows("red", "cube")
    assert Catalogue.from_json(named.model_dump_json(), where="test") == named


def test_a_toppled_form_lies_along_x() -> None:
    cup = Form.cup("cup", (0.08, 0.08, 0.06), round_=True, knob=(0.01, 0.01, 0.015))
    forms = Forms([cup.lying()])
    assert forms.high[0] - forms.low[0] == pytest.approx([0.09, 0.08, 0.08], abs=1e-6)
    d, _ = distance(forms, np.array([0]), np.array([[[0.0, 0.0, 0.04], [0.06, 0.0, 0.0]]], dtype=np.float32))
    assert d[0] == pytest.approx([0.0, 0.0], abs=1e-6)
