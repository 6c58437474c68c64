"""The same results in the same order, in this process, in many, or on a cluster."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from edgewise.core.errors import MissingExtra
from edgewise.core.fanout import UnitFailed, fanout
from support.units import draw, fail_at_three, where

HAS_RAY = importlib.util.find_spec("ray") is not None


def test_processes_do_not_matter() -> None:
    units = list(range(12))
    alone = fanout(draw, units, seed=4, workers=1)
    seen: list[tuple[int, int]] = []
    assert fanout(draw, units, seed=4, workers=3, progress=lambda *p: seen.append(p)) == alone
    assert [unit for unit, _ in alone] == units and len({value for _, value in alone}) == 12
    assert seen == [(i, 12) for i in range(1, 13)]
    kept: dict[int, object] = {}
    assert fanout(draw, units, seed=4, workers=2, keep=kept.__setitem__) == alone
    assert [kept[index] for index in units] == alone
    assert fanout(draw, units, seed=5, workers=1) != alone
    assert os.getpid() not in fanout(where, units, workers=2)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_unit_that_fails_is_named(workers: int) -> None:
    with pytest.raises(UnitFailed, match="unit 3: ValueError: three") as caught:
        fanout(fail_at_three, range(6), workers=workers)
    assert caught.value.index == 3 and isinstance(caught.value.__cause__, ValueError)


def test_nothing_to_do() -> None:
    assert fanout(draw, []) == []


@pytest.mark.skipif(HAS_RAY, reason="Ray is installed")
def test_without_ray_its_extra_is_named() -> None:
    with pytest.raises(MissingExtra, match="Ray"):
        fanout(draw, [1, 2], address="local")


@pytest.mark.slow
@pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed (extra `scale`)")
def test_a_cluster_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))  # so that its workers can import `support`
    units = list(range(10))
    assert fanout(draw, units, seed=4, address="local") == fanout(draw, units, seed=4, workers=1)
    with pytest.raises(UnitFailed, match="unit 3"):
        fanout(fail_at_three, units, address="local")
