"""Edgewise's own models as an Inspect provider: ``inspect eval task.py --model edgewise/embedded``.

Inspect finds this module through its entry point. ``edgewise/replay:PATH`` and ``edgewise/scripted:module:function``
work as well.
"""

from __future__ import annotations

from typing import Any

from inspect_ai.model import ChatMessage, GenerateConfig, ModelAPI, ModelOutput, modelapi
from inspect_ai.tool import ToolChoice, ToolInfo

from edgewise.core.errors import ModelFault, Unsupported
from edgewise.models.calls import Call
from edgewise.models.faults import RETRIED
from edgewise.models.inspect_types import from_generate_config, from_inspect_messages, to_model_output


@modelapi(name="edgewise")
class EdgewiseAPI(ModelAPI):
    """Inspect's view of a backend of ours."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig | None = None,
        **model_args: Any,
    ) -> None:
        from edgewise.models.open import open_backend

        super().__init__(model_name, base_url, api_key, [], config or GenerateConfig())
        if model_args:
            raise Unsupported(f"edgewise models take no arguments ({', '.join(model_args)})")
        self._backend = open_backend(model_name).backend

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        """Answer through the backend. Tools are not offered."""
        if tools:
            raise Unsupported("edgewise models use no tools")
        messages, settings = from_inspect_messages(input), from_generate_config(config)
        # Inspect asks the epochs of a sample with one configuration; a number of their own is theirs to give as seed.
        outputs = []
        for sample in range(config.num_choices or 1):
            response = await self._backend.generate(Call(messages=messages, settings=settings, sample=sample))
            outputs.append(to_model_output(response, model=self.model_name))
        first = outputs[0]
        return first.model_copy(update={"choices": [choice for output in outputs for choice in output.choices]})

    async def count_text_tokens(self, text: str) -> int:
        """An upper bound; Inspect's own counter fetches a vocabulary from the network."""
        return len(text.encode("utf-8", "replace"))

    def should_retry(self, ex: Exception) -> bool:
        """Whether another attempt can help."""
        return isinstance(ex, ModelFault) and ex.kind in RETRIED

    def max_connections(self) -> int:
        """Requests that are worth having in flight."""
        return 8

    def connection_key(self) -> str:
        """Connections are shared by model."""
        return self.model_name

    async def aclose(self) -> None:
        """Release the backend."""
        self._backend.close()
