"""``edgewise rank``: files in, a run folder out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.core.records import Record
from edgewise.core.run import Run
from edgewise.ranking.anchoring import Anchor
from edgewise.ranking.matrix import Floats, ResponseMatrix
from edgewise.ranking.methods import DEFAULT, METHODS, Options
from edgewise.ranking.ranker import Comparison, Over, Ranking, compare_methods, known, percentiles, rank

if TYPE_CHECKING:
    import pyarrow as pa

ALL = "all"
Outcome = Literal["up", "down", "same", "unclear"]
_BANDS = 10


class RankConfig(Record):
    """What to rank, and how.

    Attributes:
        files: Response files, or run folders.
        method: A name of ``METHODS``, or ``all``: ``edgewise``, with the others beside it.
        bootstrap: Replicates.
        over: What is resampled: items, models or both.
        alpha: Damping.
        tol: When to stop.
        clone_weights: Whether near-copies share one vote; ``None``: as the method has it.
        item_weights: Table of how much items count, with columns ``item_id`` and ``weight``; 1 for all unless given.
        anchor: Run folder or ``items.parquet`` of an earlier ranking whose scale is to be kept.
        reader: Options of ``read_responses``.
    """

    SCHEMA: ClassVar[str] = "rank/1"
    files: tuple[str, ...]
    method: str = DEFAULT
    bootstrap: int = 200
    over: Over = "items"
    alpha: float = Options.alpha
    tol: float = Options.tol
    clone_weights: bool | None = None
    item_weights: str | None = None
    anchor: str | None = None
    reader: dict[str, Any] = {}


@dataclass(frozen=True, eq=False)
class RankRun:
    """What ``rank_files`` made."""

    ranking: Ranking
    comparison: Comparison | None
    folder: Path | None


def rank_files(config: RankConfig, folder: Path | None, *, seed: int) -> RankRun:
    """Read, rank, and write a run folder if one is given.

    Its tables are ``models``, ``items``, ``pairs``, ``curves``, and with all methods ``methods``.

    Raises:
        BadInput: A file cannot be read, or an option does not fit.
        RunError: The folder cannot be written. Nothing is ranked before it is there.
    """
    from edgewise.ranking.readers import read_responses, read_weights

    method = DEFAULT if config.method == ALL else config.method
    if method not in METHODS:
        raise BadInput(f"there is no method {method!r}; there are {', '.join([*METHODS, ALL])}", field="method")
    if config.anchor is not None and method != DEFAULT:
        raise BadInput("only --method edgewise has a scale that can be anchored", field="anchor")
    matrix = read_responses([Path(name) for name in config.files], **config.reader).sorted()
    anchor = None if config.anchor is None else Anchor.read(Path(config.anchor))
    weights = None if config.item_weights is None else read_weights(Path(config.item_weights), matrix.items)
    options = Options(alpha=config.alpha, tol=config.tol, clones=config.clone_weights, item_weights=weights)
    ranking = rank(
        matrix, method, bootstrap=config.bootstrap, over=config.over, seed=seed, options=options, anchor=anchor
    )
    comparison = (
        compare_methods(ranking.matrix, options=replace(options, clones=None)) if config.method == ALL else None
    )
    if folder is not None:
        with Run.create(folder, "rank", config.model_dump(mode="json"), seed=seed) as run:
            run.write_table("models", ranking.models_table())
            run.write_table("items", ranking.items_table())
            run.write_table("pairs", ranking.pairs_table())
            run.write_table("curves", curves(ranking))
            if comparison is not None:
                run.write_table("methods", methods_table(ranking.matrix, comparison))
            run.finish("complete", notes=list(ranking.notes), seconds=ranking.seconds)
    return RankRun(ranking, comparison, folder)


def curves(ranking: Ranking) -> pa.Table:
    """Mean score of each model in ten bands of difficulty, with how many answers it rests on."""
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    place = percentiles(ranking.scores.difficulty)
    band = np.where(np.isfinite(place), np.minimum(np.nan_to_num(place) * _BANDS / 100, _BANDS - 1e-9), -1).astype(int)
    right, answered = np.zeros((_BANDS, ranking.matrix.shape[1])), np.zeros((_BANDS, ranking.matrix.shape[1]))
    for block in ranking.matrix.blocks():
        for k in range(_BANDS):
            here = band[block.rows] == k
            right[k] += block.right[here].sum(0)
            answered[k] += (block.right[here] + block.wrong[here]).sum(0)
    for j in ranking.order:
        for k in range(_BANDS):
            if answered[k, j] > 0:
                mean = float(right[k, j] / answered[k, j])
                rows.append({"model": ranking.matrix.models[j], "band": k, "mean": mean, "n": int(answered[k, j])})
    schema = pa.schema([("model", pa.string()), ("band", pa.int64()), ("mean", pa.float64()), ("n", pa.int64())])
    return pa.Table.from_pylist(rows, schema=schema)


def methods_table(matrix: ResponseMatrix, comparison: Comparison) -> pa.Table:
    """Every model's score by every method."""
    import pyarrow as pa

    names = list(comparison.scores)
    return pa.table(
        {
            "model": list(matrix.models),
            **{name: pa.array(_finite(comparison.scores[name].score), type=pa.float64()) for name in names},
        }
    )


