"""``edgewise checkup`` and ``edgewise resume``."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgewise.cli.output import AsJson, conclude, print_json, stderr_console, stdout_console
from edgewise.core.errors import BadInput

if TYPE_CHECKING:
    from edgewise.checkup import Checkup, CheckupConfig
    from edgewise.models.budget import Limits, Prices

BUDGET = "Hard limits, e.g. 'calls=200,tokens=1e5,cost=2.5,seconds=300'. Never overrun."


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("checkup")(checkup)
    app.command("resume")(resume)


def checkup(
    model: Annotated[str, typer.Argument(help="What to examine; `edgewise models` lists the forms.")] = "embedded",
    full: Annotated[bool, typer.Option("--full/--quick", help="In depth, or a minute per instrument.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same items and the same draws.")] = 0,
    only: Annotated[list[str] | None, typer.Option("--only", help="Only this instrument (repeatable).")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting, e.g. competence.code_items=20 (repeatable).")
    ] = None,
    budget: Annotated[str, typer.Option(help=BUDGET)] = "",
    price: Annotated[str, typer.Option(help="US dollars per million tokens: INPUT,OUTPUT.")] = "",
    out: Annotated[Path | None, typer.Option(help="The run's folder.  [default: runs/DATE-MODEL-N]")] = None,
    cache: Annotated[Path | None, typer.Option(help="File that keeps answers from one run to the next.")] = None,
    connections: Annotated[int | None, typer.Option(min=1, help="Requests in flight at most.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds until a request counts as failed.")] = 600.0,
    can: Annotated[
        str | None, typer.Option(help="What the model can do, where edgewise guesses wrong: text,logprobs,vision.")
    ] = None,
    model_arg: Annotated[
        list[str] | None, typer.Option("--model-arg", "-M", help="NAME=VALUE for Inspect's provider (repeatable).")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would ask, and stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """Examine a model and write its report."""
    from edgewise.checkup import CheckupConfig, check_up
    from edgewise.models.budget import Limits

    config = CheckupConfig(
        model=model,
        depth="full" if full else "quick",
        instruments=tuple(only or ()),
        options=_settings(settings or []),
        limits=Limits.parse(budget),
        prices=prices(price),
        can=None if can is None else tuple(can.split(",")),
        connections=connections,
        timeout=timeout,
        cache=None if cache is None else str(cache.resolve()),
        model_args=model_args(model_arg or []),
    )
    plan = _announce(config, as_json=as_json and dry_run)
    if dry_run:
        if as_json:
            print_json(plan)
        return
    folder = out if out is not None else fresh_folder(model)
    _finish(watch(folder, check_up(config, folder, seed=seed)), as_json=as_json)


# Kinds of runs that work in this thread: what goes on with one, and what has its last words.
_JOBS = {
    "align": ("edgewise.training.job:resume_align", "edgewise.cli.align:finish"),
    "embodied": ("edgewise.embodied.job:resume_suite", "edgewise.cli.embodied:finish"),
    "front": ("edgewise.training.front:resume_front", "edgewise.cli.front:finish"),
    "knobs": ("edgewise.character.knobs.job:resume_knobs", "edgewise.cli.character:finish"),
    "loopholes": ("edgewise.loopholes.study.job:resume_study", "edgewise.cli.loopholes:finish"),
    "loopholes-audit": ("edgewise.loopholes.audit.job:resume_audit", "edgewise.cli.loopholes_audit:finish"),
    "loopholes-trl": ("edgewise.loopholes.trl.training:resume_trl", "edgewise.cli.loopholes:finish_trl"),
}
_LIMITED = ("embodied", "knobs")  # of these, what may be given a new budget


def resume(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    budget: Annotated[str | None, typer.Option(help="A new budget for the whole run. " + BUDGET)] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Set damaged lines aside first; redo what they held.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Continue a check-up or a probe that was stopped, or retry what faults left out."""
    from edgewise.checkup import resume_checkup
    from edgewise.cli import probe
    from edgewise.core.run import Run
    from edgewise.models.budget import Limits

    if repair:
        moved = Run.repair(run)
        stderr_console().print(f"{moved} damaged line(s) set aside in {run / 'events.jsonl.bad'}")
    limits: Limits | None = None if budget is None else Limits.parse(budget)
    kind = Run.open(run).manifest.kind
    if kind.startswith("society"):
        from edgewise.cli import society
        from edgewise.society.job import resume_scenario
        from edgewise.society.matrix import resume_matrix

        job = resume_matrix(run) if kind == "society-matrix" else resume_scenario(run, limits=limits)
        society.finish(watch(run, job), as_json=as_json)
        return
    if kind in _JOBS:
        from edgewise.cli.progress import progress_shown

        go_on, finish = (pkgutil.resolve_name(name) for name in _JOBS[kind])
        with progress_shown(run, stderr_console()):
            done = go_on(run, limits=limits) if kind in _LIMITED else go_on(run)
        finish(done, as_json=as_json)
        return
    if kind == "probe":
        from edgewise.probing.job import resume_probe

        probe.finish(probe.watch(run, resume_probe(run, limits=limits)), as_json=as_json)
        return
    _finish(watch(run, resume_checkup(run, limits=limits)), as_json=as_json)


