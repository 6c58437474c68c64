"""Every scenario passes PettingZoo's own tests of its interfaces, and the views play what the engine plays."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("pettingzoo", reason="extra `agents`")
from pettingzoo.test import api_test, parallel_api_test

from edgewise.society.agents.wrappers import Replay
from edgewise.society.engine import play
from edgewise.society.petting import UNKNOWN, numbers, parallel_env, turn_env
from edgewise.society.scenarios import SCENARIOS, find_scenario


@pytest.mark.parametrize("name", SCENARIOS)
def test_its_api_tests_pass(name: str) -> None:
    scenario = find_scenario(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parallel_api_test(parallel_env(scenario), num_cycles=60)
        api_test(turn_env(scenario), num_cycles=60)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_view_plays_what_the_engine_plays(name: str) -> None:
    scenario = find_scenario(name)
    env = parallel_env(scenario)
    rng = np.random.default_rng(0)
    env.reset(seed=4)
    total = dict.fromkeys(env.possible_agents, 0.0)
    while env.agents:
        sizes = {agent: env.action_space(agent).nvec for agent in env.agents}
        _, rewards, *_ = env.step({agent: rng.integers(nvec) for agent, nvec in sizes.items()})
        total = {agent: total[agent] + rewards[agent] for agent in total}
    turns = env.session.episode().turns
    team = [Replay([t for t in turns if t.seat == seat]) for seat in range(scenario.seat_count)]
    again = play(scenario, team, 4)
    assert again.turns == turns and list(total.values()) == pytest.approx(list(again.payoffs))


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_of_a_view_is_cut_off(name: str) -> None:
    scenario = find_scenario(name)
    env = parallel_env(scenario)
    env.reset(seed=1)
    for seat in range(scenario.seat_count):
        view = scenario.view(env.session.state, seat)
        wide = numbers(view, 500)
        needed = np.flatnonzero(wide != UNKNOWN)
        assert not len(needed) or needed[-1] < scenario.width


def test_numbers() -> None:
    assert numbers({"a": (1, None), "b": True}, 5).tolist() == [1, UNKNOWN, 1, UNKNOWN, UNKNOWN]
