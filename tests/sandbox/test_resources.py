"""Programs that take more than their share: memory, processes, disk, output."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from edgewise.sandbox import Limits, run_python_sync

MEBIBYTE = 1 << 20


def test_memory_bomb(driver: Any) -> None:
    done = driver.run("x = []\nwhile True: x.append(bytearray(10_000_000))", limits=Limits(memory_mb=256))
    assert done.status == "memory"


def test_memory_bomb_by_many_processes(driver: Any) -> None:
    """Each stays under its own limit; together they do not."""
    source = """
import os, time
for _ in range(6):
    if os.fork() == 0:
        x = bytearray(60_000_000)
        for i in range(0, len(x), 4096): x[i] = 1
        time.sleep(60)
time.sleep(60)"""
    started = time.monotonic()
    done = driver.run(source, limits=Limits(memory_mb=128))
    assert done.status == "memory" and time.monotonic() - started < 9


def test_memory_that_no_limit_counts_is_refused(driver: Any) -> None:
    done = driver.run("import os; os.memfd_create('x')")
    assert done.status == "error" and "PermissionError" in done.stderr


def test_fork_bomb(driver: Any) -> None:
    """The bomb fails to fork, nothing of it is left, and this machine can start processes at any time."""
    source = """
import os
refused = 0
while refused < 50:
    try:
        if os.fork() == 0: refused = 0
    except BlockingIOError: refused += 1
print("refused", flush=True)
while True: pass"""
    done = driver.run(source, limits=Limits(wall_seconds=1, processes=8))
    assert done.status == "timeout" and 1 <= done.stdout.count("refused") <= 8
    assert subprocess.run(["true"], check=True).returncode == 0


def test_number_of_processes(driver: Any) -> None:
    source = """
import os, time
made = 0
try:
    while True:
        if os.fork() == 0: time.sleep(60)
        made += 1
except BlockingIOError: print(made)"""
    made = int(driver.run(source, limits=Limits(processes=5)).stdout)
    # Under Landlock the limit counts all of the user's processes, so it is exact only if he starts no other meanwhile.
    assert made == 4 or (driver.recipe == "landlock" and 2 <= made <= 6)


def test_endless_output(driver: Any) -> None:
    for stream in ("stdout", "stderr"):
        started = time.monotonic()
        done = driver.run(f"import sys\nwhile True: sys.{stream}.write('x' * 1000)", limits=Limits(output_kb=10))
        assert (done.status, done.truncated, done.exit_code) == ("output", True, None)
        assert getattr(done, stream) == "x" * 10 * 1024 and time.monotonic() - started < 5


def test_output_limit_is_exact() -> None:
    for size, status in ((10 * 1024, "ok"), (10 * 1024 + 1, "output")):
        done = run_python_sync(f"import os; os.write(1, b'x' * {size})", limits=Limits(output_kb=10))
        assert (done.status, len(done.stdout), done.truncated) == (status, 10 * 1024, status == "output")


def test_parent_memory_stays_flat() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run_python_sync("import os\nwhile True: os.write(1, b'x' * 1000000)")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


def test_huge_file(driver: Any) -> None:
    source = "f = open('big', 'wb')\nfor _ in range(100): f.write(b'x' * 1000000)"
    done = driver.run(source, limits=Limits(file_mb=4))
    assert done.status == "error" and "OSError" in done.stderr
    sparse = driver.run("open('big', 'wb').truncate(10**12)", limits=Limits(file_mb=4))
    assert sparse.status == "error"


def test_many_files_have_a_common_limit() -> None:
    source = "for i in range(100): open(str(i), 'wb').write(b'x' * 1000000)"
    done = run_python_sync(source, limits=Limits(file_mb=4))
    assert done.status == "error" and "No space left" in done.stderr


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: Any) -> None:
    """Whatever the program leaves, the temporary directory is empty afterwards."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    source = "import os\nos.makedirs('a/b'); open('a/b/c', 'w'); os.chmod('a/b', 0o500); os.chmod('a', 0)"
    assert run_python_sync(source).status == "ok"
    assert run_python_sync("while True: pass", limits=Limits(wall_seconds=0.3)).status == "timeout"
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_behind_by_an_ordinary_user(driver: Any) -> None:
    """The Landlock recipe uses a directory of the host, which must go with read-only and very deep contents."""
    source = """
import os
home = os.getcwd()
print(home)
os.mkdir('locked'); open('locked/file', 'w')
fd = os.open('locked', os.O_RDONLY); os.fchmod(fd, 0o000)
for _ in range(1500): os.mkdir('d'); os.chdir('d')
"""
    done = driver.run(source)
    assert done.status == "ok", done.stderr
    assert not Path(done.stdout.strip()).exists()
    assert sys.getrecursionlimit() <= 1500
