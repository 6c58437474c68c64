"""The audit as a command: one JSON object, a report, exit codes, and a run that `edgewise resume` knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from edgewise.cli.loopholes_audit import audit
from edgewise.core.errors import BadInput
from edgewise.core.run import Run
from edgewise.report.commands import reproduce
from support.commands import as_json, edgewise

APP = typer.Typer()
APP.command()(audit)
SPEC = "game:planted?planted=bonus&strength=1.5&ease=0.05"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    done = CliRunner().invoke(APP, [SPEC, "--out", str(tmp_path / "run"), "--json", "--budget", "6000"])
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    assert set(data["exploitability"]) >= {"value", "low", "high"}
    assert data["loopholes"][0]["witness"]["completion"]
    return tmp_path / "run"


def test_report_and_resume(run: Path) -> None:
    assert "Audit of the reward" in (run / "report.html").read_text()
    again = edgewise("resume", run, "--json", cwd=run.parent)
    assert again.returncode == 0, again.stderr
    before = next(Run.open(run).read_events("summary")).data
    assert as_json(again) == before


def test_command_that_makes_it_again(run: Path) -> None:
    words = reproduce(Run.open(run).manifest)
    assert words.startswith("edgewise loopholes audit 'game:planted?planted=bonus")
    assert "--budget 6000" in words


def test_a_table_for_people(tmp_path: Path) -> None:
    done = CliRunner().invoke(APP, [SPEC, "--out", str(tmp_path / "run"), "--budget", "6000"])
    assert done.exit_code == 0
    assert "predicted exploit ratio" in done.stdout
    assert "refuse" in done.stdout


def test_a_spent_budget_is_an_incomplete_run(tmp_path: Path) -> None:
    done = CliRunner().invoke(APP, [SPEC, "--out", str(tmp_path / "run"), "--budget", "200", "--json"])
    assert done.exit_code == 3
    assert json.loads(done.stdout)["status"] == "incomplete"


def test_nothing_is_written_for_what_there_is_not(tmp_path: Path) -> None:
    done = CliRunner().invoke(APP, ["game:chess", "--out", str(tmp_path / "run")])
    assert isinstance(done.exception, BadInput)
    assert not (tmp_path / "run").exists()
