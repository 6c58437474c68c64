"""How a model stands to held-out pairs, before training and after: margins, accuracies, losses, tolerances kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewise.core.estimate import Estimate, Measure
from edgewise.core.profile import Verdict
from edgewise.stats.intervals import mean_estimate
from edgewise.training.pairs import Pair

Floats = npt.NDArray[np.float64]
_TOGETHER = 8  # pairs at a time


@dataclass(frozen=True, eq=False)
class PairScores:
    """Log-probabilities of answers, in nats.

    Attributes:
        chosen, rejected: (pairs,).
    """

    chosen: Floats
    rejected: Floats


def score_pairs(model: Any, tokenizer: Any, pairs: Sequence[Pair], max_length: int) -> PairScores:
    """Log-probability of both answers of each pair under a causal model, template and end of turn included."""
    import torch

    found = np.zeros((len(pairs), 2))
    training = model.training
    model.eval()
    # Pairs of like length together: less is padded.
    encoded = [_encode(tokenizer, pair, max_length) for pair in pairs]
    order = np.argsort([max(len(ids) for ids, _ in both) for both in encoded], kind="stable")
    with torch.inference_mode():
        for start in range(0, len(order), _TOGETHER):
            chosen = order[start : start + _TOGETHER]
            rows = [encoded[i][side] for i in chosen for side in (0, 1)]
            longest = max(len(ids) for ids, _ in rows)
            ids, mask = torch.zeros((len(rows), longest), dtype=torch.long), torch.zeros((len(rows), longest))
            for row, (tokens, prompt) in enumerate(rows):
                ids[row, : len(tokens)] = torch.tensor(tokens)
                mask[row, prompt : len(tokens)] = 1
            attention = torch.zeros_like(ids)
            for row, (tokens, _) in enumerate(rows):
                attention[row, : len(tokens)] = 1
            device = model.device
            logits = model(input_ids=ids.to(device), attention_mask=attention.to(device)).logits[:, :-1].float()
            picked = logits.gather(2, ids[:, 1:, None].to(device))[:, :, 0] - torch.logsumexp(logits, dim=-1)
            total = (picked * mask[:, 1:].to(device)).sum(1).cpu().numpy()
            found[chosen] = total.reshape(-1, 2)
    model.train(training)
    return PairScores(found[:, 0], found[:, 1])


def _encode(tokenizer: Any, pair: Pair, max_length: int) -> tuple[tuple[list[int], int], tuple[list[int], int]]:
    """Tokens of prompt and answer, and where the answer begins, for both answers."""
    prompt = list(pair.prompt)
    head = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=True, return_dict=True)[
        "input_ids"
    ]
    both = []
    for answer in (pair.chosen, pair.rejected):
        whole = tokenizer.apply_chat_template(
            [*prompt, {"role": "assistant", "content": answer}], tokenize=True, return_dict=True
        )["input_ids"]
        shared = next((i for i, (a, b) in enumerate(zip(head, whole, strict=False)) if a != b), len(head))
        both.append((list(whole[:max_length]), shared))
    return both[0], both[1]


def compare(
    pairs: Sequence[Pair], before: PairScores, after: PairScores, beta: float, limits: Mapping[str, float]
) -> dict[str, Any]:
    """Figures by dimension, as JSON data, for the base (``before``) and the result; intervals by record.

    ``margin`` is the mean of log p(chosen) - log p(rejected) in nats and ``accuracy`` the share above 0. The result has
    besides, against the base as reference: ``reward_margin``, ``reward_accuracy`` and the DPO ``loss``, which is set
    against its limit.
    """
    names = np.array([pair.dimension for pair in pairs])
    records = np.array([pair.record for pair in pairs])
    gaps = before.chosen - before.rejected, after.chosen - after.rejected
    rewards = beta * (gaps[1] - gaps[0])
    losses = np.logaddexp(0, -rewards)
    found: dict[str, Any] = {}
    for name, limit in limits.items():
        own = names == name
        units = records[own]
        loss = clustered_mean(losses[own], units)
        found[name] = {
            "base": {
                "margin": _shown(clustered_mean(gaps[0][own], units)),
                "accuracy": _shown(mean_estimate((gaps[0][own] > 0).astype(float), units)),
            },
            "result": {
                "margin": _shown(clustered_mean(gaps[1][own], units)),
                "accuracy": _shown(mean_estimate((gaps[1][own] > 0).astype(float), units)),
                "reward_margin": _shown(clustered_mean(rewards[own], units)),
                "reward_accuracy": _shown(mean_estimate((rewards[own] > 0).astype(float), units)),
                "loss": _shown(loss),
            },
            "limit": limit,
            "verdict": str(_verdict(loss, limit)),
        }
    return found


def clustered_mean(values: Floats, clusters: npt.NDArray[Any]) -> Measure:
    """Mean of all values, Student's interval with the cluster-robust standard error (clusters are independent)."""
    from scipy.stats import t

    _, place = np.unique(clusters, return_inverse=True)
    units = int(place.max()) + 1
    mean = float(values.mean())
    if units < 2:
        return Estimate(value=mean, low=-np.inf, high=np.inf, n=units, method="one cluster")
    sums = np.bincount(place, values - mean, units)
    error = float(np.sqrt((sums**2).sum() * units / (units - 1))) / len(values)
    half = float(t.ppf(0.975, units - 1)) * error
    return Estimate(value=mean, low=mean - half, high=mean + half, n=units, method="cluster-robust Student")


def _verdict(loss: Measure, limit: float) -> Verdict:
    if not isinstance(loss, Estimate):
        return Verdict.NOT_MEASURED
    if loss.high <= limit:
        return Verdict.PASS
    return Verdict.FAIL if loss.low > limit else Verdict.INCONCLUSIVE


def _shown(measure: Measure) -> dict[str, Any]:
    data = {key: getattr(measure, key) for key in ("value", "low", "high", "n")}
    return {key: v if v is None or np.isfinite(v) else None for key, v in data.items()}
