"""Calibration against sklearn, hand-computed cases and simulation."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate, NotMeasured
from edgewise.stats import (
    aurc,
    aurc_estimate,
    bootstrap,
    brier_score,
    ece_estimate,
    excess_aurc,
    expected_calibration_error,
    reliability_curve,
    risk_coverage_curve,
)

ANSWERS = st.lists(st.tuples(st.integers(0, 10).map(lambda k: k / 10), st.integers(0, 1)), min_size=2, max_size=30)


def test_ece_by_hand() -> None:
    """Bins (0, .1] … (.9, 1]: two answers at .95 with one right, two at .55 with both right."""
    confidence, correct = [0.95, 0.95, 0.55, 0.55], [1, 0, 1, 1]
    assert expected_calibration_error(confidence, correct) == pytest.approx(0.5 * 0.45 + 0.5 * 0.45)
    assert expected_calibration_error([0.0, 0.1, 1.0], [0, 0, 1]) == pytest.approx(0.1 / 3)
    assert np.isnan(expected_calibration_error([], []))
    curve = reliability_curve(confidence, correct)
    assert curve.count.tolist() == [2, 2] and curve.accuracy.tolist() == [1.0, 0.5]
    assert np.all((curve.low <= curve.accuracy) & (curve.accuracy <= curve.high))


def test_equal_mass_bins_keep_equal_confidences_together() -> None:
    confidence = [0.2] * 50 + [0.9] * 50
    correct = [0] * 40 + [1] * 10 + [1] * 90
    assert expected_calibration_error(confidence, correct[:100], bins=7, scheme="equal_mass") == pytest.approx(0.05)


def test_brier_is_sklearns() -> None:
    rng = np.random.default_rng(0)
    p, y = rng.random(50), rng.integers(0, 2, 50)
    assert brier_score(p, y) == pytest.approx(brier_score_loss(y, p))


def test_risk_coverage_by_hand_and_by_all_orders() -> None:
    coverage, risk = risk_coverage_curve([0.9, 0.8, 0.7], [1, 0, 1])
    assert coverage.tolist() == pytest.approx([1 / 3, 2 / 3, 1]) and risk.tolist() == pytest.approx([0, 1 / 2, 1 / 3])
    assert aurc([0.9, 0.8, 0.7], [1, 0, 1]) == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)
    # With ties: the mean over all orders of the tied answers.
    confidence, correct = [0.9, 0.5, 0.5, 0.5], [1, 0, 1, 0]
    orders = [[1, *order] for order in itertools.permutations(correct[1:])]
    expected = np.mean([np.mean(np.cumsum(1 - np.array(o)) / np.arange(1, 5)) for o in orders])
    assert aurc(confidence, correct) == pytest.approx(expected)


def test_a_constant_confidence_gets_the_error_rate() -> None:
    assert aurc([0.5] * 10, [1] * 7 + [0] * 3) == pytest.approx(0.3)
    assert np.isnan(aurc([], []))


def test_aurc_estimate_is_the_curve_on_every_resample() -> None:
    rng = np.random.default_rng(0)
    p = np.round(rng.random(40), 1)
    y = (rng.random(40) < p).astype(float)
    measure = aurc_estimate(p, y)
    assert isinstance(measure, Estimate) and measure.value == pytest.approx(aurc(p, y))
    slow = bootstrap(
        lambda s: aurc(s[:, 0], s[:, 1]), np.column_stack([p, y]), rng=np.random.default_rng(0), replicates=2000
    )
    assert (measure.low, measure.high) == pytest.approx((slow.low, slow.high), abs=1e-9)


def test_flat_curves_have_honest_intervals() -> None:
    measure = aurc_estimate([0.1, 0.5, 0.9], [1, 1, 1])
    assert isinstance(measure, Estimate) and measure.value == 0 and measure.high > 0.3
    assert isinstance(aurc_estimate([0.5], [1]), NotMeasured) and isinstance(ece_estimate([], []), NotMeasured)


@pytest.mark.slow
@pytest.mark.parametrize("n", [45, 150, 500])
@pytest.mark.parametrize("gap", [0.0, 0.05, 0.2])
def test_ece_interval_covers_the_true_error(gap: float, n: int, fewest_hits: Callable[[int, float], float]) -> None:
    """Confidences uniform, accuracy = confidence - gap: the true error of the binned model is the gap."""
    rng = np.random.default_rng(9)
    hits = 0
    for _ in range(300):
        p = rng.uniform(0.3, 1, n)
        y = (rng.random(n) < p - gap).astype(float)
        measure = ece_estimate(p, y, rng=rng, replicates=300)
        hits += measure.low <= gap <= measure.high
    assert hits >= fewest_hits(300, 0.95)


def test_bad_confidences_are_named() -> None:
    with pytest.raises(BadInput, match="confidence"):
        expected_calibration_error([1.2], [1])
    with pytest.raises(BadInput, match="lengths"):
        aurc([0.5, 0.5], [1])
    with pytest.raises(BadInput, match="bins"):
        expected_calibration_error([0.5], [1], bins=0)


@pytest.mark.parametrize("bins", [5, 10, 15, 20])
def test_a_stated_confidence_on_an_edge_is_in_the_bin_below(bins: int) -> None:
    """Bins are (a, b]: k/bins belongs to bin k, whatever bins · (k / bins) is in floating point."""
    edges = np.arange(1, bins + 1) / bins
    curve = reliability_curve(edges, np.ones(bins), bins=bins)
    assert curve.count.tolist() == [1] * bins
    assert reliability_curve([0.65, 0.7], [1, 1]).count.tolist() == [2]


@given(ANSWERS)
@settings(deadline=None, max_examples=60)
def test_laws_of_calibration(answers: list[tuple[float, int]]) -> None:
    p, y = np.array(answers, dtype=float).T
    assert 0 <= expected_calibration_error(p, y) <= 1
    # One bin shows the least error; Jensen: a binned gap is at most the root of the Brier score.
    assert expected_calibration_error(p, y, bins=1) <= expected_calibration_error(p, y) + 1e-12
    assert expected_calibration_error(p, y) <= np.sqrt(brier_score(p, y)) + 1e-12
    assert aurc(p, y) == pytest.approx(aurc(p[::-1], y[::-1]))  # the order of the answers does not matter
    assert -1e-12 <= excess_aurc(p, y) <= aurc(p, y) + 1e-12 <= 1 + 1e-11
    for measure in (ece_estimate(p, y, replicates=50), aurc_estimate(p, y, replicates=50)):
        assert isinstance(measure, NotMeasured) or 0 <= measure.low <= measure.value <= measure.high <= 1


def test_excess_aurc_is_above_the_best_of_all_orders() -> None:
    confidence, correct = [0.9, 0.7, 0.5, 0.3], [1, 0, 1, 0]
    best = min(np.mean(np.cumsum(1 - np.array(order)) / np.arange(1, 5)) for order in itertools.permutations(correct))
    assert excess_aurc(confidence, correct) == pytest.approx(aurc(confidence, correct) - best)
    assert excess_aurc([0.9, 0.8, 0.2, 0.1], [1, 1, 0, 0]) == 0
    rng = np.random.default_rng(1)
    p = np.round(rng.random(60), 1)
    y = (rng.random(60) < p).astype(float)
    measure = aurc_estimate(p, y, excess=True, replicates=300)
    assert isinstance(measure, Estimate) and measure.value == pytest.approx(excess_aurc(p, y))
    slow = bootstrap(
        lambda s: excess_aurc(s[:, 0], s[:, 1]), np.column_stack([p, y]), rng=np.random.default_rng(0), replicates=300
    )
    assert (measure.low, measure.high) == pytest.approx((slow.low, slow.high), abs=1e-9)
    for hopeless in (aurc_estimate([0.1, 0.9], [1, 1], excess=True), aurc_estimate([0.1, 0.9], [0, 1], excess=True)):
        assert isinstance(hopeless, NotMeasured)


def test_levels_and_schemes_are_kept_and_checked() -> None:
    p, y = [0.9, 0.6, 0.4, 0.8], [1, 0, 1, 1]
    for measure in (
        ece_estimate(p, y, level=0.8),
        aurc_estimate(p, y, level=0.8),
        aurc_estimate(p, [1] * 4, level=0.8),
    ):
        assert isinstance(measure, Estimate) and measure.level == 0.8
    with pytest.raises(BadInput, match="scheme"):
        expected_calibration_error(p, y, scheme="quantile")  # type: ignore[arg-type]
    for estimate in (ece_estimate, aurc_estimate, reliability_curve):
        with pytest.raises(BadInput, match="level"):
            estimate(p, y, level=95)
    exact = ece_estimate([1.0] * 20, [1] * 20)
    assert isinstance(exact, NotMeasured)  # a resample of certain right answers is the same again


@pytest.mark.slow
@pytest.mark.parametrize("n", [50, 200])
def test_aurc_interval_covers(n: int, fewest_hits: Callable[[int, float], float]) -> None:
    rng = np.random.default_rng(12)

    def draw(size: int) -> tuple[np.ndarray, np.ndarray]:
        p = np.round(rng.beta(2, 1, size), 2)
        return p, (rng.random(size) < p).astype(float)

    big = draw(1_000_000)
    truth, hits = (aurc(*big), excess_aurc(*big)), np.zeros(2)
    for _ in range(500):
        sample = draw(n)
        for i, excess in enumerate((False, True)):
            measure = aurc_estimate(*sample, excess=excess, rng=rng, replicates=500)
            hits[i] += measure.low <= truth[i] <= measure.high
    assert np.all(hits >= fewest_hits(500, 0.93))
