"""Figures over seeds, each of which is one independent training run."""

from __future__ import annotations

import numpy as np

from edgewise.core.estimate import Estimate, Measure, NotMeasured
from edgewise.loopholes.types import Floats
from edgewise.stats.intervals import clustered_mean, mean_estimate
from edgewise.stats.resampling import bootstrap


def over_seeds(values: Floats, low: float = -np.inf, high: float = np.inf) -> Measure:
    """Mean over seeds with Student's interval, cut to the scale's ends.

    Where all seeds agree, Student's interval has no width; a share of further seeds may still be otherwise, by
    anything up to the ends of the scale, if it has any.

    Args:
        values: One for each seed, shape (seeds,); NaN for those without.
        low: Lower end of the scale.
        high: Upper end.
    """
    known = values[np.isfinite(values)]
    if known.size == 0:
        return NotMeasured(reason="in no seed")
    if known.size > 1 and np.ptp(known) > 1e-9:
        found = clustered_mean(known, np.arange(known.size))
        if not isinstance(found, Estimate):
            return found
        return found.model_copy(update={"low": max(found.low, low), "high": min(found.high, high)})
    if not np.isfinite(high - low):
        return NotMeasured(reason=f"all {known.size} seeds give {known[0]:.4g}: spread unknown")
    inside = mean_estimate(np.clip((known - low) / (high - low), 0, 1))
    if not isinstance(inside, Estimate):
        return inside
    value, down, up = (low + (high - low) * x for x in (inside.value, inside.low, inside.high))
    return inside.model_copy(update={"value": value, "low": min(down, value), "high": max(up, value)})


def ratio_over_seeds(first: Floats, second: Floats, rng: np.random.Generator) -> Measure:
    """Geometric mean over seeds of ``first / second``, bootstrap interval over seeds."""
    known = np.isfinite(first) & np.isfinite(second) & (first > 0) & (second > 0)
    if known.sum() < 2:
        return NotMeasured(reason=f"defined in {int(known.sum())} seeds")
    logs = np.log(first[known] / second[known])
    result = bootstrap(lambda sample: np.exp(sample.mean(axis=-1)), logs, rng=rng, method="percentile", vectorized=True)
    return result.estimate()
