"""The embedded model: deterministic, honest about its log-probabilities, and quiet."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgewise.core.errors import BadInput, ModelFault, Unsupported
from edgewise.core.instrument import Capability
from edgewise.models import Image, Message, Response, Settings, gather_calls, open_model
from edgewise.models.calls import Call
from edgewise.models.embedded.engine import _logprobs
from edgewise.models.embedded.weights import embedded_available, load_torch_model, torch_folder

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.skipif(embedded_available() is not None, reason=f"no embedded model: {embedded_available()}"),
]
PROMPTS = [f"Write a short sentence about the number {i}." for i in range(8)]


@pytest.fixture(scope="module")
def model() -> Any:
    opened = open_model("embedded")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def torch_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The converted weights, made once for this module in a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEWISE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield torch_folder()


def ask(model: Any, settings: Settings, limit: int, prompts: list[str] = PROMPTS) -> list[Response]:
    return list(asyncio.run(gather_calls([lambda p=p: model.generate(p, settings) for p in prompts], limit=limit)))


@pytest.mark.parametrize("settings", [Settings(max_tokens=24), Settings(max_tokens=24, temperature=0.8)])
def test_answers_do_not_depend_on_what_else_is_in_flight(model: Any, settings: Settings) -> None:
    alone = ask(model, settings, 1)
    assert ask(model, settings, 8, PROMPTS[::-1])[::-1] == alone
    assert len({r.text for r in alone}) > 4


def test_samples_differ_and_seeds_repeat(model: Any) -> None:
    async def go() -> list[str]:
        warm = Settings(max_tokens=24, temperature=1.0)
        answers = [await model.generate(PROMPTS[0], warm, sample=k) for k in range(3)]
        seeded = [await model.generate(PROMPTS[0], warm.model_copy(update={"seed": 9}), sample=k) for k in (0, 1)]
        return [r.text for r in answers + seeded]

    first, second, third, nine, again = asyncio.run(go())
    assert len({first, second, third}) == 3 and nine == again


def test_logprobs_spell_the_answer(model: Any) -> None:
    settings = Settings(max_tokens=24, top_logprobs=3)
    for response in ask(model, settings, 4, ["Say café and naïve 😀 and 日本語.", *PROMPTS[:2]]):
        assert response.logprobs is not None
        text = "".join(t.token for t in response.logprobs)
        assert text.startswith(response.text) or response.text.startswith(text)
        for token in response.logprobs:
            assert len(token.top) == 3 and token.logprob == pytest.approx(max(token.top.values()), abs=1e-4)
    (plain,) = ask(model, Settings(max_tokens=4, top_logprobs=0), 1, PROMPTS[:1])
    assert plain.logprobs is not None and plain.logprobs[0].top == {}


def test_a_character_split_over_tokens_is_whole_again() -> None:
    smile = "😀".encode()
    content = [
        {"bytes": list(part), "logprob": -0.1, "top_logprobs": []} for part in (b"a", smile[:2], smile[2:], b"\xff")
    ]
    assert [t.token for t in _logprobs(content, 0)] == ["a", "", "😀", "\ufffd"]


def test_limits_stops_and_usage(model: Any) -> None:
    (short,) = ask(model, Settings(max_tokens=3), 1, PROMPTS[:1])
    assert (short.output_tokens, short.stop_reason) == (3, "max_tokens") and short.input_tokens > 10
    (long,) = ask(model, Settings(max_tokens=40), 1, PROMPTS[:1])
    stop = long.text[10:13]
    (stopped,) = ask(model, Settings(max_tokens=40, stop=(stop,)), 1, PROMPTS[:1])
    assert stopped.stop_reason == "stop" and stop not in stopped.text and long.text.startswith(stopped.text)


def test_json_is_constrained(model: Any) -> None:
    import json

    schema = {
        "type": "object",
        "properties": {
            "score": {"type": "integer", "minimum": 1, "maximum": 5},
            "why": {"type": "string", "maxLength": 30},
        },
        "required": ["score", "why"],
        "additionalProperties": False,
    }  # fmt: skip
    (response,) = ask(model, Settings(max_tokens=120, json_schema=schema), 1, ["Rate this poem: roses are red."])
    answer = json.loads(response.text)
    assert set(answer) == {"score", "why"} and 1 <= answer["score"] <= 5
    with pytest.raises(ModelFault) as caught:
        asyncio.run(model.generate("x", Settings(json_schema={"type": "nonsense"})))
    assert caught.value.kind == "bad_request"


def test_what_does_not_fit_is_a_fault(model: Any) -> None:
    with pytest.raises(ModelFault) as caught:
        asyncio.run(model.generate("word " * 6000))
    assert caught.value.kind == "context" and caught.value.attempts == 1
    with pytest.raises(Unsupported, match="pictures"):
        asyncio.run(model.generate([Message.user("?", Image(data_uri="data:image/png;base64,AA=="))]))


@pytest.mark.parametrize("text", ["", "\x00", "\ud800 lone", "<|im_end|>", "🙂" * 50, "\u202e\x1b[31m"])
def test_odd_prompts_are_answered(model: Any, text: str) -> None:
    assert isinstance(asyncio.run(model.generate(text, Settings(max_tokens=2))), Response)


def test_two_models_share_the_weights(model: Any) -> None:
    other = open_model("embedded")
    asyncio.run(model.generate("x", Settings(max_tokens=1)))
    asyncio.run(other.generate("x", Settings(max_tokens=1)))
    assert other._backend._server is model._backend._server
    other.close()
    assert isinstance(asyncio.run(model.generate("y", Settings(max_tokens=1))), Response)


def test_nothing_is_printed() -> None:
    program = (
        "import asyncio\nfrom edgewise.models import open_model, Settings\n"
        "asyncio.run(open_model('embedded').generate('hi', Settings(max_tokens=2)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from edgewise.models.embedded import weights

    other = tmp_path / "SmolLM2-135M-Instruct.gguf"
    other.write_bytes(b"GGUF")
    monkeypatch.setattr(weights, "_locate", lambda: other)
    with pytest.raises(Unsupported, match="another digest") as caught:
        weights.gguf_path()
    assert str(other) in str(caught.value)


@pytest.mark.slow
def test_scores_are_the_models_own_log_softmax(torch_cache: Path) -> None:
    """By hand: one forward pass over the whole sequence, log-softmax, gather."""
    import torch

    model, tokenizer = load_torch_model(torch.float32)
    scored = asyncio.run(open_model("embedded").score("Name a colour.", "Red is one."))
    chat = [{"role": "user", "content": "Name a colour."}]
    prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    answer = tokenizer("Red is one.", add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logits = model(torch.tensor([ids + answer])).logits[0].double()
    logprobs = torch.log_softmax(logits, -1)
    expected = [float(logprobs[len(ids) - 1 + i, token]) for i, token in enumerate(answer)]
    assert [t.logprob for t in scored.tokens] == pytest.approx(expected, abs=1e-4)
    assert "".join(t.token for t in scored.tokens) == "Red is one."
    assert scored.total == pytest.approx(sum(expected), abs=1e-3)


@pytest.mark.slow
def test_scores_agree_with_the_engine(torch_cache: Path, model: Any) -> None:
    """Scoring the engine's greedy answer gives its own log-probabilities within the noise of 4-bit activations."""
    gaps = []
    for prompt in PROMPTS[:4]:
        answer = asyncio.run(model.generate(prompt, Settings(max_tokens=12, top_logprobs=0)))
        scored = asyncio.run(model.score(prompt, answer.text))
        if len(scored.tokens) == len(answer.logprobs):
            gaps += [abs(a.logprob - b.logprob) for a, b in zip(scored.tokens, answer.logprobs, strict=True)]
    assert len(gaps) > 20 and sum(gaps) / len(gaps) < 0.15


@pytest.mark.slow
def test_scoring_twice_is_bit_identical_and_empty_is_refused(torch_cache: Path, model: Any) -> None:
    one, two = (asyncio.run(model.score(PROMPTS[1], "One is a number.")) for _ in range(2))
    assert one == two and all(math.isfinite(t.logprob) for t in one.tokens)
    with pytest.raises(BadInput, match="nothing to score"):
        asyncio.run(model.score("x", ""))


@pytest.mark.slow
def test_damaged_cache_is_made_again(torch_cache: Path) -> None:
    weights = torch_cache / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:1000])
    assert torch_folder() == torch_cache
    assert weights.read_bytes() == whole


def test_capabilities(model: Any) -> None:
    assert {Capability.TEXT, Capability.LOGPROBS} <= model.capabilities and Capability.VISION not in model.capabilities
    assert Call(messages=(Message.user("x"),)).digest  # the digest seeds sampling; it must exist without a run
