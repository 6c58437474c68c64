"""``edgewise character`` with ``facets`` and ``data``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from edgewise.cli.output import AsJson, conclude, finish_run, numbers, print_json, stderr_console, stdout_console

if TYPE_CHECKING:
    from edgewise.character.facets.job import FacetsRun
    from edgewise.character.knobs.job import KnobsRun

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
def _group() -> None:
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


@character.command("data")
def data(
    out: Annotated[Path, typer.Option(help="The data set's folder, which is a run.")],
    n: Annotated[int, typer.Option("--n", min=8, help="Scenarios, all splits together.")] = 1000,
    family: Annotated[list[str] | None, typer.Option(help="Only this family of scenarios (repeatable).")] = None,
    levels: Annotated[int, typer.Option(min=1, max=2, help="Steps of a knob: 1 is off and on.")] = 1,
    per_dimension: Annotated[int, typer.Option(min=1, help="Pairs of a dimension in a scenario.")] = 2,
    chains: Annotated[int, typer.Option(min=0, help="Pairs that differ in several, in a scenario.")] = 1,
    share: Annotated[list[str] | None, typer.Option(help="DIMENSION=SHARE of training pairs (repeatable).")] = None,
    hold_out: Annotated[list[str] | None, typer.Option(help="A family for the test alone (repeatable).")] = None,
    model: Annotated[str | None, typer.Option(help="Writes the answers, instead of the grammar.")] = None,
    vary: Annotated[str | None, typer.Option(help="A model that says prompts in other words.")] = None,
    attempts: Annotated[int, typer.Option(min=1, help="At an answer by --model.")] = 3,
    budget: Annotated[str | None, typer.Option(help="Of models: calls=,tokens=,seconds=,cost=.")] = None,
    families_file: Annotated[Path | None, typer.Option(help="Families of your own (YAML).")] = None,
    dimensions_file: Annotated[Path | None, typer.Option(help="Dimensions of your own (YAML).")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Write PersonaKnob: preference pairs that a partial order of persona dimensions decides."""
    from edgewise.character.knobs.job import KnobsConfig, generate
    from edgewise.cli.progress import progress_shown
    from edgewise.core.records import parse_options
    from edgewise.models.budget import Limits

    options = {
        "n": n,
        "families": tuple(family or ()),
        "levels": levels,
        "per_dimension": per_dimension,
        "chains": chains,
        "shares": numbers(share or [], "--share"),
        "hold_out": tuple(hold_out or ()),
        "model": model,
        "vary": vary,
        "attempts": attempts,
        "limits": Limits() if budget is None else Limits.parse(budget),
        "families_file": None if families_file is None else str(families_file.resolve()),
        "dimensions_file": None if dimensions_file is None else str(dimensions_file.resolve()),
    }
    with progress_shown(out, stderr_console()):
        done = generate(parse_options(KnobsConfig, options, what="options"), out, seed=seed)
    finish(done, as_json=as_json)


def finish(done: KnobsRun, *, as_json: bool) -> None:
    """Write the data set's report, print what it holds, and leave."""
    finish_run(done.summary, _print_data, as_json=as_json)


def _print_data(found: dict[str, Any]) -> None:
    from rich.table import Table

    console = stdout_console()
    splits = found["splits"]
    table = Table(box=None, pad_edge=False)
    table.add_column("pairs", overflow="fold")
    for split in splits:
        table.add_column(split, justify="right", no_wrap=True)
    for name in sorted({name for split in splits.values() for name in split["pairs"]}):
        counts = {split: data["pairs"].get(name, 0) for split, data in splits.items()}
        counts["train"] = found["train_pairs"].get("" if name == "chain" else name, 0)
        table.add_row(name, *(f"{counts[split]:,}" for split in splits))
    console.print(table)
    console.print(f"\n{found['records']:,} scenarios, {found['per_second']:,.0f} a second.")
    console.print(f"Next: edgewise align embedded --data {found['run']} --out ADAPTER", markup=False, soft_wrap=True)
