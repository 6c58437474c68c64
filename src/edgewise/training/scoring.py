"""Log-probabilities of both answers of preference pairs under a causal language model, as the trainer computes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import BadInput
from edgewise.training.pairs import Pair

Floats = npt.NDArray[np.float64]
Tokens = tuple[list[int], int]  # of prompt and answer, and how many are the prompt's
_AT_ONCE = 4  # pairs in a forward pass


def tokenise(tokenizer: Any, pairs: Sequence[Pair], max_length: int) -> list[tuple[Tokens, Tokens]]:
    """Tokens of each pair's chosen and rejected answer behind the prompt, cut off at the end as in training.

    An answer begins where the prompt with it differs from the prompt alone, for both answers at the same place.

    Raises:
        BadInput: A prompt leaves no room for an answer.
    """

    def ids(messages: list[dict[str, str]], *, prompt: bool = False) -> list[int]:
        found: list[int] = tokenizer.apply_chat_template(
            messages, add_generation_prompt=prompt, tokenize=True, return_dict=True
        )["input_ids"]
        return found

    result = []
    for pair in pairs:
        messages = list(pair.prompt)
        alone = ids(messages, prompt=True)
        both = [ids([*messages, {"role": "assistant", "content": text}]) for text in (pair.chosen, pair.rejected)]
        start = min(_common(alone, whole) for whole in both)
        if start >= max_length:
            raise BadInput(f"a prompt alone fills {max_length} tokens", field="max_length", fix="a larger --max-length")
        chosen, rejected = ((whole[:max_length], start) for whole in both)
        result.append((chosen, rejected))
    return result


def score(model: Any, tokens: Sequence[tuple[Tokens, Tokens]], *, done: Callable[[int], None] | None = None) -> Floats:
    """Log-probabilities of answers in nats, shape (pairs, 2), chosen first.

    Args:
        model: A causal language model of ``transformers``, with or without an adapter.
        tokens: As ``tokenise`` gives them.
        done: Told how many pairs are done.
    """
    import torch

    found = np.zeros((len(tokens), 2))
    # Answers of like length together: less padding, the same figures.
    order = sorted(range(len(tokens)), key=lambda k: max(len(ids) for ids, _ in tokens[k]))
    with torch.inference_mode():
        for first in range(0, len(order), _AT_ONCE):
            chosen = order[first : first + _AT_ONCE]
            rows = [tokens[k][side] for side in (0, 1) for k in chosen]
            found[chosen] = _batch(model, rows).reshape(2, len(chosen)).T
            if done is not None:
                done(first + len(chosen))
    return found


def _batch(model: Any, rows: Sequence[Tokens]) -> Floats:
    """Log-probability of each row's answer (rows,)."""
    import torch

    longest, start = max(len(ids) for ids, _ in rows), min(start for _, start in rows)
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    mask, answer = torch.zeros_like(ids), torch.zeros_like(ids, dtype=torch.bool)
    for k, (row, begin) in enumerate(rows):
        ids[k, : len(row)], mask[k, : len(row)], answer[k, begin : len(row)] = torch.tensor(row), 1, True
    ids, mask, answer = (tensor.to(model.device) for tensor in (ids, mask, answer))
    kept = longest - start + 1  # the first answer's first token is predicted one place before it
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=kept).logits[:, :-1].float()
    picked = logits.gather(2, ids[:, start:, None])[..., 0] - logits.logsumexp(dim=2)
    total: Floats = (picked.double() * answer[:, start:]).sum(dim=1).cpu().numpy()
    return total


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """Length of the common beginning."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((k for k, (a, b) in pairs if a != b), min(len(first), len(second)))
