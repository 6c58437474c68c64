"""Games in matrix form against plain enumeration, and against nashpy."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

from edgewise.society.games import StageGame

PRISONERS = StageGame(np.array([[[3, 0], [5, 1]], [[3, 5], [0, 1]]], dtype=float))  # 0 cooperates, 1 defects
PENNIES = StageGame(np.array([[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]], dtype=float))
MEETING = StageGame(np.array([[[2, 0], [0, 1]], [[2, 0], [0, 1]]], dtype=float))

Profile = tuple[int, ...]


def random_game(seed: int, seats: int, whole: bool = False) -> StageGame:
    """Of random sizes. With whole numbers there are ties; without, the game is generic."""
    rng = np.random.default_rng([seed, seats])
    sizes = rng.integers(2, 6 if seats == 2 else 4, size=seats)
    shape = (seats, *sizes)
    return StageGame(rng.integers(0, 4, shape).astype(float) if whole else rng.normal(size=shape))


def games() -> Iterator[Any]:
    for seed in range(50):
        yield pytest.param(random_game(seed, 2), id=f"2-{seed}")
    for seed in range(20):
        yield pytest.param(random_game(seed, 3), id=f"3-{seed}")
        yield pytest.param(random_game(seed, 2, whole=True), id=f"2-ties-{seed}")
        yield pytest.param(random_game(seed, 3, whole=True), id=f"3-ties-{seed}")
    for seed in range(5):
        yield pytest.param(random_game(seed, 4), id=f"4-{seed}")


def profiles(game: StageGame) -> list[Profile]:
    return list(product(*(range(n) for n in game.payoffs.shape[1:])))


def payoff(game: StageGame, seat: int, profile: Profile) -> float:
    return float(game.payoffs[(seat, *profile)])


def moved(profile: Profile, seat: int, action: int) -> Profile:
    return tuple(action if i == seat else a for i, a in enumerate(profile))


def is_stable(game: StageGame, profile: Profile) -> bool:
    return not any(
        payoff(game, seat, moved(profile, seat, action)) > payoff(game, seat, profile)
        for seat in range(game.seats)
        for action in range(game.payoffs.shape[1 + seat])
    )


@pytest.mark.parametrize("game", list(games()))
def test_equilibria_and_optimum_are_those_of_plain_enumeration(game: StageGame) -> None:
    assert game.equilibria() == [profile for profile in profiles(game) if is_stable(game, profile)]
    worth = {profile: sum(payoff(game, seat, profile) for seat in range(game.seats)) for profile in profiles(game)}
    assert worth[game.optimum()] == pytest.approx(max(worth.values()))
    for profile, value in worth.items():
        assert game.worth(profile) == pytest.approx(value)


@pytest.mark.parametrize("game", list(games()))
def test_best_responses_and_dominant_actions_are_those_of_plain_enumeration(game: StageGame) -> None:
    for seat in range(game.seats):
        actions = range(game.payoffs.shape[1 + seat])
        for profile in profiles(game):
            values = [payoff(game, seat, moved(profile, seat, action)) for action in actions]
            assert game.best_response(seat, profile) == values.index(max(values))
        dominant = [
            action
            for action in actions
            if all(
                payoff(game, seat, moved(profile, seat, action)) > payoff(game, seat, profile)
                for profile in profiles(game)
                if profile[seat] != action
            )
        ]
        assert game.dominant(seat) == (dominant[0] if dominant else None)


@pytest.mark.parametrize("game", list(games()))
def test_best_replies_end_in_an_equilibrium_or_not_at_all(game: StageGame) -> None:
    stable = set(game.equilibria())
    for start in profiles(game):
        end = game.best_replies(start, rounds=200)
        assert end is None or end in stable
        if start in stable:
            assert end == start
        if not stable:
            assert end is None


@pytest.mark.filterwarnings("ignore:\\s*An even number")  # rounding costs nashpy some mixed equilibria, no pure ones
@pytest.mark.parametrize("seed", range(50))
def test_pure_equilibria_are_those_of_nashpy(seed: int) -> None:
    nashpy = pytest.importorskip("nashpy")
    game = random_game(seed, 2)
    found = set()
    for mixed in nashpy.Game(*game.payoffs).support_enumeration():
        if all(np.isclose(strategy.max(), 1) for strategy in mixed):
            found.add(tuple(int(strategy.argmax()) for strategy in mixed))
    assert set(game.equilibria()) == found


@pytest.mark.parametrize("seed", range(20))
def test_expected_payoffs_are_those_of_nashpy(seed: int) -> None:
    nashpy = pytest.importorskip("nashpy")
    game = random_game(seed, 2)
    rng = np.random.default_rng(seed)
    mixed = [rng.dirichlet(np.ones(n)) for n in game.payoffs.shape[1:]]
    assert game.expected(mixed) == pytest.approx(nashpy.Game(*game.payoffs)[mixed[0], mixed[1]])


def test_expected_payoffs_of_three_seats_are_a_sum_over_profiles() -> None:
    game = random_game(3, 3)
    rng = np.random.default_rng(3)
    mixed = [rng.dirichlet(np.ones(n)) for n in game.payoffs.shape[1:]]
    for seat, value in enumerate(game.expected(mixed)):
        total = sum(
            payoff(game, seat, profile) * np.prod([mixed[i][a] for i, a in enumerate(profile)])
            for profile in profiles(game)
        )
        assert value == pytest.approx(total)


def test_a_profile_of_mixed_strategies_that_are_pure_pays_what_the_profile_does() -> None:
    game = random_game(4, 3)
    for profile in profiles(game):
        mixed = [np.eye(n)[a] for n, a in zip(game.payoffs.shape[1:], profile, strict=True)]
        assert game.expected(mixed) == pytest.approx(game.payoffs[(slice(None), *profile)])


def test_prisoners_dilemma() -> None:
    assert PRISONERS.equilibria() == [(1, 1)]
    assert PRISONERS.dominant(0) == PRISONERS.dominant(1) == 1
    assert PRISONERS.optimum() == (0, 0)
    assert PRISONERS.worth((0, 0)) == 6 and PRISONERS.worth((1, 1)) == 2
    assert all(PRISONERS.best_replies(start) == (1, 1) for start in profiles(PRISONERS))


def test_matching_pennies_goes_in_circles() -> None:
    assert PENNIES.equilibria() == []
    assert PENNIES.dominant(0) is PENNIES.dominant(1) is None
    assert all(PENNIES.best_replies(start) is None for start in profiles(PENNIES))
    assert PENNIES.expected([np.array([0.5, 0.5])] * 2) == pytest.approx([0, 0])


def test_coordination_has_a_better_and_a_worse_equilibrium() -> None:
    assert MEETING.equilibria() == [(0, 0), (1, 1)]
    assert MEETING.optimum() == (0, 0)
    assert MEETING.dominant(0) is None
    # Seat 0 replies first, so where they end is what seat 1 plays.
    assert [MEETING.best_replies(start) for start in profiles(MEETING)] == [(0, 0), (1, 1), (0, 0), (1, 1)]


def test_who_is_indifferent_stays() -> None:
    flat = StageGame(np.zeros((3, 2, 3, 2)))
    assert flat.equilibria() == profiles(flat)
    assert all(flat.best_replies(start) == start for start in profiles(flat))
    assert flat.optimum() == (0, 0, 0)
    assert flat.dominant(1) is None


def test_a_difference_within_the_tolerance_is_none() -> None:
    payoffs = np.zeros((2, 2, 2))
    payoffs[0, 1] = 1e-12
    assert len(StageGame(payoffs).equilibria()) == 4
    assert len(StageGame(payoffs).equilibria(tolerance=0)) == 2


def test_a_single_action_dominates_nothing() -> None:
    game = StageGame(np.arange(6, dtype=float).reshape(2, 1, 3))
    assert game.dominant(0) is None and game.dominant(1) == 2
    assert game.equilibria() == [(0, 2)]


def test_tabulate_puts_payoffs_where_they_belong() -> None:
    game = StageGame.tabulate([2, 3, 4], lambda profile: [100 * seat + 10 * profile[seat] for seat in range(3)])
    assert game.payoffs.shape == (3, 2, 3, 4)
    for profile in profiles(game):
        assert [payoff(game, seat, profile) for seat in range(3)] == [100 * i + 10 * profile[i] for i in range(3)]
