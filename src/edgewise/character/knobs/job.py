"""``edgewise character data``: a configuration in, a folder with PersonaKnob out. The folder is a run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from edgewise.character.dimensions import load_dimensions
from edgewise.character.knobs.compose import Composer
from edgewise.character.knobs.dataset import write_dataset
from edgewise.character.knobs.grammar import load_families
from edgewise.character.knobs.quality import summary
from edgewise.character.knobs.types import SPLITS, KnobRecord, record_id
from edgewise.core.errors import BadInput, BudgetExhausted, ModelFault
from edgewise.core.records import Record, parse_options
from edgewise.core.run import Run
from edgewise.models.budget import Budget, Limits
from edgewise.models.door import Model
from edgewise.models.gather import gather_calls, within_budget
from edgewise.models.ledger import read_ledger
from edgewise.models.open import open_model

_SHARES = {"validation": 0.15, "test": 0.15}


class KnobsConfig(Record):
    """What a data set depends on besides its seed.

    Attributes:
        n: Records, all splits together.
        families: Names; all unless given.
        families_file, dimensions_file: Ones of one's own.
        levels: Steps of a knob.
        per_dimension, chains: Cover pairs of each dimension, and chains, in a record at most.
        shares: Of training pairs, by dimension.
        hold_out: Families that are in the test alone.
        model: Writes the answers instead of the grammar.
        vary: Model that says prompts in other words.
        attempts: At an answer, before it is left out.
        limits: Of the models together.
    """

    SCHEMA: ClassVar[str] = "knobs/1"
    n: int = Field(default=1000, ge=8)
    families: tuple[str, ...] = ()
    families_file: str | None = None
    dimensions_file: str | None = None
    levels: int = Field(default=1, ge=1, le=2)
    per_dimension: int = Field(default=2, ge=1)
    chains: int = Field(default=1, ge=0)
    shares: dict[str, float] = {}
    hold_out: tuple[str, ...] = ()
    model: str | None = None
    vary: str | None = None
    attempts: int = Field(default=3, ge=1)
    limits: Limits = Limits()


@dataclass(frozen=True)
class KnobsRun:
    """A finished data set and what ``--json`` prints."""

    run: Path
    summary: dict[str, Any]


def generate(config: KnobsConfig, folder: Path, *, seed: int = 0) -> KnobsRun:
    """Write a data set in a new folder.

    Raises:
        BadInput: An option or a file cannot be used; nothing is written then.
        RunError: The folder cannot be written.
        BudgetExhausted: The models' budget was spent; what was written is kept, and `edgewise resume` goes on.
    """
    _composers(config)
    with Run.create(folder, "knobs", config.model_dump(mode="json"), seed=seed) as run:
        return _carry_out(run, config)


def resume_knobs(folder: Path, *, limits: Limits | None = None) -> KnobsRun:
    """Go on, with new limits if they are given; nothing that a model wrote is asked for again."""
    with Run.open(folder, writable=True) as run:
        config = parse_options(KnobsConfig, run.manifest.config, what="manifest")
        if limits is not None:
            config = config.model_copy(update={"limits": limits})
        return _carry_out(run, config)


def _composers(config: KnobsConfig) -> tuple[Composer, Composer | None]:
    """One for all families, and one for those that are in the test alone."""
    dimensions_file = None if config.dimensions_file is None else Path(config.dimensions_file)
    known = load_families(None if config.families_file is None else Path(config.families_file), dimensions_file)
    for field, names in (("family", config.families), ("hold_out", config.hold_out)):
        for name in names:
            if name not in known:
                raise BadInput(f"there is no family {name!r}", field=field, fix=f"there are: {', '.join(known)}")
    dimensions = load_dimensions(dimensions_file)
    chosen = [known[name] for name in config.families or known if name not in config.hold_out]
    if not chosen:
        raise BadInput("no family is left to train on", field="hold_out")
    varying = {dimension for family in chosen for dimension in family.dimensions}
    for name, share in config.shares.items():
        if name not in varying:
            raise BadInput(f"no family varies {name!r}", field="share", fix=f"there are: {', '.join(sorted(varying))}")
        if not 0 < share < 1:
            raise BadInput(f"{share:g} is not between 0 and 1", field="share")
    options = {"levels": config.levels, "per_dimension": config.per_dimension, "chains": config.chains}
    held_out = [known[name] for name in config.hold_out]
    return Composer(chosen, dimensions, **options), Composer(held_out, dimensions, **options) if held_out else None


def _drawn(run: Run, config: KnobsConfig) -> tuple[list[KnobRecord], dict[str, Any], list[str]]:
    """Records, what the report says of how they were drawn, and notes."""
    composer, unseen = _composers(config)
    counts = {split: round(config.n * share) for split, share in _SHARES.items()}
    counts["train"] = config.n - sum(counts.values())
    if unseen is not None:
        counts["test"] = max(1, counts["test"] // 2)
    records = [record for split in SPLITS for record in composer.draw(split, counts[split], run.rng(f"knobs/{split}"))]
    if unseen is not None:
        records += unseen.draw("test", round(config.n * _SHARES["test"]) - counts["test"], run.rng("knobs/unseen"))
    notes = []
    if len(records) < config.n:
        notes.append(f"{len(records)} of {config.n} records: these families hold no more that differ")
    composers = [composer] if unseen is None else [composer, unseen]
    about = {family.name: family.spec.about for each in composers for family in each.families}
    return records, {"about": about, "redrawn": sum(each.rejected for each in composers)}, notes


def _carry_out(run: Run, config: KnobsConfig) -> KnobsRun:
    started = time.monotonic()
    records, drawn, notes = _drawn(run, config)
    if config.model is not None or config.vary is not None:
        records, more = asyncio.run(_written(run, config, records))
        notes += more
    if not records:
        raise BadInput("no record passed its checks", field="model", fix="another model, or more --attempts")
    pairs = write_dataset(run.path, records, config.shares, run.rng("knobs/thin"))
    seconds = time.monotonic() - started
    found = {
        "records": len(records),
        "train_pairs": pairs,
        "splits": summary(records),
        **drawn,
        "seconds": round(seconds, 2),
        "per_second": round(len(records) / seconds, 1),
        "run": str(run.path),
        "notes": notes,
    }
    run.events.append("summary", found)
    run.finish("complete", notes=notes, seconds=found["seconds"])
    return KnobsRun(run.path, found)


@contextmanager
def _opened(run: Run, spec: str | None, budget: Budget) -> Iterator[Model | None]:
    if spec is None:
        yield None
        return
    model = open_model(spec, role="generator", run=run, budget=budget)
    try:
        yield model
    finally:
        model.close()


async def _written(run: Run, config: KnobsConfig, records: Sequence[KnobRecord]) -> tuple[list[KnobRecord], list[str]]:
    """Records in models' words. What a model does not bring about is left out, and counted."""
    from edgewise.character.knobs.written import paraphrase, write_answers

    dimensions = load_dimensions(None if config.dimensions_file is None else Path(config.dimensions_file))
    budget = Budget(config.limits)
    budget.charge(read_ledger(run.read_events()).usage)
    with _opened(run, config.vary, budget) as varier, _opened(run, config.model, budget) as writer:

        async def one(record: KnobRecord) -> KnobRecord | None:
            if varier is not None:
                record = await paraphrase(record, varier)
            if writer is None:
                return record
            return await write_answers(
                record, writer, dimensions, levels=config.levels, attempts=config.attempts,
                rng=run.rng(f"knobs/pairs/{record.id}"), per_dimension=config.per_dimension, chains=config.chains,
            )  # fmt: skip

        jobs = [partial(one, record) for record in records]
        results = await gather_calls(jobs, progress=lambda done, total: run.progress("knobs", done, total))
    try:
        results = within_budget(results)
    except BudgetExhausted as spent:
        run.finish("incomplete", notes=[str(spent)])
        raise
    found = [_named(record) for record in results if isinstance(record, KnobRecord)]
    faults = sum(isinstance(result, ModelFault) for result in results)
    notes = []
    if faults:
        notes.append(f"{faults} of {len(records)} records left out: the model gave no answer")
    if failed := len(records) - len(found) - faults:
        notes.append(f"{failed} of {len(records)} records left out: answers did not pass the checks")
    if config.vary is not None:
        same = sum("paraphrase" not in record.provenance for record in found)
        notes.append(f"{same} of {len(found)} prompts stay as they were: the paraphrase lost something")
    return list({record.id: record for record in found}.values()), notes


def _named(record: KnobRecord) -> KnobRecord:
    """The record with an id of its own words, since they are no longer those that the grammar made."""
    return replace(record, id=record_id(record.family, record.messages, record.responses))
