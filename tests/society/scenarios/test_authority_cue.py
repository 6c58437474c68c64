"""Authority deference: closed forms of what a weight w does, recovery of w, information sets, the printed figures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import fisher_exact, norm

from edgewise.core.estimate import Estimate, NotMeasured
from edgewise.society.agents.base import RuleAgent
from edgewise.society.engine import Session, play
from edgewise.society.scenario import Team
from edgewise.society.scenarios.authority_cue import AuthorityCue
from edgewise.society.types import Action, Observation, Trial


def played(game: AuthorityCue, teams: list[Team]) -> list[Trial]:
    return [{c: play(game, team, i, c) for c in game.played} for i, team in enumerate(teams)]


def value(game: AuthorityCue, kind: str, name: str, n: int = 100) -> Estimate:
    found = game.indicators(played(game, game.teams(kind, range(n))))[name]
    assert isinstance(found, Estimate), found
    return found


def decider(weight: float) -> Team:
    def rule(seen: Observation, rng: np.random.Generator) -> Action:
        against, for_ = seen.view["findings"]
        score = (for_ - against) * math.log(0.7 / 0.3) + weight * (2 * seen.view["senior"] - 1) * (seen.view["cue"] > 0)
        return (int(rng.random() < 1 / (1 + math.exp(-score))),)

    return RuleAgent(rule), RuleAgent(rule)


def test_the_papers_arms_differ_by_fishers_test() -> None:
    assert fisher_exact([[0, 10], [10, 0]]).pvalue == pytest.approx(1.08e-5, rel=0.01)


def test_the_best_reply_to_practice_defers_as_the_binomial_says() -> None:
    # w of 10 years and more is log 9 = 2.2, one finding .85: it turns a lead of 1 in findings, not one of 3.
    game = AuthorityCue()
    turned = math.comb(5, 3) * 0.7**3 * 0.3**2
    assert game.expected_deference(math.log(9), math.log(1.5)) == pytest.approx(turned)
    found = value(game, "exact", "deference")
    assert found.low <= turned <= found.high
    assert game.best_accuracy() == pytest.approx(turned + 5 * 0.7**4 * 0.3 + 0.7**5)


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
def test_w_is_recovered(weight: float) -> None:
    game = AuthorityCue(seated_auditor=False)
    found = game.indicators(played(game, [decider(weight)] * 150))
    w, without = found["w"], found["w_without_cue"]
    assert isinstance(w, Estimate) and isinstance(without, Estimate)
    assert w.low <= weight <= w.high and without.low <= 0 <= without.high
    assert (w.low > 0) is (weight > 0)


def test_d_prime_is_the_difference_of_the_z_scores() -> None:
    game = AuthorityCue(seated_auditor=False)
    p = game.best_accuracy()
    found = value(game, "null", "d_prime", 300)
    assert found.low <= 2 * norm.ppf(p) <= found.high
    assert value(game, "null", "selective", 300).value == pytest.approx(2 * p - 1, abs=0.08)


def test_where_practice_ends_learners_are_near_the_best_there() -> None:
    game = AuthorityCue().with_options({"earned": True})
    teams = game.teams("learning", range(8))
    rights = [
        turn.reward for team in teams for i in range(100) for turn in play(game, team, 10_000 + i).turns if turn.seat
    ]
    assert np.mean(rights) > 0.87  # the best is .900, by the findings alone .837


def test_the_ladder_rises_for_learners_and_the_rank_unseen_does_nothing() -> None:
    game = AuthorityCue()
    found = game.indicators(played(game, game.teams("learning", range(20))))
    values = [found[name].value or 0.0 for name in ("deference_title", "deference", "deference_praise")]
    assert values[0] < values[1] <= values[2] + 0.05
    for mitigation in ("anonymity", "second_opinion"):
        changed = game.mitigated(mitigation)
        assert changed.indicators(played(changed, changed.teams("learning", range(5))))["deference"].value == 0


def test_the_stage_of_the_flip_is_told() -> None:
    def follow(seen: Observation, rng: np.random.Generator) -> Action:
        against, for_ = seen.view["findings"]
        return (seen.view["senior"] if seen.view["cue"] else int(for_ > against),)

    honest = RuleAgent(lambda seen, rng: (int(seen.view["findings"][1] > 2),))
    game = AuthorityCue()
    for auditor, share in ((RuleAgent(follow), 1.0), (honest, 0.0)):
        found = game.indicators(played(game, [(auditor, RuleAgent(follow))] * 5))
        assert found["flip_at_auditor"].value == share
    assert isinstance(game.indicators(played(game, [(honest, honest)] * 5))["flip_at_auditor"], NotMeasured)


def test_conditions_share_their_cases_and_views_hide_the_truth() -> None:
    game = AuthorityCue()
    states = {c: game.start(np.random.default_rng(3), c) for c in game.conditions}
    assert len({tuple((x.truth, x.findings) for x in state.cases) for state in states.values()}) == 1
    assert all((x.senior == x.truth) == c.endswith("right") for c, state in states.items() for x in state.cases)
    session = Session(game, 3, "years_wrong")
    seen = session.observe(0).view
    assert seen["auditor"] is None
    for case in session.state.cases:
        case.truth = 1 - case.truth
    assert session.observe(0).view == seen
    hidden = Session(game.mitigated("evidence_first"), 3, "years_wrong")
    assert hidden.observe(0).view["senior"] is None
    hidden.submit({0: (1,)})
    assert hidden.observe(1).view["senior"] is not None and hidden.observe(1).view["auditor"] == 1


def test_one_seat_is_enough_and_its_words_are_few() -> None:
    game = AuthorityCue(seated_auditor=False, cases=1)
    session = Session(game, 3, "praise_wrong")
    assert tuple(session.acting) == (1,)
    words = game.rules(1) + " " + game.tell(session.observe(1))
    assert len(words.split()) < 200 and "senior consultant" in words
    assert "consultant" not in game.tell(Session(game, 3, "none_wrong").observe(1))


def test_no_pick_is_left_out() -> None:
    game = AuthorityCue()
    mute = RuleAgent(lambda seen, rng: None)
    team = (mute, game.teams("exact", [0])[0][1])
    found = game.indicators(played(game, [team] * 20))
    assert isinstance(found["deference"], Estimate) and isinstance(found["flip_at_auditor"], NotMeasured)


def test_without_the_ladder_deference_is_the_same_and_the_rest_is_not_measured() -> None:
    whole, short = AuthorityCue(), AuthorityCue().with_options({"ladder": False})
    teams = whole.teams("learning", range(30))
    found = [game.indicators(played(game, teams)) for game in (whole, short)]
    assert found[0]["deference"] == found[1]["deference"]
    assert all(isinstance(found[1][name], NotMeasured) for name in ("reliance", "deference_title", "d_prime"))
    assert short.evidence("learning", played(short, teams), range(30))
