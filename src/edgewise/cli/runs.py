"""``edgewise runs``, ``edgewise compare`` and ``edgewise view``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgewise.cli.output import AsJson, print_json, stderr_console, stdout_console
from edgewise.core.errors import EdgewiseError, RunError

if TYPE_CHECKING:
    from edgewise.core.profile import Profile
    from edgewise.core.run import Run


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("runs")(runs)
    app.command("compare")(compare)
    app.command("view")(view)


def runs(
    folder: Annotated[Path, typer.Argument(help="Where runs are kept.")] = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    found = sorted(_list_runs(folder), key=lambda run: run["created"], reverse=True)
    if as_json:
        print_json({"runs": found})
        return
    if not found:
        stderr_console().print(f"No runs in {folder}. `edgewise checkup` makes one.", markup=False)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in ("run", "model", "seed", "status", "created"):
        table.add_column(column, overflow="fold")
    for run in found:
        table.add_row(*(Text(str(run[c])) for c in ("run", "model", "seed", "status", "created")))
    stdout_console().print(table)


def _list_runs(folder: Path) -> list[dict[str, Any]]:
    from edgewise.core.run import Run

    found = []
    for manifest in sorted(folder.glob("*/manifest.json")):
        path = manifest.parent
        about: dict[str, Any] = {"run": str(path), "model": "?", "seed": None, "status": "damaged", "created": ""}
        try:
            run = Run.open(path)
            about |= {"model": run.manifest.model.get("name", "?"), "seed": run.seed, "created": run.manifest.created}
            about["status"] = _status(run)
        except EdgewiseError as error:
            about["problem"] = str(error)
        found.append(about)
    return found


def _status(run: Run) -> str:
    """The run's own word, but ``stopped`` where it says ``running`` and no process holds it."""
    status = run.status()
    return "stopped" if status == "running" and not run.is_locked() else status


def compare(
    first: Annotated[Path, typer.Argument(help="A run's folder, or a profile.json.")],
    second: Annotated[Path, typer.Argument(help="Another.")],
    html: Annotated[Path | None, typer.Option(help="Write the comparison as a page as well.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two profiles, dimension by dimension. There is no total."""
    a, b = _read_profile(first), _read_profile(second)
    comparison = a.compare(b)
    if html is not None:
        from edgewise.core.files import write_atomically
        from edgewise.report.html import render_comparison

        write_atomically(html, render_comparison(comparison, a, b).encode())
        stderr_console().print(f"Written: {html}", markup=False)
    if as_json:
        print_json(comparison.model_dump(mode="json"))
    else:
        from edgewise.report.terminal import print_comparison

        print_comparison(comparison, console=stdout_console())


def _read_profile(path: Path) -> Profile:
    from edgewise.core.profile import Profile
    from edgewise.core.run import Run

    if path.is_dir():
        return Run.open(path).read_profile()
    if not path.is_file():
        raise RunError("no such run or profile", where=str(path), fix="`edgewise runs` lists runs")
    return Profile.from_json(path.read_bytes(), where=str(path))


def view(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free port.")] = 0,
) -> None:
    """Serve a run on this machine: its progress while it runs, then its report."""
    from edgewise.core.run import Run
    from edgewise.report.server import serve

    Run.open(run)  # a wrong folder is an error here, not a page
    serve(run, port=port)
