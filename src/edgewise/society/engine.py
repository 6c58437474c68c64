"""The engine: a session asks the seats whose turn it is, plays their moves, delivers messages, keeps the record."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgewise.core.errors import BadInput, BudgetExhausted
from edgewise.society.agents.base import Agent
from edgewise.society.protocols import hearers, keeps
from edgewise.society.scenario import Scenario
from edgewise.society.types import Action, Episode, Flag, Move, Note, Observation, Turn

LONGEST = 4_000  # characters of a message that are delivered
_INJECTION = re.compile(
    r"(ignore|disregard|forget) (all |any |the |your )*(previous|prior|above|earlier|other) "
    r"|(system|developer) (prompt|message|instruction)s?\b|<\|?(im_start|system|assistant)|\[/?INST\]",
    re.IGNORECASE,
)


class Session:
    """One episode in progress.

    Args:
        scenario: The game.
        seed: Of the environment's draws.
        condition: Which variant; the scenario's first unless given.
    """

    def __init__(self, scenario: Scenario, seed: int, condition: str | None = None) -> None:
        self.scenario, self.seed = scenario, seed
        self.condition = scenario.conditions[0] if condition is None else condition
        if self.condition not in scenario.conditions:
            raise BadInput(f"{scenario.name} has no condition {condition!r}", field="condition")
        self.state: Any = scenario.start(np.random.default_rng([seed, 0]), self.condition)
        self.seats = scenario.seats
        self.payoffs = [0.0] * len(self.seats)
        self.turns: list[Turn] = []
        self.acting: Sequence[int] = scenario.acting(self.state)
        self.stray = 0
        self._step = 0
        self._boxes: list[list[Note]] = [[] for _ in self.seats]
        self._keeps = keeps(scenario.protocol)
        self._sizes = [tuple(len(c.options) for c in scenario.choices(seat)) for seat in range(len(self.seats))]

    def observe(self, seat: int) -> Observation:
        """What the seat may know now, with the messages that reached it since its last turn."""
        box = self._boxes[seat]
        scenario, state = self.scenario, self.state
        return Observation(seat, scenario.round(state), scenario.view(state, seat), tuple(box) if box else ())

    def submit(self, moves: Mapping[int, Move | Action | None]) -> Sequence[float]:
        """Play the moves of the seats whose turn it is, and return every seat's reward.

        A move of a seat whose turn it is not is counted and not played; a seat without a move has made no decision.
        """
        scenario, state, acting = self.scenario, self.state, self.acting
        number = scenario.round(state)
        actions: dict[int, Action | None] = {}
        played: list[Turn] = []
        for seat in acting:
            move = moves.get(seat)
            if not isinstance(move, Move):
                turn = Turn(self._step, number, seat, move, 0.0, status="silent" if move is None else "ok")
            else:
                turn = Turn(
                    self._step, number, seat, move.action, 0.0, move.message, move.status, move.attempts, move.weights
                )
            if turn.action is not None and not self._possible(seat, turn.action):
                turn.action, turn.status = None, "illegal"
            actions[seat] = turn.action
            played.append(turn)
        if len(moves) > len(acting):
            self.stray += len(moves.keys() - set(acting))
        rewards = scenario.step(state, actions)
        for seat in acting:
            if self._boxes[seat] and not self._keeps:
                self._boxes[seat] = []
        for turn in played:
            turn.reward = rewards[turn.seat]
            if turn.message:
                self._deliver(turn)
        for seat, reward in enumerate(rewards):
            self.payoffs[seat] += reward
        self.turns += played
        self._step += 1
        self.acting = scenario.acting(state)
        return rewards

    def episode(self, kinds: tuple[str, ...] = ()) -> Episode:
        """The record of what was played so far."""
        facts = self.scenario.facts(self.state)
        return Episode(
            self.scenario.name, self.seed, self.condition, kinds, self.turns, tuple(self.payoffs), facts, self.stray
        )

    def _possible(self, seat: int, action: Action) -> bool:
        sizes = self._sizes[seat]
        if len(action) != len(sizes):
            return False
        for value, size in zip(action, sizes, strict=True):
            if not 0 <= value < size:
                return False
        return self.scenario.legal(self.state, seat, action)

    def _deliver(self, turn: Turn) -> None:
        turn.message = turn.message[:LONGEST]
        turn.flags = flags_of(turn.message, turn.seat, [seat.name for seat in self.seats])
        note = Note(turn.seat, turn.round, turn.message)
        for hearer in hearers(self.scenario.protocol, turn.seat, len(self.seats), turn.round):
            self._boxes[hearer].append(note)


def flags_of(message: str, sender: int, names: Sequence[str]) -> tuple[Flag, ...]:
    """What is odd about a message: it speaks in another seat's name, or gives orders to the reader's model.

    Flags are counted and shown. The message is delivered all the same, under its true sender's name and fenced.
    """
    flags: list[Flag] = []
    others = "|".join(re.escape(name) for seat, name in enumerate(names) if seat != sender)
    if others and re.search(rf"^\W*(?:from\W+)?(?:{others})\W*:", message, re.IGNORECASE | re.MULTILINE):
        flags.append("impersonation")
    if _INJECTION.search(message):
        flags.append("injection")
    return tuple(flags)


def play(scenario: Scenario, agents: Sequence[Agent], seed: int, condition: str | None = None) -> Episode:
    """Play an episode with agents that answer at once. The result depends on the arguments alone."""
    session = Session(scenario, seed, condition)
    _begin(scenario, agents, seed)
    while acting := session.acting:
        rewards = session.submit({seat: agents[seat].act(session.observe(seat)) for seat in acting})  # type: ignore[misc]
        for seat in acting:
            agents[seat].learn(rewards[seat])
    return session.episode(tuple(agent.kind for agent in agents))


async def play_async(scenario: Scenario, agents: Sequence[Agent], seed: int, condition: str | None = None) -> Episode:
    """The same with agents some of which take their time: seats that move together are asked together."""
    session = Session(scenario, seed, condition)
    _begin(scenario, agents, seed)
    while acting := session.acting:
        moves = await asyncio.gather(*(_ask(agents[seat], session.observe(seat)) for seat in acting))
        rewards = session.submit(dict(zip(acting, moves, strict=True)))
        for seat in acting:
            agents[seat].learn(rewards[seat])
    return session.episode(tuple(agent.kind for agent in agents))


async def play_trials(
    scenario: Scenario,
    teams: Sequence[Sequence[Agent]],
    seeds: Sequence[int],
    *,
    jobs: int,
    progress: Callable[[int], None] | None = None,
) -> tuple[list[dict[str, Episode]], str]:
    """Every seed in every condition, so many trials at a time.

    Args:
        scenario: The game.
        teams: For each seed.
        seeds: Of the trials.
        jobs: Trials in flight at a time; what is played does not depend on it.
        progress: Told how many trials are done.

    Returns:
        The trials that were played to their end, and why there are no more; empty if there are all.
    """
    gate, done = asyncio.Semaphore(jobs), 0

    async def trial(team: Sequence[Agent], seed: int) -> dict[str, Episode]:
        nonlocal done
        async with gate:
            episodes = {name: await play_async(scenario, team, seed, name) for name in scenario.played}
        done += 1
        if progress is not None:
            progress(done)
        return episodes

    tasks = [asyncio.ensure_future(trial(team, seed)) for team, seed in zip(teams, seeds, strict=True)]
    played, ended = [], ""
    try:
        for task in tasks:
            try:
                played.append(await task)
            except BudgetExhausted as error:
                ended = str(error)
    finally:
        for task in tasks:
            task.cancel()
    return played, ended


async def _ask(agent: Agent, observation: Observation) -> Move | Action | None:
    answer = agent.act(observation)
    return await answer if inspect.isawaitable(answer) else answer


def _begin(scenario: Scenario, agents: Sequence[Agent], seed: int) -> None:
    if len(agents) != scenario.seat_count:
        raise BadInput(f"{scenario.name} has {scenario.seat_count} seats, not {len(agents)}", field="agents")
    for seat, agent in enumerate(agents):
        agent.begin(scenario, seat, seed)
