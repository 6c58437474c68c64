"""Policies side by side are what they would be alone, and draw from the distribution that they state."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgewise.loopholes.tokens.policy import Policy, PolicyShape, initial_weights  # noqa: E402
from edgewise.loopholes.tokens.vocabulary import END, PAD, SIZE  # noqa: E402

SHAPE = PolicyShape(width=16, heads=2, length=16)


def policy(seeds: list[int]) -> Policy:
    return Policy(initial_weights(SHAPE, seeds), SHAPE)


def plain(p: Policy, seed: int, tokens: list[int]) -> torch.Tensor:
    """The same network written for one sequence of one seed, without a cache; log-probabilities of what comes next."""
    w = {name: tensor[seed].double() for name, tensor in p.weights.items()}
    x = w["tokens"][tokens] + w["positions"][: len(tokens)]

    def norm(v: torch.Tensor) -> torch.Tensor:
        return v / (v.square().mean(-1, keepdim=True) + torch.finfo(torch.float32).eps).sqrt()

    for i in range(SHAPE.layers):
        q, k, v = (norm(x) @ w[f"{i}.qkv"]).chunk(3, dim=-1)
        heads = []
        for h in range(SHAPE.heads):
            part = slice(h * 8, h * 8 + 8)
            scores = q[:, part] @ k[:, part].T / math.sqrt(8)
            scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -math.inf)
            heads.append(scores.softmax(-1) @ v[:, part])
        x = x + torch.cat(heads, dim=-1) @ w[f"{i}.mix"]
        x = x + torch.nn.functional.gelu(norm(x) @ w[f"{i}.up"]) @ w[f"{i}.down"]
    return (norm(x) @ w["head"]).log_softmax(-1)


def test_log_probabilities_are_those_of_the_plain_network() -> None:
    p = policy([1, 2, 3])
    rng = np.random.default_rng(0)
    prompts = torch.from_numpy(rng.integers(2, SIZE, (3, 2, 5)))
    answers = torch.from_numpy(rng.integers(2, SIZE, (3, 6, 4)))
    found, whole = p.log_probabilities(prompts, answers, 3)
    for seed in range(3):
        for row in range(6):
            sequence = [*prompts[seed, row // 3].tolist(), *answers[seed, row].tolist()]
            expected = plain(p, seed, sequence)[4:8]
            assert torch.allclose(whole[seed, row].double(), expected, atol=1e-4)
            taken = expected.gather(-1, answers[seed, row][:, None])[:, 0]
            assert torch.allclose(found[seed, row].double(), taken, atol=1e-4)


def test_a_seed_does_not_depend_on_its_neighbours() -> None:
    alone, beside = policy([7]), policy([3, 7, 9])
    prompts = torch.arange(2, 8)[None, None]
    answers = torch.arange(8, 12)[None, None]
    one, _ = alone.log_probabilities(prompts, answers)
    three, _ = beside.log_probabilities(prompts.repeat(3, 1, 1), answers.repeat(3, 1, 1))
    assert torch.allclose(one[0], three[1], atol=1e-5) and not torch.allclose(three[0], three[1], atol=1e-2)
    assert alone.shape.parameters == sum(w.numel() for w in alone.weights.values()) < 1_000_000


def test_samples_follow_the_stated_distribution() -> None:
    p = policy([5])
    prompts = torch.full((1, 1, 3), 20)
    n = 40_000
    uniforms = torch.from_numpy(np.random.default_rng(0).random((1, n, 1), dtype=np.float32))
    drawn = p.sample(prompts, uniforms, repeats=n)[0, :, 0].numpy()
    _, whole = p.log_probabilities(prompts, torch.full((1, 1, 1), 5))
    expected = whole.exp()[0, 0, 0].detach().numpy()
    expected[PAD] = 0  # never said
    expected /= expected.sum()
    counts = np.bincount(drawn, minlength=SIZE)
    seen = expected * n > 5
    chi = ((counts - expected * n)[seen] ** 2 / (expected * n)[seen]).sum()
    assert chi < seen.sum() + 5 * math.sqrt(2 * seen.sum())


def test_after_the_end_there_is_padding_and_banned_words_are_never_said() -> None:
    p = policy([1])
    uniforms = torch.from_numpy(np.random.default_rng(1).random((1, 4_000, 8), dtype=np.float32))
    said = p.sample(torch.full((1, 1, 3), 9), uniforms, repeats=4_000, banned=np.array([30, 31]))[0].numpy()
    assert not np.isin(said, [30, 31]).any() and (said == END).any()
    for row in said:
        ends = np.flatnonzero(row == END)
        assert not (row[: ends[0] if ends.size else 8] == PAD).any()
        assert (row[ends[0] + 1 :] == PAD).all() if ends.size else True
