"""Refusal, fallback, concurrency, cancellation: what the parent's side promises."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import psutil
import pytest

import edgewise
from edgewise.core.errors import Unsupported
from edgewise.sandbox import (
    Cancellation,
    Cancelled,
    Limits,
    run,
    run_python,
    run_python_sync,
    sandbox_available,
    spawn,
)
from support.user import AS_ORDINARY_USER

LONG = "import time\nprint('up', flush=True)\ntime.sleep(300)"
SOURCES = str(Path(edgewise.__file__).parents[1])


def children() -> set[int]:
    """Processes below this one: sandboxes, and what libraries that other tests used keep running."""
    return {child.pid for child in psutil.Process().children(recursive=True)}


def gone(what: Any, seconds: float = 5) -> bool:
    """Whether ``what()`` becomes empty soon."""
    limit = time.monotonic() + seconds
    while what() and time.monotonic() < limit:
        time.sleep(0.02)
    return not what()


def test_report() -> None:
    report = sandbox_available()
    assert report.available and report.isolation == "namespaces" and report.seconds is not None
    assert {layer.name for layer in report.layers if layer.active} >= {"namespaces", "mount tree", "seccomp", "rlimits"}
    assert not set(report.missing) - {"landlock"}


def test_refusal(monkeypatch: Any) -> None:
    monkeypatch.setattr(run, "recipes", lambda: ())
    with pytest.raises(Unsupported, match="cannot isolate"):
        run_python_sync("print(1)")
    done = run_python_sync("print(1)", allow_unsandboxed=True)
    assert (done.status, done.stdout, done.isolation) == ("ok", "1\n", "none")


def test_unsandboxed_still_has_limits_and_ends_everything(monkeypatch: Any) -> None:
    monkeypatch.setattr(run, "recipes", lambda: ())
    mark = uuid.uuid4().hex
    source = f"import os, sys\nif os.fork() == 0:\n  os.setsid()\n  os.execv(sys.executable, [sys.executable, '-S', '-c', 'import time; time.sleep(99)', '{mark}'])\nx = bytearray(10**9)"
    done = run_python_sync(source, allow_unsandboxed=True)
    assert done.status == "memory"
    assert gone(lambda: [p for p in Path("/proc").glob("[0-9]*/cmdline") if mark.encode() in _read(p)])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


BLOCKED = """
import sys
from edgewise.sandbox import run_python_sync, sandbox_available, seccomp
from edgewise.sandbox.child import kernel
names = sys.argv[1].split(",")
seccomp.REFUSED, seccomp.SIGNALS, seccomp.METADATA = (), (), ()
seccomp.NEW_NAMESPACES = 0
numbers = {"landlock": (444, 444), "prctl": (157, 167)}
from edgewise.sandbox import syscalls
syscalls.NUMBERS.update(numbers)
full = (*(n for n in names),)
body = seccomp.instructions(__import__("platform").machine(), refuse_signals=False, refuse_metadata=False)[:4]
for name in full:
    body += [(seccomp.JUMP_EQUAL, 0, 1, syscalls.number(name, __import__("platform").machine())), (6, 0, 0, 0x50001)]
body += [(6, 0, 0, seccomp.ALLOW)]
import struct
kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
kernel.install_filter(b"".join(struct.pack("<HBBI", *i) for i in body))
import importlib
importlib.reload(seccomp)
try: print("ran", run_python_sync("print(open('/etc/passwd').read())").isolation)
except Exception as error: print(type(error).__name__, error)
print(sandbox_available().isolation)
"""


@pytest.mark.parametrize(
    ("blocked", "isolation"),
    [("unshare", "landlock"), ("mount", "landlock"), ("landlock", "namespaces"), ("unshare,landlock", None)],
)
def test_recipes_on_lesser_machines(blocked: str, isolation: str | None) -> None:
    """A kernel that refuses a layer's system call: the next recipe is taken whole, or the run is refused."""
    import sysconfig

    python = f"/usr/bin/python3.{sys.version_info[1]}"
    if os.geteuid() != 0 or not Path(python).exists():
        python = sys.executable
    paths = f"{SOURCES}:{sysconfig.get_path('purelib')}"
    done = subprocess.run(
        [python, "-B", "-c", BLOCKED, blocked], env={"PYTHONPATH": paths}, cwd="/", capture_output=True, text=True,
        timeout=60, **AS_ORDINARY_USER,
    )  # fmt: skip
    first, last = done.stdout.splitlines()[0], done.stdout.splitlines()[-1]
    if isolation is None:
        assert first.startswith("Unsupported") and last == "None", done
    else:
        assert (first, last) == (f"ran {isolation}", isolation), done


