"""What is said where pictures cannot be drawn."""

from __future__ import annotations

import gc
import importlib
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("mujoco")

from edgewise.core.errors import Unsupported
from edgewise.scene.worlds import render
from edgewise.scene.worlds.spec import WorldSpec, cube
from edgewise.scene.worlds.world import World


@pytest.fixture
def no_gl(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def broken(name: str, *rest: object) -> object:
        if name in ("mujoco.egl", "mujoco.osmesa"):
            raise AttributeError("'NoneType' object has no attribute 'glGetError'")
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(render, "_kept", threading.local())
    monkeypatch.setattr(render.importlib, "import_module", broken)
    monkeypatch.setattr(render.sys, "modules", dict(render.sys.modules))
    monkeypatch.delenv("MUJOCO_GL", raising=False)


def test_missing_libraries_are_named(no_gl: None) -> None:
    problem = render.gl_problem()
    assert problem is not None
    for word in ("egl", "osmesa", "libegl1", "libegl-mesa0", "libgl1", "libgl1-mesa-dri", "libosmesa6", "apt-get"):
        assert word in problem
    with World(WorldSpec((cube("red", 0.4, 0.0),))) as world:
        # All but pictures works.
        for _ in world.wait(0.4):
            assert world.truth(pictures=False).on == {"red": "table"}
        with pytest.raises(Unsupported, match="OpenGL"):
            world.observe()


def test_a_chosen_back_end_is_the_only_one_tried(no_gl: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    problem = render.gl_problem()
    assert problem is not None and "egl:" not in problem


def test_without_mujoco_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ModuleNotFoundError("No module named 'mujoco'", name="mujoco")

    monkeypatch.setattr(render, "_kept", threading.local())
    monkeypatch.setattr(render.importlib, "import_module", missing)
    monkeypatch.setattr(render.sys, "modules", dict(render.sys.modules))
    assert "edgewise[sim]" in (render.gl_problem() or "")


def test_a_second_renderer_draws_what_the_first_does() -> None:
    if problem := render.gl_problem():
        pytest.skip(problem)
    spec = WorldSpec((cube("red", 0.4, 0.0),))
    with World(spec, 0) as first, World(spec, 0, size=(640, 480)) as second:
        small, large = first.observe(), second.observe()
        again = first.observe()
    assert np.array_equal(small.rgb, again.rgb)
    assert large.rgb.shape == (480, 640, 3) and large.camera.focal[0] == pytest.approx(2 * small.camera.focal[0])


def test_a_world_that_was_forgotten_takes_nothing_from_another() -> None:
    if problem := render.gl_problem():
        pytest.skip(problem)
    spec = WorldSpec((cube("red", 0.4, 0.0),))
    with World(spec, 0) as kept:
        before = kept.observe()
        for seed in range(3):
            World(spec, seed).observe()
            gc.collect()
            after = kept.observe()
            assert np.array_equal(before.rgb, after.rgb) and np.array_equal(before.depth, after.depth)


def test_pictures_can_be_drawn_in_another_thread() -> None:
    if problem := render.gl_problem():
        pytest.skip(problem)

    def draw() -> bytes:
        with World(WorldSpec((cube("red", 0.4, 0.0),)), 0) as world:
            return world.observe().rgb.tobytes()

    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(lambda _: draw(), range(4))) == {draw()}
