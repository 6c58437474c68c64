"""``edgewise front``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgewise.cli.output import AsJson, finish_run, numbers, stderr_console, stdout_console
from edgewise.cli.training_options import (
    Base,
    Batch,
    Beta,
    DType,
    FullWeights,
    HeldOut,
    Layers,
    LearningRate,
    MaxLength,
    PairsPath,
    Rank,
    Steps,
    Tolerance,
    TrainingSeed,
    Weight,
    base_place,
    needs_training,
)
from edgewise.core.errors import BadInput

if TYPE_CHECKING:
    from edgewise.training.job import AlignRun


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("front")(front)


def front(
    model: Base,
    data: PairsPath,
    slack: Annotated[
        str, typer.Option(help="Tolerances of all dimensions, one run each: 0.35,0.45,0.55. With --dimension, one.")
    ] = "0.5",
    dimension: Annotated[str | None, typer.Option(help="Sweep this dimension's tolerance alone.")] = None,
    tolerances: Annotated[str | None, typer.Option(help="Its tolerances, one run each: 0.3,0.5,0.65.")] = None,
    steps: Steps = 100,
    batch: Batch = 8,
    lr: LearningRate = 2e-4,
    beta: Beta = 0.1,
    tolerance: Tolerance = None,
    weight: Weight = None,
    rank: Rank = 16,
    layers: Layers = 0,
    full_weights: FullWeights = False,
    dtype: DType = "float32",
    max_length: MaxLength = 512,
    held_out: HeldOut = 200,
    seed: TrainingSeed = 0,
    run: Annotated[Path | None, typer.Option(help="The run's folder.  [default: runs/DATE-front-N]")] = None,
    as_json: AsJson = False,
) -> None:
    """Train once for each of several tolerances: which losses can be had together."""
    from edgewise.cli.checkup import fresh_folder
    from edgewise.cli.progress import progress_shown
    from edgewise.core.records import parse_options
    from edgewise.training.front import FrontConfig
    from edgewise.training.front import front as sweep
    from edgewise.training.job import AlignConfig

    needs_training()
    swept, common = _swept(slack, dimension, tolerances)
    folder = run if run is not None else fresh_folder("front")
    options = {
        "model": base_place(model),
        "data": str(data.resolve()),
        "out": str(folder.resolve()),
        "steps": steps,
        "batch": batch,
        "lr": lr,
        "beta": beta,
        "slack": common,
        "tolerance": numbers(tolerance or [], "--tolerance"),
        "weights": numbers(weight or [], "--weight"),
        "rank": rank,
        "layers": layers,
        "full_weights": full_weights,
        "dtype": dtype,
        "max_length": max_length,
        "held_out": held_out,
    }
    align = parse_options(AlignConfig, options, what="options")
    chosen = {"align": align, "tolerances": swept, "dimension": dimension}
    config = parse_options(FrontConfig, chosen, what="options")
    with progress_shown(folder, stderr_console()):
        done = sweep(config, folder, seed=seed)
    finish(done, as_json=as_json)


def finish(done: AlignRun, *, as_json: bool) -> None:
    """Write the report, print the outcome, and leave."""
    from edgewise.core.run import Run
    from edgewise.report.html import write_report

    for point in done.summary["points"].values():
        write_report(Run.open(Path(point["run"])))
    finish_run(done.summary, _print, as_json=as_json)


def _print(summary: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from edgewise.report.text import visible

    console = stdout_console()
    table = Table(box=None, pad_edge=False)
    for column in ("tolerance", "on the front", "in resamples"):
        table.add_column(column, justify="right", overflow="fold")
    for name in summary["reference"]:
        table.add_column(Text(f"loss of {visible(name)}"), justify="right", overflow="fold")
    for name, point in summary["points"].items():
        share = "–" if point["on_front_share"] is None else f"{point['on_front_share']:.0%}"
        cells = (_cell(point["losses"][dimension]) for dimension in summary["reference"])
        table.add_row(name, "yes" if point["on_front"] else "no", share, *cells)
    console.print(table)
    volume = _cell(summary["hypervolume"])
    console.print(f"Hypervolume below log 2 in each dimension: {volume}", markup=False, soft_wrap=True)


def _cell(data: dict[str, Any]) -> str:
    if data["value"] is None:
        return "–"
    return f"{data['value']:.3f} [{data['low']:.3f}, {data['high']:.3f}]"


def _swept(slack: str, dimension: str | None, tolerances: str | None) -> tuple[list[float], float]:
    """The tolerances that are swept, and the one of what is not swept."""
    usual = _list(slack, "--slack")
    if dimension is None:
        if tolerances is not None:
            raise BadInput("whose tolerances are they?", field="--tolerances", fix="--dimension NAME, or --slack A,B")
        return usual, usual[0]
    if tolerances is None:
        raise BadInput("its tolerances are missing", field="--dimension", fix="--tolerances A,B")
    if len(usual) != 1:
        raise BadInput("with --dimension it is one number", field="--slack", fix="sweep one of the two")
    return _list(tolerances, "--tolerances"), usual[0]


def _list(text: str, field: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise BadInput(f"{text!r} is not numbers with commas between them", field=field) from None
