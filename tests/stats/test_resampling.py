"""The bootstrap against scipy's and against known coverage."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate, NotMeasured
from edgewise.stats import bootstrap

RNG = np.random.default_rng(3)
SKEWED = RNG.exponential(size=60)


@pytest.mark.parametrize(("method", "theirs"), [("bca", "BCa"), ("percentile", "percentile")])
def test_it_is_scipys(method: str, theirs: str) -> None:
    """Same method, different draws: equal within Monte Carlo error of 40 000 replicates."""
    result = bootstrap(np.mean, SKEWED, rng=np.random.default_rng(0), replicates=40_000, method=method)
    peer = stats.bootstrap((SKEWED,), np.mean, n_resamples=40_000, method=theirs, rng=np.random.default_rng(1))
    error = 4 * peer.standard_error / np.sqrt(40_000 * 0.05) * 2
    assert result.low == pytest.approx(peer.confidence_interval.low, abs=error)
    assert result.high == pytest.approx(peer.confidence_interval.high, abs=error)


def test_the_same_resamples_give_scipys_interval_exactly() -> None:
    """Given the bootstrap distribution, the BCa interval is arithmetic: feed scipy ours."""
    result = bootstrap(np.var, SKEWED, rng=np.random.default_rng(0), replicates=3000)
    peer = stats.bootstrap(
        (SKEWED,), np.var, method="BCa", n_resamples=0,
        bootstrap_result=stats._resampling.BootstrapResult(None, result.replicates, None), vectorized=False,
    )  # fmt: skip
    assert (result.low, result.high) == pytest.approx(tuple(peer.confidence_interval), rel=1e-9)


def test_vectorised_and_plain_statistics_agree() -> None:
    plain = bootstrap(np.mean, SKEWED, rng=np.random.default_rng(0))
    fast = bootstrap(lambda s: s.mean(axis=-1), SKEWED, rng=np.random.default_rng(0), vectorized=True)
    assert (plain.low, plain.high, plain.value) == pytest.approx((fast.low, fast.high, fast.value))


@pytest.mark.parametrize("sizes", [[3] * 20, [1, 2, 3, 4] * 5])
def test_clusters_are_drawn_whole(sizes: list[int]) -> None:
    labels = np.repeat(np.arange(20), sizes)
    seen: list[np.ndarray] = []

    def statistic(sample: np.ndarray) -> float:
        seen.append(sample)
        return float(sample.mean())

    bootstrap(statistic, labels.astype(float), rng=np.random.default_rng(0), replicates=50, clusters=labels)
    for sample in seen:
        found, counts = np.unique(sample, return_counts=True)
        assert all(count % sizes[int(label)] == 0 for label, count in zip(found, counts, strict=True))


def test_strata_keep_their_sizes() -> None:
    strata = np.repeat(["a", "b", "c"], [5, 10, 15])
    data = np.repeat([0.0, 1.0, 2.0], [5, 10, 15])
    result = bootstrap(np.mean, data, rng=np.random.default_rng(0), strata=strata, replicates=100)
    assert np.ptp(result.replicates) == pytest.approx(0, abs=1e-12)
    spread = bootstrap(np.mean, data, rng=np.random.default_rng(0), replicates=100)
    assert np.ptp(spread.replicates) > 0.1


def test_clusters_within_strata() -> None:
    clusters = np.repeat(np.arange(12), 2)
    strata = np.repeat(["a", "b"], 12)
    result = bootstrap(np.mean, np.arange(24.0), rng=np.random.default_rng(0), clusters=clusters, strata=strata)
    assert result.n == 12 and "over clusters" in result.method
    with pytest.raises(BadInput, match="two strata"):
        bootstrap(np.mean, np.arange(4.0), rng=RNG, clusters=[0, 0, 1, 1], strata=["a", "b", "a", "b"])


def test_what_is_undefined_is_not_measured() -> None:
    result = bootstrap(lambda s: np.nan, SKEWED, rng=np.random.default_rng(0), replicates=10)
    assert isinstance(result.estimate(), NotMeasured)
    constant = bootstrap(np.mean, np.ones(9), rng=np.random.default_rng(0), replicates=50)
    assert (constant.low, constant.high) == (1, 1)


def test_bad_input() -> None:
    for options in (
        {"data": []},
        {"data": [1.0], "level": 1.0},
        {"data": [1.0], "replicates": 0},
        {"data": [1.0], "method": "BCa"},
    ):
        with pytest.raises(BadInput):
            bootstrap(np.mean, rng=RNG, **options)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="one label"):
        bootstrap(np.mean, [1.0, 2.0], rng=RNG, clusters=["a"])


def test_memory_is_bounded_and_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wide rows and large clusters, whose resamples would take gigabytes at once; and the draws do not depend on it."""

    def run(data: np.ndarray, **options: object) -> np.ndarray:
        return bootstrap(  # type: ignore[call-overload, no-any-return]
            lambda s: s.mean(axis=tuple(range(1, s.ndim))),
            data,
            rng=np.random.default_rng(0),
            vectorized=True,
            **options,
        ).replicates

    wide = np.random.default_rng(0).random((200, 1000))
    clustered = {"clusters": np.repeat(np.arange(200), 1000), "replicates": 500}
    for data, options in ((wide, {"replicates": 500}), (wide.ravel(), clustered)):
        tracemalloc.start()
        run(data, **options)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 40e6
    whole = run(SKEWED)
    monkeypatch.setattr("edgewise.stats.resampling._CHUNK", 600)
    np.testing.assert_allclose(run(SKEWED), whole)


