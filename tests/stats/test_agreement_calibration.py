"""Agreement and calibration against the krippendorff package, sklearn, and hand-computed cases."""

from __future__ import annotations

import itertools

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, cohen_kappa_score

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate, NotMeasured
from edgewise.stats import (
    aurc,
    aurc_estimate,
    brier_score,
    cohen_kappa,
    ece_estimate,
    expected_calibration_error,
    krippendorff_alpha,
    reliability_curve,
    risk_coverage_curve,
)

NAN = np.nan
# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", example C: four observers, twelve units.
EXAMPLE = np.array([
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
])  # fmt: skip


def test_published_alpha() -> None:
    published = {"nominal": 0.743, "ordinal": 0.815, "interval": 0.849, "ratio": 0.797}
    for metric, value in published.items():
        measure = krippendorff_alpha(EXAMPLE, metric)
        assert isinstance(measure, Estimate)
        assert measure.value == pytest.approx(value, abs=5e-4) and measure.n == 11


@pytest.mark.parametrize("metric", ["nominal", "ordinal", "interval", "ratio"])
def test_alpha_is_that_of_the_krippendorff_package(metric: str) -> None:
    rng = np.random.default_rng(4)
    for _ in range(10):
        truth = rng.integers(1, 6, 40)
        ratings = np.where(rng.random((5, 40)) < 0.7, truth, rng.integers(1, 6, (5, 40))).astype(float)
        ratings[rng.random((5, 40)) < 0.2] = NAN
        expected = krippendorff.alpha(reliability_data=ratings, level_of_measurement=metric)
        assert krippendorff_alpha(ratings, metric, replicates=5).value == pytest.approx(expected, abs=1e-12)


def test_alpha_where_there_is_nothing_to_agree_on() -> None:
    assert isinstance(krippendorff_alpha([[1, NAN], [NAN, 2]]), NotMeasured)
    assert isinstance(krippendorff_alpha([[1, 1], [1, 1]]), NotMeasured)
    with pytest.raises(BadInput, match="shape"):
        krippendorff_alpha([1, 2, 3])
    with pytest.raises(BadInput, match="ratio"):
        krippendorff_alpha([[-1, 2], [1, 2]], "ratio")


def test_kappa_is_sklearns() -> None:
    rng = np.random.default_rng(1)
    a = rng.choice(list("xyz"), 80)
    b = np.where(rng.random(80) < 0.6, a, rng.choice(list("xyz"), 80))
    measure = cohen_kappa(a, b)
    assert isinstance(measure, Estimate) and measure.value == pytest.approx(cohen_kappa_score(a, b))
    assert measure.low < measure.value < measure.high
    assert isinstance(cohen_kappa(["x"] * 3, ["x"] * 3), NotMeasured)


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
    from edgewise.stats import bootstrap

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
def test_ece_interval_covers_the_true_error(gap: float, n: int) -> None:
    """Confidences uniform, accuracy = confidence - gap: the true error of the binned model is the gap."""
    rng = np.random.default_rng(9)
    hits = 0
    for _ in range(300):
        p = rng.uniform(0.3, 1, n)
        y = (rng.random(n) < p - gap).astype(float)
        measure = ece_estimate(p, y, rng=rng, replicates=300)
        hits += measure.low <= gap <= measure.high
    assert hits / 300 >= 0.925  # .95 less three standard errors at the least


def test_bad_confidences_are_named() -> None:
    with pytest.raises(BadInput, match="confidence"):
        expected_calibration_error([1.2], [1])
    with pytest.raises(BadInput, match="lengths"):
        aurc([0.5, 0.5], [1])
    with pytest.raises(BadInput, match="bins"):
        expected_calibration_error([0.5], [1], bins=0)
