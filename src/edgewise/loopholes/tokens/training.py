"""From a neutral start to a trained policy, for all seeds at once, step by step and resumable at any step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from edgewise.core.errors import BadInput
from edgewise.core.fanout import Progress
from edgewise.core.records import Record
from edgewise.loopholes.tokens.game import TokenGame
from edgewise.loopholes.tokens.learning import Adam, Frame, GrpoConfig, advantages, answer, framed, imitate, reinforce
from edgewise.loopholes.tokens.policy import Policy, PolicyShape, initial_weights
from edgewise.loopholes.tokens.vocabulary import Tokens, tokens
from edgewise.loopholes.types import FIGURES, Floats, Grades

if TYPE_CHECKING:
    from torch import Tensor

_START, _TRAIN, _EVALUATE = 1, 2, 3  # streams of randomness of a seed


class StartConfig(Record):
    """How a start is made: imitation of honest demonstrations, of each game in turn.

    Attributes:
        shape: Sizes of the policy.
        steps: For each lesson of each game; a harder game has more lessons.
        batch: Demonstrations of a step.
        lr: Learning rate; it falls to 0 over the second half.
    """

    shape: PolicyShape = PolicyShape()
    steps: int = Field(default=100, ge=1)
    batch: int = Field(default=48, ge=1)
    lr: float = Field(default=3e-3, gt=0)


class RewardConfig(Record):
    """What training sees of the proxy: as it is by default. Mitigations and controls are changes of these.

    Attributes:
        shuffled: Rewards are dealt out at random among a step's answers: nothing can be learned.
        trusted_share: Share of answers that a trusted grader grades instead.
        ceiling: Rewards are cut above.
        ensemble: The least of the proxy and of a trusted grader with normal errors of this deviation.
        noise: Deviation of normal errors added.
    """

    shuffled: bool = False
    trusted_share: float = Field(default=0.0, ge=0, le=1)
    ceiling: float | None = None
    ensemble: float | None = Field(default=None, ge=0)
    noise: float = Field(default=0.0, ge=0)

    def apply(self, grades: Grades, rng: np.random.Generator) -> Floats:
        """Rewards of answers, shape (n,)."""
        rewards = grades.proxy
        if self.trusted_share:
            rewards = np.where(rng.random(rewards.size) < self.trusted_share, grades.trusted, rewards)
        if self.ceiling is not None:
            rewards = np.minimum(rewards, self.ceiling)
        if self.ensemble is not None:
            rewards = np.minimum(rewards, grades.trusted + rng.normal(0, self.ensemble, rewards.size))
        if self.noise:
            rewards = rewards + rng.normal(0, self.noise, rewards.size)
        return rng.permutation(rewards) if self.shuffled else rewards


class TrainConfig(Record):
    """Settings of a training run.

    Attributes:
        steps: Policy updates; as many as the game usually needs unless given.
        grpo: Settings of each.
        reward: What training sees of the proxy.
        frame: What stands before a prompt; ``any`` for one at random.
        banned: Words that are never said.
    """

    steps: int | None = Field(default=None, ge=1)
    grpo: GrpoConfig = GrpoConfig()
    reward: RewardConfig = RewardConfig()
    frame: Frame = "."
    banned: tuple[str, ...] = ()


def make_start(
    games: Sequence[TokenGame], seeds: Sequence[int], config: StartConfig, progress: Progress | None = None
) -> Policy:
    """Policies that imitate honest demonstrations of all games, one for each seed.

    Nothing points at a loophole: demonstrations are honest, of limited skill, with mistakes without aim.
    """
    policy = Policy(initial_weights(config.shape, list(seeds)), config.shape)
    optimiser = Adam(policy.weights, config.lr)
    order = [game for _ in range(config.steps) for game in games for _ in range(game.lessons)]
    total = len(order)
    for step, game in enumerate(order):
        optimiser.lr = config.lr * min(1.0, 2 * (total - step) / total)
        rngs = [np.random.default_rng([seed, _START, step]) for seed in seeds]
        batches = [game.practice().sample(rng, config.batch) for rng in rngs]
        answers = [game.demonstrate(batch, rng) for batch, rng in zip(batches, rngs, strict=True)]
        imitate(policy, optimiser, [framed(b.prompts, "any", r) for b, r in zip(batches, rngs, strict=True)], answers)
        if progress is not None:
            progress(step + 1, total)
    return policy.clone()


class Training:
    """A training run of all seeds together. Each seed's draws depend on itself and the step alone.

    Args:
        game: What is trained on.
        start: Policies to begin with; they are left as they are.
        seeds: One for each.
        config: Settings.
    """

    def __init__(self, game: TokenGame, start: Policy, seeds: Sequence[int], config: TrainConfig) -> None:
        if start.seeds != len(seeds):
            raise BadInput(f"{len(seeds)} seeds for {start.seeds} policies", field="seeds")
        self.game, self.start, self.seeds, self.config = game, start, list(seeds), config
        self.steps = config.steps or game.steps
        self.policy = start.clone()
        self.optimiser = Adam(self.policy.weights, config.grpo.lr)
        self.curves = {name: np.full((self.steps, len(seeds)), np.nan) for name in FIGURES}
        # Of each prompt, the mean of its answers: what a monitor reads afterwards.
        shape = (self.steps, len(seeds), config.grpo.prompts)
        self.by_prompt = {name: np.full(shape, np.nan, dtype=np.float32) for name in FIGURES}
        self.step = 0
        self.rewards = [config.reward] * len(seeds)  # of each seed: a monitor may make one seed's grading secure
        self._banned: Tokens | None = tokens(config.banned) if config.banned else None

    @property
    def done(self) -> bool:
        """Whether all steps are taken."""
        return self.step >= self.steps

    def advance(self) -> list[Grades]:
        """One step; the grades of its answers, which were given before the update, by seed."""
        grpo = self.config.grpo
        rngs = [np.random.default_rng([seed, _TRAIN, self.step]) for seed in self.seeds]
        batches = [self.game.sample(rng, grpo.prompts) for rng in rngs]
        prompts, answers, grades = answer(
            self.policy, self.game, batches, rngs, group=grpo.group, frame=self.config.frame, banned=self._banned
        )
        paid = [mine.apply(g, rng) for mine, g, rng in zip(self.rewards, grades, rngs, strict=True)]
        rewards = [row.reshape(grpo.prompts, grpo.group) for row in paid]
        advantage = np.stack([advantages(r, grpo.scale).reshape(-1) for r in rewards])
        reinforce(self.policy, self.optimiser, prompts, answers, advantage, grpo, self.start)
        for name in FIGURES:
            values = np.stack([getattr(g, name) for g in grades])
            self.by_prompt[name][self.step] = nan_mean(values.reshape(len(grades), grpo.prompts, grpo.group))
            self.curves[name][self.step] = nan_mean(values)
        self.step += 1
        return grades

    def run(self, progress: Progress | None = None) -> Policy:
        """All steps that are left."""
        while not self.done:
            self.advance()
            if progress is not None:
                progress(self.step, self.steps)
        return self.policy.clone()

    def state(self) -> dict[str, Tensor]:
        """Everything that going on needs, as tensors."""
        return pack_state(self.step, self.policy, self.optimiser, {"curves": self.curves, "prompts": self.by_prompt})

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go back to where a state was taken."""
        self.step, self.policy, self.optimiser, arrays = unpack_state(state, self.policy.shape, self.config.grpo.lr)
        self.curves, self.by_prompt = arrays["curves"], arrays["prompts"]


