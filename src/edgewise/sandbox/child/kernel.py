"""Linux system calls that Python 3.11 has no function for, through libc and ctypes."""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False  # as typing.TYPE_CHECKING, without the import
if TYPE_CHECKING:
    from typing import Any

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x0002_0000, 0x0400_0000, 0x0800_0000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x1000_0000, 0x2000_0000, 0x4000_0000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2

PR_SET_DUMPABLE, PR_GET_SECCOMP, PR_SET_SECCOMP, PR_CAPBSET_DROP = 4, 21, 22, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 36, 38, 39, 47
SECCOMP_MODE_FILTER = 2
MOUNT_SETATTR = 442  # the same number on every architecture
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
CAPABILITY_VERSION_3 = 0x2008_0522


LIBC = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def unshare(flags: int) -> None:
    """Move this process into new namespaces (for a PID namespace: its next children)."""
    _check(LIBC.unshare(ctypes.c_int(flags)), f"unshare({flags:#x})")


def mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """mount(2)."""
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    _check(LIBC.mount(*encoded[:3], ctypes.c_ulong(flags), encoded[3]), f"mount {target}")


def bind_read_only(source: str, target: str, flags: int) -> None:
    """Show ``source`` at ``target``, read-only with all that is mounted below it.

    ``flags`` are further MS_* restrictions. Flags that the mount already has are kept, as a user namespace requires.
    """
    mount(source, target, None, MS_BIND | MS_REC)
    # struct mount_attr: attr_set, attr_clr, propagation, userns_fd. MOUNT_ATTR_RDONLY.. are MS_RDONLY.. for 1, 2, 4, 8.
    attributes = (ctypes.c_uint64 * 4)(MS_RDONLY | flags, 0, 0, 0)
    arguments = (ctypes.c_int(AT_FDCWD), os.fsencode(target), ctypes.c_uint(AT_RECURSIVE), ctypes.byref(attributes))
    result = LIBC.syscall(ctypes.c_long(MOUNT_SETATTR), *arguments, ctypes.c_size_t(ctypes.sizeof(attributes)))
    _check(result, f"make {target} read-only (mount_setattr, Linux 5.12)")


def pivot_into(directory: str) -> None:
    """Make ``directory``, a mount point, the root of the mount namespace and let go of the old root."""
    os.chdir(directory)
    # pivot_root(".", ".") puts the old root on top of the new one, from where it is detached.
    _check(LIBC.pivot_root(b".", b"."), "pivot_root")
    _check(LIBC.umount2(b".", ctypes.c_int(MNT_DETACH)), "umount2 of the old root")
    os.chdir("/")


def prctl(option: int, value: int = 0, third: Any = 0) -> int:
    """prctl(2) with up to two arguments after the option; the others are 0."""
    third = third if isinstance(third, ctypes._SimpleCData) else ctypes.c_ulong(third)
    result = LIBC.prctl(ctypes.c_int(option), ctypes.c_ulong(value), third, ctypes.c_ulong(0), ctypes.c_ulong(0))
    return _check(result, f"prctl({option})")


def set_host_name(name: str) -> None:
    """Set the host name of the UTS namespace."""
    encoded = name.encode()
    _check(LIBC.sethostname(encoded, ctypes.c_size_t(len(encoded))), "sethostname")


def drop_capabilities() -> None:
    """Give up every capability for good, also for programs that are executed later."""
    prctl(PR_CAP_AMBIENT, 4)  # PR_CAP_AMBIENT_CLEAR_ALL
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            # EINVAL: past the newest capability. EPERM: an ordinary user, whose empty set no_new_privs keeps empty.
            break
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _check(LIBC.capset(ctypes.byref(header), ctypes.byref(nothing)), "capset")


class _FilterProgram(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install_filter(filter_bytes: bytes) -> None:
    """Put a seccomp filter in force for this process and all that descend from it. Needs no_new_privs."""
    buffer = ctypes.create_string_buffer(filter_bytes, len(filter_bytes))
    program = _FilterProgram(len(filter_bytes) // 8, ctypes.addressof(buffer))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_void_p(ctypes.addressof(program)))
