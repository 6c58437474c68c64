"""The append-only event log of a run: one JSON object per line, each with its checksum, durable when acknowledged.

A line is ``{"seq":…,"time":…,"kind":…,"key":…,"data":{…},"crc":"xxxxxxxx"}``; the checksum is CRC-32 (as zlib has it)
of the bytes before ``,"crc"``. A process killed while it writes leaves at most one line without its newline; opening
the log sets that torn tail aside. Any other damage is an error that names file and line, and ``repair`` moves the bad
lines away so that the good ones can be used.
"""

from __future__ import annotations

import asyncio
import os
import threading
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from edgewise.core.errors import CorruptRecord, RunError
from edgewise.core.files import explain_os_errors, write_atomically

_TAIL = 19  # length of `,"crc":"xxxxxxxx"}` and its newline


class Event(NamedTuple):
    """One entry of the log. ``time`` is UTC in ISO 8601; ``key`` is empty for events that are not looked up."""

    seq: int
    time: str
    kind: str
    key: str
    data: dict[str, Any]


class _Place(NamedTuple):
    offset: int
    length: int


def encode_event(event: Event) -> bytes:
    """The event's line, newline included."""
    fields = {"seq": event.seq, "time": event.time, "kind": event.kind, "key": event.key, "data": event.data}
    body = orjson.dumps(fields, option=orjson.OPT_SERIALIZE_NUMPY)[:-1]
    return b'%b,"crc":"%08x"}\n' % (body, zlib.crc32(body))


def decode_event(line: bytes) -> Event | None:
    """Read one line back, newline included; ``None`` if it does not match its checksum."""
    if line[-_TAIL:] != b',"crc":"%08x"}\n' % zlib.crc32(line[:-_TAIL]):
        return None
    try:
        seq, time, kind, key, data, _ = orjson.loads(line).values()
    except (ValueError, AttributeError):  # orjson's error is a ValueError
        return None
    return tuple.__new__(Event, (seq, time, kind, key, data))  # half the cost of Event(...), which a million lines feel


def read_events(path: Path, *, kind: str | None = None) -> Iterator[Event]:
    """All events of a log, or those of one kind, without opening it for writing.

    A torn last line (no newline) is left out: it was never acknowledged.

    Raises:
        CorruptRecord: A line does not match its checksum, or lines are missing; names file and line.
    """
    expected = None
    with explain_os_errors(path, "cannot read"), path.open("rb", buffering=1 << 20) as file:
        for number, line in enumerate(file, 1):
            event = decode_event(line)
            if event is None:
                if not line.endswith(b"\n"):
                    return
                raise _corrupt(path, number, "the line does not match its checksum")
            if expected is not None and event.seq < expected:
                raise _corrupt(path, number, f"sequence number {event.seq} repeats or goes back")
            expected = event.seq + 1
            if kind is None or event.kind == kind:
                yield event


def _corrupt(path: Path, number: int, what: str) -> CorruptRecord:
    fix = "`edgewise resume RUN --repair` sets bad lines aside and redoes only what they held"
    return CorruptRecord(what, where=f"{path}, line {number}", fix=fix)


def repair_events(path: Path) -> int:
    """Move lines that fail their checksum to ``<name>.bad`` and keep the rest. Returns how many were moved."""
    with explain_os_errors(path, "cannot read"):
        lines = path.read_bytes().splitlines(keepends=True)
    good = [line for line in lines if decode_event(line) is not None]
    bad = [line for line in lines if decode_event(line) is None]
    if bad:
        aside = path.with_suffix(path.suffix + ".bad")
        with explain_os_errors(aside, "cannot write"), aside.open("ab") as file:
            file.writelines(line if line.endswith(b"\n") else line + b"\n" for line in bad)
        write_atomically(path, b"".join(good))
    return len(bad)


