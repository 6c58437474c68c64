"""The embedded model as a backend: llama.cpp in this process, several requests at a time."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from weakref import WeakValueDictionary

from edgewise.core.errors import MissingExtra, ModelFault, Unsupported
from edgewise.core.instrument import Capability
from edgewise.models.calls import Call
from edgewise.models.embedded.weights import DIGEST, NAME, gguf_path
from edgewise.models.types import Response, Scored, TokenLogprob

_STOP = {"stop": "stop", "length": "max_tokens"}


class EmbeddedBackend:
    """SmolLM2-135M-Instruct. Its weights are loaded with the first request (about two seconds, 1 GB).

    The same request always gets the same answer, whatever else is in flight: prompts are not cached between requests,
    and where sampling has no seed the request's digest is the seed. A temperature of ``None`` is greedy.

    Args:
        parallel: Requests answered at one time.
        context: Tokens of prompt and answer together, per request.
    """

    identity = f"embedded:{NAME.lower()}@{DIGEST[:12]}"

    def __init__(self, *, parallel: int = 8, context: int = 4096) -> None:
        self._shape = _Shape(parallel, context)
        self._server: _Server | None = None
        self._scorer: Any = None
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="embedded")

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Text with log-probabilities; scoring and training where PyTorch is installed."""
        found = {Capability.TEXT, Capability.LOGPROBS}
        if all(find_spec(package) is not None for package in ("torch", "transformers", "gguf")):
            found |= {Capability.SCORE, Capability.TRAIN}
        return frozenset(found)

    async def generate(self, call: Call) -> Response:
        """Answer a chat. An empty answer is an answer: small models do say nothing.

        Raises:
            ModelFault: The prompt does not fit (``context``), or the engine refuses (``bad_request``).
        """
        request = _request(call)
        loop = asyncio.get_running_loop()
        return _response(await loop.run_in_executor(self._threads, self._ask, request), call)

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            if self._server is None:
                self._server = _Server.open(self._shape)
        return self._server.ask(request)

    async def score(self, call: Call) -> Scored:
        """Log-probabilities of a continuation, by PyTorch in 32 bits from the same weights."""
        return await asyncio.to_thread(self._score, call)

    def _score(self, call: Call) -> Scored:
        with self._lock:
            if self._scorer is None:
                import torch

                from edgewise.models.embedded.scorer import TorchScorer
                from edgewise.models.embedded.weights import load_torch_model

                self._scorer = TorchScorer(*load_torch_model(torch.float32))
        scored: Scored = self._scorer.score(call.messages, call.continuation or "")
        return scored

    def close(self) -> None:
        """Release the weights, unless another backend of this process uses them."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._server = self._scorer = None


@dataclass(frozen=True)
class _Shape:
    parallel: int
    context: int


class _Server:
    """The engine. Backends of one shape share it for as long as one of them is alive."""

    _open: WeakValueDictionary[_Shape, _Server] = WeakValueDictionary()
    _opening = threading.Lock()

    def __init__(self, shape: _Shape) -> None:
        try:
            import xllamacpp
        except ImportError:
            raise MissingExtra("the engine xllamacpp", "local") from None
        import os

        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(gguf_path())
        parameters.n_parallel = shape.parallel
        parameters.n_ctx = shape.context * shape.parallel
        threads = len(os.sched_getaffinity(0))
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
        parameters.cache_prompt = False  # a prompt half remembered is computed in other batches, and rounds differently
        parameters.warmup = False
        parameters.verbosity = -1
        self._server = xllamacpp.Server(parameters)

    @classmethod
    def open(cls, shape: _Shape) -> _Server:
        with cls._opening:
            server = cls._open.get(shape)
            if server is None:
                server = cls._open[shape] = cls(shape)
            return server

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            reply: dict[str, Any] = self._server.handle_chat_completions(request)
        except (TypeError, ValueError) as error:
            raise ModelFault(str(error), kind="bad_request") from None
        if "error" in reply:
            problem = reply["error"]
            kind = "context" if problem.get("type") == "exceed_context_size_error" else "bad_request"
            raise ModelFault(str(problem.get("message", "the engine refuses")), kind=kind)
        return reply


def _request(call: Call) -> dict[str, Any]:
    if any(message.images for message in call.messages):
        raise Unsupported(f"{NAME} takes no pictures")
    settings = call.settings
    request: dict[str, Any] = {
        "messages": [{"role": m.role, "content": m.text} for m in call.messages],
        "max_tokens": settings.max_tokens,
        "temperature": settings.temperature or 0.0,
        # Sample from the model's own distribution: the engine's default cuts (top 40, at least .05) are switched off.
        "top_k": 0,
        "min_p": 0.0,
        "top_p": 1.0 if settings.top_p is None else settings.top_p,
        "seed": int(call.digest[:7], 16) if settings.seed is None else settings.seed,
    }
    if settings.stop:
        request["stop"] = list(settings.stop)
    if settings.top_logprobs is not None:
        # The engine gives the chosen token's own value only along with alternatives.
        request |= {"logprobs": True, "top_logprobs": max(1, settings.top_logprobs)}
    if settings.json_schema is not None:
        schema = {"name": "answer", "schema": settings.json_schema}
        request["response_format"] = {"type": "json_schema", "json_schema": schema}
    return request


def _response(reply: dict[str, Any], call: Call) -> Response:
    choice, usage = reply["choices"][0], reply["usage"]
    logprobs = None
    if call.settings.top_logprobs is not None:
        content = (choice.get("logprobs") or {}).get("content") or []
        logprobs = _logprobs(content, call.settings.top_logprobs)
    return Response.model_validate(
        {
            "text": choice["message"].get("content") or "",
            "stop_reason": _STOP.get(choice.get("finish_reason"), "unknown"),
            "logprobs": logprobs,
            "input_tokens": usage["prompt_tokens"],
            "output_tokens": usage["completion_tokens"],
        }
    )


def _logprobs(content: list[dict[str, Any]], alternatives: int) -> tuple[TokenLogprob, ...]:
    """Tokens whose texts, joined, are the answer's text: a character split over tokens goes with its last one."""
    found = []
    pending = b""
    for entry in content:
        pending += bytes(entry["bytes"])
        try:
            text, pending = pending.decode(), b""
        except UnicodeDecodeError as error:
            cut = error.start if error.reason == "unexpected end of data" else len(pending)
            text, pending = pending[:cut].decode("utf-8", "replace"), pending[cut:]
        top = {
            bytes(other["bytes"]).decode("utf-8", "backslashreplace"): min(0.0, other["logprob"])
            for other in entry["top_logprobs"][:alternatives]
        }
        found.append(TokenLogprob(token=text, logprob=min(0.0, entry["logprob"]), top=top))
    return tuple(found)
