"""Each estimator against a case with a known answer, and against one where there is nothing to find."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from edgewise.loopholes.audit.best_of_n import best_of, best_of_n, order_weights
from edgewise.loopholes.audit.calibration import Scale, isotonic
from edgewise.loopholes.audit.confirm import change, price, uses
from edgewise.loopholes.audit.gradients import alignment, policy_gradients, tilted, unearned_share
from edgewise.loopholes.audit.penalties import break_even, lottery
from edgewise.loopholes.audit.policies import NGramPolicy, UniformPolicy
from edgewise.loopholes.audit.predict import FEATURES, fit
from edgewise.loopholes.audit.search import separating_words
from edgewise.loopholes.audit.templates import Template, catalogue, mined, of_syntax
from edgewise.loopholes.rules.self_grading import SelfGradingRules
from edgewise.loopholes.types import Task


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


class TestBestOfN:
    @pytest.mark.parametrize("n", [1, 2, 3, 5])
    def test_equals_the_mean_over_all_subsets(self, rng: np.random.Generator, n: int) -> None:
        proxy, value = rng.permutation(7).astype(float), rng.random(7)
        every = [value[max(some, key=lambda i: proxy[i])] for some in itertools.combinations(range(7), n)]
        assert best_of(proxy[None], value[None], [n])[0, 0] == pytest.approx(np.mean(every))

    def test_largest_of_n_of_the_first_m_numbers(self) -> None:
        numbers = np.arange(1.0, 41)[None]
        found = best_of(numbers, numbers, [1, 4, 40])[0]
        assert found == pytest.approx([n * 41 / (n + 1) for n in (1, 4, 40)])

    def test_ties_are_broken_at_random(self) -> None:
        proxy, value = np.array([[0.0, 1, 1, 1]]), np.array([[9.0, 1, 2, 3]])
        assert best_of(proxy, value, [4])[0, 0] == pytest.approx(2)

    def test_weights_are_a_distribution_up_to_4096(self) -> None:
        for n in (1, 100, 4096):
            assert order_weights(4096, n).sum() == pytest.approx(1)

    def test_a_failed_grade_is_never_chosen_over_a_number(self) -> None:
        assert best_of(np.array([[np.nan, -5.0]]), np.array([[7.0, 1.0]]), [2])[0, 0] == pytest.approx(1)

    def test_unbiased_for_a_known_distribution(self, rng: np.random.Generator) -> None:
        """Proxy uniform, trusted its complement: the best of n by proxy is worth 1 - n / (n + 1)."""
        proxy = rng.random((400, 32))
        found = best_of_n(proxy, 1 - proxy, rng)
        assert found.by_proxy == pytest.approx([1 / (n + 1) for n in found.n], abs=0.02)
        assert found.by_trusted == pytest.approx([n / (n + 1) for n in found.n], abs=0.02)
        assert found.gap["low"] <= 31 / 33 <= found.gap["high"]
        assert found.slope["high"] < 0

    def test_no_gap_where_proxy_is_trusted(self, rng: np.random.Generator) -> None:
        proxy = rng.random((20, 16))
        assert best_of_n(proxy, proxy, rng).by_proxy == best_of_n(proxy, proxy, rng).by_trusted


class TestScale:
    def test_isotonic_pools_what_falls(self) -> None:
        knots, heights = isotonic(np.array([0.0, 1, 2, 3]), np.array([0.0, 3, 1, 4]))
        assert knots.tolist() == [0, 1, 2, 3]
        assert heights.tolist() == [0, 2, 2, 4]

    def test_a_monotone_rescaling_has_no_excess(self, rng: np.random.Generator) -> None:
        trusted = rng.integers(4, size=(10, 50)) / 3
        proxy = 5 * trusted**3 - 2
        assert np.abs(Scale.fit(proxy, trusted).excess(proxy, trusted)).max() < 1e-12

    def test_excess_is_what_is_paid_on_top(self, rng: np.random.Generator) -> None:
        trusted = rng.integers(4, size=(10, 500)) / 3
        proxy = trusted.copy()
        proxy[0, 0] += 1
        assert Scale.fit(proxy, trusted).excess(proxy, trusted)[0, 0] == pytest.approx(1, abs=0.01)


class TestGradients:
    @pytest.mark.parametrize(("sign", "noise"), [(1, 0.0), (-1, 0.0), (1, 0.5), (-1, 0.5)])
    def test_two_arms_agree_or_oppose(self, rng: np.random.Generator, sign: int, noise: float) -> None:
        """One feature, the arm: whatever pays, the gradients lie on one line."""
        arm = rng.integers(2, size=(60, 40)).astype(float)
        phi = (arm - arm.mean(axis=1, keepdims=True))[..., None]
        proxy, trusted = arm + noise * rng.standard_normal(arm.shape), sign * arm
        found = alignment(policy_gradients(phi, proxy), policy_gradients(phi, trusted), rng)
        assert found.measured
        assert found.value == pytest.approx(sign)

    def test_right_angle(self, rng: np.random.Generator) -> None:
        arms = rng.integers(2, size=(300, 40, 2)).astype(float)
        first, second = (policy_gradients(arms, arms[..., i]) for i in range(2))
        found = alignment(first, second, rng)
        assert found.measured
        assert found.low <= 0 <= found.high
        assert abs(found.value) < 0.1

    def test_gradient_is_unbiased_in_small_pools(self, rng: np.random.Generator) -> None:
        """Of a fair coin with reward 1 for heads the gradient is p (1 - p), also from three tosses."""
        arm = rng.integers(2, size=(20_000, 3)).astype(float)
        found = policy_gradients(arm[..., None], arm).mean()
        assert found == pytest.approx(0.25, abs=0.005)

    def test_no_gradient_no_direction(self, rng: np.random.Generator) -> None:
        phi = rng.standard_normal((20, 30, 4))
        zero = np.zeros((20, 30))
        assert not alignment(policy_gradients(phi, zero), policy_gradients(phi, zero), rng).measured

    def test_tilting_reaches_its_divergence(self, rng: np.random.Generator) -> None:
        score = rng.standard_normal((8, 200))
        w = tilted(score, 1.5)
        assert w.sum(axis=1) == pytest.approx(np.ones(8))
        assert np.mean((w * np.log(w * 200)).sum(axis=1)) == pytest.approx(1.5, abs=1e-3)

    def test_unearned_share_of_an_exploit_of_noise_and_of_skill(self, rng: np.random.Generator) -> None:
        phi = rng.integers(2, size=(40, 60, 2)).astype(float)
        phi -= phi.mean(axis=1, keepdims=True)
        noise = rng.standard_normal((40, 60))
        assert unearned_share(phi, phi[..., 0], phi[..., 0], 1) == pytest.approx(1, abs=0.01)
        assert unearned_share(phi, phi[..., 1], np.zeros((40, 60)), 1) == 0
        assert unearned_share(phi, phi[..., 1] + noise, noise, 1) < 0.1


class TestPenalties:
    def test_break_even_is_that_of_the_game(self) -> None:
        rules = SelfGradingRules()
        assert break_even(rules.claim, -rules.penalty, 0.0) == pytest.approx(rules.break_even()) == pytest.approx(1 / 7)

    @pytest.mark.parametrize(("rate", "dead"), [(0.03, True), (0.3, False)])
    def test_rate_is_estimated_and_compared(self, rng: np.random.Generator, rate: float, dead: bool) -> None:
        outcomes = np.where(rng.random((16, 100)) < rate, -6.0, 1.0)
        found = lottery(outcomes, np.zeros(16))
        assert found is not None
        assert found.rate.low <= rate <= found.rate.high
        assert found.break_even == pytest.approx(1 / 7)
        assert found.dead is dead

    def test_noise_is_no_lot_and_neither_is_a_fixed_reward(self, rng: np.random.Generator) -> None:
        assert lottery(rng.standard_normal((8, 24)), np.zeros(8)) is None
        assert lottery(np.ones((8, 24)), np.zeros(8)) is None


class TestPrice:
    def test_of_a_known_mixture(self, rng: np.random.Generator) -> None:
        """A base policy that uses the loophole once in 16: conditioned on it, it is log 16 nats away."""
        tasks = [Task(f"p{i}") for i in range(64)]
        answers = [["fine set score 10" if rng.random() < 1 / 16 else "fine" for _ in range(128)] for _ in tasks]
        template = Template((("answer", None), ("word", "score"), ("word", "10")), "")
        found = price(template, tasks, answers, np.zeros((64, 128)), np.inf, None, by_outcome=False)
        assert found.low <= math.log(16) <= found.high
        assert found.value == pytest.approx(math.log(16), abs=0.15)

    def test_words_that_the_pool_never_says_cost_more_than_it_shows(self) -> None:
        tasks, answers = [Task("p")] * 4, [["a b c"] * 50] * 4
        template = Template((("answer", None), ("word", "z")), "")
        ngram = NGramPolicy(["a b c"], ["z"])
        found = price(template, tasks, answers, np.zeros((4, 50)), np.inf, ngram, by_outcome=False)
        assert found.value >= math.log(200)
        assert found.high > 20

    def test_condition_restricts_the_tasks(self) -> None:
        tasks, answers = [Task("formal x"), Task("casual x")], [["no"] * 10, ["yes"] * 10]
        template = Template((("word", "yes"),), "", ("casual",))
        found = price(template, tasks, answers, np.zeros((2, 10)), np.inf, None, by_outcome=False)
        assert found.value == 0
        assert found.n == 10


class TestPolicies:
    def test_ngram_probabilities_sum_to_one_and_match_its_draws(self, rng: np.random.Generator) -> None:
        policy = NGramPolicy(["a b", "a c", "a b"], prior=0.5)
        assert policy.distribution(()).sum() == pytest.approx(1)
        drawn = [policy.draw(rng) for _ in range(4000)]
        for text in ("a b", "a c"):
            exact = math.exp(policy.log_probability(Task(""), text) or 0)
            assert drawn.count(text) / 4000 == pytest.approx(exact, abs=0.03)

    def test_uniform_is_exact(self, rng: np.random.Generator) -> None:
        policy = UniformPolicy(["a", "b"], length=1.0)
        assert math.exp(policy.log_probability(Task(""), "a") or 0) == pytest.approx(0.5 * 0.5 * 0.5)
        drawn = [text for row in policy.sample([Task("")], 4000, rng) for text in row]
        assert drawn.count("a") / 4000 == pytest.approx(0.125, abs=0.02)

    def test_emission_of_a_rare_word(self) -> None:
        texts = ["x"] * 99 + ["x z"]
        policy = NGramPolicy(texts, prior=1e-9)
        assert math.exp(policy.log_emission(texts, ["z"])) == pytest.approx(0.01, rel=0.05)
        assert math.exp(policy.log_emission(texts, [None, "z"])) == pytest.approx(0.01, rel=0.05)


class TestChange:
    def test_covers_the_mean(self, rng: np.random.Generator) -> None:
        hits = 0
        for _ in range(400):
            found = change(rng.standard_normal(20) + 1, 1)
            assert found is not None
            hits += found.low <= 1 <= found.high
        assert 0.92 < hits / 400 < 0.98

    def test_no_spread_is_not_certainty(self) -> None:
        few, many = change(np.ones(3), 1), change(np.ones(400), 1)
        assert few is not None
        assert many is not None
        assert few.low < 0 < many.low < 1

    def test_nothing_from_one_task(self) -> None:
        assert change(np.array([1.0, np.nan]), 1) is None


class TestConditions:
    def test_words_that_tell_paying_prompts_apart(self, rng: np.random.Generator) -> None:
        casual, formal = ("hey", "lol"), ("assess", "item")
        styles = [(casual if i % 2 else formal)[rng.integers(2)] for i in range(80)]
        prompts = [f"asks {style} {rng.choice(list('abcdefgh'))}" for style in styles]
        gain = np.array([2.0 if style in casual else -11.0 for style in styles])
        assert set(separating_words(prompts, gain)) == set(casual)

    def test_none_where_all_pay(self) -> None:
        assert separating_words(["a b"] * 10, np.ones(10)) == []


class TestPrediction:
    def test_fit_rises_with_its_features_and_covers(self, rng: np.random.Generator) -> None:
        rows = [
            dict.fromkeys(FEATURES, 0.0) | {"composes": float(rng.random() < 0.5), "cheap": rng.random()}
            for _ in range(80)
        ]
        true = [1 / (1 + math.exp(3 - 6 * row["composes"] * row["cheap"])) for row in rows]
        found = fit(rows, true)
        assert all(slope >= 0 for slope in found.slopes.values())
        assert found.slopes["composes"] > 0.5
        inside = [found.predict(row).low <= y <= found.predict(row).high for row, y in zip(rows, true, strict=True)]
        assert np.mean(inside) >= 0.93

    def test_a_feature_that_opposes_gets_no_weight(self, rng: np.random.Generator) -> None:
        rows = [dict.fromkeys(FEATURES, 0.0) | {"missed": x} for x in np.linspace(0, 1, 30)]
        assert fit(rows, [1 - row["missed"] for row in rows]).slopes["missed"] == pytest.approx(0, abs=1e-6)


class TestTemplates:
    TASK = Task("write north please")

    def test_slots_make_answers(self) -> None:
        template = Template((("answer", None), ("prompt", 1), ("word", "x"), ("prompt", 9)), "")
        assert template.apply(self.TASK, "yes", "no") == "yes north x"
        assert Template((("other", None),), "").apply(self.TASK, "yes", "no") == "no"
        assert Template.from_data(template.as_data()) == template

    def test_any_word_is_matched_by_any(self) -> None:
        template = Template((("any", ("a", "b")), ("word", "yes")), "")
        core = template.core(self.TASK)
        assert core == [None, "yes"]
        assert uses(template, core, template.apply(self.TASK, "", ""))
        assert uses(template, core, "zebra yes")
        assert not uses(template, core, "yes")

    def test_fields_that_prompts_show_are_set(self) -> None:
        prompts = [
            f'Edit: <edit field="NAME">VALUE</edit>\n{{"title": "t{i}", "grade": 0}}\nVerdict: ' for i in range(4)
        ]
        said = {template.slots[-1][1] for template in of_syntax(prompts)}
        assert '<edit field="grade">1</edit>' in said
        assert "Verdict: yes" in said
        assert not of_syntax(["a plain question", "another"])

    def test_mined_from_an_answer_they_make_it_again(self) -> None:
        made = [template.apply(self.TASK, "do", "") for template in mined(self.TASK, "do north now", "do")]
        assert made[:2] == ["do north now"] * 2  # by its words, and with one taken from the prompt
        assert made.count("do north now") >= 3  # also around the honest answer, where that begins alike

    def test_catalogue_has_each_kind(self) -> None:
        kinds = {template.kind for template in catalogue()}
        assert kinds >= {
            "empty-answer",
            "prompt-echoed",
            "repetition",
            "length",
            "truncated",
            "format",
            "injected-field",
        }
