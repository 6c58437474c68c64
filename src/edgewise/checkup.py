"""The check-up: runs every instrument that suits a model, one after the other, and yields its profile.

A check-up is a run (``edgewise.core.run``): stop it at any moment and ``resume`` continues with nothing lost, nothing
paid twice and the same result.
"""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgewise.core.errors import BadInput, RunError, Unsupported
from edgewise.core.files import write_atomically
from edgewise.core.instrument import Cost, Instrument, InstrumentConfig, Subject, instrument_names, load_instrument
from edgewise.core.profile import Panel, Profile
from edgewise.core.records import Record, parse_options
from edgewise.core.run import Run, RunStatus
from edgewise.models.budget import Budget, Limits, Prices
from edgewise.models.cache import Cache
from edgewise.models.door import Model
from edgewise.models.ledger import Ledger, read_ledger
from edgewise.models.open import open_model


class CheckupConfig(Record):
    """Everything a check-up depends on besides its seed; ``edgewise resume`` reads it back from the manifest.

    Attributes:
        model: Specification for ``open_model``.
        depth: ``quick`` (at most a minute per instrument on two cores) or ``full``.
        instruments: Which instruments; all that are registered where it is empty.
        options: Settings of single instruments, by instrument name, over those of ``depth``.
        limits: Hard budget.
        prices: What tokens cost.
        can: Capabilities of the model, where edgewise's guess is wrong.
        connections: Requests in flight at most.
        timeout: Seconds until a request counts as failed.
        cache: File of the response cache.
        model_args: For Inspect's provider. Never a key.
    """

    model: str
    depth: Literal["quick", "full"] = "quick"
    instruments: tuple[str, ...] = ()
    options: dict[str, dict[str, Any]] = {}
    limits: Limits = Limits()
    prices: Prices | None = None
    can: tuple[str, ...] | None = None
    connections: int | None = None
    timeout: float = 600.0
    cache: str | None = None
    model_args: dict[str, Any] = {}


@dataclass(frozen=True)
class Checkup:
    """A finished check-up.

    Attributes:
        run: The run's folder.
        profile: What was found.
        status: ``complete``, or ``incomplete`` where a budget, a fault or a failing instrument left something out.
        ledger: What it cost over all sessions of the run, and the faults.
        notes: What a reader must know about the run as a whole.
    """

    run: Path
    profile: Profile
    status: RunStatus
    ledger: Ledger
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """One instrument, how it is set, and what it will ask at most."""

    instrument: Instrument[Any, Any]
    config: InstrumentConfig
    cost: Cost


def plan_checkup(config: CheckupConfig) -> list[Plan]:
    """The instruments of a check-up with their settings and an upper estimate of their cost. Asks nothing.

    Raises:
        BadInput: An unknown instrument, or a setting that it does not have.
    """
    unknown = set(config.options) - set(config.instruments or instrument_names())
    if unknown:
        raise BadInput(f"settings for instruments that do not take part: {', '.join(sorted(unknown))}", field="options")
    plans = []
    for name in config.instruments or instrument_names():
        instrument = load_instrument(name)
        base = instrument.Config.full() if config.depth == "full" else instrument.Config.quick()
        given = config.options.get(name, {})
        settings = parse_options(instrument.Config, base.model_dump() | given, what=f"settings of {name}")
        plans.append(Plan(instrument, settings, instrument.cost(settings)))
    return plans


async def check_up(config: CheckupConfig, out: Path | str, *, seed: int = 0) -> Checkup:
    """Examine a model in a new run.

    Args:
        config: What to examine, and how.
        out: The run's folder; must be new or empty.
        seed: Root of all randomness.

    Raises:
        EdgewiseError: Before any call: a wrong specification or setting, or a folder that cannot be used. Later: only
            what makes going on pointless (a full disk). Everything before it is kept.
    """
    plans = plan_checkup(config)
    model = _open(config)
    try:
        run = Run.create(out, "checkup", config.model_dump(mode="json"), seed=seed, model=model.describe())
        with run:
            return await _carry_out(run, config, model, plans)
    finally:
        model.close()


