"""A causal language model in this process as a backend: PyTorch and ``transformers``, requests answered in batches.

Requests in flight are put into batches of neighbours: what their prompts begin with in common (rules, rubrics, system
prompts) is computed once, the rest of all of them together. Log-probabilities then differ in the last bits from those
of a request alone, because batches round differently; in 32 bits by some 1e-5 nats.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgewise.core.errors import ModelFault, Unsupported
from edgewise.core.instrument import Capability
from edgewise.models.calls import Call
from edgewise.models.embedded.scorer import TorchScorer
from edgewise.models.types import Response, Scored, Settings, TokenLogprob

_TOGETHER = 0.005  # seconds that the first request of a batch waits for others
_WORTH = 16  # tokens in common that are worth a pass of their own


@dataclass(slots=True)
class _Job:
    prompt: list[int]
    settings: Settings
    rng: np.random.Generator
    answer: asyncio.Future[Response]
    loop: asyncio.AbstractEventLoop
    tokens: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    text: str = ""
    stop_reason: str = ""

    def settle(self, response: Response | None, error: Exception | None = None) -> None:
        def done() -> None:
            if self.answer.done():  # who asked is gone
                return
            if error is not None:
                self.answer.set_exception(error)
            else:
                assert response is not None
                self.answer.set_result(response)

        try:
            self.loop.call_soon_threadsafe(done)
        except RuntimeError:  # the loop of who asked is closed
            return


class TorchBackend:
    """A ``transformers`` causal language model with a chat template.

    A temperature of ``None`` is greedy. JSON schemas are not enforced.

    Args:
        load: Gives model and tokenizer; called with the first request.
        identity: Names the weights in caches and runs.
        batch: Requests computed together at most.
    """

    capabilities = frozenset({Capability.TEXT, Capability.LOGPROBS, Capability.SCORE, Capability.TRAIN})

    def __init__(self, load: Callable[[], tuple[Any, Any]], identity: str, *, batch: int = 32) -> None:
        self.identity = identity
        self._load, self._batch = load, batch
        self._loaded: tuple[Any, Any, TorchScorer] | None = None
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._worker: threading.Thread | None = None

    def _ready(self) -> tuple[Any, Any, TorchScorer]:
        with self._lock:
            if self._loaded is None:
                model, tokenizer = self._load()
                if tokenizer.chat_template is None:
                    raise Unsupported("the tokenizer has no chat template", where=self.identity)
                self._loaded = model, tokenizer, TorchScorer(model, tokenizer)
            if self._worker is None:
                self._worker = threading.Thread(
                    target=self._work, args=self._loaded[:2], name="edgewise-torch", daemon=True
                )
                self._worker.start()
            return self._loaded

    async def generate(self, call: Call) -> Response:
        """Answer a chat.

        Raises:
            ModelFault: Prompt and answer do not fit (``context``).
            Unsupported: There are pictures in the prompt, or the model has no chat template.
        """
        if any(message.images for message in call.messages):
            raise Unsupported("this model takes no pictures", where=self.identity)
        model, tokenizer, _ = await asyncio.to_thread(self._ready)
        chat = [{"role": m.role, "content": m.text} for m in call.messages]
        prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=True, return_dict=True)
        tokens = list(prompt["input_ids"])
        limit = getattr(model.config, "max_position_embeddings", None)
        if limit is not None and len(tokens) + call.settings.max_tokens > limit:
            words = f"{len(tokens)} tokens and an answer of {call.settings.max_tokens} exceed the context of {limit}"
            raise ModelFault(words, kind="context")
        seed = call.settings.seed
        rng = np.random.default_rng(int(call.digest[:16], 16) if seed is None else seed)
        loop = asyncio.get_running_loop()
        job = _Job(tokens, call.settings, rng, loop.create_future(), loop)
        self._queue.put(job)
        return await job.answer

    async def score(self, call: Call) -> Scored:
        """Log-probabilities of a continuation, computed alone."""
        _, _, scorer = await asyncio.to_thread(self._ready)
        return await asyncio.to_thread(scorer.score, call.messages, call.continuation or "")

    def close(self) -> None:
        """Release the weights; a later request would load them again."""
        with self._lock:
            self._queue.put(None)
            self._loaded = self._worker = None

    def _work(self, model: Any, tokenizer: Any) -> None:
        waiting: list[_Job] = []
        while True:
            closed = self._take(waiting)
            # Neighbours in the order of their tokens have the longest beginnings in common.
            waiting.sort(key=lambda job: job.prompt)
            jobs, waiting = waiting[: self._batch], waiting[self._batch :]
            try:
                if closed:
                    raise ModelFault("the model was closed", kind="bad_request")
                answer_all(model, tokenizer, jobs)
            except Exception as error:
                fault = error if isinstance(error, ModelFault) else ModelFault(_words(error), kind="bad_request")
                for job in (*jobs, *(waiting if closed else ())):
                    job.settle(None, fault)
            if closed:
                return

    def _take(self, waiting: list[_Job]) -> bool:
        """Add what has been asked for; wait for the first if there is none. Whether the backend was closed."""
        job = None if waiting else self._queue.get()
        if job is None and not waiting:
            return True
        if job is not None:
            waiting.append(job)
        try:
            while len(waiting) < 4 * self._batch:
                job = self._queue.get(timeout=_TOGETHER)
                if job is None:
                    return True
                waiting.append(job)
        except queue.Empty:
            pass
        return False


def answer_all(model: Any, tokenizer: Any, jobs: Sequence[_Job]) -> None:
    """Generate for all jobs together; each is settled as soon as it is over."""
    import torch
    from transformers import DynamicCache

    device, count = model.device, len(jobs)
    common = _common([job.prompt for job in jobs])
    rests = [job.prompt[common:] for job in jobs]
    longest = max(map(len, rests))
    # What is missing is left out between the common beginning and the rest, so that all rests end at one place.
    tokens = torch.zeros((count, longest), dtype=torch.long)
    mask = torch.zeros((count, common + longest), dtype=torch.long)
    mask[:, :common] = 1
    for row, rest in enumerate(rests):
        tokens[row, longest - len(rest) :] = torch.tensor(rest)
        mask[row, common + longest - len(rest) :] = 1
    tokens, mask = tokens.to(device), mask.to(device)
    ends = _ends(model, tokenizer)
    alive, cache = list(jobs), DynamicCache(config=model.config)
    with torch.inference_mode():
        if common:
            model(torch.tensor([jobs[0].prompt[:common]], device=device), cache=cache, logits_to_keep=1)
            cache.batch_repeat_interleave(count)
        while True:
            places = (mask.cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
            found = model(tokens, attention_mask=mask, position_ids=places, cache=cache, logits_to_keep=1)
            chosen = [_next(job, row, tokenizer, ends) for job, row in zip(alive, _rows(found.logits), strict=True)]
            keep = [i for i, job in enumerate(alive) if not job.stop_reason]
            for job in alive:
                if job.stop_reason:
                    job.settle(_response(job))
            if not keep:
                return
            tokens = torch.tensor([[token] for token in chosen], device=device)
            if len(keep) < len(alive):
                kept = torch.tensor(keep, device=device)
                cache.batch_select_indices(kept)
                tokens, mask, alive = tokens[kept], mask[kept], [alive[i] for i in keep]
            mask = torch.cat([mask, mask.new_ones((len(alive), 1))], dim=1)


def _words(error: Exception) -> str:
    """What went wrong in computing, such as memory that ran out, in a line."""
    return f"{type(error).__name__}: {(str(error) or 'no words').splitlines()[0]}"


def _common(prompts: list[list[int]]) -> int:
    """Tokens that all prompts begin with, at least one left over in each; 0 if too few to be worth it."""
    if len(prompts) == 1:
        return 0
    first, last = min(prompts), max(prompts)
    limit = min(map(len, prompts)) - 1
    count = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), limit)
    count = min(count, limit)
    return count if count >= _WORTH else 0


def _ends(model: Any, tokenizer: Any) -> set[int]:
    found = getattr(model.generation_config, "eos_token_id", None)
    ends = set(found if isinstance(found, list) else [found])
    return {end for end in (*ends, tokenizer.eos_token_id) if end is not None}


def _rows(logits: Any) -> np.ndarray[Any, Any]:
    """Log-probabilities of the next token, by request."""
    import torch

    found: np.ndarray[Any, Any] = torch.log_softmax(logits[:, -1].float(), dim=-1).cpu().numpy()
    return found


def _next(job: _Job, logprobs: np.ndarray[Any, Any], tokenizer: Any, ends: set[int]) -> int:
    """Choose the next token, and see whether the answer is over."""
    settings = job.settings
    token = _draw(logprobs, settings, job.rng)
    if settings.top_logprobs is not None:
        best = np.argpartition(-logprobs, settings.top_logprobs)[: settings.top_logprobs]
        top: dict[str, float] = {}
        for i in best[np.argsort(-logprobs[best])].tolist():
            top.setdefault(tokenizer.decode([i]), float(logprobs[i]))  # of tokens that look alike, the likeliest
        entry = TokenLogprob(token=tokenizer.decode([token]), logprob=min(0.0, float(logprobs[token])), top=top)
    if token in ends:
        job.stop_reason = "stop"
        return token
    job.tokens.append(token)
    if settings.top_logprobs is not None:
        job.logprobs.append(entry)
    job.text = tokenizer.decode(job.tokens, skip_special_tokens=True)
    cut = min((at for stop in settings.stop if (at := job.text.find(stop)) >= 0), default=-1)
    if cut >= 0:
        job.text, job.stop_reason = job.text[:cut], "stop"
    elif len(job.tokens) == settings.max_tokens:
        job.stop_reason = "max_tokens"
    return token


def _draw(logprobs: np.ndarray[Any, Any], settings: Settings, rng: np.random.Generator) -> int:
    if not settings.temperature:
        return int(logprobs.argmax())
    scaled = np.asarray(logprobs, dtype=np.float64) / settings.temperature
    weights = np.exp(scaled - scaled.max())
    weights /= weights.sum()
    if settings.top_p is not None and settings.top_p < 1:
        order = np.argsort(-weights)
        most = int(np.searchsorted(weights[order].cumsum(), settings.top_p)) + 1
        weights[order[most:]] = 0.0
        weights /= weights.sum()
    return int(rng.choice(len(weights), p=weights))


def _response(job: _Job) -> Response:
    return Response.model_validate(
        {
            "text": job.text,
            "stop_reason": job.stop_reason,
            "logprobs": tuple(job.logprobs) if job.settings.top_logprobs is not None else None,
            "input_tokens": len(job.prompt),
            "output_tokens": len(job.tokens),
        }
    )
