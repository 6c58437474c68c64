"""The filter as a program: interpreted instruction by instruction, for both architectures."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from edgewise.sandbox import seccomp
from edgewise.sandbox.syscalls import ARCHITECTURES, NEWEST, NUMBERS, number

ALLOW, EPERM, ENOSYS = seccomp.ALLOW, seccomp.ERRNO | errno.EPERM, seccomp.ERRNO | errno.ENOSYS


def verdict(architecture: str, call: int, *arguments: int, arch: int | None = None, **options: bool) -> int:
    """Run the filter on one system call."""
    chosen = {"refuse_signals": False, "refuse_metadata": False, **options}
    program = seccomp.instructions(architecture, **chosen)
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = {0: call, 4: arch if arch is not None else seccomp.AUDIT_ARCH[architecture]}
    data |= {16 + 8 * i: value & 0xFFFF_FFFF for i, value in enumerate(padded)}
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, constant = program[at]
        at += 1
        match code:
            case seccomp.LOAD:
                accumulator = data[constant]
            case seccomp.AND:
                accumulator &= constant
            case seccomp.RETURN:
                return constant
            case seccomp.JUMP_EQUAL:
                at += if_true if accumulator == constant else if_false
            case seccomp.JUMP_GREATER_EQUAL:
                at += if_true if accumulator >= constant else if_false
            case seccomp.JUMP_ANY_BIT:
                at += if_true if accumulator & constant else if_false
            case _:
                raise AssertionError(code)


def named(architecture: str, name: str, *arguments: int, **options: bool) -> int:
    call = number(name, architecture)
    assert call is not None
    return verdict(architecture, call, *arguments, **options)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_verdicts(architecture: str) -> None:
    for name in seccomp.REFUSED:
        if number(name, architecture) is not None:
            assert named(architecture, name) == EPERM, name
    for name in seccomp.SIGNALS:
        assert named(architecture, name) == ALLOW
        assert named(architecture, name, refuse_signals=True) == EPERM
    for name in seccomp.METADATA:
        if number(name, architecture) is not None:
            assert named(architecture, name) == ALLOW
            assert named(architecture, name, refuse_metadata=True) == EPERM
    assert named(architecture, "clone3") == ENOSYS
    assert named(architecture, "clone", 0x0112_0011) == EPERM  # with CLONE_NEWNS
    assert named(architecture, "clone", 0x003D_0F00) == ALLOW  # a thread
    assert named(architecture, "socketpair", 1, 1 | 0o2000000) == ALLOW
    assert named(architecture, "socketpair", 1, 2) == EPERM  # datagrams can be sent to any address
    assert named(architecture, "socketpair", 2, 1) == EPERM
    assert named(architecture, "fcntl", 0, 8) == EPERM and named(architecture, "fcntl", 0, 1030) == ALLOW
    assert named(architecture, "ioctl", 0, 0x5412) == EPERM and named(architecture, "ioctl", 0, 0x5401) == ALLOW
    # The kernel reads 32 bits of such arguments, so high bits must not hide the value.
    assert named(architecture, "ioctl", 0, 0x1_0000_5412) == EPERM
    assert named(architecture, "prlimit64", 0) == ALLOW and named(architecture, "prlimit64", 7) == EPERM
    assert named(architecture, "setpriority", 0, 0) == ALLOW and named(architecture, "setpriority", 2, 0) == EPERM
    assert verdict(architecture, NEWEST + 1) == ENOSYS
    assert verdict(architecture, 0) == ALLOW
    for foreign in {0x4000_0003, 0x4000_0028, *seccomp.AUDIT_ARCH.values()} - {seccomp.AUDIT_ARCH[architecture]}:
        assert verdict(architecture, 0, arch=foreign) == seccomp.KILL_PROCESS


def test_x32_is_killed() -> None:
    assert verdict("x86_64", seccomp.X32_BIT | 1) == seccomp.KILL_PROCESS


@pytest.mark.parametrize(
    ("architecture", "header"),
    [("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), ("aarch64", "/usr/include/asm-generic/unistd.h")],
)
def test_numbers_against_the_kernel_headers(architecture: str, header: str) -> None:
    if not Path(header).exists():
        pytest.skip(f"{header} is not installed")
    found = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\b", Path(header).read_text()))
    checked = 0
    for name in NUMBERS:
        if name in found:
            assert number(name, architecture) == int(found[name]), name
            checked += 1
    assert checked > 80
