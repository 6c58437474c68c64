"""``edgewise society run``: a scenario and who plays it in, a run folder out; stopped at any moment, it continues."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from edgewise.core.errors import BadInput, RunError
from edgewise.core.fanout import fanout
from edgewise.core.profile import Verdict
from edgewise.core.records import Record, parse_options
from edgewise.core.run import Run
from edgewise.models.budget import Budget, Limits, Prices
from edgewise.models.cache import Cache
from edgewise.models.door import Model
from edgewise.models.ledger import read_ledger
from edgewise.models.open import open_model
from edgewise.society.agents.base import Agent
from edgewise.society.agents.chat import Answers, ChatAgent
from edgewise.society.engine import play, play_trials
from edgewise.society.measure import judge
from edgewise.society.records import pack_trial, shorts, turns_table, unpack_trial
from edgewise.society.scenario import Scenario
from edgewise.society.scenarios import find_scenario
from edgewise.society.types import Trial

POPULATIONS = ("learning", "exact", "scripted", "null")
_CHUNK = 16  # trials of one unit of work
_APART = 1_000_000  # between the seeds of a population and those of the null population it is judged against


class SocietyConfig(Record):
    """What a run depends on besides its seed.

    Attributes:
        scenario: Name of the scenario.
        options: Its parameters, where they differ from the defaults.
        mitigation: A mitigation that it is played under.
        agents: Who plays: a population (``learning``, ``exact``, ``scripted``, ``null``) or a model, one for all seats
            or one for each.
        personas: Words for a seat's model, by the seat's name.
        seeds: How many trials.
        jobs: Trials in flight (models), or processes (others). Results do not depend on it.
        ray: Address of a Ray cluster that trials without models are spread over.
        memory: Rounds of its own past that a model is shown; all unless given.
        answers: How models answer.
        temperature: Of models that answer in JSON.
        max_tokens: Of such an answer.
        limits: Hard limits for all models together.
        prices: What tokens cost.
        cache: File of the response cache.
        timeout: Seconds until a request counts as failed.
        model_args: For Inspect's provider. Never a key.
    """

    SCHEMA: ClassVar[str] = "society/1"
    scenario: str
    options: dict[str, Any] = {}
    mitigation: str | None = None
    agents: tuple[str, ...] = ("learning",)
    personas: dict[str, str] = {}
    seeds: int = Field(default=40, ge=1)
    jobs: int = Field(default=1, ge=1)
    ray: str | None = None
    memory: int | None = Field(default=None, ge=0)
    answers: Answers = "auto"
    temperature: float = Field(default=0.7, ge=0)
    max_tokens: int = Field(default=300, ge=1)
    limits: Limits = Limits()
    prices: Prices | None = None
    cache: str | None = None
    timeout: float = 600.0
    model_args: dict[str, Any] = {}

    def found(self) -> Scenario:
        """The scenario, with its parameters and mitigation.

        Raises:
            BadInput: There is no such scenario, parameter, mitigation or population, or not that many seats.
        """
        scenario = find_scenario(self.scenario, **self.options)
        if self.mitigation is not None:
            scenario = scenario.mitigated(self.mitigation)
        if len(self.agents) not in (1, scenario.seat_count):
            raise BadInput(
                f"{self.scenario} has {scenario.seat_count} seats, not {len(self.agents)}",
                field="agents",
                fix="give one for all, or one for each seat",
            )
        for name in self.agents:
            if name in POPULATIONS:
                scenario.check_kind(name)
        if wrong := set(self.personas) - {seat.name for seat in scenario.seats}:
            known = ", ".join(seat.name for seat in scenario.seats)
            raise BadInput(f"there is no seat {min(wrong)!r}", field="persona", fix=f"there are: {known}")
        return scenario

    def by_seat(self, scenario: Scenario) -> tuple[str, ...]:
        """Who sits in each seat."""
        return self.agents * scenario.seat_count if len(self.agents) == 1 else self.agents


@dataclass(frozen=True)
class SocietyRun:
    """A finished run and its folder."""

    run: Path
    summary: dict[str, Any]

    @property
    def status(self) -> str:
        """``complete`` or ``incomplete``."""
        return str(self.summary["status"])


async def run_scenario(config: SocietyConfig, folder: Path, *, seed: int = 0) -> SocietyRun:
    """Play in a new run.

    Raises:
        EdgewiseError: Before any call: a wrong specification, or a folder that cannot be used. Later: only what makes
            going on pointless (a full disk). Everything before it is kept.
    """
    scenario = config.found()
    with ExitStack() as stack:
        models = _open_models(config, scenario, stack)
        about = {"name": "+".join(config.agents), "identity": "+".join(m.identity for m in models.values())}
        run = stack.enter_context(Run.create(folder, "society", config.model_dump(mode="json"), seed=seed, model=about))
        return await _carry_out(run, config, scenario, models)


async def resume_scenario(folder: Path, *, limits: Limits | None = None) -> SocietyRun:
    """Continue a run: trials that were played are not played again, answers that were given are not asked for again.

    Raises:
        RunError: It was made with other models than those that answer now.
    """
    with ExitStack() as stack:
        run = stack.enter_context(Run.open(folder, writable=True))
        config = parse_options(SocietyConfig, run.manifest.config, what="manifest")
        config = config if limits is None else config.model_copy(update={"limits": limits})
        scenario = config.found()
        models = _open_models(config, scenario, stack)
        if "+".join(m.identity for m in models.values()) != run.manifest.model.get("identity"):
            raise RunError("the model has changed since the run began", where=str(folder), fix="start a new run")
        return await _carry_out(run, config, scenario, models)


def _open_models(config: SocietyConfig, scenario: Scenario, stack: ExitStack) -> dict[str, Model]:
    """The models by specification; one budget for all."""
    budget = Budget(config.limits, config.prices)
    cache = None if config.cache is None else Cache(config.cache)
    models: dict[str, Model] = {}
    for spec in config.agents:
        if spec in models or spec in POPULATIONS or spec in scenario.kinds:
            continue
        models[spec] = open_model(
            spec, budget=budget, cache=cache, timeout=config.timeout, model_args=config.model_args
        )
        stack.callback(models[spec].close)
    return models


async def _carry_out(run: Run, config: SocietyConfig, scenario: Scenario, opened: dict[str, Model]) -> SocietyRun:
    started = time.monotonic()
    run.events.append("started", {"scenario": config.scenario, "seeds": config.seeds})
    for model in list(opened.values())[:1]:  # the budget is one
        model.budget.charge(read_ledger(run.read_events()).usage)
    models = {spec: model.bind(run) for spec, model in opened.items()}
    seeds = [1_000_000_000 * run.seed + i for i in range(config.seeds)]
    if models:
        trials, ended = await _play_models(run, config, scenario, models, seeds)
    else:
        trials = await _play_offline(run, config, "agents", config.by_seat(scenario), seeds)
        ended = ""
    # Judged against draws of their own: the null population beside itself must not look better than it is.
    others = [seed + _APART for seed in range(seeds[0], seeds[0] + max(config.seeds, _CHUNK))]
    null = await _play_offline(run, config, "null", ("null",) * scenario.seat_count, others)
    summary = summarise(scenario, config, trials, null, seeds)
    run.write_table("turns", turns_table({"agents": trials, "null": null}))
    ledger = read_ledger(run.read_events())
    notes = list(_notes(summary, ended, dict(ledger.faults)))
    incomplete = bool(ended or ledger.faults)
    summary |= {
        "usage": ledger.usage.model_dump(mode="json"),
        "faults": dict(ledger.faults),
        "notes": notes,
        "run": str(run.path),
        "status": "incomplete" if incomplete else "complete",
    }
    run.events.append("summary", summary)
    run.finish(summary["status"], usage=summary["usage"], faults=summary["faults"], notes=notes,
               seconds=round(time.monotonic() - started, 1))  # fmt: skip
    return SocietyRun(run.path, summary)


async def _play_offline(
    run: Run, config: SocietyConfig, role: str, agents: Sequence[str], seeds: Sequence[int]
) -> list[Trial]:
    """Trials without models, some at a time, each chunk kept as soon as it is done."""
    kept = config.model_dump(mode="json", include={"scenario", "options", "mitigation"})
    units = [{**kept, "agents": tuple(agents), "seeds": seeds[i : i + _CHUNK]} for i in range(0, len(seeds), _CHUNK)]
    keys = [f"{role}/{unit['seeds'][0]}" for unit in units]
    todo = [i for i, key in enumerate(keys) if run.events.get("trials", key) is None]
    group = len(todo) if config.ray else config.jobs
    for start in range(0, len(todo), max(group, 1)):
        chosen = todo[start : start + max(group, 1)]
        played = await asyncio.to_thread(
            fanout, play_chunk, [units[i] for i in chosen], workers=config.jobs, address=config.ray
        )
        for i, packed in zip(chosen, played, strict=True):
            run.events.append("trials", {"trials": packed}, key=keys[i])
        run.progress(f"society ({role})", len(keys) - len(todo) + start + len(chosen), len(keys))
    found = [run.events.get("trials", key) for key in keys]
    return [unpack_trial(data) for chunk in found if chunk is not None for data in chunk["trials"]]


def play_chunk(unit: dict[str, Any], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Some trials of populations without models; what they are depends on their seeds alone."""
    scenario = find_scenario(unit["scenario"], **unit["options"])
    scenario = scenario if unit["mitigation"] is None else scenario.mitigated(unit["mitigation"])
    seeds = unit["seeds"]
    teams = {name: scenario.teams(name, seeds) for name in dict.fromkeys(unit["agents"])}
    packed = []
    for i, seed in enumerate(seeds):
        team = [teams[name][i][seat] for seat, name in enumerate(unit["agents"])]
        packed.append(pack_trial({name: play(scenario, team, seed, name) for name in scenario.played}))
    return packed


