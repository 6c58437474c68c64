"""Where training would begin to move: policy gradients of proxy and trusted reward, and the first steps after them.

The policy is the base times exp(theta . features), so that its gradient at the base is the covariance of features and
reward within a task; the base need not be differentiable.
"""

from __future__ import annotations

import numpy as np

from edgewise.core.estimate import Estimate, Measure, NotMeasured
from edgewise.loopholes.types import Floats


def policy_gradients(phi: Floats, reward: Floats, weights: Floats | None = None) -> Floats:
    """Gradient of the expected reward by task, shape (tasks, features): unbiased, the mean of (phi - mean) reward.

    Args:
        phi: Features, shape (tasks, answers, features).
        reward: Shape (tasks, answers).
        weights: Of the answers under the policy, rows sum to 1; the base's own unless given.
    """
    n = phi.shape[1]
    w = np.full(reward.shape, 1 / n) if weights is None else weights
    centred = phi - np.einsum("ij,ijk->ik", w, phi)[:, None]
    # Both means come from the same answers: with n - 1 in place of n the covariance is unbiased.
    unbiased = n / (n - 1) if weights is None else 1 / np.maximum(1 - (w**2).sum(axis=1, keepdims=True), 1e-9)
    return np.asarray(np.einsum("ij,ijk->ik", w * reward, centred) * unbiased)


def alignment(first: Floats, second: Floats, rng: np.random.Generator, replicates: int = 400) -> Measure:
    """Cosine between two mean gradients, without the noise that would pull it to 0, and its bootstrap interval.

    Products of different tasks' gradients are free of their own noise: |g|² is estimated by the mean over pairs of
    different tasks (the same as averaging over all pairs of half-samples).

    Args:
        first, second: Gradients by task, shape (tasks, features).
        rng: For the bootstrap over tasks.
        replicates: Of it.
    """
    n = len(first)
    if n < 4:
        return NotMeasured(reason=f"{n} tasks are too few for the direction of a gradient")
    # Products of all pairs of tasks once; resamples pick rows and columns. A task never meets its own copy.
    products = [first @ second.T, first @ first.T, second @ second.T]

    def cosine(counts: Floats) -> float:
        pairs = np.outer(counts, counts)
        np.fill_diagonal(pairs, 0)
        cross, one, two = (float((pairs * p).sum()) for p in products)
        return float(np.clip(cross / np.sqrt(one * two), -1, 1)) if one > 0 and two > 0 else np.nan

    value = cosine(np.ones(n))
    if not np.isfinite(value):
        return NotMeasured(reason="no gradient stands out of the noise")
    drawn = np.array(
        [cosine(np.bincount(rng.integers(n, size=n), minlength=n).astype(float)) for _ in range(replicates)]
    )
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < replicates / 2:
        return NotMeasured(reason="no gradient stands out of the noise in most resamples")
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(
        value=value, low=min(float(low), value), high=max(float(high), value), n=n,
        method=f"percentile bootstrap over tasks, {len(drawn)} replicates",
    )  # fmt: skip


def tilted(score: Floats, nats: float) -> Floats:
    """Weights proportional to exp(beta score) within each task, with beta such that the mean divergence is ``nats``.

    Of all policies at that divergence from the base it is the one with the highest mean score.

    Args:
        score: Shape (tasks, answers).
        nats: Divergence from equal weights; what cannot be reached is approached.
    """
    spread = float(score.std()) or 1.0
    low, high = 0.0, 1e4 / spread
    n = score.shape[1]

    def weights(beta: float) -> Floats:
        logs = beta * (score - score.max(axis=1, keepdims=True))
        raw = np.exp(logs)
        return np.asarray(raw / raw.sum(axis=1, keepdims=True))

    def divergence(w: Floats) -> float:
        return float(np.mean((w * np.log(np.maximum(w * n, 1e-300))).sum(axis=1)))

    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if divergence(weights(middle)) < nats else (low, middle)
    return weights(low)


def ridge(phi: Floats, target: Floats, penalty: float = 1.0) -> Floats:
    """Weights of a linear fit of a reward, centred within tasks, on centred features; shape (features,)."""
    known = np.isfinite(target)
    y = np.where(known, target, 0.0)
    y = np.where(known, y - y.sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1), 0.0)
    x = phi[known]
    return np.asarray(np.linalg.solve(x.T @ x + penalty * np.eye(phi.shape[2]), x.T @ y[known]))


def unearned_share(phi: Floats, proxy: Floats, excess: Floats, nats: float) -> float:
    """Share of the proxy's rise that is unearned when the policy moves ``nats`` along what can be learned of the proxy.

    What can be learned is a linear fit on features. The direction is fitted on one half of the tasks and the excess on
    the other, and the other way round, so that noise in rewards is not taken for excess.

    Returns:
        In [0, 1]; 0 where the proxy does not rise.
    """
    half = np.arange(len(phi)) % 2 == 0
    rises, gains = [], []
    for part in (half, ~half):
        direction = phi @ ridge(phi[part], proxy[part])
        held, unearned = phi @ ridge(phi[~part], proxy[~part]), phi @ ridge(phi[~part], excess[~part])
        w = tilted(direction, nats)
        rises.append(float((w * held).sum(axis=1).mean()))
        gains.append(float((w * unearned).sum(axis=1).mean()))
    rise, gain = float(np.mean(rises)), float(np.mean(gains))
    return float(np.clip(gain / rise, 0, 1)) if rise > 1e-9 else 0.0
