"""A private file tree: the interpreter and its libraries read-only, one small writable directory, nothing else."""

# ruff: noqa: PTH102, PTH103, PTH112, PTH118, PTH120, PTH211 - see the package's docstring
from __future__ import annotations

import os

from edgewise.sandbox.child import kernel
from edgewise.sandbox.child.plan import DEVICES, Plan

WORK = "/sandbox"  # the working directory of the program, inside the tree
MAX_INODES = 8192  # a tmpfs inode costs about a kibibyte of kernel memory that no size limit counts


def build_root(plan: Plan) -> None:
    """Build the tree on ``plan.base`` and make it the root. Needs CAP_SYS_ADMIN over the mount namespace.

    Raises:
        OSError: A mount was refused; the process must end then, as its tree is half built.
    """
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    root = plan.base
    no_special = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("tmpfs", root, "tmpfs", no_special, "mode=0755,size=1m,nr_inodes=4096")
    for path, target in plan.links.items():
        inside = _place(root, path)
        os.makedirs(os.path.dirname(inside), exist_ok=True)
        os.symlink(target, inside)
    for path in plan.readable:
        _bind(root, path, no_special)
    for path in plan.hidden:
        flags = no_special | kernel.MS_RDONLY | kernel.MS_NOEXEC
        kernel.mount("tmpfs", _place(root, path), "tmpfs", flags, "mode=0755,size=4k,nr_inodes=2")
    for path in DEVICES:
        _bind(root, path, kernel.MS_NOSUID | kernel.MS_NOEXEC)
    os.symlink(WORK, _place(root, "/tmp"))  # noqa: S108 - the program's own, where tempfile looks for it
    work = _place(root, WORK)
    os.mkdir(work)
    options = f"mode=0700,size={plan.file_mb}m,nr_inodes={MAX_INODES}"
    kernel.mount("tmpfs", work, "tmpfs", no_special | kernel.MS_NOEXEC, options)
    kernel.mount("none", root, None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | no_special)
    kernel.pivot_into(root)


def _place(root: str, path: str) -> str:
    return os.path.join(root, path.lstrip("/"))


def _bind(root: str, path: str, flags: int) -> None:
    inside = _place(root, path)
    if os.path.isdir(path):
        os.makedirs(inside, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(inside), exist_ok=True)
        os.close(os.open(inside, os.O_CREAT | os.O_WRONLY, 0o644))
    kernel.bind_read_only(path, inside, flags)
