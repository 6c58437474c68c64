"""Does a model know what it knows: calibration error, Brier score, risk against coverage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Measure, NotMeasured
from edgewise.stats.checks import Floats, Numbers, check_choice, check_level, make_measure, same_length, vector
from edgewise.stats.intervals import wilson
from edgewise.stats.resampling import bootstrap, chunk_sizes

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
    check_choice("scheme", scheme, Scheme)
    if bins < 1:
        raise BadInput("at least one bin is needed", field="bins")
    # Bins are (a, b], and 0 is in the first (Guo et al. 2017). The edges are quotients: a stated 0.7 is 7/10 exactly,
    # but not 10 · 0.7 = 7. Equal confidences stay together whatever the scheme.
    inner = np.arange(1, bins) / bins
    edges = inner if scheme == "equal_width" else np.quantile(p, inner)
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

    Raises:
        BadInput: Numbers outside [0, 1], different lengths, fewer than one bin, an unknown scheme.
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
    (consistency resampling, Bröcker and Smith 2007). Bins of equal mass are those of the data given. Below about
    45 answers it covers less than it says where the true error is large. Ours; coverage by simulation is in
    ``docs/statistics.md``.

    Args:
        confidence: In [0, 1], shape (n,).
        correct: Whether each answer was right; 0 or 1, shape (n,).
        bins: Number of bins.
        scheme: Bins of equal width, or of equal size.
        rng: For the resampling; a fixed one where it is not given.
        level: Coverage.
        replicates: Resamples, of each of the two kinds.

    Returns:
        The estimate, its value that of ``expected_calibration_error``, bias included; ``NotMeasured`` below two
        answers.

    Raises:
        BadInput: Numbers outside [0, 1], different lengths, an option out of range.
    """
    check_level(level)
    p, y = _pairs(confidence, correct)
    if p.size < 2:
        return NotMeasured(reason=f"{p.size} answers with a confidence are too few")
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
    calibrated = []
    for k in chunk_sizes(replicates, 3 * p.size):
        outcomes = rng.random((k, p.size)) < p
        calibrated.append(statistic(np.stack([np.broadcast_to(where, outcomes.shape), p - outcomes], axis=-1)))
    if value <= np.quantile(np.concatenate(calibrated), (1 + level) / 2):
        low = 0.0
    if high - low < 1e-12:
        return NotMeasured(reason=f"all resamples of {p.size} answers give {value:.4g}: uncertainty unknown")
    method = f"percentile and basic bootstrap, {replicates} replicates, {bins} bins"
    return make_measure(value, low, high, p.size, method, level)


def brier_score(confidence: Numbers, correct: Numbers) -> float:
    """Mean squared distance between confidence and outcome (Brier 1950, for two outcomes: half of his score).

    Arguments and errors as for ``expected_calibration_error``; NaN for no answers.
    """
    p, y = _pairs(confidence, correct)
    return float(np.mean((p - y) ** 2)) if p.size else float("nan")


