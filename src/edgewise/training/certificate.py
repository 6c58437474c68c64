"""A certificate that a dimension's loss is within its limit, valid whenever one stops to look.

Held-out records come one after another, and a sequential test by betting asks after each whether the mean loss is above
the limit or below it (``edgewise.stats.betting``). The first answer stands, and records may be added until there is
one: the probability that any dimension's answer is wrong stays below the level, with no number of records fixed before.

Losses of DPO have no largest value, and no bound on a mean of such values exists without assumptions. What is certified
is therefore the mean of losses clipped at a ceiling. Clipping only lowers a mean: ``violated`` holds for the plain loss
as well, while ``holds`` says nothing of how far losses above the ceiling go; their share is given beside it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import BadInput
from edgewise.stats.betting import betting_evidence, mean_bounds
from edgewise.stats.checks import check_level

Floats = npt.NDArray[np.float64]
_CEILING = 4.0  # times the untrained loss, or the limit where that is larger


def certify(
    losses: Floats, records: Sequence[str], limit: float, *, dimensions: int = 1, level: float = 0.95
) -> dict[str, Any]:
    """Whether one dimension's mean loss is within its limit, as JSON data.

    The mean is that of records, each the mean of its pairs' clipped losses. They are taken in an order that their names
    decide (by a hash), so that a sorted file does not: records are then independent draws as far as they were drawn so.

    Args:
        losses: DPO losses of held-out pairs in nats, shape (pairs,).
        records: What each pair belongs to.
        limit: Most nats of mean loss.
        dimensions: How many certificates belong together; each gets an equal part of the error (Bonferroni).
        level: Probability that all of them are right: all upper bounds, or all lower ones.

    Returns:
        ``verdict`` is ``holds``, ``violated`` or ``undecided``; ``bound`` the upper confidence bound and ``lower`` the
        lower one, in nats; ``n`` the number of records and ``decided_at`` how many of them the answer took;
        ``ceiling`` in nats, ``clipped`` the share of pairs above it; ``level`` of each bound.

    Raises:
        BadInput: A limit below 0 or not finite, or losses below 0 or not finite.
    """
    check_level(level)
    if not (math.isfinite(limit) and limit >= 0):
        raise BadInput(f"{limit} is no limit", field="limit", fix="nats, at least 0")
    ceiling = _CEILING * max(math.log(2), limit)
    means = _record_means(np.minimum(losses, ceiling), records) / ceiling
    error = (1 - level) / dimensions
    enough = -math.log(error)
    within = _first(betting_evidence(means, limit / ceiling, "at_least") >= enough)
    beyond = _first(betting_evidence(means, limit / ceiling, "at_most") >= enough)
    verdict, decided = "undecided", None
    if within is not None and (beyond is None or within < beyond):
        verdict, decided = "holds", within
    elif beyond is not None:
        verdict, decided = "violated", beyond
    return {
        "verdict": verdict,
        "bound": ceiling * mean_bounds(means, 1 - error, "upper")[1],
        "lower": ceiling * mean_bounds(means, 1 - error, "lower")[0],
        "limit": limit,
        "n": len(means),
        "decided_at": decided,
        "ceiling": ceiling,
        "clipped": float(np.mean(losses > ceiling)),
        "level": 1 - error,
    }


def _record_means(values: Floats, records: Sequence[str]) -> Floats:
    """Mean of each record's pairs, records ordered by the hash of their names."""
    names, inverse = np.unique(np.asarray(records), return_inverse=True)
    means = np.bincount(inverse, weights=values) / np.bincount(inverse)
    order = sorted(range(len(names)), key=lambda k: hashlib.sha256(str(names[k]).encode()).digest())
    # Rounding may lift a mean of clipped values an ulp above the ceiling.
    bounded: Floats = np.minimum(means[order], values.max(initial=0.0))
    return bounded


def _first(reached: npt.NDArray[np.bool_]) -> int | None:
    """How many values it took until something was reached."""
    return int(np.argmax(reached)) + 1 if reached.any() else None
