"""``edgewise character facets``: ratings in, a run folder out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewise.character.facets.types import FacetsConfig
from edgewise.core.run import Run

if TYPE_CHECKING:
    import pyarrow as pa

TABLES = ("models", "judges", "items", "thresholds", "effects", "bias", "plan")


@dataclass(frozen=True)
class FacetsRun:
    """What was found, as JSON data, and notes to the reader."""

    found: dict[str, Any]
    notes: tuple[str, ...]
    folder: Path


def measure_files(config: FacetsConfig, folder: Path) -> FacetsRun:
    """Read ratings or pairwise judgments, fit them, and write a run folder.

    Its tables are those of ``TABLES`` that have rows. Whether files hold ratings or judgments is seen by their columns.

    Raises:
        BadInput: A file cannot be read or used; nothing is written then.
        RunError: The folder cannot be written.
    """
    found, notes = _pairs(config) if _holds_pairs(Path(config.files[0])) else _ratings(config)
    with Run.create(folder, "facets", config.model_dump(mode="json"), seed=0) as run:
        for name in TABLES:
            if found.get(name):
                run.write_table(name, _table(found[name]))
        run.finish(
            "complete", notes=list(notes), reliability=found["reliability"], loglik=found["loglik"], n=found["n"]
        )
    return FacetsRun(found, notes, folder)


def _ratings(config: FacetsConfig) -> tuple[dict[str, Any], tuple[str, ...]]:
    from edgewise.character.facets.measure import measure
    from edgewise.character.facets.ratings import read_ratings
    from edgewise.character.facets.results import tabulate

    ratings = read_ratings(
        [Path(name) for name in config.files],
        covariates=config.covariates,
        categories=config.categories,
        repeats=config.repeats,
    )
    fits = measure(ratings, method=config.method, thresholds=config.thresholds, per_component=config.per_component)
    found = tabulate(ratings, fits, cells=config.plan)
    notes = list(ratings.notes)
    for facet, rows in (("model", found["models"]), ("judge", found["judges"])):
        extreme = sorted({row[facet] for row in rows if row["extreme"]})
        if extreme:
            notes.append(
                f"{facet} {', '.join(extreme)}: nothing but the lowest or the highest category; measured as if the "
                "total were 0.3 points off the end"
            )
    return found, tuple(notes)


def _pairs(config: FacetsConfig) -> tuple[dict[str, Any], tuple[str, ...]]:
    from edgewise.character.facets.pairwise import fit_pairs, read_comparisons
    from edgewise.character.facets.results import tabulate_pairs

    tables, models, judges = read_comparisons([Path(name) for name in config.files])
    fits = {name: (table, fit_pairs(table, len(models), len(judges))) for name, table in tables.items()}
    return tabulate_pairs(fits, models, judges), ()


def _holds_pairs(path: Path) -> bool:
    from edgewise.core.errors import BadInput
    from edgewise.core.tables import open_table

    if not path.is_file():
        raise BadInput("there is no such file", file=path)
    return {"model_a", "model_b"} <= set(open_table(path).names)


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    import pyarrow as pa

    flat = [{key: value for key, value in row.items() if not isinstance(value, dict)} for row in rows]
    return pa.Table.from_pylist(flat)
