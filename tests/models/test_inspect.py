"""Our models inside Inspect, and records translated both ways."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ChatMessageTool, ChatMessageUser, ContentImage, GenerateConfig, ModelOutput
from inspect_ai.scorer import includes
from inspect_ai.solver import generate

from edgewise.core.errors import ModelFault, Unsupported
from edgewise.models.inspect_types import (
    from_generate_config,
    from_inspect_messages,
    response_from_output,
    to_generate_config,
    to_inspect_messages,
    to_model_output,
)
from edgewise.models.types import Image, Message, Response, Settings, TokenLogprob

SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": "array", "items": {"type": "string", "maxLength": 3}},
        "b": {"type": "integer", "minimum": 1},
    },
    "required": ["a"],
    "additionalProperties": False,
}  # fmt: skip


def test_inspect_evaluates_a_scripted_model(tmp_path: Path) -> None:
    """As `inspect eval --model edgewise/scripted:…` does: through the entry point."""
    script = tmp_path / "bot.py"
    script.write_text(
        "def f(messages, settings, sample):\n    return 'Paris' if 'France' in messages[-1].text else '?'\n"
    )
    task = Task(
        dataset=[Sample("Capital of France?", target="Paris"), Sample("Of Peru?", target="Lima")],
        solver=generate(),
        scorer=includes(),
    )
    (log,) = eval(task, model=f"edgewise/scripted:{script}:f", display="none", log_dir=str(tmp_path / "logs"))
    assert log.status == "success" and log.results is not None
    assert log.results.scores[0].metrics["accuracy"].value == 0.5
    assert log.stats.model_usage[f"edgewise/scripted:{script}:f"].output_tokens == 2


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.builds(Message, role=st.sampled_from(["system", "user", "assistant"]), text=TEXT), max_size=4))
def test_messages_survive_the_round_trip(messages: list[Message]) -> None:
    assert from_inspect_messages(to_inspect_messages(messages)) == tuple(messages)


def test_pictures_survive_and_addresses_are_refused() -> None:
    message = Message.user("look", Image(data_uri="data:image/png;base64,AA=="))
    assert from_inspect_messages(to_inspect_messages([message])) == (message,)
    with pytest.raises(Unsupported, match="address"):
        from_inspect_messages([ChatMessageUser(content=[ContentImage(image="https://example.org/x.png")])])
    with pytest.raises(Unsupported, match="tool"):
        from_inspect_messages([ChatMessageTool(content="x")])


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(max_tokens=7, temperature=None, top_p=0.9, seed=4, stop=("a", "b")),
        Settings(top_logprobs=0),
        Settings(top_logprobs=5, json_schema=SCHEMA),
    ],
)
def test_settings_survive_the_round_trip(settings: Settings) -> None:
    assert from_generate_config(to_generate_config(settings)) == settings


def test_settings_that_inspect_leaves_open() -> None:
    assert from_generate_config(GenerateConfig()) == Settings(temperature=None)


def test_answers_survive_the_round_trip() -> None:
    token = TokenLogprob(token="a", logprob=-0.5, top={"a": -0.5, "b": -1.0})
    for response in (
        Response(text="a", logprobs=(token,), input_tokens=3, output_tokens=1),
        Response(text="cut", stop_reason="max_tokens"),
        Response(text="", stop_reason="content_filter"),
    ):
        assert response_from_output(to_model_output(response, model="m")) == response


def test_no_answer_is_a_fault() -> None:
    for output in (ModelOutput(model="m"), ModelOutput.from_content("m", ""), ModelOutput(model="m", error="down")):
        with pytest.raises(ModelFault):
            response_from_output(output)
