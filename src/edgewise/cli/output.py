"""What every command shares: JSON on standard output, everything else on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgewise.core.errors import BadInput, EdgewiseError

if TYPE_CHECKING:
    from rich.console import Console

    from edgewise.core.section import Section

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else.")]


def print_json(data: dict[str, Any]) -> None:
    """Print one JSON object."""
    import orjson

    sys.stdout.write(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode() + "\n")


def stdout_console() -> Console:
    """For results."""
    from rich.console import Console

    return Console(highlight=False)


def stderr_console() -> Console:
    """For progress and messages."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def numbers(given: Sequence[str], field: str) -> dict[str, float]:
    """Options of the form NAME=NUMBER.

    Raises:
        BadInput: One is of another form.
    """
    found = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            raise BadInput(f"{text!r} is not NAME=NUMBER", field=field) from None
    return found


def pairs(texts: Sequence[str], option: str, *, plain: bool = False) -> dict[str, Any]:
    """Options of the form NAME=VALUE; values are read as YAML reads them unless ``plain``.

    Raises:
        BadInput: One is of another form.
    """
    import yaml

    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise BadInput(f"{text!r} is not NAME=VALUE", field=option)
        try:
            found[name] = value if plain else yaml.safe_load(value)
        except yaml.YAMLError:
            raise BadInput(f"{value!r} cannot be read", field=name) from None
    return found


def print_section(section: Section) -> None:
    """A section's lead and its tables, as in the report."""
    from rich.table import Table
    from rich.text import Text

    from edgewise.report.text import visible

    console = stdout_console()
    console.print(section.lead, markup=False)
    for block in section.blocks:
        if block.kind != "table":
            continue
        table = Table(box=None, pad_edge=False, title=block.title, title_justify="left")
        for column in block.columns:
            table.add_column(column, overflow="fold")
        for row in block.rows:
            table.add_row(*(Text(visible("" if cell is None else str(cell))) for cell in row))
        console.print()
        console.print(table)


def conclude(run: Path, status: str, notes: Sequence[str], report: Path) -> None:
    """The last words of a run, and the exit code that it deserves."""
    console = stderr_console()
    for note in notes:
        console.print(f"! {note}", markup=False, style="yellow")
    if status != "complete":
        console.print(f"The run is incomplete: edgewise resume {run}", markup=False)
    console.print(f"Report: {report}", markup=False, soft_wrap=True)
    if status != "complete":
        raise typer.Exit(3)


def finish_run(summary: Mapping[str, Any], show: Callable[[dict[str, Any]], None], *, as_json: bool) -> None:
    """Write a run's report, print its outcome as JSON or by ``show``, and leave with the exit code that it deserves."""
    from edgewise.core.run import Run
    from edgewise.report.html import write_report

    run = Path(summary["run"])
    report = write_report(Run.open(run))
    if as_json:
        print_json(dict(summary))
    else:
        show(dict(summary))
    conclude(run, str(summary.get("status", "complete")), summary.get("notes", ()), report)


def report_error(error: Exception) -> int:
    """Say what went wrong; returns the exit code."""
    if hasattr(error, "format_message") and hasattr(error, "show"):  # click's, which Typer carries privately
        report_as_json(error.format_message(), None, None)
        error.show()  # on standard error
        return 2
    if isinstance(error, EdgewiseError):
        report_as_json(error.message, error.where, error.fix)
        sys.stderr.write(f"edgewise: {error}\n")
        return error.exit_code
    import traceback

    report_as_json(f"{type(error).__name__}: {error}", None, "this is a defect of edgewise; please report it")
    traceback.print_exception(error)
    sys.stderr.write("edgewise: this is a defect of edgewise; please report it with the lines above\n")
    return 1


def _json_wanted() -> bool:
    return "--json" in sys.argv


def report_as_json(message: str, where: str | None, fix: str | None) -> None:
    """The error as the one JSON object, if JSON was asked for."""
    if _json_wanted():
        print_json({"error": {"message": message, "where": where, "fix": fix}})
