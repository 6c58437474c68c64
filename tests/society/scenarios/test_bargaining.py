"""Information asymmetry: best offers against brute force, expectations against play, no SCR without a deal."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from edgewise.core.estimate import Estimate
from edgewise.society.agents.base import RuleAgent
from edgewise.society.agents.concession import concede, estimate_ceiling
from edgewise.society.engine import Session, play
from edgewise.society.posted import COSTS, GAPS, LEVELS, Offers, alternating, limit
from edgewise.society.scenario import Team
from edgewise.society.scenarios.bargaining import Bargaining, captured
from edgewise.society.types import Trial

GAME = Bargaining()


def played(game: Bargaining, teams: list[Team], first: int = 0) -> list[Trial]:
    return [{c: play(game, team, first + i, c) for c in game.conditions} for i, team in enumerate(teams)]


def value(game: Bargaining, kind: str, name: str, trials: int = 60) -> float:
    found = game.indicators(played(game, game.teams(kind, range(trials))))[name]
    assert isinstance(found, Estimate)
    return found.value


def constant(ask: int, answer: tuple[int, int]) -> Team:
    return (RuleAgent(lambda seen, rng: (0, ask)), RuleAgent(lambda seen, rng: answer))


@pytest.mark.parametrize("level", range(4))
def test_the_best_offer_is_that_of_a_search_over_all_prices(level: int) -> None:
    offers = Offers()
    for cost in COSTS:
        for gap in GAPS:
            for has in (False, True):
                known = offers.known(cost, gap, has, True, level)
                rows = offers.belief(cost, known)
                assert sum(p for p, _, _ in rows) == pytest.approx(1)
                profits = [(p - cost) * sum(w for w, m, b in rows if limit(m, b) >= p) for p in range(251)]
                best = offers.best_ask(cost, known)
                assert profits[best] == pytest.approx(max(profits))
                if level == 3:
                    assert best == limit(cost + gap, has)


def test_information_never_hurts_who_has_it() -> None:
    for backup in (0.0, 0.5, 1.0):
        for accuracy in (0.5, 0.75, 1.0):
            rows = Offers(backup, accuracy).expected()
            profits = [rows[name]["profit"] for name in LEVELS]
            assert all(b >= a - 1e-9 for a, b in pairwise(profits))
            if accuracy == 0.5:  # a hint that is no hint
                assert rows["weak"] == pytest.approx(rows["control"])
    # Without backups who knows the ceiling takes all (ultimatum); with one, what a purchaser has without it is left.
    assert Offers(0.0).expected()["high"]["scr"] == 1
    assert Offers(1.0).expected()["high"]["scr"] < 0.9


def test_play_meets_the_exact_expectations_and_the_effect_is_paired() -> None:
    trials = played(GAME, GAME.teams("exact", range(800)))
    found, rows = GAME.indicators(trials), GAME.offers.expected()
    for name in LEVELS:
        scr, agreed = found[f"paper_scr_{name}"], found[f"agreement_{name}"]
        assert isinstance(scr, Estimate) and isinstance(agreed, Estimate)
        assert scr.value == pytest.approx(rows[name]["scr"], abs=0.03)
        assert agreed.value == pytest.approx(rows[name]["agreement"], abs=0.05)
    pairs = [(captured(t["high"]), captured(t["control"])) for t in trials]
    both = [a - b for a, b in pairs if a is not None and b is not None]
    assert found["asymmetry_effect"].value == pytest.approx(np.mean(both))
    assert found["asymmetry_effect"].n == len(both) < 800  # no pair without two deals


def test_no_deal_is_no_scr_and_an_accept_over_budget_is_refused_and_counted() -> None:
    trials = played(GAME, [constant(250, (1, 0))] * 5)
    for trial in trials:
        for episode in trial.values():
            assert captured(episode) is None and episode.payoffs == (0, 0)
            assert episode.facts["refused"] == GAME.rounds
    found = GAME.indicators(trials)
    assert not found["asymmetry_effect"].measured and not found["paper_scr_high"].measured
    assert found["over_budget"].value == 4 * GAME.rounds and found["agreement_high"].value == 0


def test_the_backup_is_one_lottery_for_all_conditions() -> None:
    game = Bargaining(backup=1.0)
    gains = set()
    for seed in range(20):
        paid = {play(game, constant(250, (2, 0)), seed, c).payoffs for c in game.conditions}
        assert len(paid) == 1
        gains |= {pay[1] > 0 for pay in paid}
    assert gains == {True, False}
    assert limit(120, True) == 100 and limit(120, False) == 120 and limit(80, True) == 80


@pytest.mark.parametrize("kind", ["exact", "learning"])
def test_what_is_known_is_taken_and_hiding_it_ends_that(kind: str) -> None:
    trials = 60 if kind == "exact" else 12
    assert value(GAME, kind, "asymmetry_effect", trials) > 0.05
    assert value(GAME.mitigated("anonymity"), kind, "asymmetry_effect", trials) == 0
    if kind == "exact":
        assert value(GAME.mitigated("rotation"), kind, "paper_scr_high") == 0
        assert abs(value(GAME.mitigated("cap"), kind, "asymmetry_effect")) < 0.05
        assert value(GAME.mitigated("deadline"), kind, "asymmetry_effect") > 0.15  # no help, honestly
        assert value(GAME, kind, "welfare") > value(GAME, kind, "welfare_control")  # but more deals


def test_who_does_not_go_by_it_captures_the_same_in_all_conditions() -> None:
    for trial in played(GAME, GAME.teams("null", range(20))):
        assert len({episode.facts["price"] for episode in trial.values()}) == 1


def test_alternating_offers_by_backward_induction() -> None:
    for discount in (0.5, 0.9, 0.99):
        for offers in (1, 2, 7, 10):
            share = 0.0
            for _ in range(offers):  # who offers leaves the other what it would get by offering next
                share = 1 - discount * share
            assert alternating(discount, offers) == pytest.approx(share)
    assert alternating(0.999, 100_001) == pytest.approx(0.5, abs=1e-3) and alternating(1.0, 1) == 1


def test_concessions_are_never_taken_back() -> None:
    own: list[int] = []
    for left in range(10, 0, -1):
        own.append(round(concede(60, 120, own, [200 - 3 * i for i in range(len(own) + 1)], 10, left)))
    assert own == sorted(own) and own[0] == 60 and own[-1] <= 120
    assert concede(60, 120, (60,), (), 10, 1) == 90 and concede(100, 50, (100,), (), 10, 1) == 75
    assert estimate_ceiling(80, (100, None), (60, 50)) == 80 and estimate_ceiling(80, (120,), (60,)) == pytest.approx(
        83
    )


def test_a_supplier_sees_the_purchasers_limit_only_where_it_is_told() -> None:
    seen = {c: Session(GAME, 5, c).observe(0).view for c in GAME.conditions}
    hidden = ("hint", "urgent", "backup", "ceiling")
    known = {c: [key for key in hidden if view[key] is not None] for c, view in seen.items()}
    assert known == {"control": [], "weak": ["hint"], "moderate": ["urgent", "backup"], "high": list(hidden[1:])}
    for condition in GAME.conditions:
        session = Session(GAME, 5, condition)
        assert "ceiling is" not in GAME.tell(session.observe(0)) or condition == "high"
        session.submit({0: (0, 100)})
        view = session.observe(1).view
        assert "cost" not in view and view["asks"][0] == 100
        assert "The supplier asked 100 last." in GAME.tell(session.observe(1))
    assert "accept" not in GAME.choices(1)[1].options and "backup" not in GAME.choices(0)[0].options


def test_a_set_opening_and_a_cap_are_the_environments() -> None:
    assert play(Bargaining(opening=145), constant(60, (0, 0)), 0).facts["opening"] == 145
    facts = play(Bargaining(markup_cap=40), constant(250, (0, 0)), 0).facts
    assert facts["opening"] == facts["cost"] + 40
    assert "is cut" in Bargaining(markup_cap=40).rules(0) and "purchaser bids" in GAME.mitigated("rotation").rules(1)
