"""``edgewise probe``: a specification in, a run folder out; stopped at any moment, it continues."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from edgewise.core.errors import BadInput, RunError
from edgewise.core.records import Record, parse_options
from edgewise.core.run import Run
from edgewise.models.budget import Budget, Limits, Prices
from edgewise.models.cache import Cache
from edgewise.models.door import Model
from edgewise.models.embedder import TfIdf
from edgewise.models.judge import Judge
from edgewise.models.ledger import read_ledger
from edgewise.models.open import open_model
from edgewise.models.scripted import load_script
from edgewise.probing.probe import Probe, probe
from edgewise.probing.search.policies import DEFAULT, find_policy
from edgewise.probing.tables import short, write_tables
from edgewise.probing.targets import ModelTarget, PlantedModel, Replay, Target, is_planted, read_planted
from edgewise.probing.tools.bench import Tool, Workbench
from edgewise.probing.tools.corpus import Corpus, Provider, Reading
from edgewise.probing.tools.edits import RuleEdits
from edgewise.probing.tools.written import Writer
from edgewise.probing.types import Case
from edgewise.probing.worlds.families import NAME, Families, family_names
from edgewise.probing.worlds.pool import Pool
from edgewise.probing.worlds.reading import read_questions
from edgewise.probing.worlds.world import World

_TABLES = (".parquet", ".csv", ".tsv")


class ProbeConfig(Record):
    """What a probe depends on besides its seed.

    Attributes:
        model: Who is examined: a specification for ``open_model``, ``replay:TABLE`` or ``planted:RULES.yaml``.
        seeds: Questions to start from: ``reasoning-gym[:family,...]`` or a table of questions.
        budget: Calls of the target, all told.
        policy: A name of ``POLICIES``.
        start: Seeds that are asked first.
        again: How often a failure is asked again.
        jobs: Questions in flight at a time. The search depends on it.
        max_tokens: Of an answer.
        edits: Whether questions are also edited by rule.
        generator: Model that writes questions, and says how answers go wrong and what modes are.
        judge: Model that is asked where no rule can tell whether an answer is right.
        corpus: Folder of texts to ask about.
        web: ``module:function`` that searches: from a query and a count to ``(text, source)`` pairs.
        limits: Hard limits for all models together.
        prices: What tokens cost.
        cache: File of the response cache.
        timeout: Seconds until a request counts as failed.
        model_args: For Inspect's provider of the target. Never a key.
    """

    SCHEMA: ClassVar[str] = "probe/1"
    model: str = "embedded"
    seeds: str = NAME
    budget: int = Field(default=300, ge=1)
    policy: str = DEFAULT
    start: int = Field(default=10, ge=1)
    again: int = Field(default=2, ge=0)
    jobs: int = Field(default=8, ge=1)
    max_tokens: int = Field(default=256, ge=1)
    edits: bool = True
    generator: str | None = None
    judge: str | None = None
    corpus: str | None = None
    web: str | None = None
    limits: Limits = Limits()
    prices: Prices | None = None
    cache: str | None = None
    timeout: float = 600.0
    model_args: dict[str, Any] = {}


@dataclass(frozen=True)
class ProbeRun:
    """A finished probe and its folder."""

    run: Path
    probe: Probe
    summary: dict[str, Any]

    @property
    def status(self) -> str:
        """``complete`` or ``incomplete``."""
        return str(self.summary["status"])


@dataclass
class _Materials:
    """What was read from files, before any model is asked: where questions come from, and a target that is no model."""

    world: World
    target: Target | None
    tools: list[Tool]
    notes: list[str]


async def probe_model(config: ProbeConfig, folder: Path, *, seed: int = 0) -> ProbeRun:
    """Probe in a new run.

    Raises:
        EdgewiseError: Before any call: a wrong specification or file, or a folder that cannot be used. Later: only what
            makes going on pointless (a full disk). Everything before it is kept.
    """
    find_policy(config.policy)
    materials = _read(config, seed)
    with ExitStack() as stack:
        models = _open_models(config, stack)
        about = {"name": config.model, "spec": config.model, "identity": config.model}
        if "target" in models:
            about = models["target"].describe()
        run = stack.enter_context(Run.create(folder, "probe", config.model_dump(mode="json"), seed=seed, model=about))
        return await _carry_out(run, config, materials, models)


async def resume_probe(folder: Path, *, limits: Limits | None = None) -> ProbeRun:
    """Continue a probe. What was answered is not asked again, and the tree comes out the same.

    Raises:
        RunLocked: It is still running in another process.
        RunError: The folder holds no probe, or the model is not the one it was begun with.
    """
    with ExitStack() as stack:
        run = stack.enter_context(Run.open(folder, writable=True))
        if run.manifest.kind != "probe":
            raise RunError(f"this run is a {run.manifest.kind}, not a probe", where=str(folder))
        config = parse_options(ProbeConfig, run.manifest.config, what=f"{run.path / 'manifest.json'}: config")
        if limits is not None:
            config = config.model_copy(update={"limits": limits})
        models = _open_models(config, stack)
        about = run.manifest.model
        if "target" in models and models["target"].identity != about.get("identity"):
            raise RunError(
                f"the run was begun with {about.get('identity')}, the model is now {models['target'].identity}",
                where=str(folder),
                fix="start a new run: answers of two models do not mix",
            )
        return await _carry_out(run, config, _read(config, run.seed), models)


def _open_models(config: ProbeConfig, stack: ExitStack) -> dict[str, Model]:
    """The models by role; one budget for all."""
    budget = Budget(config.limits, config.prices)
    cache = None if config.cache is None else Cache(config.cache)
    wanted = {"generator": config.generator, "judge": config.judge}
    if not _is_table(config.model) and not is_planted(config.model):
        wanted["target"] = config.model
    models = {}
    for role, spec in wanted.items():
        if spec is not None:
            args = config.model_args if role == "target" else {}
            model = open_model(
                spec,
                role=role,
                budget=budget,
                cache=cache,
                timeout=config.timeout,
                model_args=args,
                connections=config.jobs if role == "target" and config.jobs > 8 else None,
            )
            stack.callback(model.close)
            models[role] = model
    return models


def _is_table(spec: str) -> bool:
    return spec.startswith("replay:") and spec.lower().endswith(_TABLES)


def _read(config: ProbeConfig, seed: int) -> _Materials:
    """World, tools and a target that is no model; asks nothing."""
    rng = np.random.default_rng([seed, 2])
    if _is_table(config.model):
        path = Path(config.model.removeprefix("replay:"))
        for name in ("corpus", "web", "judge"):
            if getattr(config, name) is not None:
                raise BadInput("recorded answers are there already, and so are their questions", field=name)
        if config.seeds != NAME:
            raise BadInput("recorded answers come with their questions", field="seeds")
        recorded = read_questions(path, recorded=True)
        target: Target | None = Replay(path.stem, recorded.answers)
        return _Materials(_pool(recorded.cases, rng), target, [], recorded.notes)
    notes: list[str] = []
    if config.seeds == NAME or config.seeds.startswith(f"{NAME}:"):
        world: World = Families(family_names(config.seeds), seed)
    else:
        questions = read_questions(Path(config.seeds))
        notes += questions.notes
        world = _pool(questions.cases, rng)
    tools: list[Tool] = [RuleEdits()] if config.edits else []
    if config.corpus is not None:
        corpus = Corpus(Path(config.corpus))
        tools.append(Reading(corpus, corpus.passages))
    if config.web is not None:
        search: Any = load_script(config.web)[0]
        tools.append(Reading(Provider(search)))
    target = read_planted(config.model) if is_planted(config.model) else None
    return _Materials(world, target, tools, notes)


def _pool(cases: Sequence[Case], rng: np.random.Generator) -> Pool:
    return Pool(cases, TfIdf(64).embed([case.question for case in cases]), rng)


async def _carry_out(run: Run, config: ProbeConfig, materials: _Materials, opened: dict[str, Model]) -> ProbeRun:
    started = time.monotonic()
    run.events.append("started", {"policy": config.policy, "budget": config.budget})
    for model in list(opened.values())[:1]:  # the budget is one
        model.budget.charge(read_ledger(run.read_events()).usage)
    models = {role: model.bind(run) for role, model in opened.items()}
    notes, tools, writer = list(materials.notes), list(materials.tools), None
    target = materials.target
    if target is None:
        judge = Judge(models["judge"]) if "judge" in models else None
        target = ModelTarget(models["target"], max_tokens=config.max_tokens, judge=judge)
    if "generator" in models and not _is_table(config.model):  # of recorded answers, it only says what went wrong
        independent = "target" not in models or models["generator"].identity != models["target"].identity
        if not independent:
            notes.append("the generator is the model examined: of what it writes, only what programs vouch for counts")
        writer = Writer(models["generator"], independent=independent)
        tools.append(writer)
    world = Workbench(materials.world, tools, run.rng("tools")) if tools else materials.world
    found = await probe(
        world,
        target,
        find_policy(config.policy),
        TfIdf(),
        calls=config.budget,
        seeds=config.start,
        again=config.again,
        jobs=config.jobs,
        namer=models.get("generator"),
        writer=writer,
        progress=lambda calls: run.progress("probe", calls, config.budget),
    )
    write_tables(run, found.trail, found.modes)
    ledger = read_ledger(run.read_events())
    notes += found.notes
    if isinstance(target, PlantedModel):
        unmet = target.unmet(step.case for step in found.trail.steps)
        notes += [f"no question that was asked meets the rule {' and '.join(rule.when)}" for rule in unmet]
    if ledger.faults:
        kinds = ", ".join(f"{count} × {kind}" for kind, count in sorted(ledger.faults.items()))
        notes.append(f"calls without an answer: {kinds}; they count as missing, not as failures")
    status = "incomplete" if found.trail.ended == "out of calls" or ledger.faults else "complete"
    summary = summarise(found, config.policy) | {
        "usage": ledger.usage.model_dump(mode="json"),
        "faults": dict(ledger.faults),
        "notes": notes,
        "run": str(run.path),
        "status": status,
        "ended": found.trail.ended,
    }
    facts = {key: summary[key] for key in ("usage", "faults", "notes", "ended", "calls", "failures", "invalid")}
    run.finish(status, **facts, seconds=round(time.monotonic() - started, 1))  # type: ignore[arg-type]
    return ProbeRun(run.path, found, summary)


def summarise(found: Probe, policy: str) -> dict[str, Any]:
    """The figures that ``--json`` prints; later tools rely on their form."""
    return {
        "policy": policy,
        "calls": found.trail.calls,
        "failures": len(found.trail.failures),
        "invalid": found.trail.invalid,
        "modes": [
            {
                "name": mode.name,
                "status": mode.status,
                "share": short(None if mode.share is None else mode.share.model_dump()),
                "members": len(mode.members),
                "truth": mode.truths,
                "trigger": list(mode.trigger),
                "description": mode.description,
                "rate": short(None if mode.rate is None else mode.rate.model_dump()),
                "other_rate": short(None if mode.other_rate is None else mode.other_rate.model_dump()),
                "q_value": mode.q_value,
            }
            for mode in found.modes
        ],
    }
