"""Every provider that Inspect AI knows, as a backend.

Requests go to the provider's ``ModelAPI`` directly: Inspect's own ``Model.generate`` retries out of sight and keeps a
transcript in memory, and the door needs to see every request, count it and pay for it once.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from inspect_ai.model import GenerateConfig, ModelOutput, get_model
from inspect_ai.model import Model as InspectModel

from edgewise.core.errors import BadInput, EdgewiseError, ModelFault, Unsupported
from edgewise.core.instrument import Capability
from edgewise.models.calls import Call
from edgewise.models.faults import kind_of_status
from edgewise.models.inspect_types import response_from_output, to_generate_config, to_inspect_messages
from edgewise.models.types import Response, Scored

_OPENAI_LIKE = frozenset(
    {"openai", "openai-api", "vllm", "sglang", "together", "openrouter", "grok", "groq", "ollama", "llama-cpp-python"}
    | {"fireworks", "sambanova", "perplexity", "hf-inference-providers", "azureai"}
)
# Where log-probabilities are part of the provider's interface; ``--can`` corrects it for one server.
_WITH_LOGPROBS = frozenset({"openai", "openai-api", "vllm", "sglang", "together", "hf", "grok", "fireworks", "ollama"})
_WITH_VISION = frozenset({"openai", "anthropic", "google", "grok", "bedrock", "vertex"})


class InspectBackend:
    """Wraps an Inspect model.

    Args:
        model: From ``inspect_ai.model.get_model``.
        provider: First part of its specification (``openai``).
        capabilities: What it can do; by default what its provider usually can.
    """

    def __init__(self, model: InspectModel, provider: str, capabilities: frozenset[Capability] | None = None) -> None:
        self._api, self._provider, self._name = model.api, provider, str(model)
        self._config = model.config
        self._capabilities = capabilities if capabilities is not None else _usual(provider)
        self._scorer: Any = None

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do."""
        return self._capabilities

    async def generate(self, call: Call) -> Response:
        """One request to the provider."""
        config = self._config.merge(to_generate_config(call.settings))
        if self._provider in _OPENAI_LIKE and call.scope:
            # A request that is sent again after a crash carries the same key, so that a server can know it.
            key = hashlib.sha256(f"{call.scope}/{self._name}/{call.digest}".encode()).hexdigest()[:32]
            config = config.merge(GenerateConfig(extra_headers={"Idempotency-Key": key}))
        try:
            result = await self._api.generate(to_inspect_messages(call.messages), [], "none", config)
        except EdgewiseError:
            raise
        except Exception as error:
            raise self._fault(error) from error
        output = result[0] if isinstance(result, tuple) else result
        if isinstance(output, Exception):
            raise self._fault(output) from output
        _check(output)
        return response_from_output(output)

    async def score(self, call: Call) -> Scored:
        """Log-probabilities under an ``hf/`` model."""
        import asyncio

        from edgewise.models.embedded.scorer import TorchScorer

        if self._scorer is None:
            self._scorer = TorchScorer(self._api.model, self._api.tokenizer)  # type: ignore[attr-defined]
        scored: Scored = await asyncio.to_thread(self._scorer.score, call.messages, call.continuation or "")
        return scored

    def _fault(self, error: Exception) -> ModelFault:
        kind, message = _kind(error), _one_line(error)
        wait: float | None = None
        try:
            decision = self._api.should_retry(error)
            wait = getattr(decision, "retry_after", None)
        except Exception:
            decision = False
        if kind is None:
            kind = "server" if decision else "provider"
        return ModelFault(message, kind=kind, retry_after=wait if wait is not None else _retry_after(error))

    def close(self) -> None:
        """Connections fall with the event loop they belong to."""


def _usual(provider: str) -> frozenset[Capability]:
    found = {Capability.TEXT}
    if provider in _WITH_LOGPROBS:
        found.add(Capability.LOGPROBS)
    if provider in _WITH_VISION:
        found.add(Capability.VISION)
    if provider == "hf":
        found |= {Capability.SCORE, Capability.TRAIN}
    return frozenset(found)


def _check(output: ModelOutput) -> None:
    """A provider reports a prompt that is too long as if the model had said so; it did not say anything."""
    if not output.empty and output.stop_reason == "model_length" and output.usage is None:
        raise ModelFault("the prompt does not fit into the model's context", kind="context")


def _kind(error: Exception) -> str | None:
    """Kind of fault by what the exception is; ``None`` where only the provider can tell."""
    status = getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int):
        return "malformed" if status < 400 else kind_of_status(status)
    names = {cls.__name__ for cls in type(error).__mro__}
    if isinstance(error, TimeoutError) or names & {"APITimeoutError", "TimeoutException"}:
        return "timeout"
    if isinstance(error, OSError) or names & {"APIConnectionError", "TransportError", "RemoteProtocolError"}:
        return "connection"
    malformed = {"OpenAIResponseError", "APIResponseValidationError", "ValidationError", "DecodingError"}
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | KeyError | IndexError) or names & malformed:
        return "malformed"
    if isinstance(error, TypeError | AttributeError):  # a provider that trips over the shape of a reply
        return "malformed"
    return None


def _retry_after(error: Exception) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return max(0.0, float(headers.get("retry-after", "")))
    except ValueError:
        return None


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:300] + " …"


def open_inspect(spec: str, *, base_url: str | None, api_key: str | None, model_args: dict[str, Any]) -> InspectModel:
    """An Inspect model by its specification, ``provider/name``.

    Raises:
        BadInput: Inspect knows no such provider.
        Unsupported: A package or a key is missing.
    """
    provider = spec.split("/")[0]
    args = dict(model_args)
    if provider in _OPENAI_LIKE and provider not in ("vllm", "sglang"):
        args.setdefault("max_retries", 0)  # the SDK's own retries would be requests nobody counts
    try:
        return get_model(spec, base_url=base_url, api_key=api_key, memoize=False, **args)
    except ValueError as error:
        fix = "provider/model, e.g. openai/gpt-5, anthropic/…, hf/…, vllm/…, ollama/…, or `edgewise models`"
        raise BadInput(_one_line(error), field="model", fix=fix) from None
    except Exception as error:
        if type(error).__name__ == "PrerequisiteError":
            raise Unsupported(_plain(error), where=spec) from None
        raise Unsupported(_one_line(error), where=spec) from error


def _plain(error: Exception) -> str:
    """Inspect's message without rich's markup."""
    from rich.text import Text

    message = getattr(error, "message", error)
    return " ".join((Text.from_markup(message).plain if isinstance(message, str) else str(message)).split())
