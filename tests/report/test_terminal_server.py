"""The terminal at any width, and the live view."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from edgewise.core.run import Run
from edgewise.report.terminal import print_comparison, print_profile

Make = Callable[..., Run]


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_profile_fits_the_terminal(make_run: Make, width: int) -> None:
    profile = make_run("[bold]\x1b[31mred\x00").read_profile()
    out = io.StringIO()
    print_profile(profile, console=Console(file=out, width=width))
    text = out.getvalue()
    assert "\x1b" not in text and "\x00" not in text and "[bold]" in text
    assert max(map(len, text.splitlines())) <= width
    assert "above guessing: pass" in " ".join(text.split()) and "0.40" in text
    assert ("├" in text) == (width >= 80)


def test_a_comparison_says_which_way(make_run: Make) -> None:
    a, b = make_run().read_profile(), make_run(name="b").read_profile()
    out = io.StringIO()
    print_comparison(a.compare(b), console=Console(file=out, width=80))
    assert "fake.calibration/ece" in out.getvalue() and "There is no total" in out.getvalue()


def test_the_view_serves_report_and_progress_to_this_machine_only(make_run: Make) -> None:
    pytest.importorskip("fastapi")
    from starlette.testclient import TestClient

    from edgewise.report.server import make_app

    run = make_run()
    client = TestClient(make_app(run.path), base_url="http://127.0.0.1")
    assert "edgewise check-up" in client.get("/").text
    assert "event: done" in client.get("/progress").text
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    assert client.post("/").status_code == 405
    with Run.open(run.path, writable=True) as writing:
        writing.events.append("started", {})
        writing.progress("competence", 3, 10)
        assert "is running" in client.get("/").text
    assert '"done": 3' in client.get("/progress").text


def test_a_run_without_profile_is_explained(make_run: Make) -> None:
    pytest.importorskip("fastapi")
    from starlette.testclient import TestClient

    from edgewise.report.server import make_app

    run = make_run()
    (run.path / "profile.json").unlink()
    answer = TestClient(make_app(run.path), base_url="http://127.0.0.1").get("/")
    assert answer.status_code == 409 and "no profile" in answer.text
