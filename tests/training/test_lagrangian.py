"""Multipliers: closed forms of the constrained optimum, every rule, projection, averages, and going on from a state."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.optimize import brentq
from scipy.special import expit, log_expit

from edgewise.core.errors import BadInput
from edgewise.training import Constraint, Controller, Multipliers, PreferenceStrata, minimise, train

RULES = [
    Controller(rule="ascent", rate=0.05, average=0.5, ceiling=50),
    Controller(rule="log", rate=0.1, average=0.5, ceiling=50),
    Controller(rule="pid", rate=0.05, proportional=1.0, derivative=0.5, average=0.5, ceiling=50),
]


def share(likes: int, of: int) -> np.ndarray:
    """Pairs on responses 0 and 1 of which ``likes`` prefer 0."""
    return np.array([(0, 1)] * likes + [(1, 0)] * (of - likes))


@pytest.mark.parametrize("controller", RULES, ids=lambda c: c.rule)
@pytest.mark.parametrize("normalise", [True, False])
def test_one_logit_and_two_dimensions_that_pull_apart(controller: Controller, normalise: bool) -> None:
    """With z the scaled margin, l'(z) = sigmoid(z) - q: the constraint binds at the root of l_b(z) = limit, and there
    lambda = -l_a'(z) / l_b'(z)."""
    strata = PreferenceStrata({"a": share(9, 10), "b": share(4, 10)}, 2, beta=1.0)

    def loss(z: float, q: float) -> float:
        return float(-q * log_expit(z) - (1 - q) * log_expit(-z))

    limit = loss(0.8, 0.4)
    z = brentq(lambda x: loss(x, 0.4) - limit, 0.0, 3.0)
    expected = -(expit(z) - 0.9) / (expit(z) - 0.4)
    constraints = {"a": Constraint(weight=1, tolerance=5), "b": Constraint(weight=0, target=limit, tolerance=0)}
    multipliers = Multipliers(constraints, controller.model_copy(update={"normalise": normalise}))
    found = train(strata, multipliers, steps=20_000, rate=0.2)
    assert found.logits[0] - found.logits[1] == pytest.approx(z, rel=0.01)
    assert found.objective == pytest.approx(loss(z, 0.9), rel=0.01)
    assert found.multipliers["b"] == pytest.approx(expected, rel=0.01)
    assert found.multipliers["a"] == pytest.approx(0, abs=2e-4)
    oracle = minimise(strata, constraints)
    assert oracle.multipliers["b"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_a_table_of_responses_reaches_the_known_front(seed: int) -> None:
    rng = np.random.default_rng(seed)
    worth = rng.normal(size=(3, 6))
    worth[2] = -worth[0] + 0.5 * worth[2]  # two dimensions in conflict
    pairs = {}
    for d, name in enumerate(("warm", "true", "new")):
        both = np.array([(i, j) for i in range(6) for j in range(6) if i < j])
        both = both[rng.integers(len(both), size=60)]
        first = rng.random(60) < expit(2 * (worth[d, both[:, 0]] - worth[d, both[:, 1]]))
        pairs[name] = np.where(first[:, None], both, both[:, ::-1])
    strata = PreferenceStrata(pairs, 6, beta=1.0)
    free = minimise(strata, {name: Constraint(tolerance=9) for name in pairs})
    worst = max(free.losses, key=lambda name: free.losses[name])
    constraints = {name: Constraint(tolerance=9) for name in pairs}
    constraints[worst] = Constraint(target=free.losses[worst] - 0.03, tolerance=0.0)
    oracle = minimise(strata, constraints)
    assert free.objective < oracle.objective and oracle.multipliers[worst] > 0.05
    found = train(strata, Multipliers(constraints, RULES[0]), steps=20_000, rate=0.3)
    assert found.objective == pytest.approx(oracle.objective, rel=0.01)
    for name, value in oracle.multipliers.items():
        assert found.multipliers[name] == pytest.approx(value, rel=0.01, abs=1e-3)
    assert found.losses[worst] == pytest.approx(constraints[worst].target, abs=1e-3)


def test_the_loss_is_the_textbook_one_and_its_gradient_that_of_differences() -> None:
    rng = np.random.default_rng(0)
    pairs = np.array([(0, 1), (2, 1), (2, 3)])
    strata, logits = PreferenceStrata({"a": pairs}, 4, beta=0.3), rng.normal(size=4)
    values, gradients = strata.losses(logits)
    margins = 0.3 * (logits[pairs[:, 0]] - logits[pairs[:, 1]])
    assert values["a"] == pytest.approx(np.mean([math.log1p(math.exp(-m)) for m in margins]))
    for k in range(4):
        step = np.eye(4)[k] * 1e-6
        slope = (strata.losses(logits + step)[0]["a"] - strata.losses(logits - step)[0]["a"]) / 2e-6
        assert gradients["a"][k] == pytest.approx(slope, abs=1e-8)


def test_inside_its_tolerance_a_dimension_weighs_what_it_was_given() -> None:
    multipliers = Multipliers({"a": Constraint(), "b": Constraint(weight=3)}, Controller(average=0.0, rate=1.0))
    assert multipliers.weights == {"a": 0.25, "b": 0.75}
    multipliers.update({"a": 2.5})
    assert multipliers.values == {"a": 2.0, "b": 0.0}
    assert multipliers.weights == {"a": 0.5, "b": 0.5}
    for _ in range(6):
        multipliers.update({"a": 0.1})
    assert multipliers.values["a"] == 0.0  # -0.4 each time, and held at 0
    assert multipliers.violations["b"] is None


def test_averages_warmup_interval_and_ceiling() -> None:
    slow = Multipliers({"a": Constraint(tolerance=0)}, Controller(average=0.5, rate=1, warmup=2, every=2, ceiling=3))
    seen = []
    for loss in (4.0, 2.0, 2.0, 2.0, 8.0, 8.0):
        slow.update({"a": loss})
        seen.append(slow.values["a"])
    # Averages: 4, 3, 2.5, 2.25, 5.125, 6.5625; multipliers move at the fourth and the sixth.
    assert seen == [0, 0, 0, 2.25, 2.25, 3] and slow.violations["a"] == 6.5625


def test_a_run_that_goes_on_is_the_same_run() -> None:
    rng = np.random.default_rng(0)
    losses = rng.random((40, 2)) * 2
    for controller in RULES:
        whole, first, second = (Multipliers({"a": Constraint(), "b": Constraint()}, controller) for _ in range(3))
        for row in losses:
            whole.update(dict(zip("ab", row.tolist(), strict=True)))
        for row in losses[:17]:
            first.update(dict(zip("ab", row.tolist(), strict=True)))
        second.restore(json.loads(json.dumps(first.state())))
        for row in losses[17:]:
            second.update(dict(zip("ab", row.tolist(), strict=True)))
        assert second.state() == whole.state()


def test_what_is_wrong_is_said_and_changes_nothing() -> None:
    multipliers = Multipliers({"a": Constraint()})
    before = multipliers.state()
    for losses, message in (({"a": math.nan}, "the loss of a is nan"), ({"c": 1.0}, "no dimension 'c'")):
        with pytest.raises(BadInput, match=message):
            multipliers.update(losses)
    assert multipliers.state() == before
    with pytest.raises(BadInput, match="the state is of b, not of a"):
        multipliers.restore(Multipliers({"b": Constraint()}).state())
    with pytest.raises(BadInput, match="no dimension to constrain"):
        Multipliers({})
    with pytest.raises(BadInput, match="nothing to minimise"):
        Multipliers({"a": Constraint(weight=0)})
    with pytest.raises(ValidationError, match="belong to the rule pid"):
        Controller(proportional=1.0)
