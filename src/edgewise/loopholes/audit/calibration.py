"""Proxy and trusted reward on one scale, whatever their units: what the proxy usually pays for a trusted reward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewise.loopholes.types import Floats


def isotonic(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Non-decreasing least squares fit of y on x (pool adjacent violators, Ayer et al. 1955): knots and heights."""
    knots, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    means = np.bincount(inverse, weights=y) / counts
    heights: list[float] = []
    sizes: list[float] = []
    spans: list[int] = []
    for mean, size in zip(means.tolist(), counts.tolist(), strict=True):
        heights.append(mean)
        sizes.append(float(size))
        spans.append(1)
        while len(heights) > 1 and heights[-2] > heights[-1]:
            top, weight, span = heights.pop(), sizes.pop(), spans.pop()
            total = sizes[-1] + weight
            heights[-1] = (heights[-1] * sizes[-1] + top * weight) / total
            sizes[-1], spans[-1] = total, spans[-1] + span
    return knots, np.repeat(heights, spans)


@dataclass(frozen=True, slots=True)
class Scale:
    """The usual proxy of a trusted reward, piecewise linear between ``knots``; constant beyond them.

    A monotone rescaling is no loophole, so the excess of a reward is measured from here.

    Attributes:
        knots: Trusted rewards that were seen.
        heights: Usual proxy at each.
        spread: Standard deviation of the proxy among answers to one prompt.
    """

    knots: Floats
    heights: Floats
    spread: float

    @classmethod
    def fit(cls, proxy: Floats, trusted: Floats) -> Scale:
        """From answers to prompts, shape (prompts, answers) each."""
        known = np.isfinite(proxy) & np.isfinite(trusted)
        with np.errstate(invalid="ignore"):
            within = np.nanstd(np.where(np.isfinite(proxy), proxy, np.nan), axis=1)
        spread = float(np.sqrt(np.mean(within[np.isfinite(within)] ** 2))) if np.isfinite(within).any() else 0.0
        if not known.any():
            return cls(np.zeros(1), np.zeros(1), spread)
        return cls(*isotonic(trusted[known], proxy[known]), spread)

    def excess(self, proxy: Floats, trusted: Floats) -> Floats:
        """Proxy above what is usual for the trusted reward, in units of the proxy."""
        return proxy - np.interp(trusted, self.knots, self.heights)
