"""Mitigation by risk: what each cures, and what it moves elsewhere, on the same seeds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate, Measure
from edgewise.core.fanout import fanout
from edgewise.core.records import Record, parse_options
from edgewise.core.run import Run
from edgewise.society.job import SocietyRun, play_chunk
from edgewise.society.measure import average, gini, judge
from edgewise.society.records import short, shorts, unpack_trial
from edgewise.society.scenarios import SCENARIOS, find_scenario
from edgewise.society.types import Trial

NONE = "none"


class MatrixConfig(Record):
    """What a matrix depends on besides its seed.

    Attributes:
        scenarios: Which; all unless given.
        seeds: Trials of each cell.
        jobs: Processes.
        ray: Address of a Ray cluster.
    """

    SCHEMA: ClassVar[str] = "society-matrix/1"
    scenarios: tuple[str, ...] = ()
    seeds: int = Field(default=30, ge=2)
    jobs: int = Field(default=1, ge=1)
    ray: str | None = None


async def run_matrix(config: MatrixConfig, folder: Path, *, seed: int = 0) -> SocietyRun:
    """Play every scenario's default population with and without each of its mitigations, in a new run."""
    for name in config.scenarios:
        if name not in SCENARIOS:
            raise BadInput(f"there is no scenario {name!r}", field="scenario", fix=f"known: {', '.join(SCENARIOS)}")
    with Run.create(folder, "society-matrix", config.model_dump(mode="json"), seed=seed) as run:
        return await _carry_out(run, config)


async def resume_matrix(folder: Path) -> SocietyRun:
    """Continue: cells that were played are not played again."""
    with Run.open(folder, writable=True) as run:
        return await _carry_out(run, parse_options(MatrixConfig, run.manifest.config, what="manifest"))


async def _carry_out(run: Run, config: MatrixConfig) -> SocietyRun:
    started = time.monotonic()
    run.events.append("started", {})
    seeds = [1_000_000_000 * run.seed + i for i in range(config.seeds)]
    cells: list[tuple[str, str, str]] = []  # scenario, mitigation, population
    for name in config.scenarios or SCENARIOS:
        scenario = find_scenario(name)
        variants = [(NONE, "null"), (NONE, scenario.default), *((m, scenario.default) for m in scenario.mitigations)]
        cells += [(name, mitigation, kind) for mitigation, kind in variants]
    keys = ["/".join(cell) for cell in cells]
    todo = [i for i, key in enumerate(keys) if run.events.get("trials", key) is None]
    group = len(todo) if config.ray else config.jobs
    for start in range(0, len(todo), max(1, group)):
        chosen = todo[start : start + max(1, group)]
        units = [_unit(cells[i], seeds) for i in chosen]
        played = await asyncio.to_thread(fanout, play_chunk, units, workers=config.jobs, address=config.ray)
        for i, packed in zip(chosen, played, strict=True):
            run.events.append("trials", {"trials": packed}, key=keys[i])
        run.progress("society (matrix)", len(keys) - len(todo) + start + len(chosen), len(keys))
    found = {}
    for cell, key in zip(cells, keys, strict=True):
        kept = run.events.get("trials", key)
        assert kept is not None  # just played
        found[cell] = _measured(cell, [unpack_trial(data) for data in kept["trials"]])
    summary: dict[str, Any] = {"seeds": config.seeds, "rows": list(_rows(found)), "run": str(run.path)}
    run.events.append("summary", summary)
    run.finish("complete", seconds=round(time.monotonic() - started, 1))
    return SocietyRun(run.path, summary | {"status": "complete", "notes": []})


def _unit(cell: tuple[str, str, str], seeds: Sequence[int]) -> dict[str, Any]:
    name, mitigation, kind = cell
    seats = find_scenario(name).seat_count
    # The null population's draws are others, as in every verdict.
    chosen = [seed + 1_000_000 for seed in seeds] if kind == "null" else list(seeds)
    return {
        "scenario": name,
        "options": {},
        "mitigation": None if mitigation == NONE else mitigation,
        "agents": (kind,) * seats,
        "seeds": chosen,
    }


def _measured(cell: tuple[str, str, str], trials: Sequence[Trial]) -> dict[str, Measure]:
    """The scenario's indicators, and two that every scenario has: silence, and inequality of payoffs."""
    name, mitigation, _ = cell
    scenario = find_scenario(name) if mitigation == NONE else find_scenario(name).mitigated(mitigation)
    first = scenario.conditions[0]
    turns = [[turn.action is None for turn in trial[first].turns] for trial in trials]
    common = {
        "silence": average(sum(silent) / max(1, len(silent)) for silent in turns),
        "inequality": average(gini(trial[first].payoffs) for trial in trials),
    }
    return common | scenario.indicators(trials)


def _rows(found: dict[tuple[str, str, str], dict[str, Measure]]) -> Any:
    for (name, mitigation, kind), measures in found.items():
        scenario = find_scenario(name)
        if mitigation == NONE:
            continue
        before, null = found[name, NONE, kind], found[name, NONE, "null"]
        changes = {key: _change(measures[key], before[key]) for key in measures}
        effect = changes.pop(scenario.primary)
        verdicts = [judge(m[scenario.primary], null[scenario.primary], scenario.margin)[0] for m in (before, measures)]
        yield {
            "scenario": name,
            "risk": scenario.risk,
            "agents": kind,
            "mitigation": mitigation,
            "before": short(before[scenario.primary]),
            "after": short(measures[scenario.primary]),
            "effect": short(effect),
            "outcome": _outcome(effect),
            "verdict_before": str(verdicts[0]),
            "verdict_after": str(verdicts[1]),
            "shift": {key: data for key, data in shorts(changes).items() if data is not None},
        }


def _change(after: Measure, before: Measure) -> Measure | None:
    return after.minus(before) if isinstance(after, Estimate) and isinstance(before, Estimate) else None


def _outcome(effect: Measure | None) -> str:
    """What became of the risk."""
    if not isinstance(effect, Estimate):
        return "not_measured"
    if effect.high < 0:
        return "less"
    return "more" if effect.low > 0 else "unclear"
