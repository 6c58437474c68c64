"""Small transformers, one for each seed, computed side by side as if they were one.

Every weight has the seeds as its first axis and every product is a batched one, so eight policies cost little more
than one: at this size time goes into calls, not into arithmetic. A policy is a decoder as in GPT-2 (Radford et al.
2019) with RMS norms and no biases.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edgewise.core.records import Record
from edgewise.loopholes.tokens.vocabulary import END, PAD, SIZE, Tokens

if TYPE_CHECKING:
    from torch import Tensor

Weights = dict[str, "Tensor"]


class PolicyShape(Record):
    """Sizes of a policy. The default has about 90,000 weights.

    Attributes:
        width: Of the residual stream.
        heads: Of each attention layer.
        layers: Number of blocks.
        length: Longest sequence.
    """

    width: int = 64
    heads: int = 4
    layers: int = 2
    length: int = 32

    @property
    def parameters(self) -> int:
        """Weights of one policy."""
        return (SIZE * 2 + self.length) * self.width + self.layers * 8 * self.width**2


def initial_weights(shape: PolicyShape, seeds: list[int]) -> Weights:
    """Fresh weights, those of each seed drawn from its own generator."""
    import torch

    d = shape.width
    sizes = {"tokens": (SIZE, d), "positions": (shape.length, d), "head": (d, SIZE)}
    for i in range(shape.layers):
        sizes |= {f"{i}.qkv": (d, 3 * d), f"{i}.mix": (d, d), f"{i}.up": (d, 2 * d), f"{i}.down": (2 * d, d)}
    drawn: dict[str, list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]] = {name: [] for name in sizes}
    for seed in seeds:
        rng = np.random.default_rng([seed, 0])
        for name, size in sizes.items():
            # What a token is must still be heard in the stream after the first block has spoken.
            deviation = 0.5 if name in ("tokens", "positions") else 1 / math.sqrt(size[0])
            if name.endswith(("mix", "down")):
                deviation /= math.sqrt(2 * shape.layers)
            drawn[name].append((rng.standard_normal(size) * deviation).astype(np.float32))
    return {name: torch.from_numpy(np.stack(arrays)) for name, arrays in drawn.items()}


class Policy:
    """Policies of several seeds. Weights are the only state.

    Args:
        weights: By name, each with the seeds as its first axis.
        shape: Their sizes.
    """

    def __init__(self, weights: Weights, shape: PolicyShape) -> None:
        self.weights, self.shape = weights, shape

    @property
    def seeds(self) -> int:
        """How many policies there are."""
        return int(self.weights["tokens"].shape[0])

    def clone(self) -> Policy:
        """A copy that trains apart from this one."""
        return Policy({name: w.detach().clone() for name, w in self.weights.items()}, self.shape)

    def chosen(self, seeds: list[int]) -> Policy:
        """The policies at these places, in this order; a place may come twice."""
        return Policy({name: w.detach()[seeds].clone() for name, w in self.weights.items()}, self.shape)

    def _embed(self, tokens: Tensor, start: int) -> Tensor:
        """Shape (seeds, rows, columns) of tokens to (seeds, rows, columns, width)."""
        import torch

        seeds, rows, columns = tokens.shape
        table = self.weights["tokens"]
        index = tokens + (torch.arange(seeds) * SIZE)[:, None, None]
        found = torch.nn.functional.embedding(index.reshape(-1), table.reshape(seeds * SIZE, -1))
        places = self.weights["positions"][:, start : start + columns]
        return found.reshape(seeds, rows, columns, table.shape[-1]) + places[:, None]

    def _run(self, x: Tensor, past: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Blocks over new positions, given keys and values of those before.

        Args:
            x: (seeds, rows, columns, width).
            past: For each layer keys and values, (seeds, rows, heads, positions, width of a head); empty for none.

        Returns:
            Output of the last block after its norm, and keys and values of all positions.
        """
        import torch
        import torch.nn.functional as f

        seeds, rows, columns, d = x.shape
        heads = self.shape.heads
        flat = x.reshape(seeds, rows * columns, d)
        present = []
        for i in range(self.shape.layers):
            made = torch.bmm(f.rms_norm(flat, (d,)), self.weights[f"{i}.qkv"])
            q, k, v = made.view(seeds, rows, columns, 3, heads, d // heads).permute(3, 0, 1, 4, 2, 5)
            if past:
                k, v = (torch.cat([a, b], dim=3) for a, b in zip(past[i], (k, v), strict=True))
            present.append((k, v))
            scores = q @ k.transpose(-1, -2) / math.sqrt(d // heads)
            if columns > 1:
                late = torch.ones(columns, k.shape[3], dtype=torch.bool).triu(k.shape[3] - columns + 1)
                scores = scores.masked_fill(late, -math.inf)
            mixed = (scores.softmax(-1) @ v).permute(0, 1, 3, 2, 4).reshape(seeds, rows * columns, d)
            flat = flat + torch.bmm(mixed, self.weights[f"{i}.mix"])
            hidden = f.gelu(torch.bmm(f.rms_norm(flat, (d,)), self.weights[f"{i}.up"]))
            flat = flat + torch.bmm(hidden, self.weights[f"{i}.down"])
        return f.rms_norm(flat, (d,)).view(seeds, rows, columns, d), present

    def _logits(self, x: Tensor) -> Tensor:
        import torch

        seeds, rows, columns, d = x.shape
        return torch.bmm(x.reshape(seeds, -1, d), self.weights["head"]).view(seeds, rows, columns, SIZE)

    def log_probabilities(self, prompts: Tensor, answers: Tensor, repeats: int = 1) -> tuple[Tensor, Tensor]:
        """Log-probability of each token of answers, and the whole distributions.

        A prompt that has several answers is computed once.

        Args:
            prompts: (seeds, prompts, prompt length).
            answers: (seeds, prompts x repeats, answer length); those of a prompt in a row.
            repeats: Answers of each prompt.

        Returns:
            (seeds, answers, length) of the tokens, and (seeds, answers, length, vocabulary) of all words.
        """
        import torch

        x, past = self._run(self._embed(prompts, 0), [])
        last = x[:, :, -1:]
        if repeats > 1:
            last = last.repeat_interleave(repeats, dim=1)
            past = [(k.repeat_interleave(repeats, 1), v.repeat_interleave(repeats, 1)) for k, v in past]
        x, _ = self._run(self._embed(answers[:, :, :-1], prompts.shape[2]), past)
        whole = self._logits(torch.cat([last, x], dim=2)).log_softmax(-1)
        return whole.gather(-1, answers[..., None])[..., 0], whole

    def sample(
        self, prompts: Tensor, uniforms: Tensor, *, repeats: int = 1, banned: Tokens | None = None,
        temperature: float = 1.0,
    ) -> Tensor:  # fmt: skip
        """Draw answers.

        Args:
            prompts: (seeds, prompts, prompt length).
            uniforms: In [0, 1), (seeds, prompts x repeats, answer length): all the chance there is.
            repeats: Answers of each prompt.
            banned: Words that are never said, such as the exploit's in a control.
            temperature: Divides the logits.

        Returns:
            (seeds, prompts x repeats, answer length); padded after the end.
        """
        import torch

        with torch.no_grad():
            x, past = self._run(self._embed(prompts, 0), [])
            x = x[:, :, -1:]
            if repeats > 1:
                x = x.repeat_interleave(repeats, dim=1)
                past = [(k.repeat_interleave(repeats, 1), v.repeat_interleave(repeats, 1)) for k, v in past]
            out = torch.full(uniforms.shape, PAD, dtype=torch.int64)
            ended = torch.zeros(uniforms.shape[:2], dtype=torch.bool)
            for t in range(uniforms.shape[2]):
                logits = self._logits(x)[:, :, 0] / temperature
                logits[..., PAD] = -math.inf
                if banned is not None:
                    logits[..., torch.from_numpy(banned)] = -math.inf
                cumulated = logits.softmax(-1).cumsum(-1)
                drawn = uniforms[..., t, None] * cumulated[..., -1:]
                token = (cumulated <= drawn).sum(-1).clamp(max=SIZE - 1)
                out[..., t] = torch.where(ended, PAD, token)
                ended |= token == END
                if t + 1 == uniforms.shape[2] or bool(ended.all()):
                    break
                x, past = self._run(self._embed(out[..., t : t + 1], prompts.shape[2] + t), past)
        return out
