"""Figures that a training run logged: read from its folder or a table, and watched as if the monitor had been there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edgewise.core.errors import BadInput, RunError
from edgewise.core.records import first_problem
from edgewise.core.run import Run
from edgewise.core.tables import json_records, open_table
from edgewise.loopholes.monitor.monitor import Monitor, MonitorConfig
from edgewise.loopholes.monitor.rows import EVENT, Row
from edgewise.loopholes.types import FIGURES

_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
_NAMES = ("step", "kind", "seed", "unit", "prompt")
BASELINE = 64  # units that make a baseline where none is marked


@dataclass
class Watch:
    """A logged run of one seed under watch."""

    seed: int
    monitor: Monitor
    baseline: tuple[int, int]  # last step of the baseline, units


def read_rows(path: Path | str) -> list[Row]:
    """Rows of a run folder (finished or live), or of a table with columns step, proxy and trusted or true.

    In a table each line is one answer; ``exploit``, ``seed``, ``kind`` and ``prompt`` are known names, and all further
    columns of numbers are parts of the proxy. A JSON-lines file may hold rows with lists instead (``Row``).

    Raises:
        BadInput: A file that is no table, lacks a column or holds what is no number; names file, row and field.
        RunError: The folder is no run, or logged nothing that can be watched.
    """
    path = Path(path)
    if path.is_dir():
        return _from_run(path)
    if not path.is_file():
        raise BadInput("there is no such file or folder", file=path)
    if path.suffix.lower() not in _SUFFIXES:
        raise BadInput("this is neither a run nor a table", file=path, fix=f"suffixes are {', '.join(_SUFFIXES)}")
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        records = list(json_records(path))
        if records and isinstance(records[0][1].get("proxy"), list):
            found = [_row(record, f"{path}, row {number}") for number, record in records]
            _check_trusted(found, str(path))
            return sorted({(row.seed, row.kind, row.step): row for row in found}.values(), key=_order)
    return _from_table(path)


def _from_run(path: Path) -> list[Row]:
    run = Run.open(path)
    rows: dict[tuple[int, str, int], Row] = {}
    for event in run.read_events():  # what was done again after a kill was written again: the last word counts
        if event.kind == EVENT:
            row = _row(event.data, f"{path}, event {event.seq}")
        elif event.kind == "step" and isinstance(event.data.get("answers"), dict):
            answers = event.data["answers"]
            group = int(run.manifest.config.get("generations", 1))
            unit = [str(place // group) for place in range(len(answers.get("proxy", ())))]
            row = _row({"step": event.data["step"], "unit": unit, **answers}, f"{path}, event {event.seq}")
        else:
            continue
        rows[row.seed, row.kind, row.step] = row
    if not rows and run.table_path("prompts").is_file():  # of `loopholes train`
        return _from_table(run.table_path("prompts"))
    if not rows:
        raise RunError(
            "the run logged no answers' rewards", where=str(path),
            fix="train it under watch, or give a table with a line for each answer",
        )  # fmt: skip
    _check_trusted(rows.values(), str(path))
    return sorted(rows.values(), key=_order)


def _order(row: Row) -> tuple[int, bool, int]:
    return row.seed, row.kind == "check", row.step


def _row(data: dict[str, Any], where: str) -> Row:
    try:
        return Row.model_validate(data)
    except ValidationError as error:
        raise BadInput(f"no row of a monitor: {first_problem(error)}", file=where) from None


def _from_table(path: Path) -> list[Row]:
    source = open_table(path)
    file, names = source.file, source.names
    for name in ("step", "proxy"):
        if name not in names:
            raise BadInput("the column is missing", file=file, field=name, fix="need step, proxy, and trusted or true")
    if "trusted" not in names and "true" not in names:
        raise BadInput("the column is missing", file=file, field="trusted", fix="need step, proxy, and trusted or true")
    found: dict[tuple[int, str, int], dict[str, list[Any]]] = {}
    parts = [name for name in names if name not in (*_NAMES, *FIGURES)]
    number = 0
    for batch in source.batches:
        for record in batch.to_pylist():
            number += 1
            at = (file, number)
            seed = _whole(record.get("seed") or 0, "seed", at)
            kind = str(record.get("kind") or "check")
            if kind not in ("start", "check"):
                raise BadInput(f"{kind!r} is neither start nor check", file=file, row=number, field="kind")
            own = found.setdefault((seed, kind, _whole(record["step"], "step", at)), {})
            for name in (*FIGURES, *parts):
                if name in names:
                    own.setdefault(name, []).append(_number(record[name], name, at))
            if "prompt" in names or "unit" in names:
                own.setdefault("unit", []).append(str(record.get("prompt", record.get("unit"))))
    rows = []
    for (seed, kind, step), own in found.items():
        columns = {name: tuple(own[name]) for name in (*FIGURES, "unit") if name in own}
        rows.append(Row(step=step, kind=kind, seed=seed, parts={n: tuple(own[n]) for n in parts}, **columns))  # type: ignore[arg-type]
    _check_trusted(rows, file)
    return sorted(rows, key=_order)


def _check_trusted(rows: Iterable[Row], where: str) -> None:
    if not any(v is not None for row in rows for v in row.trusted or row.true):
        raise BadInput("has no value", file=where, field="trusted", fix="a trusted reward is what a monitor needs")


def _whole(value: Any, field: str, at: tuple[str, int]) -> int:
    found = _number(value, field, at)
    if found is None or found != int(found) or found < 0:
        raise BadInput(f"{value!r} is no whole number from 0", file=at[0], row=at[1], field=field)
    return int(found)


def _number(value: Any, field: str, at: tuple[str, int]) -> float | None:
    """Empty, null and NaN are answers without a grade."""
    if value is None or (isinstance(value, str) and value.strip().lower() in ("", "null", "none", "nan")):
        return None
    if value in ("true", "false"):
        return float(value == "true")
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise BadInput(f"{str(value)[:40]!r} is not a number", file=at[0], row=at[1], field=field) from None
    if math.isinf(found):
        raise BadInput("is infinite", file=at[0], row=at[1], field=field)
    return None if math.isnan(found) else found


def replay(rows: Sequence[Row], config: MonitorConfig | None = None, *, baseline: int = BASELINE) -> list[Watch]:
    """Watch logged rows as the monitor would have, seed by seed.

    Rows of kind ``start`` are the baseline. Where there are none it is made of the first steps, as many as hold
    ``baseline`` units (prompts, or answers where the log does not tell prompts): what the policy has learned in them
    already counts as the start.

    Raises:
        BadInput: Too few answers for a baseline, or none after it.
    """
    return [_watch(seed, own, config, baseline) for seed, own in _by_seed(rows)]


def _by_seed(rows: Sequence[Row]) -> Iterator[tuple[int, list[Row]]]:
    for seed in sorted({row.seed for row in rows}):
        yield seed, [row for row in rows if row.seed == seed]


def _watch(seed: int, rows: list[Row], config: MonitorConfig | None, baseline: int) -> Watch:
    start = [row for row in rows if row.kind == "start"]
    later = [row for row in rows if row.kind == "check"]
    while not start or (start[-1].kind == "check" and sum(row.size for row in start) < baseline and later):
        start.append(later.pop(0))
    if not later:
        raise BadInput(
            f"seed {seed} has no step after the {sum(row.size for row in start)} units of the baseline",
            field="step", fix="a longer log, or a smaller --baseline",
        )  # fmt: skip
    whole = joined(start)
    monitor = Monitor(config)
    monitor.begin(whole.grades(), units=whole.units)
    for row in later:
        monitor.check(row.step, row.grades(), units=row.units)
    return Watch(seed, monitor, (start[-1].step, whole.size))


def joined(rows: Sequence[Row]) -> Row:
    """Several rows as one; the same prompt number in another step is another prompt."""
    columns: dict[str, Any] = {name: sum((getattr(row, name) for row in rows), ()) for name in FIGURES}
    for name in FIGURES[1:]:  # a column that some rows lack
        if len(columns[name]) != len(columns["proxy"]):
            columns[name] = ()
    shared = set(rows[0].parts).intersection(*(row.parts for row in rows))
    parts = {name: sum((row.parts[name] for row in rows), ()) for name in sorted(shared)}
    units = tuple(f"{row.step}/{unit}" for row in rows for unit in row.unit)
    return Row(
        step=rows[-1].step, kind="start", seed=rows[0].seed, parts=parts,
        unit=units if len(units) == len(columns["proxy"]) else (), **columns,
    )  # fmt: skip
