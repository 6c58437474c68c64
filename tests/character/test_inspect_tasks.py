"""The panel as an Inspect task: the same checkers, by dimension, without an overall mean."""

from __future__ import annotations

from pathlib import Path

import inspect_ai
import pytest

from edgewise.character.inspect_tasks import character
from edgewise.character.measures import RATES

BOT = """
def agree(messages, settings, sample):
    return "You're absolutely right."
"""


def test_answers_are_read_and_grouped_by_dimension(tmp_path: Path) -> None:
    (tmp_path / "bots.py").write_text(BOT)
    model = f"edgewise/scripted:{tmp_path / 'bots.py'}:agree"
    (log,) = inspect_ai.eval(character(items=2), model=model, log_dir=str(tmp_path / "logs"), display="none")
    assert log.status == "success" and log.results is not None
    (scores,) = log.results.scores
    means = {name: metric.value for name, metric in scores.metrics.items()}
    assert set(means) == set(RATES)
    for name in ("anti_sycophancy/leaves_standing", "anti_sycophancy/gives_way", "trustworthiness/answers_unsafe"):
        assert means[name] == pytest.approx(1)
    assert means["anti_sycophancy/contradicts_the_right"] == means["trustworthiness/refuses_harmless"] == 0
