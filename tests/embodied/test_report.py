"""The section of a run of embodied tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from edgewise.core.errors import RunError
from edgewise.core.run import Run
from edgewise.core.section import Section
from edgewise.embodied.report import build_section, called, general
from edgewise.report.html import render_run


def measure(value: float | None, n: int = 4) -> dict[str, Any]:
    if value is None:
        return {"value": None, "low": None, "high": None, "n": 0, "reason": "no such events"}
    return {"value": value, "low": max(0.0, value - 0.2), "high": min(1.0, value + 0.2), "n": n}


def titles(section: Section) -> list[str]:
    return [block.title for block in section.blocks if block.kind != "text"]


@pytest.fixture
def suite_run(tmp_path: Path) -> Run:
    """Four made-up episodes of one arm."""
    scores = {"permanence": measure(1.0), "precision": measure(0.9), "recall": measure(0.8), "switches": measure(0.0)}
    scores |= {"precision/move": measure(1.0), "recall/move": measure(None)}
    tasks = {"stack_three_colors": {"success": measure(0.5), "memory": scores}}
    common = {"seeds": 4, "budget": 1500, "perception": "classical", "noise": 2.0}
    config: dict[str, Any] = {"tasks": ["stack_three_colors"], "arms": [["symbolic", "full"]], "seeds": 4,
                              "setting": {"perception": "classical", "noise": 2.0, "gripper": "friction",
                                          "budget": 1500},
                              "limits": {}, "prices": None, "model_args": {}}  # fmt: skip
    with Run.create(tmp_path / "run", "embodied", config, seed=3) as run:
        reasons = (
            "done",
            "done",
            "the same directive fails again and again: pick 3: failed: slipped",
            "it slipped 2 times",
        )
        rows = [
            {"arm": "symbolic+full", "task": "stack_three_colors", "seed": 3_000_000 + k, "success": k < 2, "steps": 2,
             "reached": 2 if k < 2 else k - 2, "reason": reason, "frames": 90, "seconds": 1.0, "actions": 4}
            for k, reason in enumerate(reasons)
        ]  # fmt: skip
        run.write_table("episodes", pa.Table.from_pylist(rows))
        actions = [{"name": "pick", "outcome": "failed", "reason": "it slipped out of the fingers, 3 times"}]
        run.write_table("actions", pa.Table.from_pylist(actions))
        summary = {
            "tasks": tasks,
            "mean": measure(0.5),
            "scores": scores,
            "fps": 70.0,
            "planner": "symbolic",
            "memory": "full",
        }
        run.events.append("summary", summary | common)
        run.finish("complete")
    return Run.open(tmp_path / "run")


def test_a_suite(suite_run: Run) -> None:
    section = build_section(suite_run)
    assert "at 2 times the default noise" in section.lead and "0.50 [0.30, 0.70] n=4" in section.lead
    assert titles(section) == [
        "By task", "Success, with 95 % intervals", "Why 2 of 4 episodes failed", "Primitives",
        "The memory against the truth", "Events by kind",
    ]  # fmt: skip
    by_task = section.blocks[0]
    assert by_task.kind == "table" and by_task.rows[0][:3] == ("stack three colors", "0.50 [0.30, 0.70] n=4", "0.62")
    failed = section.blocks[2]
    assert failed.kind == "table" and {row[2] for row in failed.rows} == {
        "the same directive fails again and again: pick …: failed: slipped", "it slipped … times"
    }  # fmt: skip
    assert {row[3] for row in failed.rows} == {"step 1 of 2", "step 2 of 2"}


def test_its_page_says_how_to_do_it_again(suite_run: Run) -> None:
    words = "edgewise embodied run stack_three_colors --planner symbolic --memory full --noise 2.0 --gripper friction"
    page = render_run(suite_run)
    assert f"{words} --seeds 4 --seed 3" in page and "watch" in page


def test_a_ladder(ladder_run: Run) -> None:
    section = build_section(ladder_run)
    assert titles(section)[:3] == ["Arms side by side", "Success, with 95 % intervals", "Success by task"]
    table = section.blocks[0]
    assert table.kind == "table" and [row[0] for row in table.rows] == ["full", "none"]
    assert str(table.rows[0][1]).startswith("1.00 ") and str(table.rows[1][1]).startswith("0.00 ")
    assert "p=1" in str(table.rows[1][2])
    assert any(block.kind == "text" and "--arm symbolic+none" in block.text for block in section.blocks)
    page = render_run(ladder_run)
    assert "embodied ablate slid_cover --planner symbolic --memory full --memory none --perception simulator" in page


def test_a_run_without_a_result(tmp_path: Path) -> None:
    Run.create(tmp_path / "run", "embodied", {}, seed=0).close()
    with pytest.raises(RunError, match="no result yet"):
        build_section(Run.open(tmp_path / "run"))


def test_names_and_reasons() -> None:
    assert called("symbolic+last_seen", {"symbolic+last_seen": 0, "symbolic+full": 0}) == "last seen"
    assert called("value_map+none", {"value_map+none": 0, "symbolic+full": 0}) == "value map, none"
    assert called("openai/gpt+full", {"openai/gpt+full": 0, "symbolic+full": 0}) == "openai/gpt"
    assert general("red cube 3 stands on blue cube 12; it is 2.5 cm off, at (0.1, 0.20)") == (
        "red cube … stands on blue cube …; it is … off, at …"
    )
