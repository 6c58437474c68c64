"""A transformers model behind the door: a batch answers as each request alone would."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from edgewise.core.errors import ModelFault, Unsupported
from edgewise.models import Message, Model, Response, Settings
from edgewise.models.torch_backend import TorchBackend
from support.tiny_model import tiny_model

pytest.importorskip("torch")
pytest.importorskip("transformers")

RULES = "You are asked short questions. Answer as briefly as you can, and do not explain."
PROMPTS = [f"{RULES} {words}" for words in ("Why?", "Who is there?", "How many are seven and five?", "Where to?")]


def door(backend: TorchBackend) -> Model:
    return Model(backend, name="t", spec="t", identity="t", max_connections=64)


def answers(prompts: list[Any], batch: int = 32, **settings: Any) -> list[Response]:
    model = door(TorchBackend(tiny_model, "tiny", batch=batch))

    async def ask() -> list[Response]:
        asked = Settings(**{"max_tokens": 12, **settings})
        return list(await asyncio.gather(*(model.generate(prompt, asked) for prompt in prompts)))

    try:
        return asyncio.run(ask())
    finally:
        model.close()


def by_hand(prompt: str, count: int) -> tuple[str, list[float]]:
    """Greedy decoding without batch or cache."""
    import torch

    model, tokenizer = tiny_model()
    chat = [{"role": "user", "content": prompt}]
    tokens = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)["input_ids"]
    start, found = len(tokens), []
    with torch.inference_mode():
        for _ in range(count):
            logprobs = torch.log_softmax(model(torch.tensor([tokens])).logits[0, -1], dim=-1)
            best = int(logprobs.argmax())
            found.append(float(logprobs[best]))
            if best == tokenizer.eos_token_id:
                break
            tokens.append(best)
    return tokenizer.decode(tokens[start:], skip_special_tokens=True), found


@pytest.mark.parametrize("batch", [1, 3, 32])
def test_a_batch_answers_as_plain_decoding_would(batch: int) -> None:
    found = answers([*PROMPTS, "x"], batch=batch, top_logprobs=3)
    for prompt, response in zip([*PROMPTS, "x"], found, strict=True):
        text, logprobs = by_hand(prompt, 12)
        assert response.text == text
        assert response.logprobs is not None
        assert [t.logprob for t in response.logprobs] == pytest.approx(logprobs[: len(response.logprobs)], abs=1e-4)
        for token in response.logprobs:
            assert 1 <= len(token.top) <= 3  # bytes that are no character by themselves look alike
            assert max(token.top.values()) == pytest.approx(token.logprob, abs=1e-6)


def test_draws_follow_the_seed_and_the_temperature() -> None:
    prompts = PROMPTS[:1]
    same = [answers(prompts, temperature=1.0, seed=5)[0].text for _ in range(2)]
    assert same[0] == same[1]
    assert len({answers(prompts, temperature=1.5, seed=seed)[0].text for seed in range(4)}) > 1
    greedy = answers(prompts)[0].text
    assert answers(prompts, temperature=1.5, top_p=1e-6, seed=3)[0].text == greedy


def test_an_answer_ends_at_its_limit_or_at_a_stop() -> None:
    whole = answers(PROMPTS[:1], max_tokens=8)[0]
    assert whole.stop_reason in ("max_tokens", "stop")
    cut = answers(PROMPTS[:1], max_tokens=8, stop=(whole.text[2:4],))[0]
    assert cut.stop_reason == "stop"
    assert cut.text == whole.text[: whole.text.find(whole.text[2:4])]


def test_a_prompt_beyond_the_context_is_a_fault_and_the_others_are_answered() -> None:
    model = door(TorchBackend(tiny_model, "tiny"))

    async def ask() -> list[Any]:
        calls = [model.generate(p, Settings(max_tokens=4)) for p in ("x" * 600, "short")]
        return list(await asyncio.gather(*calls, return_exceptions=True))

    long, short = asyncio.run(ask())
    assert isinstance(long, ModelFault)
    assert long.kind == "context"
    assert isinstance(short, Response)
    model.close()


def test_score_is_the_probability_of_the_text() -> None:
    import torch

    network, tokenizer = tiny_model()
    chat = [{"role": "user", "content": PROMPTS[1]}, {"role": "assistant", "content": "yes"}]
    tokens = tokenizer.apply_chat_template(chat, return_dict=True)["input_ids"]
    with torch.inference_mode():
        logprobs = torch.log_softmax(network(torch.tensor([tokens])).logits[0], dim=-1)
    # "yes" and the end of the turn are the last four tokens.
    expected = [float(logprobs[at - 1, tokens[at]]) for at in range(len(tokens) - 4, len(tokens) - 1)]
    model = door(TorchBackend(tiny_model, "tiny"))
    scored = asyncio.run(model.score(PROMPTS[1], "yes"))
    assert [t.logprob for t in scored.tokens] == pytest.approx(expected, abs=1e-4)
    model.close()


def test_a_fault_while_computing_reaches_who_asked_and_the_next_request_is_answered() -> None:
    class Breaks:
        def __init__(self) -> None:
            self.model, self.tokenizer = tiny_model()
            self.left = 1

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            if self.left:
                self.left -= 1
                raise RuntimeError("out of memory")
            return self.model(*args, **kwargs)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.model, name)

    broken = Breaks()
    backend = TorchBackend(lambda: (broken, broken.tokenizer), "broken")
    from edgewise.models.calls import Call

    async def ask() -> Response:
        with pytest.raises(ModelFault, match="RuntimeError: out of memory"):
            await backend.generate(Call(messages=(Message.user("a"),), settings=Settings(max_tokens=2)))
        return await backend.generate(Call(messages=(Message.user("a"),), settings=Settings(max_tokens=2)))

    assert asyncio.run(ask()).output_tokens == 2
    backend.close()


def test_a_tokenizer_without_a_template_is_refused() -> None:
    model, tokenizer = tiny_model()
    tokenizer.chat_template = None
    backend = TorchBackend(lambda: (model, tokenizer), "bare")
    with pytest.raises(Unsupported, match="chat template"):
        asyncio.run(door(backend).generate("x"))


def test_closing_ends_the_thread() -> None:
    model = door(TorchBackend(tiny_model, "tiny"))
    asyncio.run(model.generate("x", Settings(max_tokens=1)))
    workers = [t for t in threading.enumerate() if t.name == "edgewise-torch"]
    model.close()
    for worker in workers:
        worker.join(timeout=5)
    assert not any(worker.is_alive() for worker in workers)


def test_closed_with_requests_in_flight_nobody_waits_for_ever_and_it_can_be_asked_again() -> None:
    backend = TorchBackend(tiny_model, "tiny", batch=1)
    model = door(backend)

    async def ask() -> list[Any]:
        calls = [asyncio.ensure_future(model.generate(f"{i}", Settings(max_tokens=200))) for i in range(8)]
        await asyncio.sleep(0.3)
        backend.close()
        return list(await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), timeout=60))

    answered = asyncio.run(ask())
    assert all(isinstance(a, Response | ModelFault) for a in answered)
    assert any(isinstance(a, ModelFault) and "closed" in str(a) for a in answered)
    assert asyncio.run(door(backend).generate("again", Settings(max_tokens=2))).output_tokens == 2
    backend.close()
