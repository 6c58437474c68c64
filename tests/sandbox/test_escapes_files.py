"""Attempts to reach files, the environment and open descriptors of the host. Judged by their effect."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from edgewise.sandbox import run, run_python_sync

REPOSITORY = Path(__file__).parents[2]

READ_ALL = """
import sys
for path in sys.argv[1:] or PATHS:
    try:
        with open(path, 'rb') as file: print('READ', path, file.read(200))
    except OSError as error: print('refused', error.errno)
"""


def test_the_attacks_work_without_the_sandbox(outside: Path, monkeypatch: Any) -> None:
    """Positive control: with no isolation the same programs do get through."""
    monkeypatch.setattr(run, "recipes", lambda: ())
    source = f"print(open({str(outside / 'secret.txt')!r}).read()); open({str(outside / 'new')!r}, 'w')"
    done = run_python_sync(source, allow_unsandboxed=True)
    assert (done.status, done.stdout, done.isolation) == ("ok", "s3cret\n", "none")
    assert (outside / "new").exists()


def test_reading_outside(driver: Any, outside: Path) -> None:
    paths = [str(outside / "secret.txt"), "/etc/passwd", "/etc/shadow", "/etc/hostname", "/proc/self/environ",
             "/proc/1/environ", "/proc/cpuinfo", "/sys/kernel/notes", str(REPOSITORY / "pyproject.toml"), __file__,
             f"/proc/{os.getpid()}/environ", f"/proc/{os.getpid()}/root{outside}/secret.txt", "/proc/self/root/etc/passwd",
             "/dev/vda", "/dev/sda", "/dev/mem", "/dev/kmsg", "/dev/tty", "/var/log/dpkg.log"]  # fmt: skip
    done = driver.run(f"PATHS = {paths!r}" + READ_ALL)
    assert done.status == "ok" and "READ" not in done.stdout, done.stdout
    assert done.stdout.count("refused") == len(paths)


def test_installed_packages_are_not_readable(driver: Any) -> None:
    source = """
import os, sys
for base in sys.path:
    for name in ("site-packages", "dist-packages"):
        for root, _, files in os.walk(os.path.join(base, name)):
            for file in files[:3]:
                try: open(os.path.join(root, file), 'rb').read(); print('READ', root, file)
                except OSError: pass
print('done')"""
    assert driver.run(source).stdout == "done\n"


def test_only_the_tree_is_visible() -> None:
    """With namespaces the rest of the host is not even listed, and nothing but the directory can be written."""
    source = """
import os
print(sorted(os.listdir(os.getcwd())))
writable = []
for root, directories, files in os.walk('/'):
    for place in (root, *(os.path.join(root, name) for name in files)):
        if os.access(place, os.W_OK) and not place.startswith('/dev/'): writable.append(place)
print(sorted(writable))
print([name for name in ('/home', '/proc/self', '/work', '/etc/passwd', '/var', '/bin/sh') if os.path.exists(name)])
"""
    visible, writable, others = run_python_sync(source).stdout.splitlines()
    assert visible == "['main.py']" and writable in ("['/sandbox', '/sandbox/main.py']", "[]")
    # `/work` is where this machine keeps a virtual environment; only an empty directory of that name could show.
    assert others == "[]"


def test_writing_outside(driver: Any, outside: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in outside.iterdir()}
    places = [str(outside), "/tmp", "/var/tmp", "/dev/shm", str(Path.home()), str(REPOSITORY), "/", "/etc"]
    source = f"""
import os
for place in {places!r}:
    try:
        with open(os.path.join(place, 'edgewise-escaped'), 'w') as file: file.write('x')
    except OSError: pass
secret = {str(outside / "secret.txt")!r}
for action in (lambda: open(secret, 'a').write('x'), lambda: os.truncate(secret, 0), lambda: os.unlink(secret),
               lambda: os.rename(secret, secret + '2'), lambda: os.chmod(secret, 0), lambda: os.link(secret, 'linked'),
               lambda: os.utime(secret, (0, 0)), lambda: os.mkdir(secret + '.d'), lambda: os.symlink('/', secret + '.l'),
               lambda: os.chown(secret, 1, 1), lambda: os.setxattr(secret, 'user.x', b'y'), lambda: os.chmod({str(outside)!r}, 0),
               lambda: os.mkfifo(secret + '.f')):
    try: action(); print('DONE')
    except OSError: pass
