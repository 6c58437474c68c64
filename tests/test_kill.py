"""Kill -9 at any moment: resumed, the run ends with the same bytes, and no answer that arrived is asked for again."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from edgewise.core.events import read_events
from support.fake_server import FakeServer, Handler, completion


def count_calls(folder: Path) -> set[str]:
    """Idempotency keys of the calls that the run has on record."""
    events = folder / "events.jsonl"
    if not events.is_file():
        return set()
    found, scope = set(), ""
    for event in read_events(events):
        if event.kind == "model":
            scope = event.data["scope"]
        elif event.kind == "call":
            digest = event.key.rpartition("/")[2]
            found.add(hashlib.sha256(f"{scope}/openai-api/edgewise/fake/{digest}".encode()).hexdigest()[:32])
    return found


def slow_answer(handler: Handler, body: dict[str, Any]) -> None:
    """Says something that depends on the question alone, after a moment."""
    time.sleep(0.02)
    digest = hashlib.sha256(str(sorted(body.items())).encode()).hexdigest()
    handler.send_json(200, completion(f"Answer: {int(digest[:4], 16) % 50}"))


def start(server: FakeServer, folder: Path, seed: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from edgewise.cli import main; main()"]
    if (folder / "manifest.json").exists():
        command += ["resume", str(folder)]
    else:
        small = ["--set", "competence.code_items=1", "--only", "competence"]
        command += ["checkup", f"{server.url}#fake", "--seed", str(seed), "--out", str(folder), *small]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(server: FakeServer, folder: Path, seed: int) -> None:
    process = start(server, folder, seed)
    _, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors.decode()


def outcome(folder: Path) -> dict[str, bytes]:
    tables = {path.name: path.read_bytes() for path in (folder / "tables").iterdir()}
    return tables | {"profile.json": (folder / "profile.json").read_bytes()}


def kill_at_a_random_moment(server: FakeServer, folder: Path, seed: int, rng: random.Random) -> None:
    """While starting, after some number of requests, or while the last tables are written."""
    before = len(server.requests)
    process = start(server, folder, seed)
    if rng.random() < 0.2:
        time.sleep(rng.uniform(0, 4))
    else:
        wanted = before + rng.randrange(1, 40)
        while len(server.requests) < wanted and process.poll() is None:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.05))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stderr is not None
    process.stderr.close()


def check(server: FakeServer, tmp_path: Path, *, runs: int, kills: int, seed: int) -> None:
    server.plan = [slow_answer] * 100_000
    finish(server, tmp_path / "whole", seed)
    expected = outcome(tmp_path / "whole")
    calls = len(server.requests)
    rng = random.Random(seed)
    for number in range(runs):
        folder = tmp_path / f"run{number}"
        server.requests.clear()
        for _ in range(kills):
            on_record = count_calls(folder)
            before = len(server.requests)
            kill_at_a_random_moment(server, folder, seed, rng)
            again = {request["key"] for request in server.requests[before:]} & on_record
            assert not again, "a call that was on record was made again"
        on_record, before = count_calls(folder), len(server.requests)
        finish(server, folder, seed)
        assert not {request["key"] for request in server.requests[before:]} & on_record
        assert outcome(folder) == expected
        keys = [request["key"] for request in server.requests]
        # A server that knows its keys is paid once for each call; only what was in flight at a kill was sent again.
        assert len(set(keys)) == calls
        assert len(keys) - calls <= 8 * kills


def test_three_kills(server: FakeServer, tmp_path: Path) -> None:
    check(server, tmp_path, runs=1, kills=3, seed=5)


@pytest.mark.slow
def test_twenty_five_kills(server: FakeServer, tmp_path: Path) -> None:
    check(server, tmp_path, runs=5, kills=5, seed=6)
