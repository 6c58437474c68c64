"""``edgewise align``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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

if TYPE_CHECKING:
    from edgewise.training.job import AlignRun


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("align")(align)


def align(
    model: Base,
    data: PairsPath,
    out: Annotated[Path, typer.Option(help="Where the adapter goes.")],
    method: Annotated[
        Literal["lagdpo", "dpo", "weighted", "groupdro", "sft"], typer.Option(help="How dimensions go together.")
    ] = "lagdpo",
    steps: Steps = 100,
    batch: Batch = 8,
    lr: LearningRate = 2e-4,
    beta: Beta = 0.1,
    slack: Annotated[float, typer.Option(min=0, help="Most nats of loss of a dimension (log 2 is untrained).")] = 0.5,
    tolerance: Tolerance = None,
    weight: Weight = None,
    rank: Rank = 16,
    layers: Layers = 0,
    full_weights: FullWeights = False,
    dtype: DType = "float32",
    max_length: MaxLength = 512,
    held_out: HeldOut = 200,
    seed: TrainingSeed = 0,
    run: Annotated[Path | None, typer.Option(help="The run's folder.  [default: runs/DATE-align-N]")] = None,
    as_json: AsJson = False,
) -> None:
    """Train a model on preference pairs of several dimensions, none of which may fall below its tolerance."""
    from edgewise.cli.checkup import fresh_folder
    from edgewise.cli.progress import progress_shown
    from edgewise.core.records import parse_options
    from edgewise.training.job import AlignConfig
    from edgewise.training.job import align as train

    needs_training()
    options = {
        "model": base_place(model),
        "data": str(data.resolve()),
        "out": str(out.resolve()),
        "method": method,
        "steps": steps,
        "batch": batch,
        "lr": lr,
        "beta": beta,
        "slack": slack,
        "tolerance": numbers(tolerance or [], "--tolerance"),
        "weights": numbers(weight or [], "--weight"),
        "rank": rank,
        "layers": layers,
        "full_weights": full_weights,
        "dtype": dtype,
        "max_length": max_length,
        "held_out": held_out,
    }
    config = parse_options(AlignConfig, options, what="options")
    folder = run if run is not None else fresh_folder("align")
    with progress_shown(folder, stderr_console()):
        done = train(config, folder, seed=seed)
    finish(done, as_json=as_json)


def finish(done: AlignRun, *, as_json: bool) -> None:
    """Write the report, print the outcome, and leave."""
    finish_run(done.summary, _print, as_json=as_json)


def _print(summary: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from edgewise.report.text import visible

    console = stdout_console()
    table = Table(box=None, pad_edge=False)
    for column in ("dimension", "margin before", "after", "loss", "limit", "λ", "", "certificate"):
        left = column in ("dimension", "", "certificate")
        table.add_column(column, justify="left" if left else "right", overflow="fold")
    for name, found in summary["dimensions"].items():
        figures = (
            (found["base"]["margin"]["value"], "+.2f"),
            (found["result"]["margin"]["value"], "+.2f"),
            (found["result"]["loss"]["value"], ".3f"),
            (found["limit"], ".3f"),
            (summary["multipliers"].get(name), ".2f"),
        )
        cells = ("–" if value is None else format(value, form) for value, form in figures)
        table.add_row(Text(visible(name)), *cells, found["verdict"], found["certificate"]["verdict"])
    console.print(table)
    console.print(f"\nNext: edgewise checkup adapter:{summary['adapter']}", markup=False, soft_wrap=True)
