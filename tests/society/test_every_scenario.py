"""What every scenario must do. A new one is tested here as soon as it is in the table."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate, NotMeasured
from edgewise.core.profile import Verdict
from edgewise.society.agents.base import Agent, RuleAgent
from edgewise.society.agents.wrappers import Replay
from edgewise.society.engine import Session, play
from edgewise.society.measure import judge
from edgewise.society.scenario import Scenario, Team
from edgewise.society.scenarios import SCENARIOS, find_scenario
from edgewise.society.types import Action, Observation, Trial

SEEDS = 30


@pytest.fixture(params=SCENARIOS, scope="module")
def scenario(request: pytest.FixtureRequest) -> Scenario:
    return find_scenario(request.param)


def trials_of(scenario: Scenario, teams: list[Team], first: int = 0) -> list[Trial]:
    return [
        {condition: play(scenario, team, first + i, condition) for condition in scenario.played}
        for i, team in enumerate(teams)
    ]


def examine(scenario: Scenario, kind: str, first: int = 0) -> list[Trial]:
    return trials_of(scenario, scenario.teams(kind, range(first, first + SEEDS)), first)


def random_rule(scenario: Scenario, seat: int) -> Any:
    sizes = [len(choice.options) for choice in scenario.choices(seat)]
    return lambda observation, rng: tuple(int(rng.integers(size)) for size in sizes)


def silent(observation: Observation, rng: np.random.Generator) -> Action | None:
    return None


def test_it_says_what_it_is(scenario: Scenario) -> None:
    assert SCENARIOS[scenario.name] == type(scenario).__name__ and scenario.title and scenario.about and scenario.risk
    assert "null" in scenario.kinds and scenario.default in scenario.kinds and scenario.default != "scripted"
    assert {"exact", "learning"} & set(scenario.kinds)
    for seat in range(scenario.seat_count):
        choices = scenario.choices(seat)
        assert choices and all(len(set(c.options)) == len(c.options) >= 2 for c in choices)
        assert len({c.name for c in choices}) == len(choices) and "say" not in {c.name for c in choices}
        assert len(scenario.rules(seat)) > 80


def test_the_risk_shows_by_itself_and_not_in_the_null_population(scenario: Scenario) -> None:
    null = scenario.indicators(examine(scenario, "null", first=10_000))
    found = scenario.indicators(examine(scenario, scenario.default))
    assert scenario.primary in found and found.keys() == null.keys()
    verdict, why = judge(found[scenario.primary], null[scenario.primary], scenario.margin)
    assert verdict is Verdict.FAIL, (found[scenario.primary], null[scenario.primary], why)
    other = scenario.indicators(examine(scenario, "null", first=20_000))
    verdict, why = judge(other[scenario.primary], null[scenario.primary], scenario.margin)
    assert verdict in (Verdict.PASS, Verdict.INCONCLUSIVE), (other[scenario.primary], null[scenario.primary], why)


def test_every_population_can_be_seated_and_is_a_function_of_its_seeds(scenario: Scenario) -> None:
    for kind in scenario.kinds:
        first, again = (trials_of(scenario, scenario.teams(kind, [5, 6]), 5) for _ in range(2))
        assert [list(map(dataclasses.asdict, t.values())) for t in first] == [
            list(map(dataclasses.asdict, t.values())) for t in again
        ]
        assert scenario.indicators(first).keys() == scenario.indicators(examine(scenario, "null")[:2]).keys()
        json.dumps(scenario.evidence(kind, first, [5, 6]), allow_nan=False)
    with pytest.raises(BadInput, match="no 'nobody' agents"):
        scenario.teams("nobody", [0])


def test_who_makes_no_decision_is_no_risk(scenario: Scenario) -> None:
    team = tuple(RuleAgent(silent) for _ in scenario.seats)
    trials = trials_of(scenario, [team] * SEEDS)
    for trial in trials:
        for episode in trial.values():
            assert all(turn.action is None and turn.status == "silent" for turn in episode.turns)
    found = scenario.indicators(trials)[scenario.primary]
    assert isinstance(found, NotMeasured), found


def test_random_agents_end_every_episode_and_it_can_be_replayed(scenario: Scenario) -> None:
    team: list[Agent] = [RuleAgent(random_rule(scenario, seat)) for seat in range(scenario.seat_count)]
    for seed in range(5):
        for condition in scenario.conditions:
            episode = play(scenario, team, seed, condition)
            assert 0 < len(episode.turns) < 5_000 and len(episode.payoffs) == scenario.seat_count
            assert np.isfinite(episode.payoffs).all()
            json.dumps(episode.facts, allow_nan=False)
            taken = [[t for t in episode.turns if t.seat == seat] for seat in range(scenario.seat_count)]
            again = play(scenario, [Replay(turns) for turns in taken], seed, condition)
            assert (again.turns, again.payoffs, again.facts) == (episode.turns, episode.payoffs, episode.facts)
    for name, measure in scenario.indicators(trials_of(scenario, [tuple(team)] * 6)).items():
        assert isinstance(measure, Estimate | NotMeasured), name


def test_what_a_seat_sees_is_numbers_and_can_be_told(scenario: Scenario) -> None:
    def plain(value: Any) -> bool:
        if isinstance(value, tuple):
            return all(map(plain, value))
        return value is None or isinstance(value, bool | int | float)

    for condition in scenario.conditions:
        session = Session(scenario, 3, condition)
        rng = np.random.default_rng(0)
        keys: dict[int, set[str]] = {}
        while acting := session.acting:
            for seat in acting:
                seen = session.observe(seat)
                assert all(map(plain, seen.view.values())), seen.view
                assert scenario.tell(seen)
                hash(tuple(seen.view.values()))
                assert keys.setdefault(seat, set(seen.view)) == set(seen.view)
            session.submit({seat: random_rule(scenario, seat)(None, rng) for seat in acting})


def test_mitigations_are_the_same_game_with_other_parameters(scenario: Scenario) -> None:
    assert scenario.mitigations
    for name in scenario.mitigations:
        changed = scenario.mitigated(name)
        assert changed != scenario and changed.seat_count == scenario.seat_count
        kind = scenario.default
        trials = trials_of(changed, changed.teams(kind, [1, 2]), 1)
        assert changed.indicators(trials).keys() == scenario.indicators(examine(scenario, "null")[:2]).keys()
    with pytest.raises(BadInput, match="no mitigation"):
        scenario.mitigated("nosuch")


def test_out_of_turn_and_impossible_moves_are_counted_and_not_played(scenario: Scenario) -> None:
    session = Session(scenario, 0)
    first = session.acting[0]
    others = [seat for seat in range(scenario.seat_count) if seat not in session.acting]
    session.submit({first: (999,) * len(scenario.choices(first)), **dict.fromkeys(others, (0,))})
    assert session.turns[0].action is None and session.turns[0].status == "illegal"
    assert session.stray == len(others) and all(turn.seat not in others for turn in session.turns)
    with pytest.raises(BadInput, match="no condition"):
        Session(scenario, 0, "nosuch")
