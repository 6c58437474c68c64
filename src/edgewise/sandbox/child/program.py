"""The last process before the program: puts every remaining layer on itself, waits for leave, and executes."""

# ruff: noqa: PTH103, PTH118, PTH120 - see the package's docstring
from __future__ import annotations

import ctypes
import errno
import os
import resource
import sys

from edgewise.sandbox.child import kernel, landlock, processes
from edgewise.sandbox.child.messages import describe, report
from edgewise.sandbox.child.plan import DEVICES, GO, Plan

MEBIBYTE = 1 << 20
STACK_BYTES = 8 * MEBIBYTE
OPEN_FILES = 256


def become_program(plan: Plan, work: str, left_root: bool, control: int, status: int) -> None:
    """Confine this process, say so to the parent, wait for its leave, and execute the program. Does not return.

    Args:
        plan: The run.
        work: The working directory, already current.
        left_root: Whether the run has a user id of its own.
        control: Pipe from the parent; one byte gives leave.
        status: Pipe to the parent.

    Raises:
        OSError: A layer that the recipe requires could not be put in force. The caller must end the process.
    """
    os.setsid()
    layers = {"session": "own session and process group", "environment": "empty", "directory": work}
    layers["rlimits"] = set_limits(plan, left_root)
    if plan.recipe != "none":
        layers["user"] = f"uid {os.getuid()}, no capabilities"
        kernel.drop_capabilities()
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        layers["no_new_privs"] = "set-uid programs gain nothing"
        if plan.recipe == "namespaces":
            layers["namespaces"] = "PID, network, IPC, UTS, mount"
            layers["mount tree"] = "interpreter and libraries read-only, one private tmpfs"
        scoped = restrict_files(plan, work, layers)
        # Landlock's system calls are still needed above, so the filter comes last.
        in_pid_namespace = plan.recipe == "namespaces"
        kernel.install_filter(plan.filters["scoped" if in_pid_namespace or scoped else "full"])
        layers["seccomp"] = f"{len(plan.filters['full']) // 8} instructions"
        check_in_force()
    # From here on the status pipe cannot reach the program: both pipes close on execution.
    os.set_inheritable(control, False)
    os.set_inheritable(status, False)
    report(status, stage="ready", layers=layers)
    if os.read(control, 1) != GO:
        os._exit(1)
    try:
        os.execve(plan.command[0], plan.command, {})  # noqa: S606 - an argument list, no shell
    except OSError as error:
        report(status, stage="not executed", error=f"{plan.command[0]}: {describe(error)}")
        os._exit(1)


def restrict_files(plan: Plan, work: str, layers: dict[str, str]) -> bool:
    """Put Landlock in force. With namespaces it is a second wall and may be absent; alone it must be there.

    Returns:
        Whether Landlock keeps signals inside.
    """
    if plan.recipe == "namespaces":
        readable = [(path, False) for path in plan.readable]
        if landlock.version() == 0:
            return False
    else:
        readable = plan.granted
        if landlock.version() < landlock.MINIMUM_ALONE:
            raise OSError(f"Landlock has version {landlock.version()}, at least {landlock.MINIMUM_ALONE} is needed")
    abi = landlock.restrict(readable, work, DEVICES)
    layers["landlock"] = f"version {abi}"
    return abi >= landlock.SCOPES_SIGNALS


def set_limits(plan: Plan, left_root: bool) -> str:
    """Set the resource limits of this process and its descendants; returns them in words."""
    if left_root:
        # The init process has the same user id, which nobody else has.
        processes_allowed = plan.processes + 1
    elif plan.recipe == "namespaces":
        # The supervisor and the init process are counted in the same user namespace.
        processes_allowed = plan.processes + 2
    elif sys.platform == "linux":
        # Without a namespace the kernel counts all that this user runs.
        processes_allowed = processes.tasks_of_user(os.getuid()) + plan.processes - 1
    else:
        processes_allowed = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    wanted = {
        "CPU": (plan.cpu_seconds, plan.cpu_seconds + 1),
        "AS": plan.memory_mb * MEBIBYTE,
        "FSIZE": plan.file_mb * MEBIBYTE,
        "NPROC": processes_allowed,
        "NOFILE": OPEN_FILES,
        # 1, not 0: the kernel pipes a dump to a host program even at 0 (core(5)), but not at 1.
        "CORE": 1,
        "STACK": STACK_BYTES,
        "MSGQUEUE": 0,
        "MEMLOCK": 0,
    }
    for name, value in wanted.items():
        number = getattr(resource, f"RLIMIT_{name}", None)
        if number is None:
            continue
        soft, hard = value if isinstance(value, tuple) else (value, value)
        ceiling = resource.getrlimit(number)[1]
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        try:
            resource.setrlimit(number, (soft, hard))
        except (OSError, ValueError):
            # macOS refuses RLIMIT_AS; where a recipe was asked for, every limit must hold.
            if plan.recipe != "none":
                raise
    return f"CPU, AS, FSIZE, NPROC {processes_allowed}, NOFILE, CORE, STACK, MSGQUEUE, MEMLOCK"


def check_in_force() -> None:
    """Ask the kernel whether the layers hold, rather than trust that the calls above meant it.

    Raises:
        OSError: One does not.
    """
    if os.getuid() == 0 or os.geteuid() == 0:
        raise OSError("still root")
    if kernel.prctl(kernel.PR_GET_NO_NEW_PRIVS) != 1:
        raise OSError("no_new_privs is not set")
    if kernel.prctl(kernel.PR_GET_SECCOMP) != kernel.SECCOMP_MODE_FILTER:
        raise OSError("seccomp is not in force")
    opened = kernel.LIBC.socket(2, 1, 0)
    if opened >= 0 or ctypes.get_errno() != errno.EPERM:
        raise OSError("the seccomp filter lets a socket through")


def place_files(plan: Plan, work: str) -> None:
    """Write the program's files into the working directory, as the program's user."""
    for name, content in plan.files.items():
        path = os.path.join(work, name)  # the parent has checked the names
        os.makedirs(os.path.dirname(path), exist_ok=True)
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with os.fdopen(opened, "wb") as file:
            file.write(content)
