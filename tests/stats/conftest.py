"""Bounds for tests by simulation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scipy import stats


@pytest.fixture
def fewest_hits() -> Callable[[int, float], float]:
    """Fewest hits of ``rounds`` that are compatible with a coverage: its binomial law's 1 in 10 000 quantile."""
    return lambda rounds, coverage: float(stats.binom.ppf(1e-4, rounds, coverage))
