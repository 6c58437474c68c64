"""``edgewise probe`` with ``pack``, ``check`` and ``compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgewise.cli.output import AsJson, finish_run, print_json, stderr_console, stdout_console
from edgewise.core.errors import BadInput

if TYPE_CHECKING:
    from edgewise.probing.job import ProbeRun

_POLICIES = "bridge, paper, alternate, novelty or uniform."
_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("probe")(probe)


def probe(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL",
            help="What to examine; or: pack RUN, check PACK MODEL, compare RUN RUN.",
            show_default=False,
        ),
    ],
    seeds: Annotated[str, typer.Option(help="reasoning-gym[:family,...] or a table of questions.")] = "reasoning-gym",
    budget: Annotated[int, typer.Option(min=1, help="Calls of the target, all told. Never overrun.")] = 300,
    policy: Annotated[str, typer.Option(help=_POLICIES)] = "bridge",
    start: Annotated[int, typer.Option(min=1, help="Questions to start from.")] = 10,
    again: Annotated[int, typer.Option(min=0, help="How often a failure is asked again.")] = 2,
    jobs: Annotated[int, typer.Option(min=1, help="Questions in flight at a time; the search depends on it.")] = 8,
    max_tokens: Annotated[int, typer.Option(min=1, help="Of an answer.")] = 256,
    edits: Annotated[bool, typer.Option("--edits/--no-edits", help="Also edit questions by rule.")] = True,
    generator: Annotated[str | None, typer.Option(help="Model that writes questions and names modes.")] = None,
    judge: Annotated[str | None, typer.Option(help="Model asked where no rule can grade an answer.")] = None,
    corpus: Annotated[Path | None, typer.Option(help="Folder of texts to ask about.")] = None,
    web: Annotated[str | None, typer.Option(help="MODULE:FUNCTION that searches for texts.")] = None,
    limits: Annotated[str, typer.Option(help="Hard limits for all models, e.g. 'tokens=1e5,cost=2.5'.")] = "",
    price: Annotated[str, typer.Option(help="US dollars per million tokens: INPUT,OUTPUT.")] = "",
    cache: Annotated[Path | None, typer.Option(help="File that keeps answers from one run to the next.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds until a request counts as failed.")] = 600.0,
    model_arg: Annotated[
        list[str] | None, typer.Option("--model-arg", "-M", help="NAME=VALUE for Inspect's provider (repeatable).")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all draws.")] = 0,
    out: Annotated[Path | None, typer.Option(help="The run's folder, or the pack's file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Search for what a model fails on, find the failure modes behind it, and confirm them."""
    verb, rest = words[0], words[1:]
    if verb == "pack":
        _pack(rest, out, as_json=as_json)
        return
    if verb == "check":
        _check(rest, out, judge=judge, jobs=jobs, max_tokens=max_tokens, seed=seed, as_json=as_json)
        return
    if verb == "compare":
        _compare(rest, as_json=as_json)
        return
    if rest:
        raise BadInput(f"one model at a time; {rest[0]!r} is too much", field="MODEL")
    from edgewise.cli.checkup import fresh_folder, model_args, prices
    from edgewise.models.budget import Limits
    from edgewise.probing.job import ProbeConfig, probe_model

    config = ProbeConfig(
        model=verb,
        seeds=seeds,
        budget=budget,
        policy=policy,
        start=start,
        again=again,
        jobs=jobs,
        max_tokens=max_tokens,
        edits=edits,
        generator=generator,
        judge=judge,
        corpus=None if corpus is None else str(corpus),
        web=web,
        limits=Limits.parse(limits),
        prices=prices(price),
        cache=None if cache is None else str(cache.resolve()),
        timeout=timeout,
        model_args=model_args(model_arg or []),
    )
    folder = out if out is not None else fresh_folder(Path(verb).stem if ":" in verb else verb)
    finish(watch(folder, probe_model(config, folder, seed=seed)), as_json=as_json)


def watch(folder: Path, job: Any) -> ProbeRun:
    """Run a probe while showing how far it has come."""
    from edgewise.cli.checkup import watch as watch_run

    done: ProbeRun = watch_run(folder, job)
    return done


