"""Logs of many tools, read into traces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgewise.core.errors import BadInput
from edgewise.society.scan.load import Loaded, load, start_of
from edgewise.society.scan.readers import autogen, episode, inspect_log, langgraph, otel, plain, risklab
from edgewise.society.scan.trace import Trace

# In the order in which they are tried: the more a format asks for, the earlier.
_READERS = {
    "inspect": inspect_log,
    "otel": otel,
    "episode": episode,
    "risklab": risklab,
    "langgraph": langgraph,
    "autogen": autogen,
    "plain": plain,
}
FORMATS: tuple[str, ...] = tuple(_READERS)
_OTHER_NAMES = {"langchain": "langgraph", "opentelemetry": "otel", "edgewise": "episode", "jsonl": "plain"}
_TRIED = 50  # rows by which a format is known


def read_traces(path: Path | str, format: str | None = None) -> list[Trace]:
    """Read a log into its conversations.

    Args:
        path: A file of JSON or JSON lines, or an ``.eval`` log of Inspect.
        format: A name of ``FORMATS``; found out from the content unless given.

    Returns:
        A trace for each conversation, at least one. Rows that cannot be read are its problems.

    Raises:
        BadInput: The file is empty, binary or of no known format, or holds no message; names the file and the row.
    """
    path = Path(path)
    if format is not None:
        format = _OTHER_NAMES.get(format, format)
        if format not in _READERS:
            raise BadInput(f"there is no format {format!r}; there are {', '.join(FORMATS)}", field="format")
    if start_of(path).startswith(b"PK\x03\x04"):
        if format not in (None, "inspect"):
            raise BadInput(f"this is an archive, no log of {format}", file=path)
        return inspect_log.read_zip(path)
    file = load(path)
    if format is None:
        format = detect(file)
    elif format == "inspect" and not inspect_log.fits(file.whole):
        raise BadInput("this is no log of Inspect", file=path)
    reader: Any = _READERS[format]
    traces: list[Trace] = reader.read(file)
    return traces


def detect(file: Loaded) -> str:
    """The format of a file, by its first rows: the most particular one that half of those that are messages fit.

    Raises:
        BadInput: No row is of a known format; names the first and what it has.
    """
    rows = [record for _, record in file.rows[:_TRIED]]
    votes = {name: sum(reader.fits(record) for record in rows) for name, reader in _READERS.items()}
    most = max(votes.values())
    if not most:
        row, first = file.rows[0]
        what = (
            f"an object with {', '.join(map(repr, list(first)[:6])) or 'nothing'}"
            if isinstance(first, dict)
            else "no object"
        )
        raise BadInput(f"no message of a known format is found; the row is {what}", file=file.path, row=row)
    return next(name for name, count in votes.items() if 2 * count >= most)
