"""A run is a folder: manifest, events, tables, artefacts, profile. Killed at any moment, it continues."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import orjson

from edgewise.core.errors import CorruptRecord, RunError, RunLocked
from edgewise.core.events import Event, EventLog, read_events, repair_events
from edgewise.core.files import explain_os_errors, write_atomically
from edgewise.core.memo import Memo
from edgewise.core.profile import Profile
from edgewise.core.records import Record

if TYPE_CHECKING:
    import pyarrow as pa

RunStatus = Literal["running", "complete", "incomplete", "failed"]
_VERSIONED = ("edgewise", "inspect-ai", "numpy", "scipy", "pyarrow", "xllamacpp", "transformers", "torch")


class Manifest(Record):
    """What a run is: enough to run it again.

    Attributes:
        kind: Which job it is (``checkup``); ``edgewise resume`` dispatches on it.
        config: The job's whole configuration.
        seed: Root of all randomness in the run.
        model: Specification of the examined model, weights digest included where weights are local.
        versions: Versions of edgewise, Python and the libraries that shape results.
        created: UTC, ISO 8601.
    """

    SCHEMA: ClassVar[str] = "run/1"
    kind: str
    config: dict[str, Any]
    seed: int
    model: dict[str, Any] = {}
    versions: dict[str, str] = {}
    created: str


def installed_versions() -> dict[str, str]:
    """Versions of Python, the platform and the libraries that shape results."""
    found = {"python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}"}
    for package in _VERSIONED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


class Run:
    """One run, opened. Use as a context manager; only one process may have it open for writing.

    Layout: ``manifest.json``, ``events.jsonl``, ``tables/*.parquet``, ``artefacts/``, ``profile.json``, ``lock``.
    """

    def __init__(self, path: Path, manifest: Manifest, *, writable: bool) -> None:
        self.path, self.manifest, self.writable = path, manifest, writable
        self._lock_file: int | None = None
        self._progress_shown: dict[str, float] = {}
        self._memo: Memo | None = None
        if writable:
            self._lock_file = _lock(path / "lock")
            try:
                self._memo = Memo(EventLog(path / "events.jsonl"))
            except BaseException:
                self.close()
                raise

    @classmethod
    def create(
        cls,
        path: Path | str,
        kind: str,
        config: Mapping[str, Any],
        *,
        seed: int,
        model: Mapping[str, Any] | None = None,
    ) -> Run:
        """Start a new run in a new or empty folder.

        Raises:
            RunError: The folder already holds something, or cannot be written.
        """
        path = Path(path)
        with explain_os_errors(path, "cannot create the run folder"):
            path.mkdir(parents=True, exist_ok=True)
            if (path / "manifest.json").exists():
                raise RunError("already holds a run", where=str(path), fix=f"edgewise resume {path}, or another --out")
            if any(path.iterdir()):
                raise RunError("the folder is not empty", where=str(path), fix="choose another folder with --out")
            for folder in ("tables", "artefacts"):
                (path / folder).mkdir()
        manifest = Manifest(
            kind=kind,
            config=dict(config),
            seed=seed,
            model=dict(model or {}),
            versions=installed_versions(),
            created=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        )
        write_atomically(path / "manifest.json", manifest.to_json())
        return cls(path, manifest, writable=True)

    @classmethod
    def open(cls, path: Path | str, *, writable: bool = False) -> Run:
        """Open an existing run, to read it or (``writable``) to continue it.

        Raises:
            RunError: There is no run at ``path``.
            RunLocked: Another process is writing to it.
            CorruptRecord: Manifest or events are damaged; names file and line.
        """
        path = Path(path)
        file = path / "manifest.json"
        if not file.is_file():
            raise RunError("no run here (manifest.json is missing)", where=str(path), fix="`edgewise runs` lists runs")
        with explain_os_errors(file, "cannot read"):
            manifest = Manifest.from_json(file.read_bytes(), where=str(file))
        return cls(path, manifest, writable=writable)

    @staticmethod
    def repair(path: Path | str) -> int:
        """Set damaged event lines aside; what they held is redone on resume. Returns how many lines were moved."""
        lock = _lock(Path(path) / "lock")
        try:
            return repair_events(Path(path) / "events.jsonl")
        finally:
            os.close(lock)

    @property
    def seed(self) -> int:
        """Root seed."""
        return self.manifest.seed

    @property
    def memo(self) -> Memo:
        """What the run remembers of paid and slow work.

        Raises:
            RunError: The run was opened for reading.
        """
        if self._memo is None:
            raise RunError("the run is open for reading only", where=str(self.path))
        return self._memo

    @property
    def events(self) -> EventLog:
        """The event log, for writing."""
        return self.memo.log

    def read_events(self, kind: str | None = None) -> Iterator[Event]:
        """Events so far, or those of one kind, in order; also for a run opened for reading.

        Raises:
            CorruptRecord: The log is damaged; names file and line.
        """
        return read_events(self.path / "events.jsonl", kind=kind)

    def rng(self, *path: str | int) -> np.random.Generator:
        """A generator of its own for the place named by ``path``, whatever else was drawn elsewhere."""
        digest = hashlib.sha256(orjson.dumps([self.seed, *path])).digest()
        return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32).tolist())

    async def once(
        self, key: str, compute: Callable[[], Awaitable[dict[str, Any]]], *, kind: str = "unit"
    ) -> dict[str, Any]:
        """Do a slow or paid piece of work once in the life of the run, however often it is killed (see ``Memo``)."""
        return await self.memo.once(key, compute, kind=kind)

    def progress(self, name: str, done: int, total: int) -> None:
        """Note how far ``name`` (an instrument) has come; ``edgewise checkup`` and ``edgewise view`` show it.

        Cheap enough to call after every unit: at most one event per second and name is written.
        """
        now = time.monotonic()
        if done < total and now - self._progress_shown.get(name, -1.0) < 1.0:
            return
        self._progress_shown[name] = now
        self.events.append("progress", {"instrument": name, "done": done, "total": total}, key=name, durable=False)

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write ``tables/<name>.parquet`` whole and record its digest."""
        import io

        import pyarrow.parquet as pq

        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        content = buffer.getvalue()
        digest = hashlib.sha256(content).hexdigest()
        write_atomically(self.table_path(name), content)
        if (self.events.get("table", name) or {}).get("sha256") != digest:
            self.events.append("table", {"sha256": digest, "rows": table.num_rows}, key=name)

    def read_table(self, name: str) -> pa.Table:
        """Read a table back.

        Raises:
            RunError: The table is missing.
            CorruptRecord: It is not what the run wrote.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.table_path(name)
        fix = f"`edgewise resume {self.path}` writes it again; no model call is repeated"
        if not path.is_file():
            raise RunError("the table is missing", where=str(path), fix=fix)
        with explain_os_errors(path, "cannot read"):
            content = path.read_bytes()
        recorded = [e.data["sha256"] for e in self.read_events("table") if e.key == name]
        if recorded and recorded[-1] != hashlib.sha256(content).hexdigest():
            raise CorruptRecord("the table is not the one the run wrote (its digest differs)", where=str(path), fix=fix)
        # Without threads: a process that ends soon after would be aborted now and then while they are still starting.
        return pq.read_table(pa.BufferReader(content), use_threads=False, pre_buffer=False)

    def table_path(self, name: str) -> Path:
        """Where a table lies."""
        return self.path / "tables" / f"{name}.parquet"

    def write_profile(self, profile: Profile) -> None:
        """Write ``profile.json``."""
        write_atomically(self.path / "profile.json", profile.to_json())

    def read_profile(self) -> Profile:
        """Read the profile back.

        Raises:
            RunError: The run has no profile yet.
        """
        file = self.path / "profile.json"
        if not file.is_file():
            raise RunError("the run has no profile yet", where=str(self.path), fix=f"edgewise resume {self.path}")
        with explain_os_errors(file, "cannot read"):
            return Profile.from_json(file.read_bytes(), where=str(file))

    def finish(self, status: RunStatus, **facts: Any) -> None:
        """Record that the run ended, and how."""
        self.events.append("finished", {"status": status, **facts})

    def status(self) -> RunStatus:
        """``running`` until it ended (also after a kill), then how it ended last."""
        status: RunStatus = "running"
        for event in self.read_events():
            if event.kind == "finished":
                status = event.data["status"]
            elif event.kind == "started":
                status = "running"
        return status

    def is_locked(self) -> bool:
        """Whether some process, this one included, has the run open for writing."""
        try:
            os.close(_lock(self.path / "lock"))
        except RunLocked:
            return True
        except RunError:  # a folder we may not write to: nobody of ours does
            return False
        return False

    def close(self) -> None:
        """Release the run. Closing twice is fine."""
        if self._memo is not None:
            self._memo.log.close()
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _lock(path: Path) -> int:
    """Take the run's lock, or say who has it. The lock falls with the process, however it ends."""
    with explain_os_errors(path, "cannot lock the run"):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise RunLocked(
                f"another process (pid {holder}) is writing to this run",
                where=str(path.parent),
                fix="wait for it, or stop it",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return descriptor
