"""The seccomp filter: a BPF program that refuses system calls which lead out of the sandbox.

Classic BPF as in seccomp(2). Whatever is not refused here is allowed, because the program already sits in its own
namespaces or under Landlock; the filter takes away the calls with which either is left or the kernel is attacked.
"""

from __future__ import annotations

import errno
import struct

from edgewise.sandbox.syscalls import NEWEST, number

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x4000_0000

KILL_PROCESS = 0x8000_0000
ERRNO = 0x0005_0000
ALLOW = 0x7FFF_0000

LOAD, JUMP_EQUAL, JUMP_GREATER_EQUAL, JUMP_ANY_BIT, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
OFFSET_NUMBER, OFFSET_ARCH, OFFSET_ARGS = 0, 4, 16

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant

REFUSED = (
    # other processes' memory and file descriptors
    "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "pidfd_open", "process_madvise",
    "process_mrelease", "migrate_pages", "move_pages",
    # mounts, roots and namespaces
    "mount", "umount2", "pivot_root", "chroot", "fsopen", "fsconfig", "fsmount", "fspick", "move_mount", "open_tree",
    "mount_setattr", "unshare", "setns", "open_by_handle_at", "name_to_handle_at",
    # wide kernel interfaces that ordinary programs do without
    "bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "io_uring_setup", "io_uring_enter",
    "io_uring_register", "seccomp", "fanotify_init", "inotify_init", "inotify_init1", "lookup_dcookie", "personality",
    # administration of the machine
    "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff",
    "sethostname", "setdomainname", "iopl", "ioperm", "modify_ldt", "quotactl", "quotactl_fd", "acct", "syslog",
    "settimeofday", "adjtimex", "clock_settime", "clock_adjtime", "vhangup", "uselib", "sysfs", "_sysctl", "nfsservctl",
    # memory that no rlimit counts
    "memfd_create", "memfd_secret", "shmget", "shmat", "shmctl", "msgget", "msgctl", "semget", "semctl", "mq_open",
    "mq_unlink",
    # every socket except a connected pair
    "socket", "connect", "bind", "listen", "accept", "accept4",
)  # fmt: skip

# Without a PID namespace these reach every process of the same user.
SIGNALS = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal")

# Landlock does not govern metadata, so without a private mount tree these reach every file of the same user.
METADATA = (
    "chmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchownat", "utime", "utimes", "futimesat", "utimensat",
    "setxattr", "lsetxattr", "removexattr", "lremovexattr",
)  # fmt: skip

# CLONE_NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, NEWNS.
NEW_NAMESPACES = 0x0200_0000 | 0x0400_0000 | 0x0800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000 | 0x0002_0000
SOCK_TYPE_MASK, SOCK_STREAM, AF_UNIX = 0xF, 1, 1
# F_SETOWN, F_SETSIG, F_SETOWN_EX: aim a signal of the kernel's at any process of the same user.
FCNTL_REFUSED = (8, 10, 15)
# TIOCSTI and TIOCLINUX type into a terminal; FIOSETOWN and SIOCSPGRP are F_SETOWN by another name.
IOCTL_REFUSED = (0x5412, 0x541C, 0x8901, 0x8902)


def _refuse(code: int) -> Instruction:
    return (RETURN, 0, 0, ERRNO | code)


def _argument(index: int) -> Instruction:
    """Load the low 32 bits of an argument (both architectures are little-endian)."""
    return (LOAD, 0, 0, OFFSET_ARGS + 8 * index)


def _when(name: str, architecture: str, body: list[Instruction]) -> list[Instruction]:
    """Run ``body`` if the call is ``name``. The accumulator holds the number; ``body`` must end in a return."""
    call = number(name, architecture)
    if call is None:
        return []
    return [(JUMP_EQUAL, 0, len(body), call), *body]


def _only_if_zero(*indices: int) -> list[Instruction]:
    """Allow the call only if each of the arguments is 0, which means the caller itself."""
    body: list[Instruction] = []
    for index in indices:
        body += [_argument(index), (JUMP_EQUAL, 1, 0, 0), _refuse(errno.EPERM)]
    return [*body, (RETURN, 0, 0, ALLOW)]


def _unless_among(index: int, values: tuple[int, ...]) -> list[Instruction]:
    body: list[Instruction] = [_argument(index)]
    for value in values:
        body += [(JUMP_EQUAL, 0, 1, value), _refuse(errno.EPERM)]
    return [*body, (RETURN, 0, 0, ALLOW)]


def instructions(architecture: str, *, refuse_signals: bool, refuse_metadata: bool) -> list[Instruction]:
    """The filter as a list of BPF instructions.

    Args:
        architecture: ``"x86_64"`` or ``"aarch64"`` (``platform.machine()``).
        refuse_signals: Also refuse to send signals; for use without a PID namespace.
        refuse_metadata: Also refuse to change modes, owners, times and attributes by path; for use without a
            private mount tree.
    """
    allow: Instruction = (RETURN, 0, 0, ALLOW)
    eperm = _refuse(errno.EPERM)
    # A call made through another architecture's entry (int 0x80) has other numbers: no honest program does that.
    program: list[Instruction] = [
        (LOAD, 0, 0, OFFSET_ARCH),
        (JUMP_EQUAL, 1, 0, AUDIT_ARCH[architecture]),
        (RETURN, 0, 0, KILL_PROCESS),
        (LOAD, 0, 0, OFFSET_NUMBER),
    ]
    if architecture == "x86_64":
        program += [(JUMP_ANY_BIT, 0, 1, X32_BIT), (RETURN, 0, 0, KILL_PROCESS)]
    program += [(JUMP_GREATER_EQUAL, 0, 1, NEWEST + 1), _refuse(errno.ENOSYS)]

    refused = REFUSED + (SIGNALS if refuse_signals else ()) + (METADATA if refuse_metadata else ())
    for name in refused:
        program += _when(name, architecture, [eperm])

    # The flags of clone3 lie in memory, where a filter cannot look; libc falls back to clone on ENOSYS.
    program += _when("clone3", architecture, [_refuse(errno.ENOSYS)])
    namespaces_refused: list[Instruction] = [_argument(0), (JUMP_ANY_BIT, 0, 1, NEW_NAMESPACES), eperm, allow]
    program += _when("clone", architecture, namespaces_refused)
    # Only a stream pair: a datagram pair can still send to any address.
    pair: list[Instruction] = [
        _argument(0),
        (JUMP_EQUAL, 1, 0, AF_UNIX),
        eperm,
        _argument(1),
        (AND, 0, 0, SOCK_TYPE_MASK),
        (JUMP_EQUAL, 1, 0, SOCK_STREAM),
        eperm,
        allow,
    ]
    program += _when("socketpair", architecture, pair)
    program += _when("fcntl", architecture, _unless_among(1, FCNTL_REFUSED))
    program += _when("ioctl", architecture, _unless_among(1, IOCTL_REFUSED))
    for name in ("prlimit64", "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr"):
        program += _when(name, architecture, _only_if_zero(0))
    for name in ("setpriority", "ioprio_set"):
        # ioprio_set names "this process" 1, setpriority 0; nobody needs either for others.
        program += _when(name, architecture, _only_if_zero(0, 1) if name == "setpriority" else [eperm])
    return [*program, allow]


def build_filter(architecture: str, *, refuse_signals: bool, refuse_metadata: bool) -> bytes:
    """The filter as an array of ``struct sock_filter``; arguments as for ``instructions``."""
    program = instructions(architecture, refuse_signals=refuse_signals, refuse_metadata=refuse_metadata)
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)
