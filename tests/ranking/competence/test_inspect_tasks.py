"""The items as an Inspect task: the same grades, by family, without an overall mean."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import inspect_ai
import pytest
from inspect_ai.log import EvalLog
from inspect_ai.model import ModelOutput, ModelUsage, get_model

from edgewise.core.errors import Unsupported
from edgewise.questions import Item
from edgewise.ranking.competence import CompetenceConfig, draw_items
from edgewise.ranking.competence.inspect_tasks import competence
from edgewise.sandbox import sandbox_available

SEED = 3


def drawn(code_items: int) -> list[Item]:
    return list(draw_items(CompetenceConfig(code_items=code_items), SEED).items)


def evaluate(replies: Mapping[str, str], folder: Path, *, code_items: int = 0) -> EvalLog:
    """Run the task on a model that replies to the items named, and says nothing to the others."""
    questions = {item.question.strip(): replies.get(item.item_id, "") for item in drawn(code_items)}

    def reply(messages: Any, *_: object) -> ModelOutput:
        [text] = [said for question, said in questions.items() if question in messages[-1].text]
        # With its usage given, the mock counts no tokens (its counter would fetch a vocabulary).
        usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return ModelOutput.from_content("mockllm/model", text).model_copy(update={"usage": usage})

    model = get_model("mockllm/model", custom_outputs=reply)
    task = competence(seed=SEED, code_items=code_items)
    [log] = inspect_ai.eval(task, model=model, display="none", log_dir=str(folder))
    assert log.status == "success", log.error
    return log


def test_answers_are_graded_and_grouped_by_family(tmp_path: Path) -> None:
    items = drawn(0)
    log = evaluate({i.item_id: f"Thinking.\nAnswer: {i.answer}" for i in items if i.family == "gcd"}, tmp_path)
    assert log.results is not None and log.samples is not None
    [scores] = log.results.scores
    means = {name: metric.value for name, metric in scores.metrics.items()}
    assert means.pop("gcd") == 1 and set(means.values()) == {0}
    assert set(means) == {item.family for item in items} - {"gcd"}  # and no mean over all
    assert {sample.id for sample in log.samples} == {item.item_id for item in items}


@pytest.mark.skipif(not sandbox_available().available, reason="no isolation on this machine")
def test_programs_are_run(tmp_path: Path) -> None:
    right, wrong = (item for item in drawn(2) if item.is_code)
    program = f"```python\n{right.question}{right.answer}\n```"
    log = evaluate({right.item_id: program, wrong.item_id: "```python\npass\n```"}, tmp_path, code_items=2)
    assert log.samples is not None
    values = {sample.id: sample.scores["verified"].value for sample in log.samples if sample.scores}
    assert values[right.item_id] == 1 and values[wrong.item_id] == 0


def test_programs_that_cannot_be_run_have_no_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise Unsupported("no isolation here")

    monkeypatch.setattr("edgewise.sandbox.run_python", refuse)
    [problem] = (item for item in drawn(1) if item.is_code)
    log = evaluate({problem.item_id: "return 1"}, tmp_path, code_items=1)
    assert log.results is not None and log.samples is not None
    [sample] = (sample for sample in log.samples if sample.id == problem.item_id)
    assert sample.scores is not None and "no isolation here" in (sample.scores["verified"].explanation or "")
    assert log.results.scores[0].unscored_samples == 1
