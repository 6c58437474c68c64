"""From what a caller asks for to the plan that the child carries out."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from pathlib import PurePosixPath

from edgewise.core.errors import BadInput
from edgewise.sandbox.child.plan import Plan
from edgewise.sandbox.interpreter import (
    hidden_directories,
    interpreter_path,
    landlock_grants,
    readable_paths,
    root_links,
)
from edgewise.sandbox.seccomp import AUDIT_ARCH, build_filter
from edgewise.sandbox.types import Isolation, Limits

PROGRAM = "main.py"
# No environment variables, no user site, no site-packages, no bytecode written, UTF-8 whatever the locale. Not -I: the
# program may import the modules that came with it, which lie in its own directory.
FLAGS = ("-E", "-s", "-S", "-B", "-X", "utf8")
MEBIBYTE = 1 << 20
PAGE = 4096
MAX_FILES = 4096


def program_files(source: str, files: Mapping[str, str | bytes] | None, limits: Limits) -> dict[str, bytes]:
    """Contents by path of everything that goes into the working directory, the program included.

    Lone surrogates are encoded as such, so that Python itself reports the broken source.

    Raises:
        BadInput: A name is absolute, leaves the directory, names a directory and a file at once or is ``main.py``;
            or a file alone or all together are larger than ``limits.file_mb``.
    """
    contents = {PROGRAM: source.encode("utf-8", "surrogatepass")}
    for name, content in (files or {}).items():
        path = _checked_name(name)
        if path in contents:
            raise BadInput(
                f"{name!r} is given twice or is the program itself", field="files", fix="choose another name"
            )
        contents[path] = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else bytes(content)
    for path in contents:
        for parent in PurePosixPath(path).parents:
            if str(parent) in contents:
                raise BadInput(f"{str(parent)!r} is both a file and the directory of {path!r}", field="files")
    if len(contents) > MAX_FILES:
        raise BadInput(f"too many files: {len(contents)}, the limit is {MAX_FILES}", field="files")
    # Counted in whole pages, as the tmpfs that will hold them counts.
    total = sum(-(-len(content) // PAGE) * PAGE for content in contents.values())
    if total > limits.file_mb * MEBIBYTE:
        raise BadInput(
            f"source and files take {total} bytes, the limit is {limits.file_mb} MiB",
            field="files",
            fix="raise file_mb",
        )
    return contents


def _checked_name(name: str) -> str:
    parts = name.split("/")
    bad = (
        "\0" in name
        or "" in parts
        or "." in parts
        or ".." in parts
        or any(len(part.encode("utf-8", "surrogatepass")) > 255 for part in parts)
        or len(parts) > 32
        or not name.isprintable()
    )
    if bad:
        raise BadInput(
            f"{name!r} does not name a file inside the working directory",
            field="files",
            fix="use a relative path such as 'data/input.txt', without '..'",
        )
    return name


def make_plan(recipe: Isolation, base: str, files: dict[str, bytes], limits: Limits) -> Plan:
    """The plan of one run under one recipe."""
    architecture = platform.machine()
    readable = readable_paths()
    hidden = hidden_directories(readable)
    filters: dict[str, bytes] = {}
    if architecture in AUDIT_ARCH:
        metadata = recipe == "landlock"
        filters = {
            "full": build_filter(architecture, refuse_signals=True, refuse_metadata=metadata),
            "scoped": build_filter(architecture, refuse_signals=False, refuse_metadata=metadata),
        }
    return Plan(
        recipe=recipe,
        base=base,
        command=[interpreter_path(), *FLAGS, PROGRAM],
        files=files,
        readable=readable,
        links=root_links(),
        hidden=hidden,
        granted=landlock_grants(readable, hidden) if recipe == "landlock" else [],
        filters=filters,
        memory_mb=limits.memory_mb,
        file_mb=limits.file_mb,
        processes=limits.processes,
        cpu_seconds=math.ceil(limits.cpu_seconds),
    )