def test_set_up_failure_never_runs_the_program(tmp_path: Path, monkeypatch: Any) -> None:
    """A plan that the child cannot carry out: nothing is executed, under no recipe."""
    target = tmp_path / "ran"
    real = run.make_plan

    def broken(*arguments: Any) -> Any:
        plan = real(*arguments)
        plan.filters = dict.fromkeys(plan.filters, b"")  # an empty filter is refused by the kernel
        return plan

    monkeypatch.setattr(run, "make_plan", broken)
    with pytest.raises(Unsupported, match="prctl"):
        run_python_sync(f"open({str(target)!r}, 'w')")

    def lenient(*arguments: Any) -> Any:
        plan = real(*arguments)
        allow_all = bytes.fromhex("060000000000ff7f")
        plan.filters = dict.fromkeys(plan.filters, allow_all)
        return plan

    monkeypatch.setattr(run, "make_plan", lenient)
    with pytest.raises(Unsupported, match="lets a socket through"):
        run_python_sync(f"open({str(target)!r}, 'w')")
    assert not target.exists()


def test_child_that_dies_in_set_up(monkeypatch: Any) -> None:
    monkeypatch.setattr(spawn, "STARTER", "import sys; sys.exit(0)")
    with pytest.raises(Unsupported, match="before it was ready"):
        run_python_sync("print(1)")


def test_many_at_once() -> None:
    async def everything() -> list[Any]:
        return await asyncio.gather(
            *(run_python(f"print({i} ** 2)", limits=Limits(wall_seconds=30)) for i in range(50))
        )

    results = asyncio.run(everything())
    assert [(r.status, r.stdout) for r in results] == [("ok", f"{i**2}\n") for i in range(50)]


def test_cancelling_the_task(tmp_path: Path, monkeypatch: Any) -> None:
    """The program is dead and its directory gone when the cancellation is through."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = children()

    async def cancelled() -> float:
        task = asyncio.create_task(run_python(LONG, limits=Limits(wall_seconds=60)))
        await asyncio.sleep(0.5)
        assert children() - before and list(tmp_path.iterdir())
        started = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - started

    assert asyncio.run(cancelled()) < 2
    assert list(tmp_path.iterdir()) == [] and gone(lambda: children() - before)


def test_timeout_of_asyncio() -> None:
    async def limited() -> None:
        async with asyncio.timeout(0.4):
            await run_python(LONG, limits=Limits(wall_seconds=60))

    with pytest.raises(TimeoutError):
        asyncio.run(limited())


def test_cancelling_from_another_thread() -> None:
    cancellation = Cancellation()
    timer = threading.Timer(0.4, cancellation.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        run_python_sync(LONG, limits=Limits(wall_seconds=60), cancellation=cancellation)
    timer.join()
    cancellation.close()


@pytest.mark.parametrize(("number", "cleans"), [(signal.SIGINT, True), (signal.SIGKILL, False)])
def test_parent_that_ends(tmp_path: Path, number: int, cleans: bool) -> None:
    """Ctrl-C ends the program and cleans up; even a killed parent leaves no process behind."""
    mark = uuid.uuid4().hex
    program = f"""
        import sys, tempfile
        tempfile.tempdir = {str(tmp_path)!r}
        from edgewise.sandbox import Limits, run_python_sync
        child = "import os, sys; os.execv(sys.executable, [sys.executable, '-S', '-c', 'import time; time.sleep(300)', '{mark}'])"
        run_python_sync(child, limits=Limits(wall_seconds=60))
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program), "parent"], env={"PYTHONPATH": SOURCES},
                              stderr=subprocess.DEVNULL)  # fmt: skip

    def running() -> list[Path]:
        lines = [(path, _read(path)) for path in Path("/proc").glob("[0-9]*/cmdline")]
        return [path for path, line in lines if mark.encode() in line and b"parent" not in line]

    limit = time.monotonic() + 10
    while not running() and time.monotonic() < limit:
        time.sleep(0.05)
    assert running()
    parent.send_signal(number)
    parent.wait(10)
    assert gone(running)
    assert not cleans or list(tmp_path.iterdir()) == []
