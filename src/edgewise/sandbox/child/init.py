"""The first process of the sandbox: prepares the file tree, starts the program, reaps orphans, ends all of them."""

# ruff: noqa: SIM105 - see the package's docstring
from __future__ import annotations

import os
import select
import signal

from edgewise.sandbox.child import kernel, mounts, processes, program
from edgewise.sandbox.child.identity import leave_root
from edgewise.sandbox.child.messages import describe, report
from edgewise.sandbox.child.plan import Plan

TYPE_CHECKING = False  # as typing.TYPE_CHECKING, without the import
if TYPE_CHECKING:
    from collections.abc import Callable


def run_init(plan: Plan, *, run: int, still_root: bool, control: int, status: int, leash: int) -> None:
    """Carry out a plan whose namespaces were entered already, as process 1 of the PID namespace if there is one.

    Args:
        plan: The run.
        run: The supervisor's process id.
        still_root: Whether to leave root.
        control: Pipe from the parent, handed on to the program's process.
        status: Pipe to the parent.
        leash: Pipe from the supervisor; at its end, everything here ends.
    """
    work = prepare(plan, run, still_root)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    main = os.fork()
    if main == 0:
        in_child(status, lambda: program.become_program(plan, work, still_root, control, status))
    os.close(control)
    # The program's pipes must close when it ends, not when this process does.
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    exit_status, cpu_seconds = wait_for(main, woken, leash)
    if plan.recipe != "namespaces":
        end_all(main)
    # With a PID namespace the kernel kills all that is left in it when this process ends.
    report(status, stage="exit", wait_status=exit_status, cpu=round(cpu_seconds, 3))


def in_child(status: int, work: Callable[[], None]) -> None:
    """Run ``work`` in a forked process and end it whatever happens; an error is reported, never passed over."""
    try:
        work()
    except BaseException as error:
        try:
            report(status, stage="failed", error=describe(error))
        except OSError:
            pass
        os._exit(1)
    os._exit(0)


def prepare(plan: Plan, run: int, still_root: bool) -> str:
    """Mount tree or plain directory, with the program's files in it, current; returns its path."""
    if plan.recipe == "namespaces":
        kernel.unshare(kernel.CLONE_NEWNS)
        mounts.build_root(plan)
        kernel.set_host_name("sandbox")
        work = mounts.WORK
    else:
        work = plan.base
        if plan.recipe == "landlock" and not processes.children_listed():
            raise OSError("/proc does not list children, so escaped processes could not be found")
    if still_root:
        leave_root(run, work)
    if plan.recipe != "none":
        # /proc/<this>/mem, environ and fd are then closed to other processes of the same user.
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    if plan.recipe == "landlock":
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    elif plan.recipe == "none":
        try:
            kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        except (OSError, AttributeError):
            pass
    os.umask(0o022)
    os.chdir(work)
    program.place_files(plan, work)
    return work


def wait_for(main: int, woken: int, leash: int) -> tuple[int | None, float]:
    """Wait for the program or for the pull of the leash, reaping orphans on the way.

    Returns:
        Wait status of the program (``None`` if the leash was pulled) and the processor seconds that it used.
    """
    poll = select.poll()
    poll.register(woken, select.POLLIN)
    poll.register(leash, 0)
    while True:
        while True:
            try:
                process, exit_status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return None, 0.0
            if process == main:
                return exit_status, usage.ru_utime + usage.ru_stime
            if process == 0:
                break
        for descriptor, _ in poll.poll():
            if descriptor == leash:
                try:
                    os.kill(main, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                return None, 0.0
            os.read(woken, 4096)


def end_all(main: int) -> None:
    """End every process of the run where no PID namespace does it."""
    try:
        os.killpg(main, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    if processes.children_listed():
        processes.end_descendants()
