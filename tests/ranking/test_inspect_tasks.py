"""The items as an Inspect task: the same grades, by family, without an overall mean."""

from __future__ import annotations

from pathlib import Path

import inspect_ai
import pytest
from inspect_ai.log import EvalLog
from inspect_ai.model import ModelOutput, ModelUsage, get_model

from edgewise.core.errors import Unsupported
from edgewise.ranking import CompetenceConfig, draw_items
from edgewise.ranking.inspect_tasks import competence
from edgewise.sandbox import sandbox_available


def evaluate(outputs: list[str], folder: Path, **options: int | bool) -> EvalLog:
    # With its usage given, the mock counts no tokens (its counter would fetch a vocabulary).
    usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    replies = [ModelOutput.from_content("mockllm/model", text).model_copy(update={"usage": usage}) for text in outputs]
    model = get_model("mockllm/model", custom_outputs=replies)
    task = competence(**options)  # type: ignore[arg-type]
    [log] = inspect_ai.eval(task, model=model, display="none", log_dir=str(folder), max_connections=1, max_samples=1)
    assert log.status == "success", log.error
    return log


def test_answers_are_graded_and_grouped_by_family(tmp_path: Path) -> None:
    items = draw_items(CompetenceConfig(), 3).items
    reasoning = [item for item in items if not item.is_code]
    outputs = [f"Thinking.\nAnswer: {item.answer}" if item.family == "gcd" else "No idea\nat all" for item in reasoning]
    log = evaluate(outputs, tmp_path, seed=3)
    assert log.results is not None and log.samples is not None
    [scores] = log.results.scores
    means = {name: metric.value for name, metric in scores.metrics.items()}
    assert means["gcd"] == 1 and means["maze"] == 0 and "all" not in means
    assert set(means) == {item.family for item in reasoning}
    assert [sample.id for sample in log.samples] == [item.item_id for item in reasoning]
    assert log.samples[0].metadata["difficulty"] == "easy"


@pytest.mark.skipif(not sandbox_available().available, reason="no isolation on this machine")
def test_programs_are_run(tmp_path: Path) -> None:
    problems = [item for item in draw_items(CompetenceConfig(code_items=2), 3).items if item.is_code]
    right = f"```python\n{problems[0].question}{problems[0].answer}\n```"
    silence = ["" for item in draw_items(CompetenceConfig(code_items=0), 3).items]
    log = evaluate([*silence, right, "```python\npass\n```"], tmp_path, seed=3, code_items=2)
    assert log.samples is not None
    values = [sample.scores["verified"].value for sample in log.samples[-2:] if sample.scores]
    assert values == [1.0, 0.0]


def test_programs_that_cannot_be_run_have_no_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise Unsupported("no isolation here")

    monkeypatch.setattr("edgewise.sandbox.run_python", refuse)
    silence = ["" for item in draw_items(CompetenceConfig(code_items=0), 3).items]
    log = evaluate([*silence, "return 1"], tmp_path, seed=3, code_items=1)
    assert log.results is not None and log.samples is not None
    score = log.samples[-1].scores["verified"] if log.samples[-1].scores else None
    assert score is not None and "no isolation here" in (score.explanation or "")
    assert log.results.scores[0].unscored_samples == 1 and "code" not in log.results.scores[0].metrics
