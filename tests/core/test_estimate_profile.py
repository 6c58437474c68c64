"""Estimates, panels and profiles: intervals that hold their value, and an order that is partial."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from edgewise.core.errors import BadInput, CorruptRecord
from edgewise.core.estimate import Estimate, NotMeasured, from_interval
from edgewise.core.profile import Panel, Profile, Verdict, above, at_least, at_most


def estimate(value: float, width: float = 0.1, n: int = 10) -> Estimate:
    return Estimate(value=value, low=value - width, high=value + width, n=n, method="given")


def profile(*values: float, lower: tuple[str, ...] = (), width: float = 0.1) -> Profile:
    dimensions = {f"d{i}": estimate(v, width) for i, v in enumerate(values)}
    return Profile(model="m", panels={"p": Panel(instrument="p", dimensions=dimensions, lower_is_better=lower)})


def test_an_interval_contains_its_value_and_numbers_are_finite() -> None:
    with pytest.raises(ValueError, match="does not contain"):
        Estimate(value=2, low=0, high=1, n=1, method="x")
    with pytest.raises(ValueError, match="finite"):
        Estimate(value=math.nan, low=0, high=1, n=1, method="x")
    assert isinstance(from_interval(math.nan, (0, 1), 5, "x"), NotMeasured)
    assert isinstance(from_interval(0.5, (0, 1), 0, "x"), NotMeasured)
    assert from_interval(1.0000000000000002, (0.5, 1.0), 5, "x").high == 1.0000000000000002


def test_difference_of_proportions_is_newcombes_method_10() -> None:
    """Newcombe 1998, as statsmodels has it."""
    for a, n, b, m in [(56, 70, 48, 80), (9, 10, 3, 10), (10, 10, 0, 20)]:
        (la, ha), (lb, hb) = (proportion_confint(x, k, method="wilson") for x, k in ((a, n), (b, m)))
        first = Estimate(value=a / n, low=la, high=min(1, ha), n=n, method="wilson")
        second = Estimate(value=b / m, low=max(0, lb), high=hb, n=m, method="wilson")
        difference = first.minus(second)
        expected = confint_proportions_2indep(a, n, b, m, method="newcomb", compare="diff")
        assert (difference.low, difference.high) == pytest.approx(expected, abs=1e-6)
        assert difference.n == min(n, m)


def test_json_round_trip() -> None:
    original = profile(0.1, 0.2, lower=("d1",))
    assert Profile.from_json(original.to_json(), where="x") == original
    assert original.to_json() == Profile.from_json(original.to_json(), where="x").to_json()
    missing = Panel(instrument="p", dimensions={"d": NotMeasured(reason="no logprobs")}, verdicts={"v": Verdict.FAIL})
    whole = Profile(model="m", panels={"p": missing})
    assert Profile.from_json(whole.to_json(), where="x") == whole
    dimension = whole.model_dump(mode="json")["panels"]["p"]["dimensions"]["d"]
    assert dimension == {"value": None, "low": None, "high": None, "n": 0, "reason": "no logprobs"}


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [(b"{", "not valid JSON"), (b"[]", "JSON object"), (b'{"schema": "profile/9"}', "schema"), (b"{}", "schema")],
)
def test_a_damaged_profile_names_the_file(raw: bytes, complaint: str) -> None:
    with pytest.raises(CorruptRecord, match=complaint) as caught:
        Profile.from_json(raw, where="runs/x/profile.json")
    assert caught.value.where == "runs/x/profile.json"


def test_a_profile_is_not_a_number() -> None:
    with pytest.raises(TypeError, match="not a number"):
        float(profile(1.0))
    with pytest.raises(TypeError):
        profile(1.0) < profile(2.0)  # type: ignore[operator]  # noqa: B015
    with pytest.raises(TypeError):
        sum(profile(1.0))  # type: ignore[arg-type]


VALUES = st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=2, max_size=2)


@given(st.lists(VALUES, min_size=3, max_size=3))
def test_dominance_is_a_strict_partial_order(values: list[list[float]]) -> None:
    profiles = [profile(*v, lower=("d1",)) for v in values]
    for a in profiles:
        assert not a.dominates(a)
    for a, b in itertools.permutations(profiles, 2):
        assert not (a.dominates(b) and b.dominates(a))
    for a, b, c in itertools.permutations(profiles, 3):
        if a.dominates(b) and b.dominates(c):
            assert a.dominates(c)


def test_dominance_needs_the_same_dimensions() -> None:
    more = profile(1.0, 1.0)
    assert not more.dominates(profile(0.0)) and not profile(1.0).dominates(more)
    assert not Profile(model="m", panels={}).dominates(Profile(model="n", panels={}))


def test_comparison_knows_which_way_is_good() -> None:
    comparison = profile(0.9, 0.9, 0.5, lower=("d1",)).compare(profile(0.1, 0.1, 0.5, lower=("d1",)))
    assert [c.outcome for c in comparison.changes] == ["better", "worse", "unclear"]
    assert comparison.dominance == "none" and comparison.count("better") == 1
    assert comparison.changes[1].difference is not None and comparison.changes[1].difference.value > 0
    assert profile(0.9).compare(profile(0.1)).dominance == "first"
    assert profile(0.1).compare(profile(0.9)).dominance == "second"
    assert profile(0.9).compare(profile(0.1, 0.2)).changes[1].outcome == "not_measured"
    with pytest.raises(BadInput, match="lower is better"):
        profile(0.9).compare(profile(0.9, lower=("d0",)))


def test_a_panel_knows_its_dimensions() -> None:
    with pytest.raises(ValueError, match="unknown dimensions"):
        Panel(instrument="p", dimensions={}, lower_is_better=("d",))


@pytest.mark.parametrize(
    ("low", "high", "most", "least", "over"),
    (
        (0.1, 0.2, Verdict.PASS, Verdict.FAIL, Verdict.FAIL),
        (0.1, 0.3, Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL),
        (0.2, 0.4, Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE),
        (0.3, 0.3, Verdict.PASS, Verdict.PASS, Verdict.FAIL),
        (0.3, 0.4, Verdict.INCONCLUSIVE, Verdict.PASS, Verdict.INCONCLUSIVE),
        (0.4, 0.5, Verdict.FAIL, Verdict.PASS, Verdict.PASS),
    ),
)
def test_a_limit_is_kept_surely_broken_surely_or_neither(
    low: float, high: float, most: Verdict, least: Verdict, over: Verdict
) -> None:
    found = Estimate(value=(low + high) / 2, low=low, high=high, n=9, method="x")
    assert (at_most(found, 0.3), at_least(found, 0.3), above(found, 0.3)) == (most, least, over)
    for judge in (at_most, at_least, above):
        assert judge(NotMeasured(reason="x"), 0.3) == judge(None, 0.3) == Verdict.NOT_MEASURED
