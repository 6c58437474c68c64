"""How likely a causal language model finds a given answer, token by token (teacher forcing)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from edgewise.core.errors import BadInput, ModelFault
from edgewise.models.types import Message, Scored, TokenLogprob


class TorchScorer:
    """Scores continuations under a ``transformers`` model, one at a time: padding in batches changes the last bits.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer, with a chat template.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._lock = threading.Lock()

    def score(self, messages: Sequence[Message], continuation: str) -> Scored:
        """Log-probabilities of ``continuation`` as the assistant's next words, in nats.

        Prompt and continuation are tokenised apart, so the score of a continuation does not depend on how a tokenizer
        would merge it with the template's last characters. The end-of-turn token is not included.

        Raises:
            BadInput: The continuation is empty.
            ModelFault: Prompt and continuation do not fit (``context``).
        """
        import torch

        chat = [{"role": m.role, "content": m.text} for m in messages]
        prompt = self._tokenizer.apply_chat_template(
            chat, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )["input_ids"]
        answer = self._tokenizer(continuation, add_special_tokens=False, return_tensors="pt")["input_ids"].long()
        if answer.shape[1] == 0:
            raise BadInput("there is nothing to score", field="continuation")
        tokens = torch.cat([prompt, answer], dim=1).to(self._model.device)
        limit = getattr(self._model.config, "max_position_embeddings", None)
        if limit is not None and tokens.shape[1] > limit:
            raise ModelFault(f"{tokens.shape[1]} tokens exceed the context of {limit}", kind="context")
        with self._lock, torch.inference_mode():
            # Logits of the positions before the answer's tokens only: a vocabulary times a long prompt is a lot.
            logits = self._model(tokens[:, :-1], logits_to_keep=answer.shape[1]).logits
            logprobs = torch.log_softmax(logits[0].float(), dim=-1)
        chosen = logprobs.gather(1, answer[0].to(logprobs.device)[:, None])[:, 0].tolist()
        pieces = [self._tokenizer.decode([token]) for token in answer[0].tolist()]
        return Scored(
            tokens=tuple(TokenLogprob(token=t, logprob=min(0.0, v)) for t, v in zip(pieces, chosen, strict=True))
        )
