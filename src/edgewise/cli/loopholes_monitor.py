"""``edgewise loopholes monitor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgewise.cli.output import AsJson, finish_run, stdout_console
from edgewise.core.errors import BadInput

_RUN = (
    "A run's folder, finished or still training, or a table (CSV, JSON lines, Parquet): step, proxy, trusted or true."
)
_SCALE = (
    "Units of the trusted reward for one of the proxy: same, slope (of their regression at the start), or a number."
)


def monitor(
    run: Annotated[Path, typer.Argument(metavar="RUN", help=_RUN, show_default=False)],
    alpha: Annotated[float, typer.Option(help="Probability of a false alarm over the whole run.")] = 0.05,
    margin: Annotated[float, typer.Option(min=0, help="What the proxy may gain more, in widths of the other.")] = 0.02,
    scale: Annotated[str, typer.Option(help=_SCALE)] = "same",
    baseline: Annotated[
        int, typer.Option(min=16, help="Prompts (answers, if the log tells no prompts) of the baseline.")
    ] = 64,
    out: Annotated[Path | None, typer.Option(help="Folder of the report.  [default: runs/DATE-monitor-N]")] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether and since when a training run's proxy has parted from the trusted reward."""
    from edgewise.cli.checkup import fresh_folder
    from edgewise.core.records import parse_options
    from edgewise.loopholes.monitor.job import WatchConfig, look

    scaled: str | float = scale
    if scale not in ("same", "slope"):
        try:
            scaled = float(scale)
        except ValueError:
            raise BadInput(f"{scale!r} is neither same, slope nor a number", field="--scale") from None
    settings = {"alpha": alpha, "margin": margin, "scale": scaled}
    options = {"source": str(run.resolve()), "monitor": settings, "baseline": baseline}
    config = parse_options(WatchConfig, options, what="options")
    folder = out if out is not None else fresh_folder("monitor")
    finish_run(look(config, folder), _print, as_json=as_json)


def _print(summary: dict[str, Any]) -> None:
    from edgewise.loopholes.monitor.report import lead, told

    console = stdout_console()
    console.print(lead(summary), markup=False)
    if len(summary["runs"]) > 1:
        for one in summary["runs"]:
            console.print(f"seed {one['seed']}: {told(one, summary['threshold'])}", markup=False)
