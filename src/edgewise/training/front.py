"""``edgewise front``: what losses can be had together, by one training run for each of several tolerances.

A tolerance that is tightened lowers its own dimension's loss and may raise the others'. The runs that no other one
dominates on held-out pairs are the achievable front; the hypervolume between them and the untrained model (log 2 nats
in every dimension) says in one number how far it reaches, to compare methods on the same pairs. It judges no model.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from edgewise.core.errors import BadInput, RunError
from edgewise.core.records import Record, parse_options
from edgewise.core.run import Run
from edgewise.stats.dominance import hypervolume, non_dominated
from edgewise.stats.intervals import clustered_mean
from edgewise.training import adapters
from edgewise.training.heldout import held_out_losses, shown
from edgewise.training.job import AlignConfig, AlignRun, NotNegative, align, resume_align
from edgewise.training.pairs import Pair, PairData, read_pairs

Floats = npt.NDArray[np.float64]
_REPLICATES = 1000
_FEWEST = 15  # records below which the bootstrap's intervals are known to be too narrow


class FrontConfig(Record):
    """What is swept.

    Attributes:
        align: Of every run; its method is ``lagdpo``, and its ``out`` is not used: adapters lie in the front's folder.
        tolerances: One run for each, in nats.
        dimension: Whose tolerance they are; of all that ``align`` names none for, where it is not given.
    """

    SCHEMA: ClassVar[str] = "front/1"
    align: AlignConfig
    tolerances: tuple[NotNegative, ...] = Field(min_length=2)
    dimension: str | None = None

    def points(self, folder: Path) -> dict[str, AlignConfig]:
        """Configuration of each run by its name, which is its tolerance."""
        found = {}
        for tolerance in self.tolerances:
            name = f"{tolerance:g}"
            if self.dimension is None:
                changed: dict[str, Any] = {"slack": tolerance}
            else:
                changed = {"tolerance": {**self.align.tolerance, self.dimension: tolerance}}
            out = str((folder / "artefacts" / "adapters" / name).resolve())
            shared = str((folder / "artefacts" / "reference").resolve())  # base and pairs are the same in every run
            found[name] = self.align.model_copy(update=changed | {"out": out, "reference_cache": shared})
        return found


def front(config: FrontConfig, folder: Path, *, seed: int = 0) -> AlignRun:
    """Train at each tolerance in a new run.

    Raises:
        BadInput: Tolerances that are the same, a method without any, a dimension without pairs, or what ``align``
            raises; nothing is written then.
    """
    data = read_pairs(Path(config.align.data))
    if config.align.method != "lagdpo":
        raise BadInput(f"{config.align.method} has no tolerances to sweep", field="method", fix="lagdpo")
    if len({f"{tolerance:g}" for tolerance in config.tolerances}) < len(config.tolerances):
        raise BadInput("two tolerances are the same", field="tolerances")
    for name in (*config.align.tolerance, *config.align.weights, *filter(None, [config.dimension])):
        if name not in data.dimensions:
            raise BadInput(f"there are no pairs of {name!r}", fix=f"there are: {', '.join(data.dimensions)}")
    if config.align.batch < len(data.dimensions):
        message = f"a batch of {config.align.batch} cannot hold {len(data.dimensions)} dimensions"
        raise BadInput(message, field="batch")
    about = {"name": config.align.model, "identity": adapters.base_identity(config.align.model)}
    with Run.create(folder, "front", config.model_dump(mode="json"), seed=seed, model=about) as run:
        return _carry_out(run, config, data)


def resume_front(folder: Path) -> AlignRun:
    """Go on: finished runs are not done again, a stopped one goes on from its last checkpoint.

    Raises:
        RunError: Model or data have changed.
    """
    with Run.open(folder, writable=True) as run:
        config = parse_options(FrontConfig, run.manifest.config, what="manifest")
        data = read_pairs(Path(config.align.data))
        began = [event.data for event in run.read_events("started")]
        if began and began[0]["data"] != data.digest:
            raise RunError("the pairs have changed since the run began", where=config.align.data, fix="start a new run")
        if adapters.base_identity(config.align.model) != run.manifest.model.get("identity"):
            raise RunError("the model has changed since the run began", where=config.align.model, fix="start a new run")
        return _carry_out(run, config, data)


def _carry_out(run: Run, config: FrontConfig, data: PairData) -> AlignRun:
    started = time.monotonic()
    training = config.align  # the same pairs as each run is given, its seed being the front's
    data = data.needed(training.steps, training.batch, stratified=True, held_out=training.held_out, seed=run.seed)
    run.events.append("started", {"data": data.digest, "pairs": len(data.train), "held_out": len(data.held_out)})
    points = config.points(run.path)
    summaries = {}
    for k, (name, own) in enumerate(points.items()):
        run.progress("front", k, len(points))
        summaries[name] = _trained(own, run.path / "runs" / name, run.seed)
    run.progress("front", len(points), len(points))
    tables = [Run.open(run.path / "runs" / name).read_table("held_out") for name in points]
    losses = {name: held_out_losses(table, training.beta) for name, table in zip(points, tables, strict=True)}
    found = summarise(data.held_out, losses, rng=run.rng("front"))
    for name, point in found["points"].items():
        dimensions = summaries[name]["dimensions"]
        point |= {
            "limits": {dimension: figures["limit"] for dimension, figures in dimensions.items()},
            "certificates": {dimension: figures["certificate"] for dimension, figures in dimensions.items()},
            "multipliers": summaries[name]["multipliers"],
            "adapter": summaries[name]["adapter"],
            "run": summaries[name]["run"],
        }
    summary = {
        "model": config.align.model,
        "dimension": config.dimension,
        **found,
        "run": str(run.path),
        "notes": [*dict.fromkeys(note for own in summaries.values() for note in own["notes"]), *found["notes"]],
        "status": "complete",
    }
    run.events.append("summary", summary)
    run.finish("complete", notes=summary["notes"], seconds=round(time.monotonic() - started, 1))
    return AlignRun(run.path, summary)


def _trained(config: AlignConfig, folder: Path, seed: int) -> dict[str, Any]:
    """Summary of one run: read where it is complete, gone on with where it was stopped, begun otherwise."""
    if not (folder / "manifest.json").is_file():
        if folder.exists():  # killed before its first word; nothing is lost
            shutil.rmtree(folder)
        return align(config, folder, seed=seed).summary
    finished = Run.open(folder)
    if finished.status() == "complete":
        return list(finished.read_events("summary"))[-1].data
    return resume_align(folder).summary


def summarise(pairs: Sequence[Pair], losses: dict[str, Floats], *, rng: np.random.Generator) -> dict[str, Any]:
    """The front as JSON data.

    Args:
        pairs: Held-out ones.
        losses: By run, nats of each pair, shape (pairs,).
        rng: Of the bootstrap.

    Returns:
        ``points`` by run: mean ``losses`` by dimension with intervals by record, whether it is ``on_front`` (no other
        run's means dominate its), and ``on_front_share``, in how many resamples of the records that is so.
        ``hypervolume`` in nats to the power of the number of dimensions, with a percentile bootstrap interval over
        records; ``reference`` by dimension; ``notes``.
    """
    names = sorted({pair.dimension for pair in pairs})
    column = np.array([names.index(pair.dimension) for pair in pairs])
    units, record = np.unique(np.array([pair.record for pair in pairs]), return_inverse=True)
    sums = np.zeros((len(units), len(losses), len(names)))
    sizes = np.zeros((len(units), 1, len(names)))
    np.add.at(sizes[:, 0], (record, column), 1.0)
    for k, own in enumerate(losses.values()):
        np.add.at(sums[:, k], (record, column), own)
    means = sums.sum(axis=0) / sizes.sum(axis=0)
    reference = np.full(len(names), math.log(2))
    volume = hypervolume(means, reference)
    volumes, kept = _resampled(sums, sizes, reference, rng)
    low, high = np.quantile(volumes, [0.025, 0.975]) if len(volumes) else (volume, volume)
    on_front = non_dominated(means)
    points: dict[str, Any] = {}
    for k, (name, own) in enumerate(losses.items()):
        by_dimension = {
            dimension: shown(clustered_mean(own[column == d], record[column == d].tolist()))
            for d, dimension in enumerate(names)
        }
        share = float(kept[:, k].mean()) if len(kept) else None
        points[name] = {"losses": by_dimension, "on_front": bool(on_front[k]), "on_front_share": share}
    fewest = min(len(set(record[column == d].tolist())) for d in range(len(names)))
    few = f"{fewest} held-out records of a dimension are few: intervals of the bootstrap are too narrow"
    return {
        "points": points,
        "hypervolume": {
            "value": volume,
            "low": min(float(low), volume),
            "high": max(float(high), volume),
            "n": len(units),
            "method": f"percentile bootstrap over records, {len(volumes)} replicates",
        },
        "reference": dict(zip(names, reference.tolist(), strict=True)),
        "notes": [few] if fewest < _FEWEST else [],
    }


def _resampled(
    sums: Floats, sizes: Floats, reference: Floats, rng: np.random.Generator
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Hypervolume (replicates,) and which runs are on the front (replicates, runs), records drawn with replacement.

    One draw serves all runs, since they are measured on the same records. A draw without a dimension is left out.
    """
    n = len(sums)
    volumes, kept = [], []
    for _ in range(_REPLICATES):
        counts = rng.multinomial(n, np.full(n, 1 / n)).astype(np.float64)
        total = np.tensordot(counts, sizes, axes=1)
        if not total.all():
            continue
        means = np.tensordot(counts, sums, axes=1) / total
        volumes.append(hypervolume(means, reference))
        kept.append(non_dominated(means))
    return np.array(volumes), np.array(kept, dtype=bool).reshape(len(volumes), sums.shape[1])
