"""Fixtures that several rooms use."""

from __future__ import annotations

import threading
from collections.abc import Iterator

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


# A busy machine is no finding.
hypothesis.settings.register_profile("edgewise", deadline=None)
hypothesis.settings.load_profile("edgewise")
