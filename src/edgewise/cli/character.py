"""``edgewise character`` with ``facets``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from edgewise.cli.output import AsJson, conclude, print_json, stdout_console

if TYPE_CHECKING:
    from edgewise.character.facets.job import FacetsRun

_SHOWN = 12
_WIDE = 76

character = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(character, name="character")


@character.callback()
def _group() -> None:  # without it a group of one command would be that command
    """Persona dimensions: measured apart from their judges."""


@character.command("facets")
def facets(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Ratings (model, item, judge, dimension, score) or judgments (model_a, model_b, judge, winner).",
            show_default=False,
        ),
    ],
    method: Annotated[
        Literal["marginal", "joint"], typer.Option(help="Items as a sample, or each for itself.")
    ] = "marginal",
    thresholds: Annotated[
        Literal["scale", "judge", "item"], typer.Option(help="What has thresholds of its own.")
    ] = "scale",
    covariate: Annotated[
        list[str] | None, typer.Option(help="A numeric column whose effect is estimated, e.g. length (repeatable).")
    ] = None,
    categories: Annotated[int | None, typer.Option(min=2, help="Cut scores into so many classes.")] = None,
    repeats: Annotated[
        Literal["error", "first", "all"], typer.Option(help="Several ratings of one answer by one judge.")
    ] = "error",
    per_component: Annotated[
        bool, typer.Option("--per-component", help="Fit sets of models apart that cannot be compared.")
    ] = False,
    plan: Annotated[int, typer.Option(min=0, help="How many (judge, item) cells to plan next.")] = 0,
    out: Annotated[Path | None, typer.Option(help="The run's folder.  [default: runs/DATE-facets-N]")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure models by many-facet Rasch: ability apart from item difficulty and judge severity."""
    from edgewise.character.facets.job import measure_files
    from edgewise.character.facets.types import FacetsConfig
    from edgewise.cli.checkup import fresh_folder
    from edgewise.core.run import Run
    from edgewise.report.html import write_report

    config = FacetsConfig(
        files=tuple(files),
        method=method,
        thresholds=thresholds,
        covariates=tuple(covariate or ()),
        categories=categories,
        repeats=repeats,
        per_component=per_component,
        plan=plan,
    )
    done = measure_files(config, out if out is not None else fresh_folder("facets"))
    report = write_report(Run.open(done.folder))
    if as_json:
        print_json(done.found | {"notes": list(done.notes), "run": str(done.folder)})
    else:
        _print(done)
    conclude(done.folder, "complete", done.notes, report)


def _print(done: FacetsRun) -> None:
    from rich.table import Table
    from rich.text import Text

    from edgewise.report.text import visible

    console = stdout_console()
    wide = console.width >= _WIDE
    for key, name, value in (("models", "model", "logit"), ("judges", "judge", "severity")):
        rows: list[dict[str, Any]] = done.found[key]
        if key == "judges" and rows and rows[0]["severity"] is None:
            value = "advantage"
        table = Table(box=None, pad_edge=False)
        several = len({row.get("dimension") for row in rows}) > 1
        more = ("infit", "outfit", "ratings") if wide else ()
        for column in (name, *(("dimension",) if several else ()), value, "95 %", *more):
            left = column in (name, "dimension")
            table.add_column(column, justify="left" if left else "right", overflow="fold", no_wrap=not left)
        for row in rows[:_SHOWN]:
            cells = [f"{row[value]:+.2f}", f"{row['low']:+.2f} to {row['high']:+.2f}"]
            if wide:
                cells += ["–" if row[k] is None else f"{row[k]:.2f}" for k in ("infit", "outfit")] + [f"{row['n']:,}"]
            table.add_row(Text(visible(row[name])), *((Text(visible(row["dimension"])),) if several else ()), *cells)
        console.print(table)
        if len(rows) > _SHOWN:
            console.print(f"… and {len(rows) - _SHOWN} more in the report.")
        console.print()
    _print_findings(done.found)


def _print_findings(found: dict[str, Any]) -> None:
    console = stdout_console()
    for dimension, data in found["reliability"]["models"].items():
        if data is not None:
            console.print(
                f"{dimension}: reliability of models {data['reliability']:.2f}, separation {data['separation']:.1f}",
                markup=False,
            )
    partial = [row for row in found.get("bias", ()) if row["p_adjusted"] is not None and row["p_adjusted"] < 0.05]
    for row in partial[:_SHOWN]:
        what = f"model {row['model']}" if row["model"] is not None else row["kind"].removeprefix("judge x ")
        how = "favours" if row["logit"] > 0 else "is hard on"
        console.print(f"! judge {row['judge']} {how} {what}: {row['logit']:+.2f} logits, n={row['n']:,}", markup=False)
    for row in found.get("plan", ())[:_SHOWN]:
        console.print(
            f"next: judge {row['judge']} on item {row['item']}, mean standard error {row['mean_se_after']:.3f}",
            markup=False,
        )
