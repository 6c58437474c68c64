"""``edgewise rank`` and ``edgewise rank diff``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from edgewise.cli.output import AsJson, print_json, stderr_console, stdout_console
from edgewise.core.errors import BadInput

if TYPE_CHECKING:
    from edgewise.ranking.job import RankingDifference, RankRun

_SHOWN = 40
_WIDE = 60
_METHODS = "edgewise, rankllm, accuracy, rasch, 2pl, 3pl, bradley-terry, plackett-luce, hits, or all."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rank")(rank)


def rank(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Responses or run folders; or: diff RUN RUN.", show_default=False),
    ],
    method: Annotated[str, typer.Option(help=_METHODS)] = "edgewise",
    bootstrap: Annotated[int, typer.Option(min=0, help="Replicates for the intervals; 0 for none.")] = 200,
    over: Annotated[Literal["items", "models", "both"], typer.Option(help="What is resampled.")] = "items",
    alpha: Annotated[float, typer.Option(help="Damping, between 0 and 1.")] = 0.85,
    tol: Annotated[float, typer.Option(help="When to stop iterating.")] = 1e-10,
    clone_weights: Annotated[
        bool | None, typer.Option("--clone-weights/--no-clone-weights", help="Near-copies of a model share one vote.")
    ] = None,
    item_weights: Annotated[Path | None, typer.Option(help="Table with columns item_id and weight.")] = None,
    anchor: Annotated[Path | None, typer.Option(help="An earlier ranking whose scale is kept.")] = None,
    fmt: Annotated[str | None, typer.Option("--format", help="Of the files, where it is not found out.")] = None,
    model: Annotated[str | None, typer.Option(help="Column of the models.")] = None,
    item: Annotated[str | None, typer.Option(help="Column of the items.")] = None,
    score: Annotated[str | None, typer.Option(help="Column of the scores.")] = None,
    repeats: Annotated[
        Literal["error", "mean"], typer.Option(help="Several answers of a model to one item.")
    ] = "error",
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    out: Annotated[Path | None, typer.Option(help="The run's folder.  [default: runs/DATE-rank-N]")] = None,
    as_json: AsJson = False,
) -> None:
    """Rank models and questions by who solved what, with how sure the order is."""
    if files[0] == "diff" and not Path("diff").exists():
        _diff(files[1:], as_json=as_json)
        return
    from edgewise.cli.checkup import fresh_folder
    from edgewise.core.run import Run
    from edgewise.ranking.job import RankConfig, rank_files
    from edgewise.report.html import write_report

    reader = {"format": fmt, "model": model, "item": item, "score": score, "repeats": repeats}
    config = RankConfig(
        files=tuple(files),
        method=method,
        bootstrap=bootstrap,
        over=over,
        alpha=alpha,
        tol=tol,
        clone_weights=clone_weights,
        item_weights=None if item_weights is None else str(item_weights),
        anchor=None if anchor is None else str(anchor),
        reader={key: value for key, value in reader.items() if value is not None},
    )
    folder = out if out is not None else fresh_folder("rank")
    done = rank_files(config, folder, seed=seed)
    report = write_report(Run.open(folder))
    if as_json:
        print_json(as_contract(done))
    else:
        _print(done)
    console = stderr_console()
    for note in done.ranking.notes:
        console.print(f"! {note}", markup=False, style="yellow")
    console.print(f"Report: {report}", markup=False, soft_wrap=True)


def as_contract(done: RankRun) -> dict[str, Any]:
    """The object that ``--json`` prints; later tools rely on its form."""
    from edgewise.ranking.ranker import known

    ranking = done.ranking
    found: dict[str, Any] = {
        "method": ranking.method,
        "models": ranking.models_table().to_pylist(),
        "n_items": ranking.matrix.shape[0],
        "seconds": ranking.seconds,
        "run": str(done.folder),
        "notes": list(ranking.notes),
    }
    if done.comparison is not None:
        found["tau"] = {f"{a} {b}": known(tau) for (a, b), tau in done.comparison.model_tau.items()}
        found["seconds_by_method"] = done.comparison.seconds
    return found


def _print(done: RankRun) -> None:
    from rich.table import Table
    from rich.text import Text

    from edgewise.report.text import visible

    ranking = done.ranking
    console = stdout_console()
    table = Table(box=None, pad_edge=False)
    wide = console.width >= _WIDE
    for column in ("rank", "model", "score", "95 %", *(("accuracy", "items") if wide else ())):
        name = column == "model"
        table.add_column(column, justify="left" if name else "right", overflow="fold", no_wrap=not name)
    rows = ranking.models_table().to_pylist()
    for row in rows[:_SHOWN]:
        place = f"{row['rank']}"
        if row["rank_low"] is not None and row["rank_low"] != row["rank_high"]:
            place += f" ({row['rank_low']}-{row['rank_high']})"
        interval = "" if row["low"] is None else f"{row['low']:.3g} to {row['high']:.3g}"
        shown = ["–" if row[key] is None else f"{row[key]:.3g}" for key in ("score", "accuracy")]
        more = (shown[1], f"{row['n_items']:,}") if wide else ()
        table.add_row(place, Text(visible(row["model"])), shown[0], interval, *more)
    console.print(table)
    if len(rows) > _SHOWN:
        console.print(f"… and {len(rows) - _SHOWN} more in the report.")
    if done.comparison is not None:
        taus = [(a, b, t) for (a, b), t in done.comparison.model_tau.items() if ranking.method in (a, b)]
        agree = ", ".join(f"{b if a == ranking.method else a} {t:.2f}" for a, b, t in taus)
        console.print(f"\nAgreement with the order of {ranking.method} (Kendall's tau-b): {agree}", markup=False)


def _diff(folders: list[str], *, as_json: bool) -> None:
    from edgewise.core.run import Run
    from edgewise.ranking.job import diff_rankings

    if len(folders) != 2:
        raise BadInput(f"`edgewise rank diff` takes two runs, not {len(folders)}")
    difference = diff_rankings(Run.open(folders[0]), Run.open(folders[1]))
    if as_json:
        print_json(difference.model_dump(mode="json"))
    else:
        _print_difference(difference)


def _print_difference(difference: RankingDifference) -> None:
    from rich.table import Table
    from rich.text import Text

    from edgewise.report.text import visible

    console = stdout_console()
    table = Table(box=None, pad_edge=False)
    for column in ("model", "first", "second", ""):
        table.add_column(column, justify="left" if column == "model" else "right", overflow="fold")
    signs = {"up": "↑", "down": "↓", "same": "", "unclear": "?"}
    for move in difference.models:
        table.add_row(Text(visible(move.model)), str(move.rank_first), str(move.rank_second), signs[move.outcome])
    console.print(table)
    for name, models in (("first", difference.only_first), ("second", difference.only_second)):
        if models:
            console.print(f"Only in the {name}: {', '.join(map(visible, models))}", markup=False)
    taus = [f"models {difference.tau:.3f}" if difference.tau is not None else "models –"]
    taus.append(
        f"{difference.n_items:,} common items " + ("–" if difference.item_tau is None else f"{difference.item_tau:.3f}")
    )
    console.print(f"Kendall's tau-b: {', '.join(taus)}. ? means that the rank intervals overlap.", markup=False)