"""
    done = driver.run(source)
    assert done.status == "ok" and "DONE" not in done.stdout, done
    for place in places:
        assert not Path(place, "edgewise-escaped").exists()
    assert {path: path.stat().st_mtime_ns for path in outside.iterdir()} == before
    assert (outside / "secret.txt").read_text() == "s3cret"
    assert (outside / "secret.txt").stat().st_mode & 0o777 == 0o666 and outside.stat().st_mode & 0o777 == 0o777


def test_links_out_of_the_directory(driver: Any, outside: Path) -> None:
    """A write through a link must fail, and clean-up must remove the link and not what it points to."""
    (outside / "kept").mkdir()
    (outside / "kept" / "file").write_text("kept")
    source = f"""
import os
os.symlink({str(outside)!r}, 'out')
os.symlink({str(outside / "secret.txt")!r}, 'file')
os.makedirs('deep/er'); os.symlink({str(outside)!r}, 'deep/er/out')
for path in ('out/new', 'file', 'out/kept/file', 'deep/er/out/new'):
    try: open(path, 'w').write('x'); print('WROTE')
    except OSError as error: print(error.errno)
"""
    done = driver.run(source)
    assert done.status == "ok" and "WROTE" not in done.stdout
    assert (outside / "secret.txt").read_text() == "s3cret" and (outside / "kept" / "file").read_text() == "kept"
    assert sorted(path.name for path in outside.iterdir()) == ["kept", "secret.txt"]


def test_environment(driver: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("SECRET_IN_PARENT", "s3cret")  # the helpers of ordinary users have it too
    source = """
import ctypes, glob, os
print(sorted(os.environ))
for path in glob.glob('/proc/*/environ') + ['/proc/%d/environ' % pid for pid in (1, 2, os.getppid(), *range(1, 3000))]:
    try: print(open(path, 'rb').read())
    except OSError: pass
libc = ctypes.CDLL(None); libc.getenv.restype = ctypes.c_char_p
print(libc.getenv(b'SECRET_IN_PARENT'))"""
    done = driver.run(source)
    # Python itself sets LC_CTYPE when it coerces the C locale.
    assert done.stdout in ("['LC_CTYPE']\nNone\n", "[]\nNone\n"), done


def test_open_descriptors_are_not_inherited(outside: Path) -> None:
    """A descriptor of the parent stays there even if it was made inheritable."""
    opened = os.open(outside / "secret.txt", os.O_RDWR)
    os.set_inheritable(opened, True)
    try:
        source = """
import os
for number in range(3, 4096):
    try: os.fstat(number); print('OPEN', number)
    except OSError: pass"""
        assert run_python_sync(source).stdout == ""
    finally:
        os.close(opened)


def test_no_pipe_of_the_machinery_is_reachable(driver: Any) -> None:
    """Only the three standard streams are open, and a forged report on any of them changes nothing."""
    source = """
import os
message = repr({'stage': 'exit', 'wait_status': 0, 'cpu': 0}).encode() + b'\\n'
reached = []
for number in range(0, 300):
    try: os.write(number, message); reached.append(number)
    except OSError: pass
os.write(1, repr(reached).encode())
os._exit(9)"""
    done = driver.run(source)
    assert (done.status, done.exit_code) == ("error", 9) and done.stdout.endswith("[1, 2]"), done


def test_closing_all_descriptors(driver: Any) -> None:
    done = driver.run("import os; os.closerange(0, 4096); os._exit(5)")
    assert (done.status, done.exit_code) == ("error", 5)


@pytest.mark.parametrize("shell", ["/bin/sh", "/usr/bin/env", "/bin/bash", "/usr/bin/python3"])
def test_programs_of_the_host_cannot_be_executed(driver: Any, shell: str) -> None:
    if driver.recipe == "landlock" and os.path.realpath(shell) == os.path.realpath(
        f"/usr/bin/python3.{sys.version_info[1]}"
    ):
        return  # there it is the interpreter itself
    done = driver.run(f"import os; os.execv({shell!r}, ['sh', '-c', 'echo ran'])")
    if "python" in shell and done.status != "error":
        assert driver.recipe != "namespaces" or "ran" not in done.stdout
    else:
        assert done.status == "error" and "ran" not in done.stdout