class EventLog:
    """The log opened for appending. Only one process may hold it (the run's lock sees to that).

    Keyed events are indexed by (kind, key); the index holds places in the file, not the data, so memory stays small.
    Methods may be called from any thread; ``put`` is for asyncio and shares one ``fsync`` among all who wait.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._index: dict[tuple[str, str], _Place] = {}
        self._seq = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._syncer: asyncio.Task[None] | None = None
        with explain_os_errors(path, "cannot open"):
            self._file = path.open("a+b", buffering=0)
        try:
            self._end = self._scan()
        except BaseException:
            self._file.close()
            raise

    def _scan(self) -> int:
        """Index the log, set a torn tail aside, and return where the next line goes."""
        offset = number = 0
        with self.path.open("rb", buffering=1 << 20) as file:
            for line in file:
                number += 1
                if not line.endswith(b"\n"):
                    self._set_aside(line, offset)
                    break
                event = decode_event(line)
                if event is None:
                    raise _corrupt(self.path, number, "the line does not match its checksum")
                if event.seq < self._seq:
                    raise _corrupt(self.path, number, f"sequence number {event.seq} repeats or goes back")
                self._seq = event.seq + 1
                if event.key:
                    self._index[event.kind, event.key] = _Place(offset, len(line))
                offset += len(line)
        return offset

    def _set_aside(self, tail: bytes, offset: int) -> None:
        with explain_os_errors(self.path, "cannot repair the torn last line"):
            with self.path.with_suffix(self.path.suffix + ".torn").open("ab") as file:
                file.write(tail + b"\n")
            self._file.truncate(offset)

    def append(self, kind: str, data: dict[str, Any], key: str = "", *, durable: bool = True) -> None:
        """Write one event; it is durable when this returns (see ``extend``)."""
        self.extend([(kind, key, data)], durable=durable)

    def extend(self, entries: Iterable[tuple[str, str, dict[str, Any]]], *, durable: bool = True) -> None:
        """Write many events (kind, key, data) with one ``fsync``; all are durable when this returns.

        With ``durable=False`` they are handed to the operating system only: they survive the death of the process, but
        not that of the machine.

        Raises:
            RunError: The disk is full or refuses. Nothing of the batch is kept, everything before it is.
        """
        with self._lock:
            if self._file.closed:
                raise RunError("the event log is closed", where=str(self.path))
            time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            seq, offset = self._seq, self._end
            lines: list[bytes] = []
            places: dict[tuple[str, str], _Place] = {}
            for kind, key, data in entries:
                line = encode_event(Event(seq, time, kind, key, data))
                if key:
                    places[kind, key] = _Place(offset, len(line))
                seq, offset = seq + 1, offset + len(line)
                lines.append(line)
            with explain_os_errors(self.path, "cannot append"):
                try:
                    self._write(b"".join(lines))
                except OSError:
                    # A half-written batch would glue itself to the next line.
                    self._file.truncate(self._end)
                    raise
            self._seq, self._end = seq, offset
            self._index |= places
        if durable:  # outside the lock, so that nobody waits for the disk to append
            self._flush()

    def _write(self, block: bytes) -> None:
        view = memoryview(block)
        while view:  # an unbuffered write may be partial, on a nearly full disk above all
            view = view[self._file.write(view) :]

    async def put(self, kind: str, data: dict[str, Any], key: str = "") -> None:
        """Write one event from asyncio; durable when awaited. Concurrent callers share one ``fsync``.

        The event is with the operating system before anything is awaited: whoever is cancelled or killed while waiting
        for the disk has lost nothing.
        """
        self.extend([(kind, key, data)], durable=False)
        loop = asyncio.get_running_loop()
        durable: asyncio.Future[None] = loop.create_future()
        self._waiting.append(durable)
        if self._syncer is None or self._syncer.done():
            self._syncer = loop.create_task(self._sync())
        await durable

    async def _sync(self) -> None:
        """Flush to the disk, for all who wait, until nobody does."""
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._flush)
            except BaseException as error:
                for future in waiting:
                    if not future.done():
                        future.set_exception(RunError(str(error)) if not isinstance(error, Exception) else error)
                if not isinstance(error, Exception):
                    raise
            else:
                for future in waiting:
                    if not future.done():
                        future.set_result(None)

    def _flush(self) -> None:
        with explain_os_errors(self.path, "cannot append"):
            os.fdatasync(self._file.fileno())

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """Data of the latest event with this kind and key, or ``None``."""
        place = self._index.get((kind, key))
        if place is None:
            return None
        event = decode_event(os.pread(self._file.fileno(), place.length, place.offset))
        if event is None:
            raise CorruptRecord("an event changed on disk while the run was open", where=str(self.path))
        return event.data

    def read(self, kind: str | None = None) -> Iterator[Event]:
        """All events so far, or those of one kind, in order."""
        return read_events(self.path, kind=kind)

    def close(self) -> None:
        """Close the file. Closing twice is fine."""
        self._file.close()