def reliability_curve(
    confidence: Numbers, correct: Numbers, bins: int = 10, scheme: Scheme = "equal_width", level: float = 0.95
) -> Reliability:
    """Accuracy against confidence, bin by bin. Arguments and errors as for ``ece_estimate``."""
    check_level(level)
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

    Args:
        confidence: Larger is surer, in [0, 1], shape (n,).
        correct: Whether each answer was right; 0 or 1, shape (n,).

    Returns:
        Coverage k/n and risk at it, for k = 1 … n; shape (n,) each.

    Raises:
        BadInput: Numbers outside [0, 1], different lengths.
    """
    p, y = _pairs(confidence, correct)
    _, tied = np.unique(-p, return_inverse=True)
    size = np.bincount(tied, minlength=1)
    share = np.bincount(tied, weights=1 - y, minlength=1) / np.maximum(size, 1)
    errors = np.cumsum(np.repeat(share, size))
    k = np.arange(1, p.size + 1)
    return k / max(p.size, 1), errors / k


def aurc(confidence: Numbers, correct: Numbers) -> float:
    """Area under the risk-coverage curve: mean risk over coverages 1/n … n/n (Geifman and El-Yaniv 2017).

    Less is better; a model whose confidence says nothing gets its error rate. NaN for no answers. Arguments and errors
    as for ``risk_coverage_curve``.
    """
    _, risk = risk_coverage_curve(confidence, correct)
    return float(risk.mean()) if risk.size else float("nan")


def excess_aurc(confidence: Numbers, correct: Numbers) -> float:
    """E-AURC: the AURC less that of the best order of the same answers (Geifman, Uziel and El-Yaniv 2019).

    0 where every right answer is more confident than every wrong one; unlike the AURC it does not reward accuracy. The
    best order is taken exactly, not by the paper's approximation for large n. Arguments and errors as for ``aurc``.
    """
    return aurc(confidence, correct) - aurc(correct, correct)


def aurc_estimate(
    confidence: Numbers,
    correct: Numbers,
    *,
    excess: bool = False,
    rng: np.random.Generator | None = None,
    level: float = 0.95,
    replicates: int = 2000,
) -> Measure:
    """AURC (or ``excess_aurc``) with a BCa bootstrap interval over answers.

    Where all answers are right, or all wrong, the curve is flat whatever the confidences; the AURC is then the error
    rate and has Wilson's interval, and the excess is not measured.

    Args:
        confidence: Larger is surer, in [0, 1], shape (n,).
        correct: Whether each answer was right; 0 or 1, shape (n,).
        excess: Measure ``excess_aurc`` instead.
        rng: For the bootstrap; a fixed one where it is not given.
        level: Coverage.
        replicates: Bootstrap replicates.

    Returns:
        The estimate; ``NotMeasured`` below two answers, or where the bootstrap knows nothing of its uncertainty.

    Raises:
        BadInput: Numbers outside [0, 1], different lengths, a level outside (0, 1).
    """
    check_level(level)
    p, y = _pairs(confidence, correct)
    n = p.size
    if n < 2:
        return NotMeasured(reason=f"{n} answers with a confidence are too few")
    if np.ptp(y) == 0 and excess:
        return NotMeasured(reason="no answer differs from the others: there is nothing to put in order")
    if np.ptp(y) == 0:
        low, high = wilson(float(np.sum(1 - y)), n, level)
        return make_measure(float(1 - y[0]), float(low), float(high), n, "wilson, no answer differs", level)
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, n + 1))])
    orders = [np.unique(-key, return_inverse=True)[1] for key in ((p, y) if excess else (p,))]

    def area(place: npt.NDArray[np.intp], error: Floats) -> Floats:
        """Closed form of the mean risk of each sample, shape (k, n), from each group of equal confidence."""
        (k, m), groups = place.shape, int(place.max()) + 1
        cell = (place + groups * np.arange(k)[:, None]).ravel()
        size = np.bincount(cell, minlength=k * groups).reshape(k, groups)
        errors = np.bincount(cell, weights=error.ravel(), minlength=k * groups).reshape(k, groups)
        share = np.divide(errors, size, out=np.zeros_like(errors), where=size > 0)
        after = np.cumsum(size, axis=1)
        before = after - size
        errors_before = np.cumsum(errors, axis=1) - errors
        # Sum over j = 1 … size of (errors_before + j share) / (before + j).
        mean = errors + (errors_before - share * before) * (harmonic[after] - harmonic[before])
        return np.asarray(mean.sum(axis=1) / m)

    def statistic(samples: Floats) -> Floats:
        areas = [area(samples[..., 1 + i].astype(np.intp), samples[..., 0]) for i in range(len(orders))]
        return areas[0] - areas[1] if excess else areas[0]

    return bootstrap(
        statistic,
        np.column_stack([1 - y, *orders]),
        rng=rng if rng is not None else np.random.default_rng(0),
        replicates=replicates,
        level=level,
        vectorized=True,
    ).estimate()
