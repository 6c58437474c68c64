"""A log file as JSON rows. A row that is no JSON is a problem of that row; a file that is none is an error."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewise.core.errors import BadInput
from edgewise.society.scan.trace import Problem

MAX_BYTES = 1 << 29


@dataclass(frozen=True)
class Loaded:
    """A file's content.

    Attributes:
        path: The file.
        rows: The lines, or the entries of its one list, by number from 1. One object alone is one row.
        problems: Lines that could not be read.
    """

    path: Path
    rows: list[tuple[int, Any]]
    problems: list[Problem]

    @property
    def whole(self) -> dict[str, Any] | None:
        """The file's one object, if it is one."""
        if len(self.rows) == 1 and not self.problems and isinstance(self.rows[0][1], dict):
            return self.rows[0][1]
        return None


def start_of(path: Path, size: int = 4096) -> bytes:
    """The first bytes of a file that can be a log.

    Raises:
        BadInput: It is not there, no file, empty, or too large.
    """
    try:
        if not path.exists():
            raise BadInput("there is no such file", file=path)
        if not path.is_file():
            raise BadInput("this is no file", file=path, fix="give one log file")
        length = path.stat().st_size
        if length > MAX_BYTES:
            raise BadInput(f"the file has {length:,} bytes; at most {MAX_BYTES:,} are read", file=path, fix="split it")
        with path.open("rb") as file:
            start = file.read(size)
    except OSError as error:
        raise BadInput(f"it cannot be read: {error.strerror or error}", file=path) from None
    except ValueError as error:  # a NUL in the path
        raise BadInput(f"this is no path: {error}") from None
    if not start.strip():
        raise BadInput("the file is empty", file=path)
    return start


def load(path: Path) -> Loaded:
    """Read a file of JSON or JSON lines.

    Raises:
        BadInput: It is binary, or no line of it is JSON. Names the file and the row.
    """
    start = start_of(path)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise BadInput("the file is UTF-16", file=path, fix="save it as UTF-8")
    if b"\0" in start:
        raise BadInput("this is a binary file, no log of messages", file=path)
    raw = path.read_bytes()
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if not raw.strip():
        raise BadInput("the file is empty", file=path)
    first = _whole(raw)
    if isinstance(first, dict):
        return Loaded(path, [(1, first)], [])
    if isinstance(first, list) and any(isinstance(row, dict | list) for row in first):
        return Loaded(path, list(enumerate(first, 1)), [])
    if first is not None:
        raise BadInput("the file holds no JSON objects", file=path)
    rows: list[tuple[int, Any]] = []
    problems: list[Problem] = []
    for number, line in enumerate(raw.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append((number, json.loads(line.decode())))
        except UnicodeDecodeError as error:
            problems.append(Problem(number, "", f"the byte at offset {error.start:,} of the line is not UTF-8"))
        except json.JSONDecodeError as error:
            problems.append(Problem(number, "", f"the line is no whole JSON: {error.msg}"))
        except (ValueError, RecursionError) as error:
            problems.append(Problem(number, "", f"the line cannot be read: {str(error)[:100]}"))
    if not any(isinstance(row, dict | list) for _, row in rows):
        if problems:
            raise BadInput(problems[0].message, file=path, row=problems[0].row)
        raise BadInput("the file holds no JSON objects", file=path)
    return Loaded(path, rows, problems)


def _whole(raw: bytes) -> Any:
    """The file as one JSON value, or ``None`` if it is not one."""
    try:
        return json.loads(raw.decode())
    except (ValueError, RecursionError):
        return None
