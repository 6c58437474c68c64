"""Evidence and bounds for means by betting: closed forms, the law at all times, width beside a fixed-n interval."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, optimize, special, stats

from edgewise.core.errors import BadInput
from edgewise.stats import betting_evidence, confidence_sequence, mean_bounds

OUTCOMES = np.array([0, 1, 1, 0, 1, 1, 1, 1, 0, 1] * 6)


def test_for_outcomes_of_0_and_1_it_is_the_beta_binomial_ratio() -> None:
    """Against one mean: log B(s + 1, n - s + 1) - s log m - (n - s) log(1 - m), as in confidence_sequence."""
    n, s = np.arange(1, OUTCOMES.size + 1), OUTCOMES.cumsum()
    for mean in (0.2, 0.7):
        exact = special.betaln(s + 1, n - s + 1) - s * np.log(mean) - (n - s) * np.log1p(-mean)
        np.testing.assert_allclose(betting_evidence(OUTCOMES, mean), exact, atol=1e-9)
    low, high = confidence_sequence(OUTCOMES)
    for end in (low[-1], high[-1]):
        assert betting_evidence(OUTCOMES, end).max() == pytest.approx(np.log(20), abs=1e-6)


def test_one_side_of_0_and_1_is_the_truncated_ratio() -> None:
    """A uniform prior on rates below m: the mean of q^s (1 - q)^(n - s) over [0, m], divided by its value at m."""
    n, s = np.arange(1, OUTCOMES.size + 1), OUTCOMES.cumsum()
    mean = 0.9
    inside = special.betaln(s + 1, n - s + 1) + np.log(special.betainc(s + 1, n - s + 1, mean)) - np.log(mean)
    exact = inside - s * np.log(mean) - (n - s) * np.log1p(-mean)
    np.testing.assert_allclose(betting_evidence(OUTCOMES, mean, "at_least"), exact, atol=1e-9)
    mirrored = betting_evidence(1 - OUTCOMES, 1 - mean, "at_most")
    np.testing.assert_allclose(mirrored, exact, atol=1e-9)

    def gap(m: float) -> float:
        return float(betting_evidence(OUTCOMES, m, "at_least").max() - np.log(20))

    assert mean_bounds(OUTCOMES, side="upper") == (0.0, pytest.approx(optimize.brentq(gap, 0.7, 0.999), abs=1e-9))
    nothing = np.zeros(20)  # (1 - (1 - m)^21) / (21 m (1 - m)^20) = 20
    end = optimize.brentq(lambda m: (1 - (1 - m) ** 21) / (21 * m * (1 - m) ** 20) - 20, 1e-3, 0.9)
    assert mean_bounds(nothing, side="upper")[1] == pytest.approx(end, abs=1e-9)


def test_capital_is_the_mixture_over_stakes() -> None:
    """By adaptive quadrature for values between 0 and 1."""
    x = np.random.default_rng(0).beta(2, 5, 30)
    for mean in (0.2, 0.6):
        whole, _ = integrate.quad(lambda v, m=mean: float(np.prod(1 - v * (x - m) / (1 - m))), 0, 1, epsabs=1e-14)
        assert betting_evidence(x, mean, "at_least")[-1] == pytest.approx(np.log(whole), abs=1e-9)


def test_the_bounds_hold_at_all_times() -> None:
    """A look after each of 300 values of several laws: 5 % of sequences at most ever refute the truth, on each side."""
    rng = np.random.default_rng(1)
    laws = (
        (0.5, lambda: rng.random(300)),
        (0.1, lambda: (rng.random(300) < 0.1).astype(float)),
        (0.2, lambda: rng.beta(0.4, 1.6, 300)),
        (0.25, lambda: rng.beta(10, 30, 300)),
    )
    for mean, draw in laws:
        for hypothesis in ("equal", "at_least", "at_most"):
            wrong = sum(betting_evidence(draw(), mean, hypothesis).max() >= np.log(20) for _ in range(300))
            assert wrong <= stats.binom.ppf(0.9999, 300, 0.05), (mean, hypothesis)


def test_the_width_is_within_a_small_factor_of_a_fixed_n_interval() -> None:
    """Looking at all times costs, most where the values are few; Hoeffding's bound, for a fixed n, is beaten still."""
    rng = np.random.default_rng(2)
    for n, most in ((50, 5.0), (200, 3.0), (1000, 2.0)):
        x = rng.beta(10, 30, n)
        above = mean_bounds(x, side="upper")[1] - x.mean()
        student = stats.t.ppf(0.95, n - 1) * x.std(ddof=1) / np.sqrt(n)
        assert student < above < most * student
        assert above < np.sqrt(np.log(20) / (2 * n))
    low, high = mean_bounds(x)
    assert low < 0.25 < high and high - low < 0.05
    assert mean_bounds(x, side="lower")[0] > low and mean_bounds(x, side="upper")[1] < high


def test_the_last_interval_alone_does_not_depend_on_the_order() -> None:
    x = np.random.default_rng(3).beta(2, 5, 80)
    last = mean_bounds(x, carried=False)
    assert mean_bounds(np.sort(x), carried=False) == pytest.approx(last, abs=1e-9)
    low, high = mean_bounds(x)
    assert last[0] <= low + 1e-12 and high <= last[1] + 1e-12


def test_ends_of_the_scale_and_what_is_refused() -> None:
    assert mean_bounds([]) == (0.0, 1.0)
    assert betting_evidence([], 0.5).shape == (0,)
    assert betting_evidence([0.0, 0.5], 0.0, "at_most").tolist()[1] == np.inf
    assert betting_evidence([1.0, 0.5], 1.0, "at_least")[0] < 0
    assert np.all(betting_evidence([0.2, 0.5], 0.0, "at_least") < 0)
    low, high = mean_bounds([0.0] * 100 + [1.0] * 100)  # no single mean explains these
    assert low > high
    for bad in (([1.2], 0.5), ([0.5], 1.5), ([np.nan], 0.5)):
        with pytest.raises(BadInput):
            betting_evidence(*bad)
    with pytest.raises(BadInput):
        mean_bounds([0.5], 1.0)
