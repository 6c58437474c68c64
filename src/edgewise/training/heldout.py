"""How a model stands to held-out pairs, before training and after: margins, accuracies, losses, tolerances kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgewise.core.estimate import Measure
from edgewise.core.profile import at_most
from edgewise.stats.intervals import clustered_mean, mean_estimate
from edgewise.training.certificate import certify
from edgewise.training.pairs import Pair

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]


def compare(
    pairs: Sequence[Pair], before: Floats, after: Floats, beta: float, limits: Mapping[str, float]
) -> dict[str, Any]:
    """Figures by dimension, as JSON data, for the base and the result; intervals by record.

    ``margin`` is the mean of log p(chosen) - log p(rejected) in nats and ``accuracy`` the share above 0. The result has
    besides, against the base as reference: ``reward_margin``, ``reward_accuracy`` and the DPO ``loss``, which is set
    against its limit. ``certificate`` is what ``certify`` says of that, for all dimensions at once.

    Args:
        pairs: The held-out ones.
        before, after: (pairs, 2) log-probabilities in nats, chosen first, under the base and under the result.
        beta: Inverse temperature of DPO.
        limits: Most nats of loss, by dimension.
    """
    names = np.array([pair.dimension for pair in pairs])
    records = np.array([pair.record for pair in pairs])
    gaps = before[:, 0] - before[:, 1], after[:, 0] - after[:, 1]
    rewards = beta * (gaps[1] - gaps[0])
    losses = np.logaddexp(0, -rewards)
    found: dict[str, Any] = {}
    for name, limit in limits.items():
        own = names == name
        units = records[own]
        loss = clustered_mean(losses[own], units)
        found[name] = {
            "base": {
                "margin": shown(clustered_mean(gaps[0][own], units)),
                "accuracy": shown(mean_estimate((gaps[0][own] > 0).astype(float), units)),
            },
            "result": {
                "margin": shown(clustered_mean(gaps[1][own], units)),
                "accuracy": shown(mean_estimate((gaps[1][own] > 0).astype(float), units)),
                "reward_margin": shown(clustered_mean(rewards[own], units)),
                "reward_accuracy": shown(mean_estimate((rewards[own] > 0).astype(float), units)),
                "loss": shown(loss),
            },
            "limit": limit,
            "verdict": str(at_most(loss, limit)),
            "certificate": certify(losses[own], units.tolist(), limit, dimensions=len(limits)),
        }
    return found


def held_out_table(pairs: Sequence[Pair], before: Floats, after: Floats) -> pa.Table:
    """Each pair's dimension and record, and log-probabilities in nats under base and result; arguments as above."""
    import pyarrow as pa

    columns = {"dimension": [pair.dimension for pair in pairs], "record": [pair.record for pair in pairs]}
    for model, found in (("base", before), ("result", after)):
        for side, answer in enumerate(("chosen", "rejected")):
            columns[f"{model}_{answer}"] = found[:, side].tolist()
    return pa.table(columns)


def held_out_losses(table: pa.Table, beta: float) -> Floats:
    """DPO losses in nats of the pairs of ``held_out_table`` (pairs,)."""
    change = {a: table[f"result_{a}"].to_numpy() - table[f"base_{a}"].to_numpy() for a in ("chosen", "rejected")}
    losses: Floats = np.logaddexp(0, -beta * (change["chosen"] - change["rejected"]))
    return losses


def shown(measure: Measure) -> dict[str, Any]:
    """Value, ends of the interval and n of a measure, as JSON data."""
    data = {key: getattr(measure, key) for key in ("value", "low", "high", "n")}
    return {key: v if v is None or np.isfinite(v) else None for key, v in data.items()}
