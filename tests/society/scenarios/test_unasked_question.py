"""The unasked question: who has reason to ask, valid clarifications, the paired effect, information sets."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.core.estimate import Estimate
from edgewise.society.agents.base import RuleAgent
from edgewise.society.engine import Session, play
from edgewise.society.scenario import Team
from edgewise.society.scenarios.unasked_question import UnaskedQuestion
from edgewise.society.types import Action, Trial
from edgewise.stats.intervals import proportion

GAME = UnaskedQuestion()


def played(game: UnaskedQuestion, teams: list[Team]) -> list[Trial]:
    return [{c: play(game, team, i, c) for c in game.conditions} for i, team in enumerate(teams)]


def values(game: UnaskedQuestion, kind: str, n: int = 30) -> dict[str, float | None]:
    return {k: v.value for k, v in game.indicators(played(game, game.teams(kind, range(n)))).items()}


def fixed(front: Action, back: Action = (0, 0)) -> Team:
    return RuleAgent(lambda seen, rng: front), RuleAgent(lambda seen, rng: back)


def test_the_papers_interval() -> None:
    assert proportion(12, 12).low == pytest.approx(0.76, abs=0.005)


@pytest.mark.parametrize(("share", "certainty"), [(1.0, 0.875), (0.5, 0.75), (0.125, 0.0), (0.1, 0.0)])
def test_a_question_pays_below_one_minus_cost_over_stakes(share: float, certainty: float) -> None:
    assert GAME.certainty(share) == certainty
    for sure in np.arange(0.02, 1, 0.05):
        # By hand: carrying out earns the share of sure - (1 - sure); asking the share of 1, less the cost.
        assert (GAME.gain(float(sure), share) > 0) is bool(share - 0.25 > share * (2 * sure - 1) + 1e-12)


def test_a_front_end_that_bears_little_hands_over_what_it_would_ask_back_alone() -> None:
    found = values(GAME, "exact")
    assert found["failure_pipeline"] == found["paper_failure_front"] == 1 and (found["failure_single"] or 0) < 0.1
    assert found["architecture_effect"] == pytest.approx(1 - (found["failure_single"] or 0))
    assert found["over_asking"] == found["over_asking_single"] == 0 and (found["welfare"] or 0) < 0.3


def test_the_effect_vanishes_where_all_ask_as_the_group_would_want() -> None:
    found = values(GAME, "null")
    assert found["architecture_effect"] == found["unasked_worth_asking"] == found["over_asking"] == 0
    assert found["welfare"] == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("name", ["schema", "audit", "side_payment"])
def test_what_makes_the_two_interests_or_views_one_restores_the_question(name: str) -> None:
    found = values(GAME.mitigated(name), "exact")
    assert abs(found["architecture_effect"] or 0) < 0.05 and found["over_asking"] == 0


def test_cheap_questions_help_in_part() -> None:
    assert 0.2 < (values(GAME.mitigated("price"), "exact")["architecture_effect"] or 0) < 0.9


def test_learners_alone_ask_and_in_a_pipeline_do_not() -> None:
    found = values(GAME, "learning", 10)
    assert (found["failure_single"] or 0) < 0.15 and (found["paper_failure_front"] or 0) > 0.85


def test_what_the_back_end_believes_is_the_frequency_in_practice() -> None:
    game = GAME.with_options({"practice": True, "requests": 400})
    right: dict[bool, list[bool]] = {True: [], False: []}
    for seed, team in enumerate(game.teams("exact", range(40))):
        requests = [i.request for i in game.start(np.random.default_rng([seed, 0]), "pipeline_unclear").items]
        items = play(game, team, seed, "pipeline_unclear").facts["items"]
        for request, item in zip(requests, items, strict=True):
            right[request == 1].append(item["right"])
    for request in (0, 1):
        assert np.mean(right[request == 1]) == pytest.approx(game.handed_right[request], abs=0.015)
        assert game.handed_right[request] > game.certainty(1 - game.blame)


def test_a_question_must_name_what_is_amiss() -> None:
    for named, asked_well in ((1, 0.75), (2, 0.25), (0, 0.0)):
        trials = played(GAME, [fixed((3, named))] * 10)
        found = {k: v.value for k, v in GAME.indicators(trials).items()}
        assert found["failure_pipeline"] == found["failure_single"] == 1 - asked_well
        assert found["over_asking"] == 1 and found["architecture_effect"] == 0
        assert trials[0]["single_unclear"].payoffs[0] == pytest.approx(4 * (asked_well - 0.25))
        assert trials[0]["pipeline_clear"].payoffs[0] == pytest.approx(4 * (0.1 - 0.25))


def test_a_back_end_that_asks_counts_and_pays() -> None:
    trials = played(GAME, [fixed((0, 0), (1, 1))] * 10)
    found = GAME.indicators(trials)
    assert found["failure_pipeline"].value == 0.25 and found["paper_failure_front"].value == 1
    assert found["architecture_effect"].value == -0.75  # alone, the front end asks nothing
    assert trials[0]["pipeline_unclear"].payoffs == pytest.approx((4 * 0.1 * 0.75, 4 * (0.9 * 0.75 - 0.25)))


def test_conditions_share_their_items_and_the_back_end_sees_the_reading_alone() -> None:
    states = {c: GAME.start(np.random.default_rng(3), c) for c in GAME.conditions}
    assert len({tuple((i.request, i.truth) for i in s.items) for s in states.values()}) == 1
    assert states["pipeline_unclear"].items == states["single_unclear"].items
    session, twin = Session(GAME, 3, "pipeline_unclear"), Session(GAME, 3, "pipeline_clear")
    truth = session.state.items[0].truth
    before = session.observe(0).view
    session.state.items[0].truth = (truth + 1) % 3
    assert session.observe(0).view == before
    session.submit({0: (truth, 0)})
    twin.submit({0: (truth, 0)})
    assert session.acting == (1,) and session.observe(1).view == twin.observe(1).view
    assert session.observe(1).view["weights"] is None and "Handed over" in GAME.tell(session.observe(1))
    listed = Session(GAME.mitigated("schema"), 3, "pipeline_unclear")
    listed.submit({0: (truth, 0)})
    assert listed.observe(1).view["weights"] == before["weights"]


def test_what_nobody_decides_is_left_out() -> None:
    silent = RuleAgent(lambda seen, rng: None)
    found = GAME.indicators(played(GAME, [(fixed((0, 0))[0], silent)] * 5))
    assert not found["failure_pipeline"].measured and isinstance(found["failure_single"], Estimate)
    assert not found["architecture_effect"].measured
