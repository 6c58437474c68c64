"""Who the sandboxed processes are: never root, and under root a user id of their own per run."""

from __future__ import annotations

import os

from edgewise.sandbox.child import kernel

NOBODY = 65534
# Far above any account. One id per run, so that two runs cannot signal each other and RLIMIT_NPROC counts them apart.
FIRST_FREE_ID = 0x6000_0000

OTHER_NAMESPACES = kernel.CLONE_NEWPID | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS


def leave_root(run: int, owned: str) -> None:
    """Change from root to a user without an account, and give it the directory ``owned``.

    Args:
        run: A number that differs between concurrent runs (the supervisor's process id).
        owned: Directory whose owner becomes that user.
    """
    os.setgroups([])
    for identity in (FIRST_FREE_ID + run, NOBODY):
        try:
            os.chown(owned, identity, identity)
            os.setresgid(identity, identity, identity)
            os.setresuid(identity, identity, identity)
        except OSError:
            # A container may map only 65536 ids; then nobody has to do.
            if identity == NOBODY:
                raise
        else:
            return


def enter_namespaces(base: str) -> bool:
    """Enter new PID, network, IPC and UTS namespaces, through a user namespace where that is needed.

    Args:
        base: The throw-away directory, which must stay reachable.

    Returns:
        Whether the process is still root and has to leave root later.

    Raises:
        OSError: The kernel or its policy refuses.
    """
    if os.geteuid() == 0:
        try:
            kernel.unshare(OTHER_NAMESPACES)
        except PermissionError:
            # Root of a container without CAP_SYS_ADMIN: go on as an ordinary user, who may be allowed a user namespace.
            leave_root(os.getpid(), base)
            # Changing the user hid /proc/self from ourselves, where the id maps are written below.
            kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
        else:
            return True
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(kernel.CLONE_NEWUSER | OTHER_NAMESPACES)
    # The kernel takes a group map from an ordinary user only once setgroups is denied.
    for name, line in (("setgroups", "deny"), ("uid_map", f"{NOBODY} {user} 1"), ("gid_map", f"{NOBODY} {group} 1")):
        opened = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(opened, line.encode())
        os.close(opened)
    return False
