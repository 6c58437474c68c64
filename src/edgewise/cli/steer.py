"""``edgewise steer``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from edgewise.cli.output import AsJson, numbers, print_json, stderr_console, stdout_console
from edgewise.cli.training_options import needs_training
from edgewise.core.errors import BadInput


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("steer")(steer)


def steer(
    adapter: Annotated[list[str], typer.Option(help="DIMENSION=FOLDER of an adapter (repeatable).")],
    weight: Annotated[
        list[str] | None, typer.Option(help="DIMENSION=WEIGHT (repeatable); 1 unless given, negative allowed.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the merged adapter goes.")] = None,
    measure: Annotated[Path | None, typer.Option(help="Pairs, as for `align`: measure how margins follow.")] = None,
    grid: Annotated[str, typer.Option(help="Weights to measure at.")] = "0,0.25,0.5,0.75,1",
    held_out: Annotated[int, typer.Option(min=2, help="Held-out pairs of a dimension to measure on, at most.")] = 200,
    dtype: Annotated[Literal["float32", "bfloat16"], typer.Option(help="Of the base's weights.")] = "float32",
    max_length: Annotated[int, typer.Option(min=8, help="Tokens of prompt and answer.")] = 512,
    as_json: AsJson = False,
) -> None:
    """Merge one adapter per dimension, each with a weight, into one; measure whether margins follow the weights."""
    import orjson

    from edgewise.core.files import write_atomically
    from edgewise.training import adapters
    from edgewise.training.steer import check_out, full_weighting, read_adapters
    from edgewise.training.steer import steer as merge

    if out is None and measure is None:
        raise BadInput("there is nothing to do", field="--out", fix="--out FOLDER, or --measure PAIRS, or both")
    needs_training()
    folders = _folders(adapter)
    weights = numbers(weight or [], "--weight")
    found = read_adapters(folders)
    summary: dict[str, Any] = {
        "adapter": None if out is None else str(out.resolve()),
        "base": next(iter(found.values())).lineage.base,
        "weights": full_weighting(found, weights),
        "parents": {name: one.identity for name, one in found.items()},
        "measured": None,
    }
    if out is not None:
        check_out(out)  # before anything that takes time
    if measure is not None:
        from edgewise.training.monotonicity import measure as measured
        from edgewise.training.pairs import read_pairs, sampled

        console = stderr_console()
        summary["measured"] = measured(
            folders,
            weights,
            sampled(read_pairs(measure).held_out, held_out),
            _grid(grid),
            max_length=max_length,
            dtype=dtype,
            done=lambda k, n: console.print(f"steer: {k}/{n}", markup=False),
        )
    if out is not None:
        merge(folders, weights, out)
        summary["identity"] = adapters.identity(out)
        if summary["measured"]:
            write_atomically(out / "steering.json", orjson.dumps(summary, option=orjson.OPT_INDENT_2))
    if as_json:
        print_json(summary)
    else:
        _print(summary)


def _print(summary: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from edgewise.report.text import visible

    console = stdout_console()
    if summary["measured"]:
        first = next(iter(summary["measured"].values()))
        table = Table(box=None, pad_edge=False)
        table.add_column("margin of", overflow="fold")
        for column in (*(f"at {weight:g}" for weight in first["weights"]), "slope", "rising", "records"):
            table.add_column(column, justify="right", overflow="fold")
        for name, found in summary["measured"].items():
            cells = [_cell(margin, "+.2f") for margin in found["margins"]]
            rising = f"{found['rising_steps']} of {found['steps']}"
            table.add_row(Text(visible(name)), *cells, _cell(found["slope"], "+.2f"), rising, str(found["slope"]["n"]))
        console.print(table)
    if summary["adapter"] is not None:
        weights = ", ".join(f"{visible(name)} x {weight:g}" for name, weight in summary["weights"].items())
        console.print(f"Merged: {weights}", markup=False, soft_wrap=True)
        console.print(f"\nNext: edgewise checkup adapter:{summary['adapter']}", markup=False, soft_wrap=True)


def _cell(data: dict[str, Any], form: str) -> str:
    if data["value"] is None:
        return "–"
    value, low, high = (format(data[key], form) for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _folders(given: list[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for text in given:
        name, sign, folder = text.partition("=")
        if not (name and sign and folder):
            raise BadInput(f"{text!r} is not DIMENSION=FOLDER", field="--adapter")
        if name in found:
            raise BadInput(f"{name!r} has two adapters", field="--adapter", fix="another name for one of them")
        found[name] = Path(folder).resolve()
    return found


def _grid(text: str) -> tuple[float, ...]:
    from edgewise.training.monotonicity import check_grid

    try:
        return check_grid([float(part) for part in text.split(",")])
    except ValueError:
        raise BadInput(f"{text!r} is not numbers with commas between them", field="--grid") from None
