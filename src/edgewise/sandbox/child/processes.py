"""Looking after descendants through /proc: how much memory they hold, and ending all of them."""

# ruff: noqa: PTH110, PTH116, PTH123, PTH208, SIM105 - see the package's docstring
from __future__ import annotations

import os
import time

SIGKILL = 9


def children_listed() -> bool:
    """Whether the kernel lists children in /proc (CONFIG_PROC_CHILDREN), which the functions here rely on."""
    return os.path.exists(f"/proc/self/task/{os.getpid()}/children")


def descendants(root: int) -> list[int]:
    """Process ids below ``root``, parents before children."""
    found: list[int] = []
    waiting = [root]
    while waiting:
        task = f"/proc/{waiting.pop()}/task"
        try:
            for thread in os.listdir(task):
                with open(f"{task}/{thread}/children") as file:
                    children = [int(child) for child in file.read().split()]
                found += children
                waiting += children
        except OSError:
            pass  # it has just ended
    return found


def resident_bytes(processes: list[int]) -> int:
    """Private and shared memory that the processes hold, files not counted, in bytes."""
    total = 0
    for process in processes:
        try:
            with open(f"/proc/{process}/status") as file:
                for line in file:
                    if line.startswith(("RssAnon:", "RssShmem:")):
                        total += int(line.split()[1]) * 1024
        except OSError:
            pass  # it has just ended
    return total


def end_descendants() -> None:
    """Kill and reap everything below this process, which must be a child subreaper.

    An orphan comes to the subreaper, so nothing can slip away; RLIMIT_NPROC bounds how many there are.
    """
    while True:
        for process in descendants(os.getpid()):
            try:
                os.kill(process, SIGKILL)
            except ProcessLookupError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            return
        time.sleep(0.001)


def tasks_of_user(user: int) -> int:
    """Threads that run under a user id, which is what RLIMIT_NPROC counts."""
    total = 0
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            try:
                if os.stat(f"/proc/{entry}").st_uid == user:
                    total += os.stat(f"/proc/{entry}/task").st_nlink - 2
            except OSError:
                pass
    return total
