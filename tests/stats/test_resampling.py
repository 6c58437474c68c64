"""The bootstrap against scipy's and against known coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from edgewise.core.errors import BadInput
from edgewise.core.estimate import NotMeasured
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
    for options in ({"data": []}, {"data": [1.0], "level": 1.0}, {"data": [1.0], "replicates": 0}):
        with pytest.raises(BadInput):
            bootstrap(np.mean, rng=RNG, **options)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="one label"):
        bootstrap(np.mean, [1.0, 2.0], rng=RNG, clusters=["a"])


def test_memory_is_bounded_and_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bootstrap(lambda s: s.mean(axis=-1), SKEWED, rng=np.random.default_rng(0), replicates=500, vectorized=True)
    monkeypatch.setattr("edgewise.stats.resampling._CHUNK", 600)
    parts = bootstrap(lambda s: s.mean(axis=-1), SKEWED, rng=np.random.default_rng(0), replicates=500, vectorized=True)
    np.testing.assert_allclose(np.sort(whole.replicates)[[0, -1]], np.sort(parts.replicates)[[0, -1]], rtol=0.1)
    assert parts.replicates.shape == (500,)


@pytest.mark.slow
def test_coverage_under_clusters() -> None:
    """Cluster means are normal: 95 % intervals over clusters cover near the level, those over rows far below."""
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
    assert 0.90 <= hits[True] / rounds <= 0.97
    assert hits[False] / rounds < 0.65
