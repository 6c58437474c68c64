"""The rules of the house that a machine can check: floors import downwards only, files stay small."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "edgewise"
FLOORS = {
    "core": 0,
    "stats": 1, "models": 1, "questions": 1, "sandbox": 1, "training": 1, "scene": 1,
    "ranking": 2, "character": 2, "probing": 2, "society": 2, "loopholes": 2, "personal": 2, "dynamics": 2,
    "embodied": 2, "clinical": 2,
    "checkup": 3, "charter": 3, "report": 3,
    "cli": 4,
}  # fmt: skip
# Floor 1 is tools, and one tool may lean on another: `models` measures with `stats`, training opens `models`.
SHARED_FLOORS = {0, 1, 3}
FILES = sorted(SOURCE.rglob("*.py"))


def room_of(path: Path) -> str:
    """The room (top-level package or module) that a file belongs to."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """Rooms of edgewise that a file imports anywhere, lazily or not."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import; write the full name"
            modules |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return {m.split(".")[1] for m in modules if m.startswith("edgewise.") and m.split(".")[1] in FLOORS}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_floors_import_downwards_only(path: Path) -> None:
    """A room imports from floors below, and on its own floor only where the floor is shared."""
    room = room_of(path)
    if room == "__init__":
        return
    for other in imported_rooms(path) - {room}:
        lower = FLOORS[other] < FLOORS[room]
        beside = FLOORS[other] == FLOORS[room] and FLOORS[room] in SHARED_FLOORS
        assert lower or beside, f"{room} (floor {FLOORS[room]}) imports {other} (floor {FLOORS[other]})"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_files_stay_small(path: Path) -> None:
    """A file does one thing in at most about 400 lines."""
    assert len(path.read_text().splitlines()) <= 420
