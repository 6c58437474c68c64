"""The process that the parent starts: enters the namespaces, starts init, watches memory and the parent's life."""

from __future__ import annotations

import os
import select
import sys

from edgewise.sandbox.child import processes
from edgewise.sandbox.child.identity import enter_namespaces
from edgewise.sandbox.child.init import in_child, run_init
from edgewise.sandbox.child.messages import describe, report
from edgewise.sandbox.child.plan import HEADER, Plan
from edgewise.sandbox.child.program import MEBIBYTE

WATCH_MILLISECONDS = 50


def main() -> None:
    """Entry point: ``sys.argv`` holds the numbers of the control and status pipes."""
    control, status = int(sys.argv[1]), int(sys.argv[2])
    try:
        plan = read_plan(control)
        supervise(plan, control, status)
    except BaseException as error:
        report(status, stage="failed", error=describe(error))
        os._exit(1)
    os._exit(0)


def read_plan(control: int) -> Plan:
    """Read exactly the plan, as the byte after it is meant for another process."""
    size = int.from_bytes(read_exactly(control, HEADER), "big")
    return Plan.decode(read_exactly(control, size))


def read_exactly(descriptor: int, size: int) -> bytes:
    """Read ``size`` bytes or raise ``EOFError``."""
    parts: list[bytes] = []
    while size:
        part = os.read(descriptor, min(size, 1 << 20))
        if not part:
            raise EOFError("the parent has gone")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def supervise(plan: Plan, control: int, status: int) -> None:
    """Start init and stay until it has ended."""
    if plan.recipe == "namespaces":
        still_root = enter_namespaces(plan.base)
    else:
        still_root = plan.recipe == "landlock" and os.geteuid() == 0
    run = os.getpid()
    leash_end, leash = os.pipe()
    alive, alive_end = os.pipe()
    init = os.fork()
    if init == 0:
        os.close(leash)
        os.close(alive)
        in_child(
            status,
            lambda: run_init(plan, run=run, still_root=still_root, control=control, status=status, leash=leash_end),
        )
    os.close(leash_end)
    os.close(alive_end)
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    watch(plan, init, control, status, leash, alive)
    os.waitpid(init, 0)


def watch(plan: Plan, init: int, control: int, status: int, leash: int, alive: int) -> None:
    """Pull the leash when the parent closes the control pipe (or dies), or when memory runs over."""
    poll = select.poll()
    poll.register(control, 0)
    poll.register(alive, 0)
    tick = WATCH_MILLISECONDS if sys.platform == "linux" else None
    held = True
    while True:
        events = dict(poll.poll(tick))
        if alive in events:
            return
        over = False
        if not events:
            over = processes.resident_bytes(processes.descendants(init)) > plan.memory_mb * MEBIBYTE
            if over:
                report(status, stage="memory")
        if held and (over or control in events):
            held = False
            os.close(leash)
            tick = None
            poll.unregister(control)
