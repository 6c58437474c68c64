"""A certificate that a dimension's loss is within its limit, valid whenever one stops to look.

A sequential test by betting asks of the held-out records whether the mean loss is above the limit or below it
(``edgewise.stats.betting``). One may look after every record and add records until there is an answer: the probability
that any answer that is ever given is wrong stays below the level, with no number of records fixed before. The evidence
of a set of records does not depend on their order, so a sorted file does no harm.

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
from edgewise.stats.betting import Hypothesis, betting_evidence, mean_bounds
from edgewise.stats.checks import check_level

Floats = npt.NDArray[np.float64]
_CEILING = 4.0  # times the untrained loss, or the limit where that is larger
_REFUTED: dict[str, Hypothesis] = {"holds": "at_least", "violated": "at_most"}  # what each answer says is not so


def certify(
    losses: Floats, records: Sequence[str], limit: float, *, dimensions: int = 1, level: float = 0.95
) -> dict[str, Any]:
    """Whether one dimension's mean loss is within its limit, as JSON data.

    The mean is that of records, each the mean of its pairs' clipped losses; records are independent draws.

    Args:
        losses: DPO losses of held-out pairs in nats, shape (pairs,).
        records: What each pair belongs to.
        limit: Most nats of mean loss.
        dimensions: How many certificates belong together; each gets an equal part of the error (Bonferroni).
        level: Probability that all of them are right: all upper bounds, or all lower ones.

    Returns:
        ``verdict`` is ``holds``, ``violated`` or ``undecided``; ``bound`` the upper confidence bound and ``lower`` the
        lower one, in nats; ``n`` the number of records and ``decided_at`` how many of them were enough, in an order
        that a hash of their names decides; ``ceiling`` in nats, ``clipped`` the share of pairs above it; ``level`` of
        each bound.

    Raises:
        BadInput: A limit below 0 or not finite, or losses below 0 or no numbers.
    """
    check_level(level)
    if not (math.isfinite(limit) and limit >= 0):
        raise BadInput(f"{limit} is no limit", field="limit", fix="nats, at least 0")
    ceiling = _CEILING * max(math.log(2), limit)
    means = _record_means(np.minimum(losses, ceiling), records) / ceiling
    error = (1 - level) / dimensions
    enough = -math.log(error)
    share = limit / ceiling
    verdict, decided = "undecided", None
    for answer, hypothesis in _REFUTED.items():
        reached = betting_evidence(means, share, hypothesis) >= enough
        if reached.size and reached[-1]:
            verdict, decided = answer, int(np.argmax(reached)) + 1
    return {
        "verdict": verdict,
        "bound": ceiling * mean_bounds(means, 1 - error, "upper", carried=False)[1],
        "lower": ceiling * mean_bounds(means, 1 - error, "lower", carried=False)[0],
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
