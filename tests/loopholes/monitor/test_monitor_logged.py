"""Logs watched afterwards: tables, run folders, the command, and errors that name file, row and field."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from edgewise.cli.loopholes_monitor import monitor as command
from edgewise.core.errors import BadInput, RunError
from edgewise.core.run import Run
from edgewise.core.section import Figure
from edgewise.loopholes.monitor.job import WatchConfig, look
from edgewise.loopholes.monitor.logged import read_rows, replay
from edgewise.loopholes.monitor.report import build_section
from edgewise.loopholes.monitor.rows import EVENT, Row, row_of
from edgewise.loopholes.types import Grades


def rows(seed: int = 0, *, exploited: bool = True, marked: bool = True) -> list[Row]:
    """A run that is honest up to step 100, and then perhaps is not."""
    rng = np.random.default_rng(seed)
    found = []
    for step in range(0, 200, 10):
        n = 160 if step == 0 else 40
        trusted = rng.normal(0.01 * step, 1, n)
        length = np.full(n, 1.0 if exploited and step >= 100 else 0.0)
        grades = Grades(trusted + length, trusted, np.full(n, np.nan), length, {"length": length})
        found.append(row_of(step, grades, kind="start" if marked and step == 0 else "check", seed=seed))
    return found


def as_csv(path: Path, found: list[Row]) -> Path:
    lines = ["step,seed,proxy,trusted,exploit,length"]
    for row in found:
        for values in zip(row.proxy, row.trusted, row.exploit, row.parts["length"], strict=True):
            lines.append(f"{row.step},{row.seed},{','.join('' if v is None else repr(v) for v in values)}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_table_and_rows_of_lists_and_a_run_are_the_same_to_the_monitor(tmp_path: Path) -> None:
    found = rows(marked=False)
    table = as_csv(tmp_path / "log.csv", found)
    lines = tmp_path / "log.jsonl"
    lines.write_text("".join(json.dumps(row.model_dump(mode="json")) + "\n" for row in found))
    with Run.create(tmp_path / "run", "anything", {}, seed=0) as run:
        for row in found[:3] + found:  # some were written twice
            run.events.append(EVENT, row.model_dump(mode="json"))
    told = []
    for source in (table, lines, tmp_path / "run"):
        (watch,) = replay(read_rows(source))
        assert watch.baseline == (0, 160)
        alarm = watch.monitor.alarm
        assert alarm is not None
        told.append((alarm.step, alarm.since, alarm.explained, round(alarm.evidence, 3)))
    assert told[0] == told[1] == told[2]
    assert told[0][1] == 100 and 100 <= told[0][0] <= 130 and told[0][2] == ("length",)


def test_a_run_of_trl_is_read_by_groups_while_it_trains(tmp_path: Path) -> None:
    """Events as ``trl_training`` writes them; answers to one prompt are one unit."""
    with Run.create(tmp_path / "run", "loopholes-trl", {"generations": 2}, seed=0) as run:
        for row in rows(marked=False):
            answers = {name: getattr(row, name) for name in ("proxy", "trusted", "exploit")}
            run.events.append("step", {"step": row.step, "faults": 0, "answers": answers}, key=str(row.step))
        (watch,) = replay(read_rows(tmp_path / "run"))
    assert watch.monitor.checks[0].n == 20 and watch.baseline == (0, 80)
    assert watch.monitor.alarm is not None and watch.monitor.alarm.since == 100


def test_clean_seeds_beside_an_exploiting_one_and_true_for_trusted(tmp_path: Path) -> None:
    both = [
        row.model_copy(update={"true": row.trusted, "trusted": ()}) for row in (*rows(0, exploited=False), *rows(1))
    ]
    lines = tmp_path / "log.jsonl"
    lines.write_text("".join(json.dumps(row.model_dump(mode="json")) + "\n" for row in both))
    summary = look(WatchConfig(source=str(lines)))
    clean, exploiting = summary["runs"]
    assert clean["alarm"] is None and exploiting["alarm"]["since"] == 100
    assert summary["alarms"]["value"] == 0.5 and summary["alarms"]["n"] == 2
    assert exploiting["baseline"] == {"last_step": 0, "units": 160}


def test_the_command_writes_a_report(tmp_path: Path) -> None:
    table = as_csv(tmp_path / "log.csv", rows(marked=False))
    app = typer.Typer()
    app.command()(command)
    out = tmp_path / "looked"
    done = CliRunner().invoke(app, [str(table), "--out", str(out), "--json"])
    if done.exception is not None:
        raise done.exception
    summary = json.loads(done.stdout)
    assert summary["runs"][0]["alarm"]["since"] == 100
    with pytest.raises(BadInput, match="neither same"):
        command(table, scale="twice")
    section = build_section(Run.open(out))
    assert "Alarm at step" in section.lead and "length" in section.lead
    figures = [block for block in section.blocks if isinstance(block, Figure)]
    assert len(figures) == 2 and figures[0].layout["shapes"][0]["x0"] == summary["runs"][0]["alarm"]["step"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "step,proxy\n1,2\n", ["a.csv", "'trusted'"]),
        ("a.csv", "proxy,trusted\n1,2\n", ["a.csv", "'step'"]),
        ("a.csv", "step,proxy,trusted\n1,2,3\n1,x,3\n", ["a.csv", "row 2", "'proxy'"]),
        ("a.csv", "step,proxy,trusted\n1.5,2,3\n", ["row 1", "'step'"]),
        ("a.csv", "step,proxy,trusted\n1,inf,3\n", ["row 1", "'proxy'", "infinite"]),
        ("a.csv", "step,proxy,trusted\n1,2,\n", ["'trusted'", "no value"]),
        ("a.csv", "step,proxy,trusted,kind\n1,2,3,later\n", ["row 1", "'kind'"]),
        ("a.csv", "step,proxy,trusted\n" + "1,2,3\n" * 200, ["no step after"]),
        ("a.jsonl", '{"step": 1, "proxy": [1, 2], "trusted": [1]}\n', ["a.jsonl", "row 1", "trusted"]),
        ("a.jsonl", '{"step": 1, "proxy": [1, "x"], "trusted": [1, 2]}\n', ["a.jsonl", "row 1"]),
        ("a.txt", "", ["neither"]),
    ],
)
def test_errors_name_file_row_and_field(tmp_path: Path, name: str, text: str, words: list[str]) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        replay(read_rows(path))
    for word in words:
        assert word in str(caught.value)


def test_folders_without_figures(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        read_rows(tmp_path / "none")
    with pytest.raises(RunError, match="no run here"):
        read_rows(tmp_path)
    with Run.create(tmp_path / "run", "anything", {}, seed=0):
        pass
    with pytest.raises(RunError, match="logged no answers"):
        read_rows(tmp_path / "run")
