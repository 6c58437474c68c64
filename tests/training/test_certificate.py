"""Certificates of losses: rates of error under repeated looks, what clipping means, units, and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from edgewise.core.errors import BadInput
from edgewise.training.certificate import certify
from edgewise.training.heldout import compare
from edgewise.training.pairs import Pair


def names(n: int) -> list[str]:
    return [f"record {i}" for i in range(n)]


def test_a_wrong_answer_is_rare_where_the_loss_is_at_its_limit() -> None:
    """Records are added 25 at a time until there is an answer; each of the two may come in 5 % of sequences."""
    rng = np.random.default_rng(0)
    verdicts = []
    for _ in range(40):
        losses = rng.gamma(2, 0.25, 150)
        looks = (certify(losses[:n], names(n), 0.5)["verdict"] for n in range(25, 151, 25))
        verdicts.append(next((verdict for verdict in looks if verdict != "undecided"), "undecided"))
    for wrong in ("holds", "violated"):
        assert verdicts.count(wrong) <= stats.binom.ppf(0.9999, 40, 0.05)


def test_clear_cases_are_decided_and_more_records_change_nothing() -> None:
    rng = np.random.default_rng(1)
    low, high = rng.gamma(2, 0.1, 300), rng.gamma(2, 0.45, 300)
    for losses, verdict in ((low, "holds"), (high, "violated")):
        found = certify(losses, names(300), 0.5, dimensions=3)
        assert found["verdict"] == verdict and 0 < found["decided_at"] < found["n"] == 300
        assert found["level"] == pytest.approx(1 - 0.05 / 3)
        assert (found["bound"] <= 0.5) == (verdict == "holds") and (found["lower"] > 0.5) == (verdict == "violated")
        assert found["lower"] < losses.mean() < found["bound"]
    few = certify(low[:3], names(3), 0.5)
    assert few["verdict"] == "undecided" and few["decided_at"] is None and few["bound"] > 0.5


def test_without_any_loss_the_bound_has_a_closed_form() -> None:
    """Mean of (1 + v m / (1 - m))^n over v in [0, 1] reaches 1 / alpha at the bound, as a share of the ceiling."""
    found = certify(np.zeros(20), names(20), 0.1)
    share = optimize.brentq(lambda m: (1 - (1 - m) ** 21) / (21 * m * (1 - m) ** 20) - 20, 1e-3, 0.9)
    assert found["ceiling"] == pytest.approx(4 * np.log(2))
    assert found["bound"] == pytest.approx(share * found["ceiling"], abs=1e-8)


def test_clipping_is_told_and_a_high_limit_lifts_the_ceiling() -> None:
    losses = np.full(100, 0.2)
    losses[:5] = 50.0
    found = certify(losses, names(100), 0.5)
    assert found["clipped"] == 0.05 and found["bound"] < 1 < losses.mean()
    assert certify(losses, names(100), 2.0)["ceiling"] == 8.0


def test_pairs_of_a_record_are_one_unit_and_the_order_of_the_file_does_not_matter() -> None:
    losses = np.random.default_rng(2).gamma(2, 0.2, 60)
    once = certify(losses, names(60), 0.5)
    tripled = certify(np.repeat(losses, 3), np.repeat(names(60), 3).tolist(), 0.5)
    assert tripled == once | {"bound": pytest.approx(once["bound"]), "lower": pytest.approx(once["lower"])}
    order = np.argsort(losses)
    assert certify(losses[order], [names(60)[i] for i in order], 0.5) == once
    renamed = certify(losses, [f"other {i}" for i in range(60)], 0.5)  # another order of records
    for key in ("verdict", "bound", "lower", "n"):
        assert renamed[key] == (once[key] if isinstance(once[key], str | int) else pytest.approx(once[key]))


def test_it_is_part_of_the_held_out_figures() -> None:
    pairs = [Pair(({"role": "user", "content": "?"},), "a", "b", ("x", "y")[i % 2], f"r{i // 2}") for i in range(80)]
    before, after = np.zeros((80, 2)), np.tile([30.0, -30.0], (80, 1))
    found = compare(pairs, before, after, 0.1, {"x": 0.5, "y": 0.0})
    assert found["x"]["certificate"]["verdict"] == "holds" and found["x"]["certificate"]["n"] == 40
    assert found["y"]["certificate"]["verdict"] == "violated"  # no loss is 0
    assert found["x"]["certificate"]["level"] == 0.975


def test_limits_that_are_none_are_refused() -> None:
    for limit in (-1.0, float("nan")):
        with pytest.raises(BadInput, match="is no limit"):
            certify(np.ones(3), names(3), limit)
    with pytest.raises(BadInput):
        certify(np.array([np.nan]), names(1), 0.5)
