"""``edgewise loopholes audit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgewise.cli.output import AsJson, finish_run, stderr_console, stdout_console

if TYPE_CHECKING:
    from edgewise.loopholes.audit.result import AuditRun

_ENV = "FILE.py[:NAME], PACKAGE.MODULE:NAME or game:NAME[?OPTION=VALUE&…]."
_BASE = "Policy that training would start from: auto, uniform, ngram, a file of texts, or a model."


def audit(
    env: Annotated[str, typer.Argument(metavar="ENV", help=_ENV, show_default=False)],
    base: Annotated[str, typer.Option(help=_BASE)] = "auto",
    budget: Annotated[int, typer.Option(min=200, help="Most answers that the reward is asked about.")] = 20_000,
    seconds: Annotated[float, typer.Option(min=1, help="Most time.")] = 60.0,
    trust: Annotated[bool, typer.Option("--trust", help="Import the code here instead of in the sandbox.")] = False,
    per_answer: Annotated[
        float, typer.Option(min=0.001, help="Seconds after which grading an answer is too slow.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Of all draws.")] = 0,
    out: Annotated[Path | None, typer.Option(help="The run's folder.  [default: runs/DATE-audit-N]")] = None,
    as_json: AsJson = False,
) -> None:
    """Find the loopholes of a reward before anything is trained on it, and predict how far they will be used."""
    from edgewise.cli.checkup import fresh_folder
    from edgewise.cli.progress import progress_shown
    from edgewise.core.records import parse_options
    from edgewise.loopholes.audit.job import audit as examine
    from edgewise.loopholes.audit.result import AuditConfig

    options = {
        "environment": _resolved(env), "base": str(Path(base).resolve()) if Path(base).is_file() else base,
        "calls": budget, "seconds": seconds, "trust": trust, "per_answer": per_answer,
    }  # fmt: skip
    config = parse_options(AuditConfig, options, what="options")
    folder = out if out is not None else fresh_folder("audit")
    with progress_shown(folder, stderr_console()):
        done = examine(config, folder, seed=seed)
    finish(done, as_json=as_json)


def finish(done: AuditRun, *, as_json: bool) -> None:
    """Write the report, print the outcome, and leave with the exit code that it deserves."""
    finish_run(done.summary, _print, as_json=as_json)


def _resolved(env: str) -> str:
    """A file by its whole path, so that the run can be continued from anywhere."""
    path, colon, name = env.rpartition(":") if not env.endswith(".py") else (env, "", "")
    return f"{Path(path).resolve()}{colon}{name}" if path.endswith(".py") else env


def _print(summary: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from edgewise.report.text import visible

    console = stdout_console()
    found = summary["exploitability"]
    console.print(f"{summary['environment']}: {summary['calls']:,} reward calls", markup=False)
    if found["value"] is None:
        console.print(f"exploitability not predicted: {found['reason']}", markup=False)
    else:
        words = f"{found['value']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"
        console.print(f"predicted exploit ratio after training: {words}", markup=False)
    if not summary["loopholes"]:
        console.print("no loophole found", markup=False)
        return
    table = Table(box=None, pad_edge=False)
    for column in ("loophole", "gain", "nats", "answer"):
        table.add_column(column, justify="right" if column in ("gain", "nats") else "left", overflow="fold")
    for one in summary["loopholes"]:
        gain, nats = one["gain"]["value"], one["kl"]["value"]
        shown = "–" if nats is None else f"{nats:.1f}"
        table.add_row(one["kind"], f"{gain:+.3g}", shown, Text(visible(one["witness"]["template"])))
    console.print(table)
    first = summary["loopholes"][0]["witness"]
    console.print(Text(visible(f"\nFor example\n  prompt: {first['prompt']}\n  answer: {first['completion']}")))
