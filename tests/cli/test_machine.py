"""What `edgewise doctor` says of pictures of simulated worlds."""

from __future__ import annotations

import pytest

from edgewise.cli.machine import _pictures
from edgewise.core.errors import Unsupported
from edgewise.scene.worlds import render


def test_the_packages_that_pictures_need_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise Unsupported("no OpenGL context (egl: nothing)", fix="apt-get install libegl1")

    monkeypatch.setattr(render, "require_pictures", missing)
    finding = _pictures()
    assert not finding.ok and not finding.needed
    assert finding.detail == "no OpenGL context (egl: nothing)" and finding.fix == "apt-get install libegl1"


def test_it_is_well_where_pictures_can_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "require_pictures", lambda: None)
    monkeypatch.setenv("MUJOCO_GL", "egl")
    assert _pictures().ok and _pictures().detail == "OpenGL by egl"
