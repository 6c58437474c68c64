"""Does a model know what it knows: calibration error, Brier score, risk against coverage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Measure, NotMeasured, from_interval
from edgewise.stats.checks import Floats, Numbers, same_length, vector
from edgewise.stats.intervals import wilson
from edgewise.stats.resampling import bootstrap

Scheme = Literal["equal_width", "equal_mass"]


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram: one entry per bin that holds anything, shape (bins,) each.

    Attributes:
        count: Answers in the bin.
        confidence: Their mean confidence.
        accuracy: Share of them that are right.
        low: Lower end of the accuracy's Wilson interval.
        high: Upper end.
    """

    count: npt.NDArray[np.intp]
    confidence: Floats
    accuracy: Floats
    low: Floats
    high: Floats


def _pairs(confidence: Numbers, correct: Numbers) -> tuple[Floats, Floats]:
    p = vector("confidence", confidence, low=0, high=1)
    y = vector("correct", correct, low=0, high=1)
    same_length(confidence=p, correct=y)
    return p, y


def _bin_of(p: Floats, bins: int, scheme: Scheme) -> npt.NDArray[np.intp]:
    if bins < 1:
        raise BadInput("at least one bin is needed", field="bins")
    if scheme == "equal_width":  # (a, b], and 0 in the first, as Guo et al. 2017 have it
        return np.clip(np.ceil(p * bins).astype(np.intp) - 1, 0, bins - 1)
    edges = np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1])  # equal confidences stay together
    return np.searchsorted(edges, p, side="left").astype(np.intp)


def expected_calibration_error(
    confidence: Numbers, correct: Numbers, bins: int = 10, scheme: Scheme = "equal_width"
) -> float:
    """ECE: mean distance between confidence and accuracy over bins, weighted by size (Guo et al. 2017, eq. 3).

    Args:
        confidence: In [0, 1], shape (n,).
        correct: Whether each answer was right; 0 or 1, shape (n,).
        bins: Number of bins.
        scheme: Bins of equal width, or of equal size.

    Returns:
        A value in [0, 1]; NaN for no answers. It is biased upwards: a perfectly calibrated model gets a positive value
        from any finite sample.
    """
    p, y = _pairs(confidence, correct)
    if p.size == 0:
        return float("nan")
    gaps = np.bincount(_bin_of(p, bins, scheme), weights=p - y)
    return float(np.abs(gaps).sum() / p.size)


def ece_estimate(
    confidence: Numbers,
    correct: Numbers,
    bins: int = 10,
    *,
    scheme: Scheme = "equal_width",
    rng: np.random.Generator | None = None,
    level: float = 0.95,
    replicates: int = 2000,
) -> Measure:
    """ECE with an interval that stands its upward bias.

    Resampling adds to the bias about as much as sampling did, so neither the percentile nor the basic (reflected)
    bootstrap covers; their union does, except near perfect calibration, where the ECE has a corner. There the lower end
    is 0 unless the value is beyond what a calibrated model with these confidences shows in 97.5 % of samples
    (consistency resampling, Bröcker and Smith 2007). Ours; coverage by simulation is in ``docs/statistics.md``.
    """
    p, y = _pairs(confidence, correct)
    if p.size < 2:
        return NotMeasured(reason=f"{p.size} answers with a confidence")
    where = _bin_of(p, bins, scheme)
    width = int(where.max()) + 1

    def statistic(samples: Floats) -> Floats:
        """ECE of each sample, shape (k, n, 2): the bin, and confidence minus outcome."""
        k = samples.shape[0]
        cell = samples[..., 0].astype(np.intp) + width * np.arange(k)[:, None]
        gaps = np.bincount(cell.ravel(), weights=samples[..., 1].ravel(), minlength=k * width).reshape(k, width)
        return np.asarray(np.abs(gaps).sum(axis=1) / samples.shape[1])

    rng = rng if rng is not None else np.random.default_rng(0)
    rows = np.column_stack([where, p - y])
    result = bootstrap(
        statistic, rows, rng=rng, replicates=replicates, level=level, method="percentile", vectorized=True
    )
    value = result.value
    low = max(0.0, min(result.low, 2 * value - result.high, value))
    high = min(1.0, max(result.high, 2 * value - result.low, value))
    outcomes = rng.random((replicates, p.size)) < p
    calibrated = statistic(np.stack([np.broadcast_to(where, outcomes.shape), p - outcomes], axis=-1))
    if value <= np.quantile(calibrated, (1 + level) / 2):
        low = 0.0
    method = f"percentile and basic bootstrap, {replicates} replicates, {bins} bins"
    return from_interval(value, (low, high), p.size, method)