def _finite(values: Floats) -> list[float | None]:
    return [known(float(x)) for x in values]


class Move(Record):
    """One model in two rankings. Ranks are among the models that both have."""

    model: str
    first: float | None
    second: float | None
    rank_first: int
    rank_second: int
    outcome: Outcome


class RankingDifference(Record):
    """Two rankings compared.

    Attributes:
        tau: Kendall's tau-b of the scores of common models; NaN is null.
        models: Common models, in the order of the second ranking.
        only_first: Models only the first has.
        only_second: Models only the second has.
        item_tau: Kendall's tau-b of the difficulties of common items; null with fewer than two.
        n_items: Common items.
    """

    tau: float | None
    models: tuple[Move, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    item_tau: float | None
    n_items: int


def diff_rankings(first: Run, second: Run) -> RankingDifference:
    """Compare two ``edgewise rank`` runs.

    Raises:
        BadInput: One of them is no such run.
        RunError: A table is missing.
    """
    from edgewise.ranking.ranker import tau
    from edgewise.ranking.uncertainty import ranks

    for run in (first, second):
        if run.manifest.kind != "rank":
            raise BadInput(f"this is a {run.manifest.kind} run; need one of `edgewise rank`", file=run.path)
    tables = [{row["model"]: row for row in run.read_table("models").to_pylist()} for run in (first, second)]
    common = sorted(set(tables[0]) & set(tables[1]))
    scores = [np.array([_number(table[m]["score"]) for m in common]) for table in tables]
    places = [ranks(each) if len(each) else each for each in scores]
    moves = []
    for i, model in enumerate(common):
        before, after = tables[0][model], tables[1][model]
        a, b = int(places[0][i]), int(places[1][i])
        sure = all(row[key] is not None for row in (before, after) for key in ("rank_low", "rank_high"))
        apart = sure and (after["rank_high"] < before["rank_low"] or after["rank_low"] > before["rank_high"])
        outcome: Outcome = "same" if a == b else "unclear" if not apart else "up" if b < a else "down"
        moves.append(
            Move(
                model=model, first=before["score"], second=after["score"], rank_first=a, rank_second=b, outcome=outcome
            )
        )
    items = []
    for run in (first, second):
        table = run.read_table("items")
        items.append(dict(zip(table["item_id"].to_pylist(), table["difficulty"].to_pylist(), strict=True)))
    shared = sorted(set(items[0]) & set(items[1]))
    difficulties = [np.array([_number(each[q]) for q in shared]) for each in items]
    return RankingDifference(
        tau=known(tau(*scores)) if len(common) > 1 else None,
        models=tuple(sorted(moves, key=lambda move: (move.rank_second, move.model))),
        only_first=tuple(sorted(set(tables[0]) - set(common))),
        only_second=tuple(sorted(set(tables[1]) - set(common))),
        item_tau=known(tau(*difficulties)) if len(shared) > 1 else None,
        n_items=len(shared),
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
