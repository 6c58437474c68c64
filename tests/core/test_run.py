"""A run is a folder: locked while written, checked when read, and clear about what is wrong with it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from edgewise.core.errors import CorruptRecord, RunError, RunLocked
from edgewise.core.profile import Profile
from edgewise.core.run import Run

TABLE = pa.table({"item": ["a", "b"], "score": [0.5, 1.0]})


def make(path: Path) -> Run:
    return Run.create(path, "test", {"depth": 1}, seed=3, model={"name": "m"})


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    with make(tmp_path / "r") as run:
        run.write_table("responses", TABLE)
        run.write_profile(Profile(model="m", panels={}))
        assert run.status() == "running"
        run.finish("complete", usage={"calls": 1})
    reader = Run.open(tmp_path / "r")
    assert reader.manifest.config == {"depth": 1} and reader.seed == 3 and reader.manifest.versions["edgewise"]
    assert reader.read_table("responses").equals(TABLE)
    assert reader.read_profile() == Profile(model="m", panels={})
    assert reader.status() == "complete" and not reader.is_locked()
    with pytest.raises(RunError, match="reading only"):
        reader.events.append("x", {})


def test_random_numbers_depend_on_their_place_alone(tmp_path: Path) -> None:
    with make(tmp_path / "r") as run:
        first = run.rng("a", 1).random(4)
        run.rng("b").random(100)
        assert np.array_equal(run.rng("a", 1).random(4), first)
        assert not np.array_equal(run.rng("a", "1").random(4), first)
    with Run.create(tmp_path / "other", "test", {}, seed=4) as run:
        assert not np.array_equal(run.rng("a", 1).random(4), first)


def test_work_is_done_once(tmp_path: Path) -> None:
    done: list[int] = []

    async def work() -> dict[str, int]:
        done.append(1)
        await asyncio.sleep(0)
        return {"v": 1}

    async def fails() -> dict[str, int]:
        done.append(2)
        raise ZeroDivisionError

    async def go(run: Run) -> None:
        assert await asyncio.gather(*(run.once("k", work) for _ in range(3))) == [{"v": 1}] * 3
        with pytest.raises(ZeroDivisionError):
            await run.once("broken", fails)

    for _ in range(2):
        with Run.open(tmp_path / "r", writable=True) if (tmp_path / "r").exists() else make(tmp_path / "r") as run:
            asyncio.run(go(run))
    assert done == [1, 2, 2]


def hold(path: str, ready: object, release: object) -> None:
    with Run.open(path, writable=True):
        ready.set()  # type: ignore[attr-defined]
        release.wait(20)  # type: ignore[attr-defined]


def test_two_processes_on_one_run(tmp_path: Path) -> None:
    make(tmp_path / "r").close()
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    process = context.Process(target=hold, args=(str(tmp_path / "r"), ready, release))
    process.start()
    try:
        assert ready.wait(30)
        with pytest.raises(RunLocked, match=rf"pid {process.pid}"):
            Run.open(tmp_path / "r", writable=True)
        with pytest.raises(RunLocked):
            Run.repair(tmp_path / "r")
        assert Run.open(tmp_path / "r").is_locked()  # reading is fine
    finally:
        release.set()
        process.join()
    Run.open(tmp_path / "r", writable=True).close()


def test_wrong_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run here"):
        Run.open(tmp_path)
    make(tmp_path / "r").close()
    with pytest.raises(RunError, match="already holds a run"):
        make(tmp_path / "r")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("precious")
    with pytest.raises(RunError, match="not empty"):
        make(tmp_path / "full")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="file"):
        make(tmp_path / "file" / "r")
    (tmp_path / "r" / "manifest.json").write_text("{")
    with pytest.raises(CorruptRecord) as caught:
        Run.open(tmp_path / "r")
    assert str(tmp_path / "r" / "manifest.json") in str(caught.value)


def test_missing_and_changed_tables(tmp_path: Path) -> None:
    with make(tmp_path / "r") as run:
        run.write_table("responses", TABLE)
        path = run.table_path("responses")
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        with pytest.raises(CorruptRecord, match="digest") as caught:
            run.read_table("responses")
        assert caught.value.where == str(path)
        path.unlink()
        with pytest.raises(RunError, match="missing"):
            run.read_table("responses")
        run.write_table("responses", TABLE)
        assert run.read_table("responses").equals(TABLE)
    with pytest.raises(RunError, match="no profile"):
        Run.open(tmp_path / "r").read_profile()


def test_progress_is_written_sparingly(tmp_path: Path) -> None:
    with make(tmp_path / "r") as run:
        for i in range(1, 1001):
            run.progress("competence", i, 1000)
        events = [e.data for e in run.events.read("progress")]
    assert len(events) <= 4 and events[-1] == {"instrument": "competence", "done": 1000, "total": 1000}


def test_a_folder_we_may_not_write(tmp_path: Path) -> None:
    """As an ordinary user, since root may write anywhere."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    for parent in [tmp_path, *tmp_path.parents][:3]:
        parent.chmod(parent.stat().st_mode | 0o055)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        if os.getuid() == 0:
            os.setresuid(65534, 65534, 65534)
        try:
            make(locked / "r")
        except RunError as error:
            os.write(writer, str(error).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    message = os.read(reader, 4096).decode()
    os.close(reader)
    assert "permission denied" in message and "--out" in message and str(locked) in message


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
def test_a_real_full_disk(tmp_path: Path) -> None:
    """On a tmpfs of 256 KiB: a clear error, and what was durable before is still there."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(disk)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        with make(disk / "r") as run:
            kept = 0
            with pytest.raises(RunError, match="disk is full") as caught:
                for i in range(200):
                    run.events.append("unit", {"i": i, "text": "x" * 4000}, key=str(i))
                    kept += 1
            assert "resume" in str(caught.value)
            with pytest.raises(RunError, match="disk is full"):
                run.write_table("big", pa.table({"x": np.random.default_rng(0).random(50_000)}))
        assert [e.data["i"] for e in Run.open(disk / "r", writable=True).events.read("unit")] == list(range(kept))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)