def pack_state(
    step: int, policy: Policy, optimiser: Adam, arrays: Mapping[str, Mapping[str, npt.NDArray[Any]]]
) -> dict[str, Tensor]:
    """Everything that going on needs, as tensors: where one is, weights, the optimiser's state, groups of arrays."""
    import torch

    return {
        "at": torch.tensor([step]),
        **{f"weights.{name}": w.detach() for name, w in policy.weights.items()},
        **{f"adam.{name}": t for name, t in optimiser.state.items()},
        **{f"{group}.{name}": torch.from_numpy(a) for group, kept in arrays.items() for name, a in kept.items()},
    }


def unpack_state(
    state: Mapping[str, Tensor], shape: PolicyShape, lr: float
) -> tuple[int, Policy, Adam, dict[str, dict[str, npt.NDArray[Any]]]]:
    """What ``pack_state`` was given, apart from the tensors it is read from."""
    groups: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        group, _, name = key.partition(".")
        groups.setdefault(group, {})[name] = tensor.clone()
    policy = Policy(groups.pop("weights"), shape)
    optimiser = Adam(policy.weights, lr, groups.pop("adam"))
    step = int(groups.pop("at")[""])
    return step, policy, optimiser, {g: {name: t.numpy() for name, t in kept.items()} for g, kept in groups.items()}


def evaluate(
    policy: Policy, game: TokenGame, seeds: Sequence[int], *, n: int = 512, frame: Frame = ".", stream: int = 0
) -> list[Grades]:
    """Grades of answers to n fresh prompts, by seed; ``stream`` gives other prompts."""
    rngs = [np.random.default_rng([seed, _EVALUATE, stream]) for seed in seeds]
    return answer(policy, game, [game.sample(rng, n) for rng in rngs], rngs, frame=frame)[2]


def nan_mean(values: Floats) -> Floats:
    """Mean over the last axis of what is not NaN; NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0))


def figures(grades: Sequence[Grades]) -> dict[str, Floats]:
    """Mean of each figure and part by seed, shape (seeds,)."""
    found = {name: nan_mean(np.stack([getattr(g, name) for g in grades])) for name in FIGURES}
    return found | {part: nan_mean(np.stack([g.parts[part] for g in grades])) for part in grades[0].parts}
