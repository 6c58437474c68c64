"""Learning steps of side-by-side policies: imitation of answers, and group-relative policy optimisation (GRPO)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from edgewise.core.records import Record
from edgewise.loopholes.tokens.game import Batch, TokenGame
from edgewise.loopholes.tokens.policy import Policy, Weights
from edgewise.loopholes.tokens.vocabulary import FRAMES, PAD, Tokens, token
from edgewise.loopholes.types import Floats, Grades

if TYPE_CHECKING:
    from torch import Tensor

_DECAY, _DECAY_SQUARED, _SMALL = 0.9, 0.99, 1e-8
_CLIP_NORM = 1.0

Frame = Literal[".", ":", "!", "~", "any"]


class GrpoConfig(Record):
    """Settings of policy optimisation (Shao et al. 2024); the authors of the games use no KL term.

    Attributes:
        prompts: Prompts of a step.
        group: Answers of a prompt.
        lr: Learning rate of Adam.
        clip: Ratios of new to old probability are cut at 1 ± this.
        epochs: Passes over the answers of a step.
        kl: Weight of the divergence from the start.
        entropy: Weight of the entropy of each token. Policies this small settle on the first thing that pays; with a
            little of this they go on trying.
        scale: What advantages are divided by: the deviation of rewards in the ``group``, in the whole ``batch``, or
            ``none``. By the group, a reward that is rare and large weighs less than its expectation.
    """

    prompts: int = Field(default=16, ge=1)
    group: int = Field(default=8, ge=2)
    lr: float = Field(default=2e-3, gt=0)
    clip: float = Field(default=0.2, gt=0)
    epochs: int = Field(default=1, ge=1)
    kl: float = Field(default=0.0, ge=0)
    entropy: float = Field(default=0.02, ge=0)
    scale: Literal["group", "batch", "none"] = "group"


class Adam:
    """Adam (Kingma and Ba 2015) over stacked weights; each seed's gradient is cut by its own norm."""

    def __init__(self, weights: Weights, lr: float, state: dict[str, Tensor] | None = None) -> None:
        import torch

        # Sorted, so that sums over weights have one order, also where they were read from a file.
        self.weights, self.lr = dict(sorted(weights.items())), lr
        self.state = state or {
            "step": torch.zeros(1),
            **{f"{kind}.{name}": torch.zeros_like(w) for name, w in weights.items() for kind in ("mean", "square")},
        }
        for w in weights.values():
            w.requires_grad_()

    def step(self) -> None:
        """Move along the gradients, and clear them."""
        import torch

        with torch.no_grad():
            self.state["step"] += 1
            count = float(self.state["step"])
            pairs = [(name, w, w.grad) for name, w in self.weights.items() if w.grad is not None]
            norm = torch.stack([g.square().flatten(1).sum(1) for _, _, g in pairs]).sum(0).sqrt()
            factor = (_CLIP_NORM / (norm + _SMALL)).clamp(max=1)
            for name, w, grad in pairs:
                g = grad * factor.view(-1, *[1] * (w.dim() - 1))
                mean, square = self.state[f"mean.{name}"], self.state[f"square.{name}"]
                mean.mul_(_DECAY).add_(g, alpha=1 - _DECAY)
                square.mul_(_DECAY_SQUARED).addcmul_(g, g, value=1 - _DECAY_SQUARED)
                root = (square / (1 - _DECAY_SQUARED**count)).sqrt_().add_(_SMALL)
                w.addcdiv_(mean, root, value=-self.lr / (1 - _DECAY**count))
                w.grad = None


def framed(prompts: Tokens, frame: Frame, rng: np.random.Generator) -> Tokens:
    """Prompts with a frame before each."""
    n = len(prompts)
    first = rng.choice([token(word) for word in FRAMES], n) if frame == "any" else np.full(n, token(frame))
    return np.column_stack([first, prompts])


