"""Q-learners in repeated games: the compiled engine does what the readable one does, and each market stands alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
import pytest

from edgewise.society import repeated
from edgewise.society.repeated import Learned, Learning, first_values, learn, learn_reference

Engine = Callable[..., Learned]
FIELDS = ("policies", "values", "rounds", "converged", "last")
DILEMMA = np.array([[[3, 0], [5, 1]], [[3, 5], [0, 1]]], dtype=float)
QUICK = Learning(decay=1e-3, steps=8_000, settled=1_000)


@pytest.fixture
def without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated, "_compiled", lambda: None)


def game(seats: int, size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seats, size, seed]).normal(size=(seats, *[size] * seats))


def tied(seats: int, size: int) -> np.ndarray:
    """Payoffs of few values, so that actions are as good as each other."""
    return np.random.default_rng([seats, size]).integers(0, 2, (seats, *[size] * seats)).astype(float)


def logit(size: int = 7) -> np.ndarray:
    prices = np.linspace(1.4, 2.0, size)
    pull = np.exp((2 - prices) / 0.25)
    share = pull[:, None] / (1 + pull[:, None] + pull[None, :])
    first = (prices - 1)[:, None] * share
    return np.stack([first, first.T])


def assert_same(one: Learned, other: Learned) -> None:
    for name in FIELDS:
        a, b = getattr(one, name), getattr(other, name)
        assert a.shape == b.shape, name
        np.testing.assert_array_equal(a, b, err_msg=name)


def cases() -> Iterator[object]:
    payoffs = {
        "dilemma": DILEMMA,
        "logit": logit(),
        "two seats": game(2, 4),
        "three seats": game(3, 3),
        "four seats": game(4, 2),
        "one action": game(2, 1),
        "ties": tied(2, 4),
        "ties of three": tied(3, 3),
    }
    for (name, table), memory, discount in product(payoffs.items(), (0, 1), (0.0, 0.6, 0.95)):
        yield pytest.param(table, memory, discount, id=f"{name}, memory {memory}, discount {discount}")


@pytest.mark.parametrize(("payoffs", "memory", "discount"), list(cases()))
def test_compiled_equals_reference(payoffs: np.ndarray, memory: int, discount: float) -> None:
    learning = Learning(discount=discount, memory=memory, decay=2e-3, steps=3_000, settled=400)
    assert_same(learn(payoffs, learning, range(6)), learn_reference(payoffs, learning, range(6)))


@pytest.mark.parametrize("rate", [0.01, 0.5, 1.0])
@pytest.mark.parametrize("decay", [1e-5, 1e-2, 1.0])
def test_compiled_equals_reference_whatever_the_rates(rate: float, decay: float) -> None:
    learning = Learning(rate=rate, decay=decay, steps=3_000, settled=500)
    assert_same(learn(logit(), learning, range(5)), learn_reference(logit(), learning, range(5)))


def test_it_is_numba_that_is_compared() -> None:
    """Where numba is there. Else the tests above compare the reference with itself, and say nothing."""
    pytest.importorskip("numba")
    assert repeated._compiled() is not None


def test_the_same_seeds_give_the_same() -> None:
    assert_same(learn(logit(), QUICK, [3, 1, 4]), learn(logit(), QUICK, [3, 1, 4]))


@pytest.mark.parametrize("train", [learn, learn_reference])
def test_a_market_depends_on_its_own_seed_alone(train: Engine) -> None:
    seeds = [11, 5, 2**40, 0, 7, 23]
    everyone = train(logit(), QUICK, seeds)
    chosen = [4, 0, 2]
    some = train(logit(), QUICK, [seeds[i] for i in chosen])
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(some, name), getattr(everyone, name)[chosen], err_msg=name)


def test_markets_of_other_seeds_are_others() -> None:
    learned = learn(logit(), QUICK, range(8))
    assert len({values.tobytes() for values in learned.values}) == 8


def test_seeds_may_be_an_array() -> None:
    assert_same(learn(DILEMMA, QUICK, np.array([2, 9])), learn(DILEMMA, QUICK, [2, 9]))


def test_no_markets() -> None:
    learned = learn(DILEMMA, QUICK, [])
    assert learned.policies.shape == (0, 2, 4) and learned.rounds.shape == (0,)


def test_shapes() -> None:
    learned = learn(game(3, 2), QUICK, range(4))
    assert learned.policies.shape == (4, 3, 8)
    assert learned.values.shape == (4, 3, 8, 2)
    assert learned.rounds.shape == learned.converged.shape == learned.last.shape == (4,)
    forgetful = learn(game(3, 2), Learning(memory=0, steps=100), range(4))
    assert forgetful.policies.shape == (4, 3, 1)
    assert not forgetful.last.any()


@pytest.mark.parametrize("train", [learn, learn_reference])
def test_convergence(train: Engine) -> None:
    soon = train(DILEMMA, Learning(decay=1e-2, discount=0.5, steps=50_000, settled=2_000), range(5))
    assert soon.converged.all()
    assert (soon.rounds >= 2_000).all() and (soon.rounds < 50_000).all()
    never = train(DILEMMA, Learning(decay=1e-2, steps=500, settled=501), range(5))
    assert not never.converged.any()
    assert (never.rounds == 500).all()


@pytest.mark.parametrize("train", [learn, learn_reference])
def test_a_market_that_settled_stops(train: Engine) -> None:
    """What the others still do does not touch it: it ends where it ends if it is alone, with more steps or fewer."""
    learning = Learning(decay=5e-3, steps=20_000, settled=1_500)
    together = train(logit(5), learning, range(6))
    settled = np.flatnonzero(together.converged)
    assert len(settled) > 1 and len(set(together.rounds[settled])) > 1
    longer = train(logit(5), Learning(decay=5e-3, steps=40_000, settled=1_500), settled.tolist())
    np.testing.assert_array_equal(longer.rounds, together.rounds[settled])
    np.testing.assert_array_equal(longer.values, together.values[settled])


def test_policies_are_greedy_and_the_last_state_is_one() -> None:
    learned = learn(game(3, 3), QUICK, range(4))
    np.testing.assert_array_equal(learned.policies, learned.values.argmax(-1))
    assert ((learned.last >= 0) & (learned.last < 27)).all()


def test_without_memory_and_future_they_learn_to_defect() -> None:
    learned = learn(DILEMMA, Learning(memory=0, discount=0.0, decay=1e-3, steps=20_000, settled=5_000), range(20))
    assert learned.converged.all() and (learned.policies == 1).all()


def test_the_state_is_the_last_profile_with_seat_0_first() -> None:
    """Seat 0 has a dominant action 2, seat 1 a dominant action 1: greedy play ends in state 2 * 3 + 1."""
    payoffs = np.zeros((2, 3, 3))
    payoffs[0, 2, :] = payoffs[1, :, 1] = 1.0
    learned = learn(payoffs, Learning(decay=1e-2, discount=0.3, steps=20_000, settled=5_000), range(5))
    assert learned.converged.all()
    assert (
        (learned.last == 7).all() and (learned.policies[:, 0, 7] == 2).all() and (learned.policies[:, 1, 7] == 1).all()
    )


def test_values_come_to_the_closed_form() -> None:
    """The only action, for ever, pays r / (1 - discount)."""
    payoffs = np.full((2, 1, 1), 2.0)
    payoffs[1] = 3.0
    learned = learn(payoffs, Learning(rate=0.5, discount=0.9, steps=2_000, settled=3_000), [0])
    np.testing.assert_allclose(learned.values.ravel(), [20.0, 30.0])


def test_without_numba_it_is_the_reference(without_numba: None) -> None:
    assert_same(learn(logit(), QUICK, range(3)), learn_reference(logit(), QUICK, range(3)))


def test_numba_that_is_not_there_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "edgewise.society.repeated_compiled", None)
    assert repeated._compiled.__wrapped__() is None  # as it is the first time, before the answer is kept


@pytest.mark.parametrize("seats", [2, 3])
def test_first_values_are_those_against_rivals_at_random(seats: int) -> None:
    payoffs, discount = game(seats, 3), 0.9
    found = first_values(payoffs, discount, states=5)
    assert found.shape == (seats, 5, 3)
    for seat, action in product(range(seats), range(3)):
        met = [payoffs[(seat, *p)] for p in product(range(3), repeat=seats) if p[seat] == action]
        np.testing.assert_allclose(found[seat, :, action], np.mean(met) / (1 - discount))
