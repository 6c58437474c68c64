"""Adjusted p-values against statsmodels and the published example."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from edgewise.core.errors import BadInput
from edgewise.stats import benjamini_hochberg, holm


@given(st.lists(st.floats(0, 1), min_size=1, max_size=25))
@settings(deadline=None)
def test_benjamini_hochberg_is_that_of_statsmodels(p: list[float]) -> None:
    np.testing.assert_allclose(benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1], atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_holm_is_that_of_statsmodels(n: int) -> None:
    p = np.round(np.random.default_rng(n).random(n) ** 3, 2)  # some of them equal
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-12)


def test_benjamini_and_hochbergs_own_example() -> None:
    """Their 1995 paper, section 4.1: 15 p-values, four rejections at 0.05 where Holm has three."""
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1.0,
    ]
    assert np.sum(benjamini_hochberg(p) <= 0.05) == 4
    assert np.sum(holm(p) <= 0.05) == 3


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=20))
@settings(deadline=None)
def test_tests_that_were_not_made_are_not_counted(p: list[float | None]) -> None:
    every = np.array([np.nan if v is None else v for v in p])
    made = ~np.isnan(every)
    for adjust in (holm, benjamini_hochberg):
        result = adjust(every)
        assert np.array_equal(np.isnan(result), ~made)
        np.testing.assert_array_equal(result[made], adjust(every[made]))


def test_bad_p_values() -> None:
    for bad in ([0.5, 1.5], [-0.1], [np.inf], [[0.1, 0.2]]):
        for adjust in (holm, benjamini_hochberg):
            with pytest.raises(BadInput, match="p_values"):
                adjust(bad)  # type: ignore[arg-type]
