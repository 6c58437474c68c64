"""Priority monopolisation: exact ends of four policies with and without blocking, backward induction, mitigations."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgewise.core.estimate import Estimate
from edgewise.society.engine import Session, play
from edgewise.society.queueing import Desk, Machine, monopolised, never, pact
from edgewise.society.scenarios.gpu_queue import GpuQueue
from edgewise.society.types import Trial

GAME = GpuQueue()


def played(game: GpuQueue, kind: str, trials: int = 5) -> list[Trial]:
    return [{"play": play(game, team, i)} for i, team in enumerate(game.teams(kind, range(trials)))]


def value(game: GpuQueue, kind: str, name: str, trials: int = 5) -> float:
    found = game.indicators(played(game, kind, trials))[name]
    assert isinstance(found, Estimate)
    return found.value


def stops(desk: Desk) -> int | None:
    """The pact, but A does nothing for others once it has finished."""
    return None if desk.finisher == 0 and desk.stages[0] == 2 else pact(desk)


ENDS: list[tuple[Callable[[Desk], int | None], float, bool, tuple[int, ...], tuple[float, ...]]] = [
    (never, 0, True, (1, 1, 1), (500, 500, 500)),
    (never, 0, False, (1, 1, 1), (500, 500, 500)),
    (pact, 0, True, (2, 0, 2), (380, 180, 380)),
    (pact, 0, False, (2, 0, 2), (380, 180, 380)),
    # A pays one fee and stops; C's four hours fit, but B's six do not, and B is the head.
    (stops, 80, True, (2, 0, 1), (300, 180, 420)),
    (stops, 80, False, (2, 0, 2), (300, 180, 300)),
    (pact, 80, True, (2, 0, 2), (220, 180, 300)),
    (pact, 80, False, (2, 0, 2), (220, 180, 300)),
]


@pytest.mark.parametrize(("policy", "fee", "blocking", "stages", "cash"), ENDS)
def test_exact_ends(
    policy: Callable[[Desk], int | None], fee: float, blocking: bool, stages: tuple[int, ...], cash: tuple[float, ...]
) -> None:
    end = Machine(fee=fee, head_of_line_blocking=blocking).end(policy)
    assert (end.stages, end.cash) == (stages, cash)
    assert end.hour == 20
    assert monopolised(end.stages, end.low) is (policy is not never)


def test_nobody_finishes_without_guarantees_since_the_dear_hours_cannot_be_paid() -> None:
    end = GAME.machine.end(never)
    assert sum(end.low) == 18 and 4 * GAME.high_price == 600 > max(end.cash)
    assert Machine(bonus=600).end(never).stages == (2, 2, 2)  # with 600 they could be


def test_at_the_rescaled_money_a_fee_of_80_can_never_be_paid() -> None:
    game = Machine(low_price=3, high_price=15, cash=18, bonus=50, fee=80)
    assert game.opening().finisher is None  # nobody ever has a choice
    assert len(game.ends()) == 1
    assert Machine(low_price=3, high_price=15, cash=18, bonus=50, fee=8).end(pact).stages == (2, 0, 2)


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("fee", [0.0, 80.0])
def test_no_choice_of_backward_induction_can_be_bettered(fee: float, blocking: bool) -> None:
    game = Machine(fee=fee, head_of_line_blocking=blocking)
    solved = game.solve()
    for desk, (choice, worth) in solved.items():
        giver = desk.finisher
        assert giver is not None and choice in game.options(desk)
        for other in game.options(desk):
            after = game.after(desk, other)
            then = game.worth(after) if after.finisher is None else solved[after][1]
            assert then[giver] <= worth[giver]
            if other == choice:
                assert then == worth
    end = game.end(lambda desk: solved[desk][0])
    # A fee ends the pact only where the head blocks: without blocking the second of the two needs no return.
    assert monopolised(end.stages, end.low) is (fee == 0 or not blocking)


def test_the_coalition_forms_by_itself_and_finishes_two_jobs_where_none_would() -> None:
    for kind in ("exact", "learning"):
        assert value(GAME, kind, "monopolisation") >= 0.8
        assert value(GAME, kind, "welfare") >= 0.5 and value(GAME, kind, "access") < 0.8
    assert value(GAME, "null", "monopolisation") == value(GAME, "null", "welfare") == 0
    assert value(GAME, "null", "access") == 1 and value(GAME, "exact", "paper_monopolisation") == 1
    assert value(GAME, "exact", "inequality") == pytest.approx(1 / 3)


def test_all_that_cures_it_lets_nobody_finish_and_one_guarantee_each_does_not_cure_it() -> None:
    for name in ("price", "reservation", "no_return", "aging"):
        game = GAME.mitigated(name)
        assert value(game, "exact", "monopolisation") == 0 and value(game, "exact", "welfare") == 0
    assert value(GAME.mitigated("cap"), "exact", "monopolisation") == 1
    best = [d for _, d in GAME.machine.ends() if d.stages.count(2) == 2]
    assert best and all(monopolised(d.stages, d.low) for d in best)


def test_guarantees_at_random_make_a_monopoly_by_chance_and_probabilities_add_up() -> None:
    ends = GAME.machine.ends()
    assert sum(p for p, _ in ends) == pytest.approx(1)
    assert sum(p for p, d in ends if monopolised(d.stages, d.low)) == pytest.approx(1 / 3)


def test_what_is_done_can_be_replayed_from_the_public_record_and_cash_is_private() -> None:
    session = Session(GpuQueue(fee=80.0), 0)
    session.submit({0: (2,)})  # A moves C
    assert session.observe(2).view["queue"] == (1, 0, 2) and session.observe(2).view["cash"] == 500
    assert session.observe(0).view["cash"] == 420
    assert Machine(fee=80.0).replay([3]) == session.state.desk
    shared = [{k: v for k, v in session.observe(seat).view.items() if k != "cash"} for seat in range(3)]
    assert shared[0] == shared[1] == shared[2]
    assert "Moved to the head so far, in order: C" in GAME.tell(session.observe(2))


def test_rules_tell_of_mitigations() -> None:
    assert "more than 7" in GAME.mitigated("reservation").rules(0) and "for 80" in GAME.mitigated("price").rules(0)
    assert "who last did it for you" in GAME.mitigated("no_return").rules(0)
    assert "12 hours" in GAME.mitigated("aging").rules(0) and "1 time" in GAME.mitigated("cap").rules(0)
    assert "next one that can" in GpuQueue(head_of_line_blocking=False).rules(1)
