"""Landlock: a kernel rule set that limits which files, ports and processes this process can reach (landlock(7))."""

from __future__ import annotations

import ctypes
import os
import stat

from edgewise.sandbox.child import kernel

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
MAKE_CHAR, MAKE_BLOCK, REFER, TRUNCATE, IOCTL_DEV = 1 << 6, 1 << 11, 1 << 13, 1 << 14, 1 << 15
BIND_TCP, CONNECT_TCP = 1 << 0, 1 << 1
SCOPE_ABSTRACT_SOCKET, SCOPE_SIGNAL = 1 << 0, 1 << 1

READ = EXECUTE | READ_FILE | READ_DIR
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV

# Before version 3 (Linux 6.2) a file outside could be cut to nothing; without a mount tree that is not enough.
MINIMUM_ALONE = 3
SCOPES_SIGNALS = 6


def version() -> int:
    """Version of Landlock's interface in this kernel, 0 where there is none."""
    result = kernel.LIBC.syscall(
        ctypes.c_long(CREATE_RULESET), ctypes.c_void_p(None), ctypes.c_size_t(0), ctypes.c_uint32(1)
    )
    return max(0, int(result))


def handled(abi: int) -> int:
    """All file accesses that this version can govern."""
    newest_bit = {1: 12, 2: 13, 3: 14, 4: 14}.get(abi, 15)
    return (1 << (newest_bit + 1)) - 1


def restrict(readable: list[tuple[str, bool]], writable: str, devices: list[str]) -> int:
    """Restrict this process for good. Needs no_new_privs.

    Args:
        readable: Paths to read and execute; true where a directory may only be listed. Missing paths are passed over.
        writable: Directory in which everything but device nodes may be made, changed and removed.
        devices: Device files to read and write.

    Returns:
        The version in force.

    Raises:
        OSError: The kernel lacks Landlock or refused.
    """
    abi = version()
    if abi < 1:
        raise OSError("this kernel has no Landlock")
    everything = handled(abi)
    network = BIND_TCP | CONNECT_TCP if abi >= 4 else 0
    scoped = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL if abi >= SCOPES_SIGNALS else 0
    attributes = bytes((ctypes.c_uint64 * 3)(everything, network, scoped))[: 8 if abi < 4 else 16 if abi < 6 else 24]
    ruleset = _call(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    try:
        for path, listing_only in readable:
            _allow(ruleset, path, (READ_DIR if listing_only else READ) & everything)
        for path in devices:
            _allow(ruleset, path, (READ_FILE | WRITE_FILE | TRUNCATE | IOCTL_DEV) & everything)
        _allow(ruleset, writable, everything & ~(MAKE_CHAR | MAKE_BLOCK | IOCTL_DEV))
        _call(RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)
    return abi


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            access &= ON_FILES
        rule = bytes(ctypes.c_uint64(access)) + bytes(ctypes.c_int32(opened))
        _call(ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint32(0))
    finally:
        os.close(opened)


def _call(number: int, *arguments: object) -> int:
    result = int(kernel.LIBC.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return result