async def resume_checkup(path: Path | str, *, limits: Limits | None = None) -> Checkup:
    """Continue a check-up, or retry what faults left out; a complete one is only written again.

    Args:
        path: The run's folder.
        limits: A new budget for the run as a whole, what was spent before included.

    Raises:
        RunLocked: It is still running in another process.
        RunError: The folder holds no check-up, or the model is not the one it was begun with.
    """
    with Run.open(path, writable=True) as run:
        if run.manifest.kind != "checkup":
            raise RunError(f"this run is a {run.manifest.kind}, not a checkup", where=str(path))
        config = parse_options(CheckupConfig, run.manifest.config, what=f"{run.path / 'manifest.json'}: config")
        if limits is not None:
            config = config.model_copy(update={"limits": limits})
        plans = plan_checkup(config)
        model = _open(config)
        try:
            begun = run.manifest.model.get("identity")
            if begun != model.identity:
                raise RunError(
                    f"the run was begun with {begun}, the model is now {model.identity}",
                    where=str(path),
                    fix="start a new run: answers of two models do not mix",
                )
            return await _carry_out(run, config, model, plans)
        finally:
            model.close()


def _open(config: CheckupConfig) -> Model:
    return open_model(
        config.model,
        budget=Budget(config.limits, config.prices),
        cache=None if config.cache is None else Cache(config.cache),
        can=config.can,
        connections=config.connections,
        timeout=config.timeout,
        model_args=config.model_args,
    )


async def _carry_out(run: Run, config: CheckupConfig, model: Model, plans: list[Plan]) -> Checkup:
    started = time.monotonic()
    limits = config.limits.model_dump(mode="json", exclude_none=True)
    run.events.append("started", {"instruments": [plan.instrument.name for plan in plans], "limits": limits})
    model.budget.charge(read_ledger(run.read_events()).usage)
    profile, notes = await examine(model.bind(run), plans, run)
    run.write_profile(profile)
    ledger = read_ledger(run.read_events())
    if model.budget.refused:
        notes.append(f"the budget ended: {model.budget.refused} calls were not made")
    if ledger.faults:
        kinds = ", ".join(f"{count} × {kind}" for kind, count in sorted(ledger.faults.items()))
        notes.append(f"calls without an answer: {kinds}; they count as missing, not as wrong")
    status: RunStatus = "incomplete" if notes else "complete"
    usage = ledger.usage.model_dump(mode="json")
    seconds = round(time.monotonic() - started, 1)
    run.finish(status, usage=usage, faults=dict(ledger.faults), notes=notes, seconds=seconds)
    return Checkup(run.path, profile, status, ledger, tuple(notes))


async def examine(subject: Subject, plans: list[Plan], run: Run) -> tuple[Profile, list[str]]:
    """Run instruments on a subject, in order; what one cannot measure says so and stops no other.

    Returns:
        The profile, and a note for each instrument that failed.
    """
    panels: dict[str, Panel] = {}
    notes: list[str] = []
    for plan in plans:
        name, lacking = plan.instrument.name, plan.instrument.missing(subject)
        if lacking:
            reason = f"the model lacks: {', '.join(sorted(lacking))}"
            panels[name] = plan.instrument.not_measured(plan.config, reason)
            continue
        try:
            panels[name] = await plan.instrument.run(subject, plan.config, run)
        except RunError:
            raise
        except Unsupported as error:
            panels[name] = plan.instrument.not_measured(plan.config, error.message)
        except Exception as error:
            where = run.path / "artefacts" / f"{name}-error.txt"
            write_atomically(where, traceback.format_exc().encode())
            reason = f"the instrument failed ({type(error).__name__}: {error})"
            panels[name] = plan.instrument.not_measured(plan.config, reason)
            notes.append(f"{name}: {reason}; details in {where.relative_to(run.path)}")
    return Profile(model=subject.name, panels=panels), notes
