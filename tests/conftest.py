"""Fixtures that several rooms use."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from support.fake_server import FakeServer


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    thread = threading.Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield fake
    fake.released.set()
    fake.shutdown()
    fake.server_close()
    thread.join()


@pytest.fixture
def browser(tmp_path: Path) -> Callable[..., str]:
    """Runs headless Chromium with extra switches and returns what it prints."""
    program = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
    if program is None:
        pytest.skip("no Chromium here")

    def run(*switches: str) -> str:
        command = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                   "--disable-background-networking", "--disable-component-update", "--disable-sync",
                   "--hide-scrollbars",
                   f"--user-data-dir={tmp_path / 'chromium'}", "--virtual-time-budget=20000", *switches]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
        return done.stdout

    return run


# A busy machine is no finding.
hypothesis.settings.register_profile("edgewise", deadline=None)
hypothesis.settings.load_profile("edgewise")


def pytest_configure(config: pytest.Config) -> None:
    """Each of several workers keeps to one core: threads that wait for one another by spinning stall if they share."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})
