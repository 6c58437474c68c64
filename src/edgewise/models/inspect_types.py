"""Translation between edgewise's records and Inspect AI's, in both directions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import orjson
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    Content,
    ContentImage,
    ContentReasoning,
    ContentText,
    GenerateConfig,
    Logprob,
    Logprobs,
    ModelOutput,
    ModelUsage,
    ResponseSchema,
    StopReason,
    TopLogprob,
)
from inspect_ai.util import JSONSchema
from pydantic import ConfigDict

from edgewise.core.errors import ModelFault, Unsupported
from edgewise.models.types import Image, Message, Response, Settings, TokenLogprob

DEFAULT_MAX_TOKENS = 256
_STOP_REASONS: dict[StopReason, Literal["stop", "max_tokens", "content_filter", "unknown"]] = {
    "stop": "stop",
    "max_tokens": "max_tokens",
    "model_length": "max_tokens",
    "content_filter": "content_filter",
}


class WholeSchema(JSONSchema):
    """A JSON schema with every keyword the user wrote; Inspect's own record silently drops those it does not know."""

    model_config = ConfigDict(extra="allow")
    # The fields are narrowed to this class so that nested schemas keep their keywords too.
    items: WholeSchema | None = None
    properties: dict[str, WholeSchema] | None = None  # type: ignore[assignment]
    additionalProperties: WholeSchema | bool | None = None  # noqa: N815
    anyOf: list[WholeSchema] | None = None  # type: ignore[assignment]  # noqa: N815


def to_inspect_messages(messages: Sequence[Message]) -> list[ChatMessage]:
    """Edgewise messages as Inspect's; pictures become ``ContentImage`` with their ``data:`` URI."""
    return [_to_inspect_message(message) for message in messages]


def _to_inspect_message(message: Message) -> ChatMessage:
    content: str | list[Content] = message.text
    if message.images:
        content = [ContentText(text=message.text), *(ContentImage(image=image.data_uri) for image in message.images)]
    if message.role == "system":
        return ChatMessageSystem(content=content)
    if message.role == "assistant":
        return ChatMessageAssistant(content=content)
    return ChatMessageUser(content=content)


def from_inspect_messages(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """Inspect messages as edgewise's. Text parts are joined by newlines; recorded reasoning is kept as ``<think>``.

    Raises:
        Unsupported: A tool message, a tool call, a picture that is not a ``data:`` URI, or audio, video, documents.
    """
    return tuple(_from_inspect_message(message) for message in messages)


def _from_inspect_message(message: ChatMessage) -> Message:
    if message.role == "tool":
        raise Unsupported("tool messages cannot be sent through this model")
    if isinstance(message, ChatMessageAssistant) and message.tool_calls:
        raise Unsupported("tool calls cannot be sent through this model")
    return Message(role=message.role, text=_text(message.content), images=_images(message.content))


def _text(content: str | list[Content]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content if isinstance(part, ContentText | ContentReasoning))


def _images(content: str | list[Content]) -> tuple[Image, ...]:
    if isinstance(content, str):
        return ()
    images: list[Image] = []
    for part in content:
        if isinstance(part, ContentImage):
            if not part.image.startswith("data:"):
                raise Unsupported("a picture by address cannot be sent", fix="give it as a data: URI")
            images.append(Image(data_uri=part.image))
        elif not isinstance(part, ContentText | ContentReasoning):
            raise Unsupported(f"content of type {part.type!r} cannot be sent through this model")
    return tuple(images)


def to_generate_config(settings: Settings) -> GenerateConfig:
    """Generation settings as Inspect's configuration. What is ``None`` stays unset."""
    return GenerateConfig(
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        seed=settings.seed,
        stop_seqs=list(settings.stop) or None,
        logprobs=None if settings.top_logprobs is None else True,
        top_logprobs=settings.top_logprobs or None,
        response_schema=None if settings.json_schema is None else _response_schema(settings.json_schema),
    )


def _response_schema(schema: dict[str, Any]) -> ResponseSchema:
    # Inspect's cache key and log see only the keywords that its own record knows; the name tells schemas apart.
    digest = hashlib.sha256(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    return ResponseSchema(name=f"answer-{digest}", json_schema=WholeSchema.model_validate(schema))


def from_generate_config(config: GenerateConfig) -> Settings:
    """Inspect's configuration as generation settings; what edgewise does not know is left out."""
    top_logprobs = (config.top_logprobs or 0) if config.logprobs or config.top_logprobs else None
    schema = config.response_schema
    return Settings(
        max_tokens=DEFAULT_MAX_TOKENS if config.max_tokens is None else config.max_tokens,
        temperature=config.temperature,
        top_p=config.top_p,
        seed=config.seed,
        stop=tuple(config.stop_seqs or ()),
        top_logprobs=top_logprobs,
        json_schema=None if schema is None else schema.json_schema.model_dump(mode="json", exclude_none=True),
    )


def to_model_output(response: Response, *, model: str) -> ModelOutput:
    """An answer as Inspect's model output, with usage, stop reason and log-probabilities."""
    choice = ChatCompletionChoice(
        message=ChatMessageAssistant(content=response.text, model=model, source="generate"),
        stop_reason=response.stop_reason,
        logprobs=None if response.logprobs is None else Logprobs(content=[_to_logprob(t) for t in response.logprobs]),
    )
    usage = ModelUsage(
        input_tokens=response.input_tokens,
        output_tokens=response.output_tokens,
        total_tokens=response.input_tokens + response.output_tokens,
    )
    return ModelOutput(model=model, choices=[choice], usage=usage)


def _to_logprob(token: TokenLogprob) -> Logprob:
    top = [TopLogprob(token=name, logprob=value) for name, value in token.top.items()]
    return Logprob(token=token.token, logprob=token.logprob, top_logprobs=top or None)


def response_from_output(output: ModelOutput) -> Response:
    """A model's output as an answer.

    Reasoning that the provider reports apart from the answer comes first, between ``<think>`` and ``</think>``.
    Tokens read from or written to a provider's prompt cache count as input tokens.

    Raises:
        ModelFault: The call failed (``kind="provider"``) or yielded nothing (``kind="empty"``): never an answer.
    """
    if output.error is not None and (output.empty or output.stop_reason != "content_filter"):
        raise ModelFault(f"the provider reports: {output.error}", kind="provider", where=output.model or None)
    if output.empty:
        raise ModelFault("the reply has no choices", kind="empty", where=output.model or None)
    choice = output.choices[0]
    text = _text(choice.message.content)
    if not text and choice.stop_reason != "content_filter":
        raise ModelFault(
            f"the reply is empty (stopped: {choice.stop_reason})", kind="empty", where=output.model or None
        )
    usage = output.usage or ModelUsage()
    logprobs = None if choice.logprobs is None else tuple(_from_logprob(t) for t in choice.logprobs.content)
    return Response(
        text=text,
        stop_reason=_STOP_REASONS.get(choice.stop_reason, "unknown"),
        logprobs=logprobs,
        input_tokens=usage.input_tokens + (usage.input_tokens_cache_read or 0) + (usage.input_tokens_cache_write or 0),
        output_tokens=usage.output_tokens,
    )


def _from_logprob(token: Logprob) -> TokenLogprob:
    top = {other.token: other.logprob for other in token.top_logprobs or ()}
    return TokenLogprob(token=token.token, logprob=token.logprob, top=top)
