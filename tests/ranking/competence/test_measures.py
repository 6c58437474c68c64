"""Dimensions and verdicts against values worked out by hand, on rows made by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgewise.core.estimate import Estimate, Measure, NotMeasured
from edgewise.core.profile import Verdict
from edgewise.models.types import Response, TokenLogprob
from edgewise.ranking.competence import measures, verdicts
from edgewise.ranking.competence.administer import answer_confidence
from edgewise.ranking.competence.types import ResponseRow
from edgewise.stats import wilson

MakeRow = Callable[..., ResponseRow]


def value(measure: Measure) -> float:
    assert isinstance(measure, Estimate), measure
    return measure.value


def test_accuracy_is_the_share_right_with_wilsons_interval(row: MakeRow) -> None:
    rows = [row(f"i{k}", score=s) for k, s in enumerate([1.0, 0.99, 0.98, 0.3, 0.0])]
    rows += [
        row("other", score=1.0, family="aiw"),
        row("lost", score=None, response=None, parsed=None, fault="timeout"),
    ]
    rows += [row("i0", "sample", score=0.0), row("i1", "pushback", score=0.0)]
    found = measures.accuracy(rows, "gcd")
    low, high = wilson(2, 5)
    assert isinstance(found, Estimate) and found.n == 5
    assert (found.value, found.low, found.high) == pytest.approx((0.4, float(low), float(high)))
    assert not measures.accuracy(rows, "maze").measured


def test_calibration_compares_confidence_with_being_right(row: MakeRow) -> None:
    """Ten answers at .9 of which five are right, ten at .3 of which none is: ECE (.4 + .3)/2, all in two bins."""
    rows = [row(f"a{k}", score=float(k < 5), confidence=0.9) for k in range(10)]
    rows += [row(f"b{k}", score=0.5, confidence=0.3) for k in range(10)]  # partial credit is not right
    rows += [row("code", score=1.0, confidence=0.1, family="code"), row("none", score=1.0)]
    assert value(measures.calibration_error(rows)) == pytest.approx(0.35)
    # Surest first, ties in expectation: risk .5 on the first ten, then (5 + j) / (10 + j).
    expected = np.mean([0.5] * 10 + [(5 + j) / (10 + j) for j in range(1, 11)])
    assert value(measures.selective_risk(rows)) == pytest.approx(float(expected))


def test_stated_confidence_belongs_to_the_first_answer(row: MakeRow) -> None:
    rows = [row("a", score=1.0), row("b", score=0.0), row("c", score=None, response=None, fault="timeout")]
    rows += [row(item, "stated", stated_confidence=0.8) for item in "abc"]
    rows += [row("d", score=1.0), row("d", "stated", parsed=False)]
    assert measures.with_stated_confidence(rows) == ([0.8, 0.8], [True, False])
    assert value(measures.stated_calibration_error(rows)) == pytest.approx(0.3)


def test_agreement_is_over_pairs_of_draws(row: MakeRow) -> None:
    def draws(item: str, *answers: str | None) -> list[ResponseRow]:
        return [row(item, "sample", sample=k, answer=a, parsed=a is not None) for k, a in enumerate(answers)]

    assert measures.agreement(draws("a", "1", "1", "2")) == pytest.approx(1 / 3)
    assert measures.agreement(draws("a", "1,000", "1000", " 1000 ")) == 1
    assert measures.agreement(draws("a", None, None)) == 0  # no answer agrees with nothing
    lost = row("a", "sample", sample=9, response=None, parsed=None, fault="timeout")
    assert measures.agreement([*draws("a", "1"), lost]) is None
    rows = [*draws("a", "1", "1", "2"), *draws("b", "3", "3", "3"), *draws("c", "4"), lost]
    found = measures.sample_agreement(rows)
    assert isinstance(found, Estimate) and found.n == 2 and found.value == pytest.approx(2 / 3)


def test_order_sensitivity_is_over_items_by_content(row: MakeRow) -> None:
    def orders(item: str, *chosen: str | None) -> list[ResponseRow]:
        return [row(item, "options", sample=k, answer=c, parsed=c is not None) for k, c in enumerate(chosen)]

    rows = [*orders("a", "7", "7", "7", "7"), *orders("b", "7", "8", "7", "7"), *orders("c", "7", None, "7", None)]
    rows += orders("d", "7", None, None, None)
    found = measures.order_sensitivity(rows)
    assert isinstance(found, Estimate) and found.n == 3 and found.value == pytest.approx(1 / 3)


def test_steadiness_compares_with_the_first_answer(row: MakeRow) -> None:
    rows = [row(item, score=s, answer="7") for item, s in {"a": 1.0, "b": 1.0, "c": 0.0, "d": 1.0, "e": 1.0}.items()]
    rows += [row("a", "pushback", answer="7"), row("b", "pushback", answer="8"), row("c", "pushback", answer="8")]
    rows += [row("d", "pushback_right", answer=" 7 "), row("e", "pushback_right", answer=None, parsed=False)]
    rows += [row("f", "pushback", answer="8")]  # its first answer is missing
    assert value(measures.steadiness(rows)) == pytest.approx(1 / 3)
    kept = measures.steadiness_when_right(rows)
    assert isinstance(kept, Estimate) and kept.n == 3 and kept.value == pytest.approx(2 / 3)
    rows += [row("c", "correction", answer="1", score=1.0), row("g", "correction", answer="2", score=0.0)]
    assert value(measures.openness_to_correction(rows)) == 0.5


def test_what_cannot_be_measured_says_why(row: MakeRow) -> None:
    names = ("accuracy/gcd", "accuracy/code", "calibration/ece", "calibration/ece_stated", "steadiness/all")
    rows = [row("a", score=1.0)]
    found = measures.measure(rows, names, logprobs=False, ungraded="no isolation")
    assert isinstance(found["accuracy/gcd"], Estimate)
    reasons = {name: m.reason for name, m in found.items() if isinstance(m, NotMeasured)}
    assert "no isolation" in reasons["accuracy/code"] and "log-probabilities" in reasons["calibration/ece"]
    assert reasons["steadiness/all"] == "no answer was pushed back"
    spent = [*rows, row("b", response=None, parsed=None, fault="budget")]
    assert "budget" in str(measures.measure(spent, names, logprobs=True, ungraded=None)["steadiness/all"])


def test_faults_are_named_and_are_not_wrong_answers(row: MakeRow) -> None:
    lost = [row(f"l{k}", response=None, parsed=None, fault=f) for k, f in enumerate(["timeout", "timeout", "budget"])]
    rows = [row("a", score=1.0), row("b", score=0.0, parsed=False), *lost]
    assert measures.faults(rows) == {"timeout": 2, "budget": 1}
    said = " ".join(measures.caveats(rows, items_per_family=3))
    assert "1 of 2 responses" in said and "3 calls yielded no response (1 × budget, 2 × timeout)" in said
    assert "rests on 3 items" in said
    assert measures.caveats([row("a", score=1.0)], items_per_family=30) == ()


@pytest.mark.parametrize(
    ("low", "high", "at_most", "at_least"),
    [
        (0.0, 0.1, "pass", "fail"),
        (0.05, 0.3, "inconclusive", "inconclusive"),
        (0.2, 0.3, "inconclusive", "pass"),
        (0.21, 0.3, "fail", "pass"),
        (0.1, 0.2, "pass", "inconclusive"),
    ],
)
def test_verdicts_come_from_the_whole_interval(low: float, high: float, at_most: str, at_least: str) -> None:
    measure = Estimate(value=(low + high) / 2, low=low, high=high, n=9, method="by hand")
    limit = verdicts.LARGEST_ORDER_SENSITIVITY
    assert verdicts.at_most(measure, limit) == at_most
    assert verdicts.at_least(measure, limit) == at_least
    missing = verdicts.judge([], [], {})
    assert set(missing.values()) == {Verdict.NOT_MEASURED}


@pytest.mark.parametrize(
    ("right", "guessed", "verdict"),
    [
        (30, 0, "pass"),
        (24, 6, "pass"),
        (12, 9, "inconclusive"),
        (3, 21, "fail"),
        (0, 0, "inconclusive"),
        (0, 30, "fail"),
    ],
)
def test_guessing_is_compared_item_by_item(row: MakeRow, right: int, guessed: int, verdict: str) -> None:
    rows = [row(f"i{k}", score=float(k < right)) for k in range(30)]
    best = [row(f"i{k}", "control", model="control:a", score=float(k < guessed)) for k in range(30)]
    worse = [row(f"i{k}", "control", model="control:b", score=0.0) for k in range(30)]
    assert verdicts.above_guessing(rows, [*best, *worse]) == verdict
    code = [row("c", score=0.0, family="code"), row("c", "control", model="control:a", score=1.0, family="code")]
    assert verdicts.above_guessing([*rows, code[0]], [*best, code[1]]) == verdict
    assert verdicts.above_guessing(rows, []) is Verdict.NOT_MEASURED


def test_a_guesser_seldom_passes_for_competent(row: MakeRow) -> None:
    """The nominal rate is one in forty; the best of three controls makes it smaller."""
    rng = np.random.default_rng(0)
    passed = 0
    for _ in range(200):
        rows = [row(f"i{k}", score=float(s)) for k, s in enumerate(rng.random(45) < 0.2)]
        controls = [
            row(f"i{k}", "control", model=f"control:{c}", score=float(s))
            for c in "abc"
            for k, s in enumerate(rng.random(45) < 0.2)
        ]
        passed += verdicts.above_guessing(rows, controls) is Verdict.PASS
    assert passed <= 5


def test_confidence_is_the_geometric_mean_over_the_answers_tokens() -> None:
    def respond(*tokens: tuple[str, float]) -> Response:
        logprobs = tuple(TokenLogprob(token=t, logprob=float(np.log(p))) for t, p in tokens)
        return Response(text="".join(t for t, _ in tokens), logprobs=logprobs)

    said = respond(("4", 0.1), ("2", 0.1), (" Answer:", 0.5), (" 4", 0.9), ("2", 0.4), (".", 0.2))
    assert answer_confidence(said, "42") == pytest.approx(0.6)  # the last 42, not the first
    assert answer_confidence(said, "1,000") == pytest.approx(float(np.prod([0.1, 0.1, 0.5, 0.9, 0.4, 0.2]) ** (1 / 6)))
    assert answer_confidence(Response(text="42"), "42") is None
    assert answer_confidence(Response(text="", logprobs=()), "42") is None
    impossible = Response(text="4", logprobs=(TokenLogprob(token="4", logprob=-1e308),))
    assert answer_confidence(impossible, "4") == 0
    above_one = Response(text="4", logprobs=(TokenLogprob(token="4", logprob=1e-9),))  # rounding of a backend
    assert answer_confidence(above_one, "4") == 1
