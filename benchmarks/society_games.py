"""Rock, paper, scissors in three houses: ours, PettingZoo's, Concordia's; the same moves everywhere.

``bench_society_peers.py`` runs this file in the peers' environments; edgewise is imported only where it is timed.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any


def drawn(rounds: int) -> tuple[list[int], list[int]]:
    """Each player's moves, drawn beforehand, so that drawing is not timed."""
    rng = random.Random(1)
    return [rng.randrange(3) for _ in range(rounds)], [rng.randrange(3) for _ in range(rounds)]


def scored(rounds: int) -> int:
    """What the first player wins with these moves."""
    return sum((0, 1, -1)[(a - b) % 3] for a, b in zip(*drawn(rounds), strict=True))


@cache
def rps() -> Any:
    """The game as a scenario."""
    from typing import ClassVar

    import edgewise.society.scenario as base
    from edgewise.society.types import Choice, Seat

    class RockPaperScissors(base.Scenario):
        name: ClassVar[str] = "rock_paper_scissors"
        risk: ClassVar[str] = "0"
        title: ClassVar[str] = "Rock, paper, scissors"
        about: ClassVar[str] = "A peer's game."
        primary: ClassVar[str] = "none"
        rounds: int = 15
        in_turn: bool = False  # one seat at a time, as PettingZoo's AEC and Concordia's sequential engine do

        @property
        def seats(self) -> Any:
            return Seat("player_0", "player"), Seat("player_1", "player")

        def start(self, rng: Any, condition: str) -> list[Any]:
            return [0, [3, 3], None]  # round, last moves, the first player's hidden move

        def acting(self, state: list[Any]) -> Sequence[int]:
            if state[0] == self.rounds:
                return ()
            return (0, 1) if not self.in_turn else (0,) if state[2] is None else (1,)

        def round(self, state: list[Any]) -> int:
            return state[0]

        def view(self, state: list[Any], seat: int) -> dict[str, Any]:
            return {"other": state[1][1 - seat]}

        def choices(self, seat: int) -> Any:
            return (Choice("move", ("rock", "paper", "scissors")),)

        def step(self, state: list[Any], actions: Any) -> Sequence[float]:
            if self.in_turn and state[2] is None:
                state[2] = actions[0][0]
                return 0.0, 0.0
            a, b = state[2] if self.in_turn else actions[0][0], actions[1][0]
            state[:] = state[0] + 1, [a, b], None
            won = (0.0, 1.0, -1.0)[(a - b) % 3]
            return won, -won

        def rules(self, seat: int) -> str:
            return "Rock, paper, scissors."

        def tell(self, observation: Any) -> str:
            return "Next."

        def teams(self, kind: str, seeds: Sequence[int]) -> Any:
            return []

        def indicators(self, trials: Any) -> Any:
            return {}

    return RockPaperScissors


def play_edgewise(form: str, rounds: int) -> float:
    from edgewise.society.agents.base import Agent
    from edgewise.society.engine import play

    class Drawn(Agent):
        def __init__(self, moves: list[int]) -> None:
            self.moves = iter(moves)

        def act(self, observation: Any) -> Any:
            return (next(self.moves),)

    scenario = rps()(rounds=rounds, in_turn=form == "in turn")
    return play(scenario, [Drawn(moves) for moves in drawn(rounds)], 0).payoffs[0]


def play_parallel(env: Any, moves: Sequence[Iterator[Any]]) -> float:
    first, won = env.possible_agents[0], 0.0
    env.reset(seed=1)
    while env.agents:
        _, rewards, *_ = env.step({agent: next(mine) for agent, mine in zip(env.agents, moves, strict=True)})
        won += rewards[first]
    return won


def play_aec(env: Any, moves: Sequence[Iterator[Any]]) -> float:
    by_name, won = dict(zip(env.possible_agents, moves, strict=True)), 0.0
    first = env.possible_agents[0]
    env.reset(seed=1)
    for agent in env.agent_iter():
        _, reward, terminated, truncated, _ = env.last()
        if agent == first:
            won += reward
        env.step(None if terminated or truncated else next(by_name[agent]))
    return won


