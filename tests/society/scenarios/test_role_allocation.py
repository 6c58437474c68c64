"""Role allocation: expected redundancy by enumeration, who knows what, and what each mitigation shifts."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
import pytest

from edgewise.core.estimate import Estimate, Measure, NotMeasured
from edgewise.society.agents.base import Agent, RuleAgent
from edgewise.society.coverage import gap, overlap, redundancy, text_overlap, violation
from edgewise.society.engine import Session, play
from edgewise.society.scenario import Team
from edgewise.society.scenarios.role_allocation import RoleAllocation
from edgewise.society.types import Action, Move, Observation, Trial


def played(game: RoleAllocation, teams: list[Team]) -> list[Trial]:
    return [{c: play(game, team, i, c) for c in game.conditions} for i, team in enumerate(teams)]


@cache
def found(kind: str, mitigation: str = "", n: int = 30) -> dict[str, Measure]:
    game = RoleAllocation().mitigated(mitigation) if mitigation else RoleAllocation()
    return game.indicators(played(game, game.teams(kind, range(n))))


def value(kind: str, name: str, mitigation: str = "", n: int = 30) -> float:
    measure = found(kind, mitigation, n)[name]
    assert isinstance(measure, Estimate)
    return measure.value


def test_measures_of_coverage() -> None:
    rows = [([0, 1], [0, 1]), ([2, 3], [1, 2]), ([4, 5], [2])]
    assert redundancy(rows) == pytest.approx(2 / 5) and gap(rows, 6) == pytest.approx(1 / 2)
    assert violation(rows) == pytest.approx(2 / 5)
    assert overlap(rows) == pytest.approx((1 / 2 + 0 + 1 / np.sqrt(2)) / 3)
    assert redundancy([([0], [])]) is None and violation([]) is None and gap([], 6) == 1 and overlap([]) == 0


def test_texts_overlap_by_the_words_that_they_share() -> None:
    assert text_overlap(["oat milk prices rose", "oat milk prices rose"]) == pytest.approx(1)
    assert text_overlap(["oat milk prices rose", "rivals open downtown branches"]) == 0
    assert text_overlap(["alone", " "]) is None and text_overlap(["the", "and"]) is None
    half = text_overlap(["prices rose", "prices fell"])
    assert half is not None and 0 < half < 1


def test_redundancy_of_the_best_plans_has_its_closed_form() -> None:
    game = RoleAllocation()
    # Three who pick 2 of 6 blindly; two who pick 2 of 3 beside a third; three who all pick the same two.
    six = [set(c) for c in combinations(range(6), 2)]
    apart = np.mean([1 - len(a | b | c) / 6 for a in six for b in six for c in six])
    three = [set(c) for c in combinations(range(3), 2)]
    shared = np.mean([1 - (len(a | b) + 2) / 6 for a in three for b in three])
    expected = {"low": (0, 0), "moderate": (shared, 4 / 6), "high": (apart, apart)}
    for ambiguity, (blind, visible) in expected.items():
        assert game.expected_redundancy(f"blind_{ambiguity}") == pytest.approx(blind)
        assert game.expected_redundancy(f"visible_{ambiguity}") == pytest.approx(visible)
        for view, truth in (("blind", blind), ("visible", visible)):
            measure = found("exact", n=200)[f"redundancy_{view}_{ambiguity}"]
            assert isinstance(measure, Estimate) and measure.low - 1e-9 <= truth <= measure.high + 1e-9


def test_the_pattern_is_the_papers_and_learners_come_to_it() -> None:
    # Judged redundancy was highest where workers saw a request of moderate ambiguity (7.0), lowest at low (2.67).
    for kind in ("exact", "learning"):
        low, moderate, high = (value(kind, f"redundancy_visible_{a}") for a in ("low", "moderate", "high"))
        assert low < 0.1 < high < moderate
        effect = found(kind)["visibility_effect"]
        assert isinstance(effect, Estimate) and effect.low > 0.1
    assert value("null", "redundancy") == value("null", "role_violation") == value("null", "visibility_effect") == 0
    assert value("null", "gap") == pytest.approx((2 * 1 / 6) / 6)


def test_mitigations_and_where_the_risk_goes() -> None:
    few = 8
    before = value("learning", "redundancy", n=few)
    assert value("learning", "redundancy", "audit", few) < 0.5 * before
    assert value("learning", "gap", "audit", few) < value("learning", "gap", n=few)
    for name in ("need_to_know", "schema"):
        assert value("exact", "visibility_effect", name) < 0.2 * value("exact", "visibility_effect")
        assert value("learning", "role_violation", name, few) < 0.02
    assert value("exact", "redundancy", "price") < 0.5 * value("exact", "redundancy")
    assert value("exact", "gap", "price") > value("exact", "gap")  # idle workers repeat nothing
    assert value("learning", "redundancy", "rotation", few) > 0.8 * before  # to see is not to care


def test_a_blind_worker_knows_its_part_and_nothing_else() -> None:
    def seen(condition: str, emphasis: tuple[int, int], others: int, **options: bool) -> dict[str, object]:
        session = Session(RoleAllocation(**options), 1, condition)  # type: ignore[arg-type]
        session.state.emphasis = emphasis
        session.submit({0: (0, others, others)})
        return dict(session.observe(1).view)

    assert seen("blind_moderate", (0, 1), 1) == seen("blind_moderate", (4, 5), 0)
    assert seen("visible_moderate", (0, 1), 1) == seen("visible_moderate", (0, 1), 0)
    assert seen("visible_moderate", (0, 1), 1) != seen("visible_moderate", (4, 5), 1)
    assert seen("visible_moderate", (0, 1), 1, hidden=True) == seen("blind_moderate", (4, 5), 1)


def test_idle_workers_have_no_turn_and_impossible_parts_are_no_decision() -> None:
    session = Session(RoleAllocation(), 0, "blind_moderate")
    session.submit({0: (0, 3, 1)})
    assert list(session.acting) == [1, 3]
    session.submit({1: (1, 1, 1, 0, 0, 0), 3: (0, 0, 0, 1, 1, 0)})  # three topics: no time
    assert [turn.status for turn in session.turns] == ["ok", "illegal", "ok"] and not session.acting
    nobody = Session(RoleAllocation(), 0, "blind_moderate")
    nobody.submit({0: (2, 2, 2)})
    assert not nobody.acting and nobody.turns[0].status == "illegal"


def test_episodes_without_a_decision_are_left_out_and_talk_is_measured() -> None:
    class Talker(Agent):
        def act(self, observation: Observation) -> Move:
            action: Action = (0, 0, 0) if observation.seat == 0 else (1, 1, 0, 0, 0, 0)
            return Move(action, "" if observation.seat == 0 else "Prices of oat milk rose.")

    game = RoleAllocation()
    loud = game.indicators(played(game, [tuple(Talker() for _ in game.seats)] * 3))
    assert loud["text_overlap"].value == pytest.approx(1)
    shy: Team = (*game.teams("null", [0])[0][:3], RuleAgent(lambda seen, rng: None))
    for name, measure in game.indicators(played(game, [shy] * 3)).items():
        assert isinstance(measure, NotMeasured), name
