"""Writing files so that a reader never sees half of one, and saying plainly why one could not be written or read."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgewise.core.errors import BadInput, RunError

_ADVICE = {
    errno.ENOSPC: ("the disk is full", "free some space, then `edgewise resume` the run; nothing stored was lost"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, then `edgewise resume` the run"),
    errno.EROFS: ("the file system is read-only", "choose another folder with --out"),
    errno.EACCES: ("permission denied", "choose a folder you may write to with --out"),
    errno.EPERM: ("operation not permitted", "choose a folder you may write to with --out"),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "choose another folder with --out"),
    errno.EISDIR: ("it is a folder, not a file", None),
    errno.EFBIG: ("the file would pass the size limit of this process", "raise `ulimit -f`, then resume"),
}


@contextmanager
def explain_os_errors(path: Path, doing: str) -> Iterator[None]:
    """Turn the operating system's refusals into a ``RunError`` that names the file and what to do."""
    try:
        yield
    except FileNotFoundError:
        raise RunError(f"{doing}: no such file or folder", where=str(path)) from None
    except OSError as error:
        reason, fix = _ADVICE.get(error.errno or 0, (error.strerror or str(error), None))
        raise RunError(f"{doing}: {reason}", where=str(path), fix=fix) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Replace ``path`` with ``content``: either the old file or the whole new one is there, also after a crash.

    Raises:
        RunError: The disk is full, read-only or otherwise refuses.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with explain_os_errors(path, "cannot write"):
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_yaml(path: Path) -> Any:
    """Data of a YAML file that somebody wrote.

    Raises:
        BadInput: It cannot be read, or it is no YAML.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same in C, ten times as fast
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - both are safe
    except FileNotFoundError:
        raise BadInput("there is no such file", file=path) from None
    except OSError as error:
        raise BadInput(f"it cannot be read: {error.strerror}", file=path) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"no YAML: {str(error).splitlines()[0][:200]}", file=path) from None