async def _play_models(
    run: Run, config: SocietyConfig, scenario: Scenario, models: dict[str, Model], seeds: Sequence[int]
) -> tuple[list[Trial], str]:
    """Trials with models in some seats; the door remembers every answer. Also why it ended early, if it did."""
    agents = config.by_seat(scenario)
    others = {name: scenario.teams(name, seeds) for name in dict.fromkeys(agents) if name not in models}
    teams = [
        [_seat(config, scenario, models, others, agents[seat], i, seat) for seat in range(len(agents))]
        for i in range(len(seeds))
    ]
    trials, ended = await play_trials(
        scenario, teams, seeds, jobs=config.jobs, progress=lambda done: run.progress("society", done, len(seeds))
    )
    return list(trials), ended


def _seat(
    config: SocietyConfig,
    scenario: Scenario,
    models: dict[str, Model],
    others: dict[str, list[tuple[Agent, ...]]],
    name: str,
    trial: int,
    seat: int,
) -> Agent:
    if name not in models:
        return others[name][trial][seat]
    return ChatAgent(
        models[name],
        persona=config.personas.get(scenario.seats[seat].name, ""),
        memory=config.memory,
        answers=config.answers,
        temperature=config.temperature,
        max_tokens=config.max_tokens,
    )


def summarise(
    scenario: Scenario, config: SocietyConfig, trials: Sequence[Trial], null: Sequence[Trial], seeds: Sequence[int]
) -> dict[str, Any]:
    """The figures that ``--json`` prints; later tools rely on their form."""
    found, nulls = scenario.indicators(trials), scenario.indicators(null)
    verdict, why = judge(found[scenario.primary], nulls[scenario.primary], scenario.margin)
    turns = [turn for trial in trials for episode in trial.values() for turn in episode.turns]
    kind = config.agents[0] if len(config.agents) == 1 else "mixed"
    evidence = scenario.evidence(kind, trials, seeds[: len(trials)]) if trials else []
    return {
        "scenario": scenario.name,
        "risk": scenario.risk,
        "agents": ",".join(config.agents),
        "mitigation": config.mitigation,
        "n": len(trials),
        "indicators": shorts(found),
        "primary": scenario.primary,
        "verdict": str(verdict),
        "why": why,
        "null": shorts(nulls),
        "evidence": evidence,
        "turns": len(turns),
        "no_decision": dict(Counter(turn.status for turn in turns if turn.action is None)),
        "flags": dict(Counter(flag for turn in turns for flag in turn.flags)),
        "out_of_turn": sum(episode.stray for trial in trials for episode in trial.values()),
    }


def _notes(summary: dict[str, Any], ended: str, faults: dict[str, int]) -> list[str]:
    notes = []
    if ended:
        notes.append(ended)
    if faults:
        kinds = ", ".join(f"{count} × {kind}" for kind, count in sorted(faults.items()))
        notes.append(f"calls without an answer: {kinds}; they count as no decision, not as risk")
    if summary["no_decision"]:
        kinds = ", ".join(f"{count} {status}" for status, count in sorted(summary["no_decision"].items()))
        notes.append(f"turns without a decision: {kinds} of {summary['turns']}")
    if summary["flags"]:
        notes += [f"messages flagged as {flag}: {count}" for flag, count in sorted(summary["flags"].items())]
    if summary["verdict"] == Verdict.INCONCLUSIVE:
        notes.append(f"inconclusive: {summary['n']} trials show a difference of {summary['why']['detectable']:.2g}"
                     " with a probability of .8")  # fmt: skip
    return notes
