"""Agreement against the krippendorff package, sklearn, and the published example."""

from __future__ import annotations

from collections.abc import Callable

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate, NotMeasured
from edgewise.stats import bootstrap, cohen_kappa, krippendorff_alpha, wilson

NAN = np.nan
METRICS = ["nominal", "ordinal", "interval", "ratio"]
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


@pytest.mark.parametrize("metric", METRICS)
def test_every_resample_has_the_alpha_of_the_krippendorff_package(metric: str) -> None:
    """The vectorised path draws the same units as a plain bootstrap of their package's alpha."""
    truth = np.random.default_rng(2).integers(1, 5, 40)
    noise = np.random.default_rng(3)
    ratings = np.where(noise.random((3, 40)) < 0.6, truth, noise.integers(1, 5, (3, 40))).astype(float)
    ours = krippendorff_alpha(ratings, metric, replicates=60, rng=np.random.default_rng(0))
    theirs = bootstrap(
        lambda units: krippendorff.alpha(reliability_data=ratings[:, units], level_of_measurement=metric),
        np.arange(40), rng=np.random.default_rng(0), replicates=60, method="percentile",
    )  # fmt: skip
    assert isinstance(ours, Estimate)
    assert (ours.value, ours.low, ours.high) == pytest.approx((theirs.value, theirs.low, theirs.high), abs=1e-10)


@pytest.mark.parametrize("metric", METRICS)
def test_full_agreement_is_not_certainty(metric: str) -> None:
    labels = np.arange(60) % 3 + 1.0
    few = krippendorff_alpha([labels[:12]] * 2, metric)
    many = krippendorff_alpha([labels] * 2, metric)
    assert isinstance(few, Estimate) and isinstance(many, Estimate)
    assert few.value == few.high == many.value == 1 and few.low < many.low < 0.95
    kappa = cohen_kappa(labels, labels)
    # Three labels equally often: two differ by chance in 2/3 of pairs.
    assert isinstance(kappa, Estimate) and kappa.low == pytest.approx(1 - float(wilson(0, 60)[1]) * 3 / 2)


def test_more_bad_input() -> None:
    with pytest.raises(BadInput, match="metric"):
        krippendorff_alpha(EXAMPLE, "Nominal")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="infinite"):
        krippendorff_alpha([[np.inf, 1], [1, 2]])
    with pytest.raises(BadInput, match="missing"):
        cohen_kappa([1.0, NAN], [1.0, 2.0])
    with pytest.raises(BadInput, match="shapes differ"):
        cohen_kappa([1], [1, 2])
    with pytest.raises(BadInput, match="level"):
        cohen_kappa([1], [1], level=2)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["nominal", "interval"])
@pytest.mark.parametrize(("n", "reliability"), [(50, 0.8), (50, 0.98), (15, 0.98)])
def test_coverage_of_alpha(metric: str, n: int, reliability: float, fewest_hits: Callable[[int, float], float]) -> None:
    """Three raters who are right at a rate and guess otherwise. At .98 the bootstrap alone covered 80 %."""
    rng = np.random.default_rng(6)

    def rate(units: int) -> np.ndarray:
        truth = rng.integers(0, 4, units)
        return np.where(rng.random((3, units)) < reliability, truth, rng.integers(0, 4, (3, units))).astype(float)

    truth = krippendorff_alpha(rate(100_000), metric, replicates=2).value
    assert truth is not None
    hits = 0
    for _ in range(500):
        measure = krippendorff_alpha(rate(n), metric, rng=rng, replicates=500)
        hits += measure.low <= truth <= measure.high
    assert hits >= fewest_hits(500, 0.93)
