"""The throw-away directory of a run: made before it, removed after it whatever the program left there."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def throwaway_directory() -> Iterator[Path]:
    """A new empty directory that only this user can enter; removed with all its contents at the end."""
    path = Path(tempfile.mkdtemp(prefix="edgewise-sandbox-"))
    try:
        yield path
    finally:
        remove_tree(path)


def remove_tree(root: Path) -> None:
    """Remove a directory that untrusted code has filled. All processes of the run must have ended.

    Links are removed, never followed. Directories may be unreadable or nested too deeply for a path or for recursion:
    each directory found below is moved up to the top before it is emptied, so no path gets longer than two names.
    """
    moved = 0
    with suppress(OSError):
        root.chmod(0o700)
    while True:
        try:
            names = [entry.name for entry in os.scandir(root)]
        except OSError:
            break
        directories = [name for name in names if _discard_unless_directory(root / name)]
        if not directories:
            break
        for name in directories:
            top = root / name
            for child in [entry.name for entry in os.scandir(top)]:
                if _discard_unless_directory(top / child):
                    moved += 1
                    (top / child).rename(root / f".edgewise-moved-{moved}-{os.urandom(4).hex()}")
            with suppress(OSError):
                top.rmdir()
    # What could not be removed above (immutable files of a foreign user, a full table) is left to the last resort.
    with suppress(OSError):
        root.rmdir()
    if root.exists():
        shutil.rmtree(root, ignore_errors=True)


def _discard_unless_directory(path: Path) -> bool:
    """Unlink anything but a directory; open a directory for its owner. Returns whether it is a directory."""
    if not stat.S_ISDIR(path.lstat().st_mode):
        path.unlink()
        return False
    path.chmod(0o700)
    return True
