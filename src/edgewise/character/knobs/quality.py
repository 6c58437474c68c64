"""What a data set of preferences holds, and whether length gives the better answer away."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from edgewise.character.knobs.types import SPLITS, KnobRecord
from edgewise.core.estimate import Estimate
from edgewise.stats.intervals import mean_estimate


def length_auc(records: Sequence[KnobRecord]) -> dict[str, Estimate]:
    """By dimension, how often the chosen answer of a cover pair is the longer one, ties half; .5 says nothing.

    Units are records.
    """
    scores: dict[str, list[float]] = defaultdict(list)
    units: dict[str, list[str]] = defaultdict(list)
    for record in records:
        for pair in record.pairs:
            if pair.kind == "cover":
                gap = len(record.responses[pair.chosen].text) - len(record.responses[pair.rejected].text)
                scores[pair.dims[0]].append(0.5 if gap == 0 else float(gap > 0))
                units[pair.dims[0]].append(record.id)
    found = {name: mean_estimate(values, units[name]) for name, values in sorted(scores.items())}
    return {name: value for name, value in found.items() if isinstance(value, Estimate)}


def summary(records: Sequence[KnobRecord]) -> dict[str, Any]:
    """Counts by split and family, pairs by dimension, and the length check, as JSON data."""
    found: dict[str, Any] = {}
    for split in SPLITS:
        own = [record for record in records if record.split == split]
        if not own:
            continue
        pairs = Counter(pair.dims[0] if pair.kind == "cover" else "chain" for record in own for pair in record.pairs)
        found[split] = {
            "records": len(own),
            "responses": sum(len(record.responses) for record in own),
            "pairs": dict(sorted(pairs.items())),
            "incomparable": sum(len(record.incomparable) for record in own),
            "families": dict(sorted(Counter(record.family for record in own).items())),
            "length_auc": {
                name: {"value": e.value, "low": e.low, "high": e.high, "n": e.n} for name, e in length_auc(own).items()
            },
        }
    return found