def _finish(done: Checkup, *, as_json: bool) -> None:
    """Write the report, print the outcome, and leave with the exit code that it deserves."""
    from edgewise.core.run import Run
    from edgewise.report.html import write_report
    from edgewise.report.terminal import print_profile

    report = write_report(Run.open(done.run))
    if as_json:
        print_json(as_contract(done))
    else:
        print_profile(done.profile, console=stdout_console())
    conclude(done.run, done.status, done.notes, report)


def as_contract(done: Checkup) -> dict[str, Any]:
    """The object that ``--json`` prints; later tools rely on its form."""
    panels = {
        name: {
            "dimensions": {
                dimension: {
                    key: value
                    for key, value in measure.model_dump(mode="json").items()
                    if key in ("value", "low", "high", "n", "reason")
                }
                for dimension, measure in panel.dimensions.items()
            },
            "verdicts": {claim: str(verdict) for claim, verdict in panel.verdicts.items()},
        }
        for name, panel in done.profile.panels.items()
    }
    return {
        "run": str(done.run),
        "model": done.profile.model,
        "status": done.status,
        "panels": panels,
        "usage": done.ledger.usage.model_dump(mode="json"),
        "faults": dict(done.ledger.faults),
        "notes": list(done.notes),
    }


def watch(folder: Path, job: Any) -> Any:
    """Run ``job`` while showing how far its run has come."""
    import asyncio

    from edgewise.cli.progress import show_progress

    async def both() -> Any:
        async with show_progress(folder, stderr_console()):
            return await job

    return asyncio.run(both())


def _announce(config: CheckupConfig, *, as_json: bool) -> dict[str, Any]:
    """Say what the check-up may ask at most, and which limit would stop it, before the first call."""
    from edgewise.checkup import plan_checkup
    from edgewise.core.instrument import Cost

    plans = plan_checkup(config)
    total = sum((plan.cost for plan in plans), Cost(calls=0, input_tokens=0, output_tokens=0))
    cost = None if config.prices is None else config.prices.cost(total.input_tokens, total.output_tokens)
    short = config.limits.shortfall(total, cost)
    if not as_json:
        console = stderr_console()
        money = "" if cost is None else f", ${cost:.2f}"
        tokens = f"{total.input_tokens:,} + {total.output_tokens:,} tokens"
        names = ", ".join(plan.instrument.name for plan in plans)
        console.print(f"{config.model}: {names}. At most {total.calls:,} calls, {tokens}{money}.", markup=False)
        for line in short:
            console.print(f"! {line}; what does not fit will be missing", markup=False, style="yellow")
    costs = {plan.instrument.name: plan.cost.model_dump() for plan in plans}
    return {"model": config.model, "instruments": costs, "total": total.model_dump(), "cost": cost, "shortfall": short}


def _settings(given: list[str]) -> dict[str, dict[str, Any]]:
    """``instrument.field=value`` with YAML values."""
    import yaml

    found: dict[str, dict[str, Any]] = {}
    for text in given:
        match = re.fullmatch(r"(\w+)\.(\w+)=(.*)", text, re.DOTALL)
        if match is None:
            raise BadInput(f"{text!r} is not INSTRUMENT.FIELD=VALUE", field="--set")
        try:
            found.setdefault(match[1], {})[match[2]] = yaml.safe_load(match[3])
        except yaml.YAMLError as error:
            raise BadInput(f"{match[3]!r} cannot be read: {error}", field=f"--set {match[1]}.{match[2]}") from None
    return found


def model_args(given: list[str]) -> dict[str, Any]:
    """``NAME=VALUE`` with YAML values; never a key."""
    import yaml

    found: dict[str, Any] = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise BadInput(f"{text!r} is not NAME=VALUE", field="--model-arg")
        if "key" in name.lower() or name.lower() == "token":
            raise BadInput("a key would be written into the run", field="--model-arg", fix="set it in the environment")
        found[name] = yaml.safe_load(value)
    return found


def prices(text: str) -> Prices | None:
    """``INPUT,OUTPUT``."""
    from edgewise.models.budget import Prices

    if not text:
        return None
    try:
        into, out = (float(part) for part in text.split(","))
        return Prices(input=into, output=out)
    except ValueError:
        raise BadInput(f"{text!r} is not INPUT,OUTPUT", field="--price", fix="e.g. --price 0.25,2") from None


def fresh_folder(model: str) -> Path:
    """``runs/DATE-MODEL-N`` with the first N that is free."""
    from datetime import UTC, datetime

    short = re.sub(r"[^A-Za-z0-9.]+", "-", model.split("/")[-1].split("#")[-1]).strip("-.")[:40] or "model"
    day = datetime.now(UTC).date().isoformat()
    number = 1
    while (folder := Path("runs") / f"{day}-{short}-{number}").exists():
        number += 1
    return folder
