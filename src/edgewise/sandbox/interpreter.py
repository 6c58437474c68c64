"""Which files of the host a bare Python interpreter needs, and nothing more."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

SYSTEM_LIBRARIES = ("/lib", "/lib64", "/lib32", "/usr/lib", "/usr/lib64", "/usr/lib32")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/ld-musl-x86_64.path", "/etc/ld-musl-aarch64.path", "/usr/share/zoneinfo")
PACKAGE_DIRECTORIES = ("site-packages", "dist-packages")


def interpreter_path() -> str:
    """The real executable behind ``sys.executable``, past virtual environments and links."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    return os.path.realpath(base)


def readable_paths() -> list[str]:
    """Files and directories that the interpreter, its standard library and its shared libraries are made of.

    Absolute, existing, none inside another, none a symbolic link (see ``root_links``).
    """
    links = root_links()
    wanted = [interpreter_path(), *SYSTEM_LIBRARIES, *SYSTEM_FILES, *standard_library()]
    wanted.append(sysconfig.get_config_var("DESTSHARED") or "")
    prefix = Path(sys.base_prefix)
    if prefix not in (Path("/"), Path("/usr"), Path("/usr/local")):
        # A Python of its own (pyenv, uv, conda) keeps the libraries that its modules load beside them.
        wanted.append(str(prefix / "lib"))
    library = sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME")
    if all(library):
        wanted.append(os.path.join(*library))  # noqa: PTH118 - both are strings of sysconfig
    existing = {path for path in wanted if path and Path(path).is_absolute() and Path(path).exists()}
    plain = sorted(path for path in existing if path not in links)
    return [path for path in plain if not any(path.startswith(f"{other}/") for other in plain)]


def standard_library() -> list[str]:
    """Directories of the base interpreter's standard library; a virtual environment has none of its own."""
    base = {"installed_base": sys.base_prefix, "installed_platbase": sys.base_exec_prefix}
    base |= {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    paths = sysconfig.get_paths(vars=base)
    return sorted({paths["stdlib"], paths["platstdlib"]})


def root_links() -> dict[str, str]:
    """Library directories that are symbolic links (``/lib`` to ``usr/lib``), path to target."""
    return {path: str(Path(path).readlink()) for path in SYSTEM_LIBRARIES if Path(path).is_symlink()}


def hidden_directories(readable: list[str]) -> list[str]:
    """Directories of installed packages inside ``readable``; under ``-S`` nothing imports them."""
    places = [*(Path(path) for path in standard_library()), Path("/usr/lib/python3")]
    found = {str(place / name) for place in places for name in PACKAGE_DIRECTORIES if (place / name).is_dir()}
    return sorted(path for path in found if any(path.startswith(f"{other}/") for other in readable))


def landlock_grants(readable: list[str], hidden: list[str]) -> list[tuple[str, bool]]:
    """``readable`` without ``hidden``, as paths that Landlock can grant; true where only listing is granted.

    Landlock knows no exceptions below a granted directory, so a directory with something hidden below it is granted
    for listing (the import system lists its path) and its other entries one by one.
    """
    grants: list[tuple[str, bool]] = []
    waiting = list(readable)
    while waiting:
        path = waiting.pop()
        if path in hidden:
            continue
        if any(cover.startswith(f"{path}/") for cover in hidden):
            grants.append((path, True))
            waiting += [entry.path for entry in os.scandir(path)]
        else:
            grants.append((path, False))
    return grants
