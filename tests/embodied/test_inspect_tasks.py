"""Embodied tasks as Inspect runs them."""

from __future__ import annotations

from pathlib import Path

import inspect_ai
import pytest

from support.worlds import needs_pictures

BOT = """
import json

def looks(messages, settings, sample):
    seen = "action 1: look" in messages[1].text
    return json.dumps({"give_up": "I have seen enough"} if seen else {"verb": "look", "thought": "let me see"})
"""


def test_every_sample_is_an_episode(tmp_path: Path) -> None:
    try:
        needs_pictures()
    except pytest.skip.Exception as problem:
        pytest.skip(str(problem))
    from edgewise.embodied.inspect_tasks import embodied

    (tmp_path / "bots.py").write_text(BOT)
    task = embodied(tasks="slid_cover,building-easy", seeds=1, pictures=False)
    model = f"edgewise/scripted:{tmp_path / 'bots.py'}:looks"
    (log,) = inspect_ai.eval(task, model=model, log_dir=str(tmp_path / "logs"), display="none")
    assert log.status == "success", log.error and log.error.traceback
    assert log.samples is not None and log.results is not None
    assert {sample.id for sample in log.samples} == {"slid_cover 0", "building_easy 0"}
    assert {sample.output.completion for sample in log.samples} == {"look: ok\nI have seen enough"}
    found = {one.name: one.metrics["mean"].value for one in log.results.scores}
    assert found == {"success": 0.0, "steps_reached": 0.0}