def finish(done: ProbeRun, *, as_json: bool) -> None:
    """Write the report, print the outcome, and leave with the exit code that it deserves."""
    finish_run(done.summary, _print, as_json=as_json)


def _print(summary: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from edgewise.report.text import visible

    console = stdout_console()
    counts = f"{summary['calls']} calls, {summary['failures']} failures, {summary['invalid']} without an answer"
    console.print(f"{counts}; policy {summary['policy']}.", markup=False)
    if not summary["modes"]:
        console.print("No failure mode was found.")
        return
    table = Table(box=None, pad_edge=False)
    for column, justify in (("", "left"), ("fails when", "left"), ("fails", "right"), ("else", "right")):
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for mode in summary["modes"][:_SHOWN]:
        sign = "✓" if mode["status"] == "confirmed" else "?"
        table.add_row(sign, Text(visible(mode["name"])), share(mode["rate"]), share(mode["other_rate"]))
    console.print(table)
    if len(summary["modes"]) > _SHOWN:
        console.print(f"… and {len(summary['modes']) - _SHOWN} more in the report.")
    console.print("✓ confirmed on fresh questions, ? tentative; rates with 95 % intervals.")


def share(rate: dict[str, Any] | None) -> str:
    """A rate with its interval, in per cent."""
    if rate is None:
        return "–"
    return f"{100 * rate['value']:.0f} % ({100 * rate['low']:.0f}–{100 * rate['high']:.0f})"


def _pack(words: list[str], out: Path | None, *, as_json: bool) -> None:
    from edgewise.core.run import Run
    from edgewise.probing.pack import write_pack

    if len(words) != 1:
        raise BadInput(f"`edgewise probe pack` takes one run, not {len(words)}")
    run = Run.open(words[0])
    path = out if out is not None else run.path / "pack.jsonl"
    pack = write_pack(run, path)
    if as_json:
        print_json({"pack": str(path), "modes": len(pack.modes), "questions": len(pack.questions)})
    else:
        stdout_console().print(
            f"{path}: {len(pack.modes)} modes, {len(pack.questions)} questions.", markup=False, soft_wrap=True
        )


def _check(
    words: list[str], out: Path | None, *, judge: str | None, jobs: int, max_tokens: int, seed: int, as_json: bool
) -> None:
    import asyncio

    from edgewise.cli.checkup import fresh_folder
    from edgewise.probing.pack import check_pack

    if len(words) != 2:
        raise BadInput(f"`edgewise probe check` takes a pack and a model, not {len(words)} words")
    folder = out if out is not None else fresh_folder(words[1])
    pack = Path(words[0])
    found = asyncio.run(check_pack(pack, words[1], folder, judge=judge, jobs=jobs, max_tokens=max_tokens, seed=seed))
    if as_json:
        print_json(found.as_data())
    else:
        _print_changes(found.as_data()["modes"], ("then", "now"))
    if found.unanswered:
        stderr_console().print(f"! {found.unanswered} question(s) without an answer", style="yellow")
        raise typer.Exit(3)


def _compare(words: list[str], *, as_json: bool) -> None:
    from edgewise.core.run import Run
    from edgewise.probing.pack import compare_runs

    if len(words) != 2:
        raise BadInput(f"`edgewise probe compare` takes two runs, not {len(words)}")
    changes = compare_runs(Run.open(words[0]), Run.open(words[1]))
    data = [change.as_data() for change in changes]
    if as_json:
        print_json({"modes": data})
    else:
        _print_changes(data, ("first", "second"))


def _print_changes(changes: list[dict[str, Any]], names: tuple[str, str]) -> None:
    from rich.table import Table
    from rich.text import Text

    from edgewise.report.text import visible

    if not changes:
        stdout_console().print("There are no confirmed modes.")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("fails when", *names, ""):
        table.add_column(column, justify="left" if column == "fails when" else "right", overflow="fold")
    for change in changes:
        shown = (share(change["before"]), share(change["after"]))
        table.add_row(Text(visible(change["name"])), *shown, change["outcome"])
    stdout_console().print(table)
