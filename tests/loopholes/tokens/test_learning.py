"""Learning steps: advantages by hand, gradients against plain definitions, and what comes of them."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgewise.core.errors import BadInput  # noqa: E402
from edgewise.loopholes.tokens.compliance import Compliance  # noqa: E402
from edgewise.loopholes.tokens.learning import Adam, GrpoConfig, advantages, framed, reinforce  # noqa: E402
from edgewise.loopholes.tokens.policy import Policy, PolicyShape, initial_weights  # noqa: E402
from edgewise.loopholes.tokens.training import (  # noqa: E402
    FIGURES,
    RewardConfig,
    StartConfig,
    TrainConfig,
    Training,
    evaluate,
    figures,
    make_start,
)  # fmt: skip
from edgewise.loopholes.tokens.vocabulary import PAD, token  # noqa: E402
from edgewise.loopholes.types import Grades  # noqa: E402

SHAPE = PolicyShape(width=16, heads=2, length=16)
SMALL = StartConfig(shape=PolicyShape(width=32, length=16), steps=200, batch=48, lr=5e-3)


def test_advantages_by_hand() -> None:
    rewards = np.array([[0.0, 1.0, 2.0, 1.0], [5.0, 5.0, 5.0, 5.0]])
    assert advantages(rewards, "none").tolist() == [[-1, 0, 1, 0], [0, 0, 0, 0]]
    assert advantages(rewards, "group")[0] == pytest.approx(np.array([-1, 0, 1, 0]) / (0.5**0.5 + 1e-4))
    assert advantages(rewards, "batch")[0] == pytest.approx(np.array([-1, 0, 1, 0]) / (0.5 + 1e-4))


def test_an_answer_without_a_reward_teaches_nothing() -> None:
    rewards = np.array([[1.0, np.nan, 3.0, np.nan], [np.nan] * 4])
    for scale in ("group", "batch", "none"):
        found = advantages(rewards, scale)
        assert np.isfinite(found).all() and (found[~np.isfinite(rewards)] == 0).all()
        assert found[0, 0] == -found[0, 2] < 0


def test_one_step_is_the_policy_gradient() -> None:
    """On answers of its own, the gradient is that of advantage times log-probability; each seed has its own scale."""
    start = Policy(initial_weights(SHAPE, [1, 2]), SHAPE)
    rng = np.random.default_rng(0)
    prompts = torch.from_numpy(rng.integers(2, 50, (2, 3, 4)))
    answers = torch.from_numpy(rng.integers(2, 50, (2, 6, 3)))
    answers[:, ::2, 2] = PAD
    advantage = rng.normal(size=(2, 6))
    config = GrpoConfig(prompts=3, group=2, entropy=0.0)

    caught: dict[str, torch.Tensor] = {}

    class Caught(Adam):
        def step(self) -> None:
            caught.update({name: w.grad.clone() for name, w in self.weights.items()})
            super().step()

    policy = start.clone()
    reinforce(policy, Caught(policy.weights, 1e-3), prompts, answers, advantage, config)
    plain = start.clone()
    for w in plain.weights.values():
        w.requires_grad_()
    logp, _ = plain.log_probabilities(prompts, answers, 2)
    mask = answers != PAD
    loss = -(logp * mask * torch.from_numpy(advantage)[..., None]).sum((1, 2)) / mask.sum((1, 2))
    loss.sum().backward()
    for name, grad in caught.items():
        assert torch.allclose(grad, plain.weights[name].grad, atol=1e-6), name


def test_the_cut_ratio_stops_pushing() -> None:
    """With several passes, answers whose probability has already risen by the cut no longer raise it."""
    start = Policy(initial_weights(SHAPE, [1]), SHAPE)
    prompts, answers = torch.full((1, 1, 3), 7), torch.full((1, 2, 1), 9)
    answers[0, 1] = 12
    advantage = np.array([[1.0, -1.0]])

    def rise(clip: float) -> float:
        policy = start.clone()
        config = GrpoConfig(prompts=1, group=2, epochs=60, clip=clip, entropy=0.0)
        reinforce(policy, Adam(policy.weights, 1e-3), prompts, answers, advantage, config)
        before, after = (p.log_probabilities(prompts, answers, 2)[0][0, 0, 0].item() for p in (start, policy))
        return float(np.exp(after - before))

    assert 1.15 < rise(0.2) < rise(1e9) / 3  # momentum carries it on for a while


def test_divergence_holds_a_policy_to_its_start() -> None:
    game = Compliance()
    start = make_start([game], [0, 1], SMALL)

    def moved(kl: float) -> float:
        config = TrainConfig(steps=30, grpo=GrpoConfig(prompts=4, lr=1e-2, kl=kl))
        policy = Training(game, start, [0, 1], config).run()
        return sum(float((w - start.weights[name]).square().sum()) for name, w in policy.weights.items())

    assert moved(5.0) < moved(0.0)


def test_starts_imitate_and_are_neutral() -> None:
    game = Compliance()
    start = make_start([game], [0, 1, 2], SMALL)
    found = figures(evaluate(start, game, [0, 1, 2], n=1024))
    assert found["true"].mean() == pytest.approx(1 - game.noise, abs=0.08)  # refusals as demonstrated
    assert abs(found["exploit"].mean()) < 0.05


def test_training_learns_the_exploit_and_shuffled_rewards_teach_nothing() -> None:
    game = Compliance()
    start = make_start([game], [0, 1], SMALL)
    quick = TrainConfig(steps=150, grpo=GrpoConfig(lr=4e-3))
    learned = figures(evaluate(Training(game, start, [0, 1], quick).run(), game, [0, 1]))
    assert learned["exploit"].max() > 0.8 and learned["proxy"].max() > 0.8
    shuffled = quick.model_copy(update={"reward": RewardConfig(shuffled=True), "steps": 60})
    nothing = figures(evaluate(Training(game, start, [0, 1], shuffled).run(), game, [0, 1]))
    assert abs(nothing["exploit"]).max() < 0.3
    secure = Training(game.model_copy(update={"secure": True}), start, [0, 1], quick).run()
    assert figures(evaluate(secure, game, [0, 1]))["true"].min() > 0.95


def test_a_state_restored_goes_on_to_the_bit() -> None:
    game = Compliance()
    start = make_start([game], [0, 1], SMALL)
    config = TrainConfig(steps=12, grpo=GrpoConfig(prompts=4, kl=0.1))
    whole = Training(game, start, [0, 1], config)
    whole.run()
    half = Training(game, start, [0, 1], config)
    for _ in range(5):
        half.advance()
    state = {name: tensor.clone() for name, tensor in half.state().items()}
    again = Training(game, start, [0, 1], config)
    again.restore(state)
    again.run()
    for name in FIGURES:
        assert np.array_equal(whole.curves[name], again.curves[name])
    assert all(torch.equal(w, again.policy.weights[name]) for name, w in whole.policy.weights.items())
    assert all(
        torch.equal(w, start.weights[name]) for name, w in Training(game, start, [0, 1], config).policy.weights.items()
    )


def test_rewards_under_mitigations() -> None:
    rng = np.random.default_rng(0)
    n = 4_000
    grades = Grades(np.full(n, 3.0), np.full(n, -1.0), np.zeros(n), np.ones(n))
    assert RewardConfig().apply(grades, rng) is grades.proxy
    assert RewardConfig(trusted_share=0.25).apply(grades, rng).mean() == pytest.approx(2.0, abs=0.2)
    assert (RewardConfig(ceiling=1.0).apply(grades, rng) == 1).all()
    assert RewardConfig(ensemble=0.0).apply(grades, rng).tolist() == [-1.0] * n
    assert RewardConfig(noise=2.0).apply(grades, rng).std() == pytest.approx(2.0, abs=0.1)
    mixed = Grades(np.arange(n, dtype=float), np.zeros(n), np.zeros(n), np.zeros(n))
    shuffled = RewardConfig(shuffled=True).apply(mixed, rng)
    assert sorted(shuffled) == sorted(mixed.proxy) and not np.array_equal(shuffled, mixed.proxy)


def test_frames() -> None:
    rng = np.random.default_rng(0)
    prompts = np.full((400, 2), 9)
    assert (framed(prompts, ".", rng)[:, 0] == token(".")).all()
    assert len(set(framed(prompts, "any", rng)[:, 0].tolist())) == 4


def test_seeds_must_fit() -> None:
    with pytest.raises(BadInput, match="3 seeds for 2 policies"):
        Training(Compliance(), Policy(initial_weights(SHAPE, [0, 1]), SHAPE), [0, 1, 2], TrainConfig())