def brier_score(confidence: Numbers, correct: Numbers) -> float:
    """Mean squared distance between confidence and outcome (Brier 1950, for two outcomes: half of his score)."""
    p, y = _pairs(confidence, correct)
    return float(np.mean((p - y) ** 2)) if p.size else float("nan")


def reliability_curve(
    confidence: Numbers, correct: Numbers, bins: int = 10, scheme: Scheme = "equal_width", level: float = 0.95
) -> Reliability:
    """Accuracy against confidence, bin by bin."""
    p, y = _pairs(confidence, correct)
    where = _bin_of(p, bins, scheme) if p.size else np.empty(0, dtype=np.intp)
    count = np.bincount(where, minlength=1)
    used = np.flatnonzero(count)
    count = count[used]
    right = np.bincount(where, weights=y, minlength=1)[used]
    low, high = wilson(right, count, level)
    confidence_in_bin = np.bincount(where, weights=p, minlength=1)[used] / count
    return Reliability(count, confidence_in_bin, right / count, low, high)


def risk_coverage_curve(confidence: Numbers, correct: Numbers) -> tuple[Floats, Floats]:
    """Share of wrong answers among the most confident ones, at each coverage (El-Yaniv and Wiener 2010).

    Answers with equal confidence come in no order of their own: each of them counts with the mean of their risks, which
    is the expected curve over all orders.

    Returns:
        Coverage k/n and risk at it, for k = 1 … n; shape (n,) each.
    """
    p, y = _pairs(confidence, correct)
    _, tied = np.unique(-p, return_inverse=True)
    size = np.bincount(tied, minlength=1)
    share = np.bincount(tied, weights=1 - y, minlength=1) / np.maximum(size, 1)
    errors = np.cumsum(np.repeat(share, size))
    k = np.arange(1, p.size + 1)
    return k / max(p.size, 1), errors / k


def aurc(confidence: Numbers, correct: Numbers) -> float:
    """Area under the risk-coverage curve: mean risk over all coverages (Geifman and El-Yaniv 2017); NaN for no answers.

    Less is better; a model whose confidence says nothing gets its error rate.
    """
    _, risk = risk_coverage_curve(confidence, correct)
    return float(risk.mean()) if risk.size else float("nan")


def aurc_estimate(
    confidence: Numbers,
    correct: Numbers,
    *,
    rng: np.random.Generator | None = None,
    level: float = 0.95,
    replicates: int = 2000,
) -> Measure:
    """AURC with a BCa bootstrap interval over answers.

    Where all answers are right, or all wrong, the curve is flat whatever the confidences, and the interval is Wilson's
    for the error rate.
    """
    p, y = _pairs(confidence, correct)
    n = p.size
    if n < 2:
        return NotMeasured(reason=f"{n} answers with a confidence")
    if np.ptp(y) == 0:
        low, high = wilson(float(np.sum(1 - y)), n, level)
        return from_interval(float(1 - y[0]), (float(low), float(high)), n, "wilson (no answer differs)")
    _, tied = np.unique(-p, return_inverse=True)
    groups = int(tied.max()) + 1
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, n + 1))])
    rows = np.column_stack([tied, 1 - y])

    def statistic(samples: Floats) -> Floats:
        """Closed form of the mean risk, from the size and the errors of each group of equal confidence."""
        k, m = samples.shape[:2]
        cell = (samples[..., 0].astype(np.intp) + groups * np.arange(k)[:, None]).ravel()
        size = np.bincount(cell, minlength=k * groups).reshape(k, groups)
        errors = np.bincount(cell, weights=samples[..., 1].ravel(), minlength=k * groups).reshape(k, groups)
        share = np.divide(errors, size, out=np.zeros_like(errors), where=size > 0)
        after = np.cumsum(size, axis=1)
        before = after - size
        errors_before = np.cumsum(errors, axis=1) - errors
        # Sum over j = 1 … size of (errors_before + j share) / (before + j).
        area = errors + (errors_before - share * before) * (harmonic[after] - harmonic[before])
        return np.asarray(area.sum(axis=1) / m)

    return bootstrap(
        statistic,
        rows,
        rng=rng if rng is not None else np.random.default_rng(0),
        replicates=replicates,
        level=level,
        vectorized=True,
    ).estimate()
