"""``edgewise embodied run`` and ``ablate``: tasks and arms in, a run folder out; stopped at any time, it continues."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from edgewise.core.errors import BadInput, BudgetExhausted, RunError
from edgewise.core.estimate import Measure, NotMeasured
from edgewise.core.fanout import fanout
from edgewise.core.records import Record, parse_options
from edgewise.core.run import Run
from edgewise.embodied.arms import find_arm
from edgewise.embodied.planners.find import PLANNERS
from edgewise.embodied.planners.language import LanguagePlanner
from edgewise.embodied.play import Arm, Setting, pack, play, play_unit
from edgewise.embodied.scoring import pooled
from edgewise.embodied.tables import actions_table, episodes_table, events_table, scores_table
from edgewise.embodied.tasks.suites import find_tasks
from edgewise.models.budget import Budget, Limits, Prices
from edgewise.models.cache import Cache
from edgewise.models.door import Model
from edgewise.models.ledger import read_ledger
from edgewise.models.open import open_model
from edgewise.stats.intervals import proportion
from edgewise.stats.paired import mcnemar_exact, paired_difference

KIND = "embodied"


class EmbodiedConfig(Record):
    """What a run depends on besides its seed.

    Attributes:
        tasks: Names of tasks or suites, or ``all``.
        arms: Who plays: pairs of a planner (``symbolic``, ``oracle``, ``scene_graph``, ``value_map``, or a model) and
            a memory. Later arms are compared with the first.
        setting: How.
        seeds: Episodes of each task.
        jobs: Processes, for planners without a model. Results do not depend on it.
        ray: Address of a Ray cluster instead.
        keep: Of every task so many episodes of the first arm are kept for ``watch``.
        limits: Hard limits for all models together.
        prices: What tokens cost.
        cache: File of the response cache.
        timeout: Seconds until a request counts as failed.
        model_args: For Inspect's provider. Never a key.
    """

    SCHEMA: ClassVar[str] = "embodied/1"
    tasks: tuple[str, ...]
    arms: tuple[Arm, ...] = (Arm("symbolic", "full"),)
    setting: Setting = Setting()
    seeds: int = Field(default=25, ge=1)
    jobs: int = Field(default=1, ge=1)
    ray: str | None = None
    keep: int = Field(default=0, ge=0)
    limits: Limits = Limits()
    prices: Prices | None = None
    cache: str | None = None
    timeout: float = 600.0
    model_args: dict[str, Any] = {}

    def names(self) -> tuple[str, ...]:
        """The tasks, each once; suites are taken apart.

        Raises:
            BadInput: There is no such task, suite or memory, or an arm is there twice.
        """
        if len(set(self.arms)) < len(self.arms) or not self.arms:
            raise BadInput("an arm is there twice, or none is", field="arms")
        for arm in self.arms:
            find_arm(arm.memory)
        return tuple(task.name for task in find_tasks(self.tasks))


@dataclass(frozen=True)
class EmbodiedRun:
    """A finished run and its folder."""

    run: Path
    summary: dict[str, Any]

    @property
    def status(self) -> str:
        """``complete`` or ``incomplete``."""
        return str(self.summary["status"])


def run_suite(config: EmbodiedConfig, folder: Path, *, seed: int = 0) -> EmbodiedRun:
    """Play all episodes in a new run.

    Raises:
        EdgewiseError: Before any episode: a name that does not exist, or a folder that cannot be used. Later: only what
            makes going on pointless. Everything before it is kept.
    """
    config.names()
    with ExitStack() as stack:
        models = _open_models(config, stack)
        about = {"name": "+".join(dict.fromkeys(arm.planner for arm in config.arms)), "identity": _identity(models)}
        run = stack.enter_context(Run.create(folder, KIND, config.model_dump(mode="json"), seed=seed, model=about))
        return _carry_out(run, config, models)


def resume_suite(folder: Path, *, limits: Limits | None = None) -> EmbodiedRun:
    """Continue a run: episodes that were played are not played again.

    Raises:
        RunError: It was made with other models than those that answer now.
    """
    with ExitStack() as stack:
        run = stack.enter_context(Run.open(folder, writable=True))
        config = parse_options(EmbodiedConfig, run.manifest.config, what="manifest")
        config = config if limits is None else config.model_copy(update={"limits": limits})
        config.names()
        models = _open_models(config, stack)
        if _identity(models) != run.manifest.model.get("identity"):
            raise RunError("the model has changed since the run began", where=str(folder), fix="start a new run")
        return _carry_out(run, config, models)


def _open_models(config: EmbodiedConfig, stack: ExitStack) -> dict[str, Model]:
    """The models by specification; one budget for all."""
    budget = Budget(config.limits, config.prices)
    cache = None if config.cache is None else Cache(config.cache)
    models: dict[str, Model] = {}
    for spec in (arm.planner for arm in config.arms):
        if spec not in models and spec not in PLANNERS:
            models[spec] = open_model(
                spec, budget=budget, cache=cache, timeout=config.timeout, model_args=config.model_args
            )
            stack.callback(models[spec].close)
    return models


def _identity(models: Mapping[str, Model]) -> str:
    return "+".join(model.identity for model in models.values())


def _carry_out(run: Run, config: EmbodiedConfig, opened: Mapping[str, Model]) -> EmbodiedRun:
    started = time.monotonic()
    run.events.append("started", {"tasks": list(config.tasks), "seeds": config.seeds})
    for model in list(opened.values())[:1]:  # the budget is one
        model.budget.charge(read_ledger(run.read_events()).usage)
    models = {spec: model.bind(run) for spec, model in opened.items()}
    ended = ""
    for arm in config.arms:
        if arm.planner not in models:
            _play_offline(run, config, arm)
        else:
            ended = ended or _play_model(run, config, arm, models[arm.planner])
    episodes = {str(arm): _episodes(run, config, arm) for arm in config.arms}
    for name, table in (
        ("episodes", episodes_table(episodes)),
        ("actions", actions_table(episodes)),
        ("events", events_table(episodes)),
        ("scores", scores_table(episodes)),
    ):
        run.write_table(name, table)
    ledger = read_ledger(run.read_events())
    summary = summarise(config, episodes, run.seed)
    notes = [ended] if ended else []
    if ledger.faults:
        kinds = ", ".join(f"{count} × {kind}" for kind, count in sorted(dict(ledger.faults).items()))
        notes.append(f"calls without an answer: {kinds}; the episode ended there")
    summary |= {
        "notes": notes,
        "usage": ledger.usage.model_dump(mode="json"),
        "run": str(run.path),
        "status": "incomplete" if ended else "complete",
    }
    run.events.append("summary", summary)
    run.finish(summary["status"], notes=notes, usage=summary["usage"], seconds=round(time.monotonic() - started, 1))
    return EmbodiedRun(run.path, summary)


def _units(run: Run, config: EmbodiedConfig, arm: Arm) -> dict[str, dict[str, Any]]:
    """Every episode of an arm by its key."""
    found: dict[str, dict[str, Any]] = {}
    for name in config.names():
        for number in range(config.seeds):
            seed = 1_000_000 * run.seed + number
            keep = str(run.path) if number < config.keep and arm == config.arms[0] else None
            setting = config.setting.model_dump(mode="json")
            found[f"{arm}/{name}/{seed}"] = {
                "task": name, "seed": seed, "arm": list(arm), "setting": setting, "keep": keep,
            }  # fmt: skip
    return found


def _play_offline(run: Run, config: EmbodiedConfig, arm: Arm) -> None:
    """Episodes without a model, each kept as soon as it is done."""
    units = _units(run, config, arm)
    todo = [key for key in units if run.events.get("episode", key) is None]

    def keep(index: int, episode: dict[str, Any]) -> None:
        run.events.append("episode", episode, key=todo[index])

    def progress(done: int, _: int) -> None:
        run.progress(f"embodied ({arm})", len(units) - len(todo) + done, len(units))

    work = [units[key] for key in todo]
    fanout(play_unit, work, workers=config.jobs, address=config.ray, progress=progress, keep=keep)


def _play_model(run: Run, config: EmbodiedConfig, arm: Arm, model: Model) -> str:
    """Episodes with a model, one after the other; why they ended early, if they did."""
    units = _units(run, config, arm)
    planner = LanguagePlanner(model)  # one for all: clients of a server belong to its loop
    try:
        for done, (key, unit) in enumerate(units.items(), 1):
            if run.events.get("episode", key) is None:
                keep = None if unit["keep"] is None else run.path
                result = play(unit["task"], unit["seed"], arm, config.setting, planner=planner, keep=keep)
                run.events.append("episode", pack(result), key=key)
                run.progress(f"embodied ({arm})", done, len(units))
    except BudgetExhausted as error:
        return error.message
    finally:
        planner.close()
    return ""


def _episodes(run: Run, config: EmbodiedConfig, arm: Arm) -> list[dict[str, Any]]:
    found = (run.events.get("episode", key) for key in _units(run, config, arm))
    return [episode for episode in found if episode is not None]


def summarise(config: EmbodiedConfig, episodes: Mapping[str, Sequence[dict[str, Any]]], seed: int) -> dict[str, Any]:
    """The figures that ``--json`` prints; later tools rely on their form.

    With one arm: ``tasks``, ``mean``, ``scores`` (of the memory, over all tasks) and ``fps``. With several: the same
    under ``arms``, and ``differences``: the first arm less each other, over the same tasks and seeds.
    """
    arms = {name: _arm_summary(played) for name, played in episodes.items()}
    about = {
        "seeds": config.seeds,
        "budget": config.setting.budget,
        "perception": config.setting.perception,
        "noise": config.setting.noise,
    }
    if len(arms) == 1:
        only = config.arms[0]
        return {**next(iter(arms.values())), "planner": only.planner, "memory": only.memory, **about}
    first, *others = episodes
    differences = {other: _difference(episodes[first], episodes[other], seed) for other in others}
    return {"arms": arms, "differences": differences, **about}


def _arm_summary(played: Sequence[dict[str, Any]]) -> dict[str, Any]:
    tasks: dict[str, Any] = {}
    for name in dict.fromkeys(episode["task"] for episode in played):
        mine = [episode for episode in played if episode["task"] == name]
        scores = pooled([episode["scores"] for episode in mine])
        tasks[name] = {"success": short(_success(mine)), "memory": {key: short(m) for key, m in scores.items()}}
    memory = pooled([episode["scores"] for episode in played])
    seconds = sum(episode["seconds"] for episode in played)
    return {
        "tasks": tasks,
        "mean": short(_success(played)),
        "scores": {key: short(measure) for key, measure in memory.items()},
        "fps": round(sum(episode["frames"] for episode in played) / seconds, 1) if seconds else None,
        "seconds": round(seconds / len(played), 2) if played else None,
    }


def _success(played: Sequence[dict[str, Any]]) -> Measure:
    return proportion(sum(episode["success"] for episode in played), len(played))


def _difference(first: Sequence[dict[str, Any]], second: Sequence[dict[str, Any]], seed: int) -> dict[str, Any]:
    """Of two arms on the episodes that both played."""
    by_key = {(episode["task"], episode["seed"]): float(episode["success"]) for episode in second}
    pairs = [(float(e["success"]), by_key[key]) for e in first if (key := (e["task"], e["seed"])) in by_key]
    if not pairs:
        return short(NotMeasured(reason="no episode was played by both"))
    one, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = paired_difference(one, other, rng=np.random.default_rng(seed))
    return short(found) | {"p": mcnemar_exact(one, other)}


def short(measure: Measure) -> dict[str, Any]:
    """An estimate as ``--json`` prints it; where there is none, why."""
    data: dict[str, Any] = {key: getattr(measure, key) for key in ("value", "low", "high", "n")}
    return data | {"reason": measure.reason} if isinstance(measure, NotMeasured) else data
