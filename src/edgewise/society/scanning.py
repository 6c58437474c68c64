"""``edgewise society scan``: an existing log in, a run folder with findings out."""

from __future__ import annotations

from pathlib import Path

from edgewise.core.errors import RunError
from edgewise.core.run import Run
from edgewise.core.section import Section
from edgewise.society.job import SocietyRun


def scan_log(log: Path, folder: Path, fmt: str | None = None) -> SocietyRun:
    """Scan a log in a new run.

    Raises:
        BadInput: The file cannot be read as a log; rows that cannot be read are reported and left out.
    """
    from edgewise.society.scan import build_section, scan  # its readers are not needed to show a page

    found = scan(log, fmt)
    config = {"log": str(log), "format": fmt}
    with Run.create(folder, "society-scan", config, seed=0, model={"name": log.name}) as run:
        summary = found.as_data() | {"run": str(run.path)}
        run.events.append("summary", summary)
        run.events.append("section", build_section(found).model_dump(mode="json"))
        run.finish("complete")
    return SocietyRun(folder, summary | {"status": "complete", "notes": []})


def scan_section(run: Run) -> Section:
    """The page of a scan.

    Raises:
        RunError: The scan was stopped; a new one takes moments.
    """
    for event in run.read_events("section"):
        return Section.model_validate(event.data)
    raise RunError("the scan was stopped", where=str(run.path), fix="scan the log again")