def imitate(policy: Policy, optimiser: Adam, prompts: Sequence[Tokens], answers: Sequence[Tokens]) -> Floats:
    """One step towards answers that somebody gave; prompts and answers of each seed. Nats per token, shape (seeds,)."""
    import torch

    said = torch.from_numpy(np.stack(answers))
    logp, _ = policy.log_probabilities(torch.from_numpy(np.stack(prompts)), said)
    mask = said != PAD
    loss = -(logp * mask).sum((1, 2)) / mask.sum((1, 2))
    loss.sum().backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return np.asarray(loss.detach().numpy(), dtype=np.float64)


def advantages(rewards: Floats, scale: str) -> Floats:
    """Rewards less their group's mean, divided by a deviation. Those without a reward have advantage 0.

    Args:
        rewards: (prompts, group); NaN where the grader failed.
        scale: See ``GrpoConfig``.
    """
    known = np.isfinite(rewards)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    mean = np.where(known, rewards, 0).sum(axis=1, keepdims=True) / count
    centred = np.where(known, rewards - mean, 0.0)
    if scale == "group":
        return np.asarray(centred / (np.sqrt((centred**2).sum(axis=1, keepdims=True) / count) + 1e-4))
    if scale == "batch":
        return np.asarray(centred / (np.sqrt((centred**2).sum() / max(known.sum(), 1)) + 1e-4))
    return centred


def answer(
    policy: Policy, game: TokenGame, batches: Sequence[Batch], rngs: Sequence[np.random.Generator], *, group: int = 1,
    frame: Frame = ".", banned: Tokens | None = None, temperature: float = 1.0,
) -> tuple[Tensor, Tensor, list[Grades]]:  # fmt: skip
    """Answers of every seed's policy to its own batch: prompts with their frame, answers, grades."""
    import torch

    prompts = torch.from_numpy(np.stack([framed(b.prompts, frame, r) for b, r in zip(batches, rngs, strict=True)]))
    size = (len(batches[0]) * group, game.answer_length)
    uniforms = torch.from_numpy(np.stack([rng.random(size, dtype=np.float32) for rng in rngs]))
    answers = policy.sample(prompts, uniforms, repeats=group, banned=banned, temperature=temperature)
    said = answers.numpy()
    grades = [game.grade(batch.repeated(group), row, rng) for batch, row, rng in zip(batches, said, rngs, strict=True)]
    return prompts, answers, grades


def reinforce(
    policy: Policy, optimiser: Adam, prompts: Tensor, answers: Tensor, advantage: Floats, config: GrpoConfig,
    start: Policy | None = None,
) -> None:  # fmt: skip
    """One step of GRPO with the token-level loss of DAPO (Yu et al. 2025), which TRL has as its default too.

    Args:
        policy: What learns.
        optimiser: Of its weights.
        prompts: (seeds, prompts, length).
        answers: (seeds, prompts x group, length).
        advantage: (seeds, prompts x group).
        config: Settings.
        start: Policy that the KL term holds it to.
    """
    import torch

    mask = answers != PAD
    weight = torch.from_numpy(advantage.astype(np.float32))[..., None] * mask
    tokens = mask.sum((1, 2))
    old = anchor = None
    if start is not None and config.kl > 0:
        with torch.no_grad():
            anchor, _ = start.log_probabilities(prompts, answers, config.group)
    for _ in range(config.epochs):
        logp, whole = policy.log_probabilities(prompts, answers, config.group)
        old = logp.detach() if old is None else old
        ratio = (logp - old).exp()
        gain = torch.minimum(ratio * weight, ratio.clamp(1 - config.clip, 1 + config.clip) * weight)
        if config.entropy:
            gain = gain - config.entropy * (whole.exp() * whole).sum(-1) * mask
        if anchor is not None:
            away = anchor - logp
            gain = gain - config.kl * (away.exp() - away - 1) * mask  # an unbiased, never negative estimate of the KL
        (-gain.sum((1, 2)) / tokens).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
