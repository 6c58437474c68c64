"""Response files of many tools, read into one matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast, get_args

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.ranking.matrix import Floats, ResponseMatrix
from edgewise.ranking.readers import logs
from edgewise.ranking.readers.detect import FORMATS, Format, detect, expand
from edgewise.ranking.readers.part import Part, Repeats, join
from edgewise.ranking.readers.tables import Columns, read_numbers, read_table

__all__ = ["FORMATS", "read_responses", "read_weights"]


def read_responses(
    paths: Sequence[Path | str],
    *,
    format: str | None = None,
    model: str | None = None,
    item: str | None = None,
    score: str | None = None,
    repeats: Repeats = "error",
) -> ResponseMatrix:
    """Read response files and join them over items and models. Order does not matter.

    Args:
        paths: Files, or folders that hold them: tables (CSV, TSV, Parquet, JSON lines) in long or wide form, Inspect
            logs, lm-evaluation-harness samples, HELM runs, AlpacaEval annotations, edgewise runs.
        format: A name of ``FORMATS``, for all the files; found out unless given.
        model: Column of the models, of a table.
        item: Column of the items, of a table.
        score: Column of the scores of a long table; scorer or metric of a log that has several.
        repeats: Whether several scores of a model on an item are an error, or samples whose mean counts. Epochs of one
            Inspect log and trials of one HELM run are always samples.

    Raises:
        BadInput: A file cannot be read or can be read in several ways. Names file, row and column, and the option that
            settles it.
    """
    if format is not None and format not in FORMATS:
        raise BadInput(f"there is no format {format!r}; there are {', '.join(FORMATS)}", field="format")
    if repeats not in get_args(Repeats):
        raise BadInput(f"repeats is {repeats!r}; need error or mean", field="repeats")
    if not paths:
        raise BadInput("no file is given")
    given = Columns(model, item, score)
    references: dict[str, str] = {}
    parts = []
    for path in paths:
        try:
            for file in expand(Path(path)):
                kind = detect(file) if format is None else cast(Format, format)
                parts.append(_read(file, kind, given, repeats, references))
        except OSError as error:
            raise BadInput(f"it cannot be read: {error.strerror or error}", file=path) from None
    if len(references) > 1:
        (first, here), (second, there) = list(references.items())[:2]
        raise BadInput(f"preferences over {first!r} (in {here}) and over {second!r} are not on one scale", file=there)
    return join(parts, repeats)


def read_weights(path: Path, items: Sequence[str]) -> Floats:
    """How much each item counts, from a table with columns ``item_id`` and ``weight``. Shape (items).

    Raises:
        BadInput: A column is missing, an item is missing or there twice, or a weight is negative or no number.
    """
    found = read_numbers(path, "item_id", "weight")
    for item in items:
        if item not in found:
            raise BadInput(f"item {item!r} has no weight", file=path, field="item_id")
    weights = np.array([found[item] for item in items])
    if not np.all(np.isfinite(weights) & (weights >= 0)):
        bad = items[int(np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))[0])]
        raise BadInput(f"item {bad!r} has weight {found[bad]}; need a number, not negative", file=path, field="weight")
    return weights


def _read(path: Path, kind: Format, given: Columns, repeats: Repeats, references: dict[str, str]) -> Part:
    if kind in ("long", "wide", "wide-models", "table"):
        return read_table(path, None if kind == "table" else kind, given, repeats)
    for option, column in (("--model", given.model), ("--item", given.item)):
        if column is not None:
            raise BadInput(f"{option} is for tables; {kind} files say which it is", file=path)
    if kind == "edgewise":
        return logs.read_run(path)
    if kind == "inspect":
        return logs.read_inspect(path, given.score)
    if kind == "lm-eval":
        return logs.read_lm_eval(path, given.score)
    if kind == "helm":
        return logs.read_helm(path, given.score)
    part, found = logs.read_alpaca(path)
    for reference in found:
        references.setdefault(reference, str(path))
    return part
