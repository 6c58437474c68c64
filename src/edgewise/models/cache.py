"""The response cache: answers by the digest of model and request, in one SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import orjson

from edgewise.core.errors import RunError
from edgewise.core.files import explain_os_errors


class Cache:
    """Content-addressed answers, shared by processes and runs. Off unless a user asks for it.

    A run never pays for a call twice with or without it; the cache carries answers from one run to the next.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        with explain_os_errors(self.path, "cannot open the response cache"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._explain():
            self._db = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, timeout=30)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID")

    def _explain(self) -> _Explain:
        return _Explain(self.path)

    def get(self, key: str) -> dict[str, Any] | None:
        """The answer stored under ``key``, or ``None``."""
        with self._lock, self._explain():
            row = self._db.execute("SELECT body FROM answers WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        answer: dict[str, Any] = orjson.loads(row[0])
        return answer

    def put(self, key: str, answer: dict[str, Any]) -> None:
        """Store an answer. The first one stays."""
        with self._lock, self._explain():
            self._db.execute("INSERT OR IGNORE INTO answers VALUES (?, ?)", (key, orjson.dumps(answer)))

    def close(self) -> None:
        """Close the file."""
        self._db.close()


class _Explain:
    """Says which file SQLite complains about."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, sqlite3.Error):
            raise RunError(
                f"the response cache cannot be used ({error})", where=str(self.path), fix="delete it, or drop --cache"
            ) from error