@cache
def pettingzoo_env(form: str, rounds: int) -> Any:
    if form.startswith("view"):
        from edgewise.society import petting

        scenario = rps()(rounds=rounds)
        return petting.parallel_env(scenario) if form == "view, parallel" else petting.turn_env(scenario)
    from pettingzoo.classic import rps_v2

    makers = {"parallel": rps_v2.parallel_env, "AEC": rps_v2.env, "AEC, bare": rps_v2.raw_env}
    return makers[form](max_cycles=rounds)


def play_pettingzoo(form: str, rounds: int) -> float:
    env = pettingzoo_env(form, rounds)
    moves: Any = [iter([(m,) for m in mine] if form.startswith("view") else mine) for mine in drawn(rounds)]
    return (play_parallel if form.endswith("parallel") else play_aec)(env, moves)


@cache
def concordia_cast() -> Any:
    """The leanest game master and player that Concordia's engines take, and a model that plays what was drawn."""
    from concordia.agents import entity_agent
    from concordia.components.agent import concat_act_component
    from concordia.language_model import no_language_model
    from concordia.typing import entity

    options = ("rock", "paper", "scissors")

    class Model(no_language_model.NoLanguageModel):
        def __init__(self, moves: list[int]) -> None:
            self.moves = iter(moves)

        def sample_choice(self, prompt: str, responses: Sequence[str], *, seed: Any = None) -> Any:
            move = next(self.moves)
            return move, responses[move], {}

    class Player(entity.Entity):
        name = ""

        def __init__(self, name: str, model: Model) -> None:
            self.name, self.model, self.seen = name, model, ""

        def act(self, action_spec: Any) -> str:
            return self.model.sample_choice(self.seen, action_spec.options)[1]

        def observe(self, observation: str) -> None:
            self.seen = observation

    class Master(entity.Entity):
        name = "master"

        def __init__(self, in_turn: bool) -> None:
            self.in_turn, self.won, self.last, self.pending = in_turn, 0, ["none", "none"], []
            self.event = ""

        def observe(self, observation: str) -> None:
            self.event = observation

        def act(self, action_spec: Any) -> str:
            kind, kinds = action_spec.output_type, entity.OutputType
            if kind == kinds.TERMINATE:
                return "No"
            if kind == kinds.MAKE_OBSERVATION:
                return self.last[1 if "player_0" in action_spec.call_to_action else 0]
            if kind == kinds.NEXT_ACTING:
                return f"player_{len(self.pending)}" if self.in_turn else "player_0,player_1"
            if kind == kinds.NEXT_ACTION_SPEC:
                return "prompt: Choose.;;type: choice options: rock,paper,scissors"
            said = dict(line.split()[-2:] for line in self.event.split("\n"))  # "[tag] player_0: rock"
            self.pending += [options.index(said[name]) for name in sorted(said)]
            if len(self.pending) == 2:
                (a, b), self.pending = self.pending, []
                self.won, self.last = self.won + (0, 1, -1)[(a - b) % 3], [options[a], options[b]]
            return "Done."

    def agent(name: str, model: Model) -> Any:
        # Its own default shuffles the options, which would cost it time and change the moves.
        act = concat_act_component.ConcatActComponent(model=model, randomize_choices=False)
        return entity_agent.EntityAgent(name, act_component=act)

    return Model, Master, {"bare": Player, "agents": agent}


def play_concordia(form: str, rounds: int) -> float:
    from concordia.environment.engines import sequential, simultaneous

    order, cast = form.split(", ")
    model, master, players = concordia_cast()
    in_turn = order == "sequential"
    engine = sequential.Sequential() if in_turn else simultaneous.Simultaneous()
    host = master(in_turn)
    seated = [players[cast](f"player_{i}", model(moves)) for i, moves in enumerate(drawn(rounds))]
    engine.run_loop([host], seated, max_steps=2 * rounds if in_turn else rounds, verbose=False)
    return float(host.won)


PLAYS: dict[str, Callable[[str, int], float]] = {
    "edgewise": play_edgewise,
    "pettingzoo": play_pettingzoo,
    "concordia": play_concordia,
}


def serve(peer: str) -> None:
    """Answer jobs (a JSON line each) with seconds and what the first player won, until the input ends."""
    for line in sys.stdin:
        form, rounds, episodes = json.loads(line)
        try:
            start = time.perf_counter()
            won = [PLAYS[peer](form, rounds) for _ in range(episodes)]
            answer: dict[str, Any] = {"seconds": time.perf_counter() - start, "won": won[-1]}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print("\n" + json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
