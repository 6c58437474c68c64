"""Attempts to signal, trace, outlive or leave. Judged by who is alive afterwards."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from edgewise.sandbox import Limits, run_python_sync
from support.user import AS_ORDINARY_USER, ORDINARY_USER


def alive_with(mark: str) -> list[int]:
    """Processes of this machine with ``mark`` in their arguments or name."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if mark.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                pass
    return found


def test_killing_others(driver: Any) -> None:
    """A process of the same user, the parent and everything else survive every kind of signal."""
    victim = subprocess.Popen(["sleep", "60"], **AS_ORDINARY_USER)
    try:
        targets = [victim.pid, os.getpid(), -victim.pid, -1, 0, 1]
        source = f"""
import ctypes, os, signal
libc = ctypes.CDLL(None)
for target in [os.getppid(), {", ".join(map(str, targets))}]:
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP):
        if target in (0, -1) and number != signal.SIGTERM: continue
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try: os.kill(target, number)
        except OSError: pass
        libc.syscall(200, target, number)
print('survived')"""
        done = driver.run(source)
        assert done.status in ("ok", "killed"), done
        assert victim.poll() is None
        assert driver.run("print('the parent is alive')").status == "ok"
    finally:
        victim.kill()
        victim.wait()


def test_signals_by_way_of_the_kernel(driver: Any) -> None:
    """F_SETOWN lets the kernel send SIGIO to any process of the user; SIGIO kills by default."""
    victim = subprocess.Popen(["sleep", "60"], **AS_ORDINARY_USER)
    try:
        source = f"""
import fcntl, os
r, w = os.pipe()
for command in (8, 15, 10):
    try: fcntl.fcntl(r, command, {victim.pid}); print('AIMED')
    except OSError: pass
try: fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC); os.write(w, b'x')
except OSError: pass"""
        assert "AIMED" not in driver.run(source).stdout
        time.sleep(0.05)
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()


def test_daemon_does_not_outlive(driver: Any) -> None:
    """A double fork with a session of its own, holding the output open, is dead when the result is there."""
    mark = uuid.uuid4().hex
    source = f"""
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.execv(sys.executable, [sys.executable, '-E', '-S', '-c', 'import time; print("up", flush=True); time.sleep(300)', '{mark}'])
    os._exit(0)
time.sleep(0.4)
print('parent ends')"""
    started = time.monotonic()
    done = driver.run(source)
    assert done.status == "ok" and "up" in done.stdout and "parent ends" in done.stdout, done
    assert time.monotonic() - started < 5
    assert alive_with(mark) == []


def test_fork_storm_that_flees_does_not_outlive(driver: Any) -> None:
    """Processes that replace themselves all the time are caught as well."""
    mark = uuid.uuid4().hex
    source = f"""
import os, sys
child = 'import os, sys\\nwhile True:\\n  try:\\n    if os.fork(): os._exit(0)\\n    os.setsid()\\n  except OSError: pass'
for _ in range(4):
    if os.fork() == 0: os.execv(sys.executable, [sys.executable, '-E', '-S', '-c', child, '{mark}'])
import time; time.sleep(0.5)"""
    done = driver.run(source)
    assert done.status == "ok", done
    assert alive_with(mark) == []


def test_system_calls_that_lead_out(driver: Any) -> None:
    source = """
import ctypes, errno, os, platform
libc = ctypes.CDLL(None, use_errno=True)
def tried(name, result):
    print(name, 'DONE' if result >= 0 else errno.errorcode[ctypes.get_errno()])
tried('ptrace', libc.ptrace(16, os.getppid(), 0, 0))
tried('traceme', libc.ptrace(0, 0, 0, 0))
tried('mount', libc.mount(b'none', b'.', b'tmpfs', 0, None))
tried('remount', libc.mount(b'none', b'/', None, 32 | 4096, None))
tried('umount', libc.umount2(b'/sandbox', 2))
tried('chroot', libc.chroot(b'.'))
tried('unshare', libc.unshare(0x10000000))
tried('unshare2', libc.unshare(0x20000))
tried('setns', libc.setns(0, 0))
tried('pivot_root', libc.pivot_root(b'.', b'.'))
tried('personality', libc.personality(0x0040000))
tried('keyctl', libc.syscall(250 if platform.machine() == 'x86_64' else 219, 0, 0))
tried('io_uring', libc.syscall(425, 1, 0))
tried('bpf', libc.syscall(321 if platform.machine() == 'x86_64' else 280, 0, 0, 0))
tried('open_tree', libc.syscall(428, -100, b'/', 1))
tried('pidfd_open', libc.syscall(434, os.getppid(), 0))
tried('process_vm', libc.process_vm_readv(os.getppid(), None, 0, None, 0, 0))
tried('sethostname', libc.sethostname(b'x', 1))
tried('clone_newuser', libc.syscall(56 if platform.machine() == 'x86_64' else 220, 0x10000000 | 17, 0, 0, 0, 0))
for name, action in (('setuid', lambda: os.setuid(0)), ('setgid', lambda: os.setgid(0)),
                     ('mknod', lambda: os.mknod('d', 0o020666, os.makedev(1, 1))),
                     ('groups', lambda: os.setgroups([0])), ('prlimit', lambda: __import__('resource').setrlimit(7, (9999, 9999)))):
    try: action(); print(name, 'DONE')
    except (OSError, ValueError) as error: print(name, 'refused')
print(os.getuid() != 0, os.getresuid()[2] != 0, libc.prctl(39, 0, 0, 0, 0), libc.prctl(21, 0, 0, 0, 0))
"""
    done = driver.run(source)
    assert done.status == "ok", done
    assert "DONE" not in done.stdout, done.stdout
    *answers, last = done.stdout.splitlines()
    assert len(answers) == 24 and last == "True True 1 2", done.stdout


@pytest.mark.skipif(platform.machine() != "x86_64", reason="int 0x80 exists on x86 only")
def test_other_architecture_entry_is_killed(tmp_path: Path) -> None:
    """A call through int 0x80 has 32-bit numbers, under which a filter by number would see something harmless."""
    machine_code = "b8 14 00 00 00 cd 80 c3"  # mov eax, 20 (getpid of i386); int 0x80; ret
    source = f"""
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex('{machine_code}'))
print(ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))())"""
    done = run_python_sync(source)
    assert (done.status, done.exit_code, done.stdout) == ("killed", -31, ""), done


def test_native_programs_of_its_own_cannot_be_started() -> None:
    """The working directory is mounted noexec."""
    true = shutil.which("true")
    assert true is not None
    source = "import os; os.chmod('tool', 0o755); os.execv('./tool', ['tool'])"
    done = run_python_sync(source, files={"tool": Path(true).read_bytes()})
    assert done.status == "error" and "PermissionError" in done.stderr


def test_priorities_of_others(driver: Any) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    source = f"""
import os
for which, who in ((os.PRIO_USER, 0), (os.PRIO_USER, {ORDINARY_USER}), (os.PRIO_PROCESS, {os.getpid()}), (os.PRIO_PGRP, 0)):
    try: os.setpriority(which, who, 19); print('DONE')
    except OSError: pass"""
    assert driver.run(source).stdout == ""
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_runs_cannot_see_each_other() -> None:
    """Two runs at once, each with process 2 and its own directory."""
    source = "import os; open('mine', 'x'); print(os.getpid(), os.getppid(), sorted(os.listdir('.')))"
    for _ in range(2):
        assert run_python_sync(source, limits=Limits(wall_seconds=5)).stdout == "2 1 ['main.py', 'mine']\n"
