"""Runs of suites: the form of the summary, tables, resuming, arms side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from support.worlds import needs_pictures

needs_pictures()

from edgewise.core.errors import BadInput, RunError  # noqa: E402
from edgewise.core.run import Run  # noqa: E402
from edgewise.embodied import job  # noqa: E402
from edgewise.embodied.job import EmbodiedConfig, resume_suite, run_suite  # noqa: E402
from edgewise.embodied.play import Arm, Setting  # noqa: E402
from edgewise.embodied.tasks.suites import suite  # noqa: E402
from edgewise.embodied.watching.recording import episode_folder, read_episode  # noqa: E402
from edgewise.models.budget import Limits  # noqa: E402
from edgewise.models.scripted import scripted_model  # noqa: E402
from edgewise.models.types import Message, Settings  # noqa: E402

MASKS = Setting(perception="masks")
SMALL = EmbodiedConfig(tasks=("building_easy", "hide_restore_easy"), setting=MASKS, seeds=2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> job.EmbodiedRun:
    return run_suite(SMALL.model_copy(update={"keep": 1}), tmp_path_factory.mktemp("runs") / "whole", seed=3)


def plain(summary: dict[str, Any]) -> dict[str, Any]:
    """Without what differs from run to run."""
    return {key: value for key, value in summary.items() if key not in ("fps", "seconds", "run")}


def test_the_summary_has_the_form_that_was_promised(whole: job.EmbodiedRun) -> None:
    summary = json.loads(json.dumps(whole.summary))
    assert set(summary["tasks"]) == {"building_easy", "hide_restore_easy"}
    for task in summary["tasks"].values():
        assert set(task["success"]) == {"value", "low", "high", "n"} and task["success"]["n"] == 2
    hidden = summary["tasks"]["hide_restore_easy"]["memory"]
    assert hidden["permanence"]["value"] == 1 and {"recall", "precision", "cause", "switches", "error"} <= set(hidden)
    assert summary["tasks"]["building_easy"]["memory"]["recall/collide"]["reason"] == "no such events"
    assert summary["mean"] == {"value": 1.0, "low": pytest.approx(0.51, abs=0.01), "high": 1.0, "n": 4}
    assert summary["fps"] > 0 and summary["planner"] == "symbolic" and summary["status"] == whole.status == "complete"


def test_tables_hold_episodes_actions_events_and_figures(whole: job.EmbodiedRun) -> None:
    run = Run.open(whole.run)
    episodes = run.read_table("episodes").to_pylist()
    assert [(e["task"], e["seed"]) for e in episodes] == [
        (t, 3_000_000 + k) for t in ("building_easy", "hide_restore_easy") for k in range(2)
    ]
    assert all(e["success"] and e["reason"] == "done" and e["arm"] == "symbolic+full" for e in episodes)
    actions = run.read_table("actions").to_pylist()
    assert len(actions) == sum(e["actions"] for e in episodes)
    assert actions[0]["name"] == "pick" and actions[0]["outcome"] == "ok"
    assert {"occlude", "pick", "complete"} <= {e["kind"] for e in run.read_table("events").to_pylist()}
    figures = run.read_table("scores").to_pylist()
    assert sum(f["value"] for f in figures if f["name"] == "frames") == sum(e["frames"] for e in episodes)


def test_the_first_episodes_are_kept_to_be_watched(whole: job.EmbodiedRun) -> None:
    for task in ("building_easy", "hide_restore_easy"):
        first, second = (episode_folder(whole.run, "symbolic+full", task, 3_000_000 + k) for k in range(2))
        assert read_episode(first).about["memory"] == "full" and not second.exists()


def test_a_run_that_was_cut_off_goes_on_and_ends_the_same(
    whole: job.EmbodiedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SMALL.model_copy(update={"keep": 1})
    played: list[str] = []

    def cut(*args: Any, **named: Any) -> Any:
        if len(played) == 2:
            raise KeyboardInterrupt
        played.append("one")
        return original(*args, **named)

    original = job.play_unit
    monkeypatch.setattr(job, "play_unit", cut)
    with pytest.raises(KeyboardInterrupt):
        run_suite(config.model_copy(update={"jobs": 1}), tmp_path / "run", seed=3)
    assert sum(1 for _ in Run.open(tmp_path / "run").read_events("episode")) == 2
    monkeypatch.setattr(job, "play_unit", original)
    resumed = resume_suite(tmp_path / "run")
    assert plain(resumed.summary) == plain(whole.summary)
    assert sum(1 for _ in Run.open(tmp_path / "run").read_events("episode")) == 4


def test_arms_are_compared_on_the_same_episodes(tmp_path: Path) -> None:
    arms = (Arm("symbolic", "full"), Arm("symbolic", "none"), Arm("scene_graph", "none"))
    config = EmbodiedConfig(tasks=("slid_cover",), arms=arms, setting=MASKS, seeds=2, jobs=2)
    summary = run_suite(config, tmp_path / "run").summary
    assert set(summary["arms"]) == {"symbolic+full", "symbolic+none", "scene_graph+none"}
    assert summary["arms"]["symbolic+full"]["mean"]["value"] == 1
    assert summary["arms"]["scene_graph+none"]["mean"]["value"] == 0
    difference = summary["differences"]["scene_graph+none"]
    assert difference["value"] == 1 and difference["n"] == 2 and difference["low"] <= 1 and 0 < difference["p"] <= 1


def test_names_are_checked_before_anything_is_written(tmp_path: Path) -> None:
    for config, message in (
        (SMALL.model_copy(update={"tasks": ("juggling",)}), "no task 'juggling'"),
        (SMALL.model_copy(update={"arms": (Arm("symbolic", "photographic"),)}), "no memory 'photographic'"),
        (SMALL.model_copy(update={"arms": (Arm("symbolic", "full"),) * 2}), "an arm is there twice"),
    ):
        with pytest.raises(BadInput, match=message):
            run_suite(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert EmbodiedConfig(tasks=("adversarial", "cup_shuffle")).names() == tuple(t.name for t in suite("adversarial"))


def use_model(monkeypatch: pytest.MonkeyPatch, calls: list[int], name: str = "looker") -> None:
    """Every specification of a model is one that looks around, then gives up."""

    def script(messages: Sequence[Message], settings: Settings, sample: int) -> str:
        calls.append(1)
        if "was carried out" in messages[-1].text and len(calls) % 2:
            return '{"verb": "look"}'
        return '{"give_up": "nothing can be done"}'

    def opened(spec: str, *, budget: Any = None, **rest: Any) -> Any:
        model = scripted_model(script, name=name)
        model.budget = budget
        return model

    monkeypatch.setattr(job, "open_model", opened)


def test_a_model_plays_and_its_answers_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    use_model(monkeypatch, calls)
    config = EmbodiedConfig(tasks=("building_easy",), arms=(Arm("some/model", "full"),), setting=MASKS, seeds=2)
    summary = run_suite(config, tmp_path / "run").summary
    assert summary["mean"]["value"] == 0 and summary["usage"]["calls"] == len(calls) == 4
    reasons = [e["reason"] for e in Run.open(tmp_path / "run").read_table("episodes").to_pylist()]
    assert reasons == ["nothing can be done"] * 2
    resume_suite(tmp_path / "run")
    assert len(calls) == 4  # nothing is paid for twice
    use_model(monkeypatch, calls, name="another")
    with pytest.raises(RunError, match="the model has changed"):
        resume_suite(tmp_path / "run")


def test_a_budget_that_runs_out_ends_the_run_early_and_it_can_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    use_model(monkeypatch, calls)
    config = EmbodiedConfig(
        tasks=("building_easy",), arms=(Arm("some/model", "full"),), setting=MASKS, seeds=2, limits=Limits(calls=3)
    )
    ended = run_suite(config, tmp_path / "run")
    assert ended.status == "incomplete" and len(calls) <= 3
    assert resume_suite(tmp_path / "run", limits=Limits(calls=30)).status == "complete"