def test_strata_are_scipys_samples() -> None:
    """The difference of two means, as one stratified and as scipy's two-sample BCa on the same number of draws."""
    first, second = RNG.exponential(size=25), RNG.exponential(size=60) + 1
    rows = np.column_stack([np.concatenate([first, second]), np.repeat([1.0, 0.0], [25, 60])])

    def difference(s: np.ndarray) -> np.ndarray:
        value, one = s[..., 0], s[..., 1]
        return (value * one).sum(-1) / one.sum(-1) - (value * (1 - one)).sum(-1) / (1 - one).sum(-1)

    ours = bootstrap(
        difference, rows, rng=np.random.default_rng(0), strata=rows[:, 1], replicates=40_000, vectorized=True
    )
    peer = stats.bootstrap(
        (first, second), lambda x, y, axis: x.mean(axis) - y.mean(axis), n_resamples=0, method="BCa", vectorized=True,
        bootstrap_result=stats._resampling.BootstrapResult(None, ours.replicates, None),
    )  # fmt: skip
    assert (ours.low, ours.high) == pytest.approx(tuple(peer.confidence_interval), rel=1e-9)
    assert ours.replicates.std() == pytest.approx(np.hypot(first.std() / 5, second.std() / 60**0.5), rel=0.02)


def test_many_units_are_left_out_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skewed enough that the acceleration shows: leaving out 100 groups of 20 gives nearly the same interval."""
    data = np.random.default_rng(1).exponential(size=2000) ** 2
    strata = np.arange(2000) % 3
    exact = bootstrap(lambda s: s.mean(-1), data, rng=np.random.default_rng(0), strata=strata, vectorized=True)
    plain = bootstrap(
        lambda s: s.mean(-1), data, rng=np.random.default_rng(0), strata=strata, vectorized=True, method="percentile"
    )
    monkeypatch.setattr("edgewise.stats.resampling._JACKKNIFE", 100)
    grouped = bootstrap(lambda s: s.mean(-1), data, rng=np.random.default_rng(0), strata=strata, vectorized=True)
    shift = abs(exact.high - plain.high)
    assert shift > 0 and abs(grouped.high - exact.high) < shift / 2 and abs(grouped.low - exact.low) < shift / 2


def test_undefined_replicates_are_told() -> None:
    result = bootstrap(
        lambda s: np.nan if s.min() > SKEWED.min() else s.mean(), SKEWED, rng=np.random.default_rng(0), replicates=200
    )
    defined = int(np.isfinite(result.replicates).sum())
    assert 0 < defined < 200 and f"{defined} defined of 200" in result.method


def test_without_variation_there_is_no_estimate() -> None:
    constant = bootstrap(np.mean, np.full(9, 0.1), rng=np.random.default_rng(0), replicates=50)
    assert isinstance(constant.estimate(), NotMeasured)
    kept = bootstrap(np.mean, SKEWED, rng=np.random.default_rng(0), replicates=50, level=0.8).estimate()
    assert isinstance(kept, Estimate) and kept.level == 0.8


@pytest.mark.slow
def test_coverage_under_clusters(fewest_hits: Callable[[int, float], float]) -> None:
    """Cluster means are normal: intervals over clusters cover near the level, those over rows far below."""
    rng = np.random.default_rng(7)
    hits = {True: 0, False: 0}
    rounds = 600
    for _ in range(rounds):
        data = np.repeat(rng.normal(size=30), 8) + rng.normal(0, 0.1, 240)
        labels = np.repeat(np.arange(30), 8)
        for clustered in hits:
            result = bootstrap(
                lambda s: s.mean(axis=-1), data, rng=rng, replicates=400, vectorized=True,
                clusters=labels if clustered else None,
            )  # fmt: skip
            hits[clustered] += result.low <= 0 <= result.high
    # A mean's bootstrap distribution has variance (n - 1)/n of the right one: z = 1.96 √(29/30), and Student's tails.
    expected = 2 * stats.t.cdf(stats.norm.ppf(0.975) * np.sqrt(29 / 30), 29) - 1
    assert hits[True] >= fewest_hits(rounds, expected)
    assert hits[False] < fewest_hits(rounds, expected) - 100
