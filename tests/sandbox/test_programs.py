"""Ordinary programs behave as under plain Python, and every kind of end has its status."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest

from edgewise.core.errors import BadInput
from edgewise.sandbox import Limits, run_python_sync

SHORT = Limits(wall_seconds=1)


def test_output_and_exit_code(driver: Any) -> None:
    done = driver.run("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (done.status, done.exit_code, done.stdout, done.stderr) == ("error", 3, "out\n", "err\n")
    assert not done.truncated and 0 < done.seconds < 5 and done.isolation == driver.recipe


def test_standard_library(driver: Any) -> None:
    modules = "math re collections itertools typing json random asyncio socket ctypes sqlite3 decimal hashlib ssl bz2 "
    modules += "lzma zlib subprocess multiprocessing threading dataclasses functools heapq statistics datetime unittest"
    done = driver.run(f"import {', '.join(modules.split())}; print(math.comb(5, 2), hashlib.md5(b'').hexdigest()[:4])")
    assert (done.status, done.stdout) == ("ok", "10 d41d\n"), done.stderr


def test_things_programs_do(driver: Any) -> None:
    source = """
import asyncio, concurrent.futures, os, pathlib, subprocess, sys, tempfile, threading, zoneinfo
async def nap(): await asyncio.sleep(0.01); return 1
print(asyncio.run(nap()))
thread = threading.Thread(target=print, args=("thread",)); thread.start(); thread.join()
print(subprocess.run([sys.executable, "-E", "-S", "-c", "print('child')"], capture_output=True, text=True).stdout)
with tempfile.TemporaryDirectory() as name: pathlib.Path(name, "x").write_text("y")
process = os.fork()
if process == 0: os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
print(os.cpu_count() > 0, len(os.urandom(4)), open("/dev/null").read() == "")
"""
    done = driver.run(source)
    assert (done.status, done.stdout.split()) == ("ok", ["1", "thread", "child", "7", "True", "4", "True"]), done


def test_stdin_and_unicode(driver: Any) -> None:
    done = driver.run("print(input(), input(), 'ж')", stdin="α\nβ\n")
    assert (done.status, done.stdout) == ("ok", "α β ж\n")
    big = driver.run("import sys; print(len(sys.stdin.read()))", stdin="x" * 500_000)
    assert big.stdout == "500000\n"
    assert driver.run("print('does not read')", stdin="x" * 500_000).status == "ok"


def test_files(driver: Any) -> None:
    files = {"data/input.txt": "seven", "helper.py": "def six(): return 6"}
    done = driver.run("import helper; print(helper.six(), open('data/input.txt').read())", files=files)
    assert (done.status, done.stdout) == ("ok", "6 seven\n"), done.stderr


def test_bytes_files_are_kept() -> None:
    assert run_python_sync("print(open('b','rb').read())", files={"b": b"\xff\x00"}).stdout == "b'\\xff\\x00'\n"


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "", ".", "a//b", "a/", "x\0y", "x\ny", "a/./b", "main.py",
                                  "y" * 300, "/".join("a" * 40)])  # fmt: skip
def test_bad_file_names(name: str) -> None:
    with pytest.raises(BadInput):
        run_python_sync("", files={name: "x"})


def test_file_and_directory_clash_and_size() -> None:
    with pytest.raises(BadInput, match="both a file and the directory"):
        run_python_sync("", files={"a": "", "a/b": ""})
    with pytest.raises(BadInput, match="too many files"):
        run_python_sync("", files={str(i): "" for i in range(5000)})
    # A tiny file takes a whole page, so these would not fit although their bytes would.
    with pytest.raises(BadInput, match="limit is 1 MiB"):
        run_python_sync("", files={str(i): "x" for i in range(300)}, limits=Limits(file_mb=1))
    with pytest.raises(BadInput, match="limit is 1 MiB"):
        run_python_sync("", files={"a": "x" * (1 << 20) + "y"}, limits=Limits(file_mb=1))


@pytest.mark.parametrize(
    ("source", "complaint"),
    [("def (", "SyntaxError"), ("x = '\ud800'", "SyntaxError"), ("1/0", "ZeroDivisionError")],
)
def test_broken_source(driver: Any, source: str, complaint: str) -> None:
    done = driver.run(source)
    assert done.status == "error" and complaint in done.stderr


def test_source_with_a_null_byte(driver: Any) -> None:
    """What Python makes of it depends on its release: 3.11.2 stops reading there, later ones refuse."""
    assert driver.run("print(1)\n\0").status in ("ok", "error")


def test_output_that_is_not_text(driver: Any) -> None:
    done = driver.run("import os; os.write(1, b'a\\xff\\x00b'); os.write(2, b'\\xed\\xa0\\x80')")
    assert (done.status, done.stdout) == ("ok", "a\ufffd\x00b")
    assert set(done.stderr) == {"\ufffd"}
    assert driver.run("print('\\ud800')").status == "error"


def test_timeout_with_signals_ignored(driver: Any) -> None:
    started = time.monotonic()
    source = """
import signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM): signal.signal(number, signal.SIG_IGN)
print("asleep", flush=True)
time.sleep(600)"""
    done = driver.run(source, limits=SHORT)
    assert (done.status, done.exit_code, done.stdout) == ("timeout", None, "asleep\n")
    assert time.monotonic() - started < 5


def test_cpu(driver: Any) -> None:
    done = driver.run("while True: pass", limits=Limits(cpu_seconds=1, wall_seconds=8))
    assert (done.status, done.exit_code) == ("cpu", -signal.SIGXCPU)


def test_cpu_signal_ignored() -> None:
    source = "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    assert run_python_sync(source, limits=Limits(cpu_seconds=1, wall_seconds=9)).status == "cpu"


def test_segmentation_fault_and_deep_recursion(driver: Any) -> None:
    done = driver.run("import ctypes; ctypes.string_at(0)")
    assert (done.status, done.exit_code) == ("killed", -signal.SIGSEGV)
    assert driver.run("def f(): f()\nf()").status == "error"
    deep = driver.run("import sys; sys.setrecursionlimit(10**9)\nclass A:\n  def __getattr__(s, n): return s.x\nA().x")
    assert deep.status in ("killed", "memory", "error")


def test_smallest_memory_limit_still_starts_python() -> None:
    assert run_python_sync("print(1)", limits=Limits(memory_mb=64, processes=1)).status == "ok"
