"""``edgewise align``: preference pairs in, an adapter with its lineage and its held-out figures out."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from edgewise.core.errors import BadInput, RunError
from edgewise.core.records import Record, parse_options
from edgewise.core.run import Run, installed_versions
from edgewise.training import adapters
from edgewise.training.heldout import compare, held_out_table
from edgewise.training.lagrangian import Constraint, Controller, Multipliers
from edgewise.training.pairs import PairData, read_pairs
from edgewise.training.weighting import Fixed, GroupRobust, Lagrangian, Pooled, Weighting

if TYPE_CHECKING:
    import pyarrow as pa

_AT_ONCE = 16  # pairs whose log-probabilities are computed together


NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class AlignConfig(Record):
    """What is trained, on what, and how.

    Attributes:
        model: ``embedded``, or a local folder.
        data: Folder or file of pairs.
        out: Where the trained model goes.
        method: ``lagdpo`` holds tolerances by multipliers; ``dpo`` takes all pairs alike; ``weighted`` has fixed
            weights; ``groupdro`` weighs the worse dimension more; ``sft`` learns the chosen answers alone.
        steps, batch, lr, beta: Optimiser steps; pairs in each; learning rate; inverse temperature of DPO.
        tolerance: Most nats of loss by dimension; ``slack`` for those that are not named.
        slack: .5 is what the paper is reported to use; log 2 = .693 is where training begins.
        weights: Of dimensions; 1 unless given.
        controller: Of the multipliers.
        rank: Of the adapter.
        layers: The adapter is in so many of the last layers alone, which is cheaper; 0 for all.
        full_weights: Train all weights instead.
        max_length: Tokens of prompt and answer.
        dtype: Of the base's weights.
        held_out: Held-out pairs of a dimension that are scored, at most.
        reference_cache: Folder for the base's log-probabilities, to be shared by runs; the run's own unless given.
    """

    SCHEMA: ClassVar[str] = "align/1"
    model: str
    data: str
    out: str
    method: Literal["lagdpo", "dpo", "weighted", "groupdro", "sft"] = "lagdpo"
    steps: int = Field(default=100, ge=1)
    batch: int = Field(default=8, ge=1)
    lr: float = Field(default=2e-4, gt=0)
    beta: float = Field(default=0.1, gt=0)
    tolerance: dict[str, NotNegative] = {}
    slack: float = Field(default=0.5, ge=0)
    weights: dict[str, NotNegative] = {}
    controller: Controller = Controller(warmup=5)
    rank: int = Field(default=16, ge=1)
    layers: int = Field(default=0, ge=0)
    full_weights: bool = False
    max_length: int = Field(default=512, ge=8)
    dtype: Literal["float32", "bfloat16"] = "float32"
    held_out: int = Field(default=200, ge=2)
    reference_cache: str | None = None


@dataclass(frozen=True)
class AlignRun:
    """A finished run and what ``--json`` prints."""

    run: Path
    summary: dict[str, Any]


def align(config: AlignConfig, folder: Path, *, seed: int = 0) -> AlignRun:
    """Train in a new run.

    Raises:
        BadInput: Model, data or an option cannot be used; nothing is written then.
        EdgewiseError: A loss is not a number; the last checkpoint stays.
    """
    data = read_pairs(Path(config.data))
    _check(config, data)
    if Path(config.out).exists() and any(Path(config.out).iterdir()):
        raise RunError("the folder is not empty", where=config.out, fix="choose another folder with --out")
    about = {"name": config.model, "identity": adapters.base_identity(config.model)}
    with Run.create(folder, "align", config.model_dump(mode="json"), seed=seed, model=about) as run, _quiet(folder):
        return _carry_out(run, config, data)


def resume_align(folder: Path) -> AlignRun:
    """Go on from the last checkpoint; the losses are those of a run that was never stopped.

    Raises:
        RunError: Model or data have changed.
    """
    with Run.open(folder, writable=True) as run, _quiet(folder):
        config = parse_options(AlignConfig, run.manifest.config, what="manifest")
        data = read_pairs(Path(config.data))
        began = [event.data for event in run.read_events("started")]
        if began and began[0]["data"] != data.digest:
            raise RunError("the pairs have changed since the run began", where=config.data, fix="start a new run")
        if adapters.base_identity(config.model) != run.manifest.model.get("identity"):
            raise RunError("the model has changed since the run began", where=config.model, fix="start a new run")
        return _carry_out(run, config, data)


def _check(config: AlignConfig, data: PairData) -> None:
    for field, given in (("tolerance", config.tolerance), ("weight", config.weights)):
        unknown = sorted(set(given) - set(data.dimensions))
        if unknown:
            known = ", ".join(data.dimensions)
            raise BadInput(f"there are no pairs of {unknown[0]!r}", field=field, fix=f"there are: {known}")
    if config.batch < len(data.dimensions):
        raise BadInput(f"a batch of {config.batch} cannot hold {len(data.dimensions)} dimensions", field="batch")


def weighting_of(config: AlignConfig, dimensions: Sequence[str]) -> Weighting:
    """The method's rule."""
    weights = {name: config.weights.get(name, 1.0) for name in dimensions}
    if config.method == "lagdpo":
        constraints = {
            name: Constraint(weight=weights[name], tolerance=config.tolerance.get(name, config.slack))
            for name in dimensions
        }
        return Lagrangian(Multipliers(constraints, config.controller))
    if config.method == "groupdro":
        return GroupRobust(dimensions)
    return Fixed(weights) if config.method == "weighted" else Pooled()


def _carry_out(run: Run, config: AlignConfig, data: PairData) -> AlignRun:
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import DPOConfig

    from edgewise.training.lagdpo import STATE, LagDPOTrainer
    from edgewise.training.progress import RunCallback

    started = time.monotonic()
    weighting = weighting_of(config, data.dimensions)
    data = data.needed(
        config.steps, config.batch, stratified=weighting.stratified, held_out=config.held_out, seed=run.seed
    )
    run.events.append("started", {"data": data.digest, "pairs": len(data.train), "held_out": len(data.held_out)})
    model, tokenizer = adapters.load_base(config.model, dtype=config.dtype)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    _check_lengths(tokenizer, data, config.max_length)
    checkpoints = run.path / "artefacts" / "checkpoints"
    args = DPOConfig(
        output_dir=str(checkpoints),
        per_device_train_batch_size=config.batch,
        max_steps=config.steps,
        learning_rate=config.lr,
        beta=config.beta,
        max_length=config.max_length,
        precompute_ref_log_probs=True,
        precompute_ref_batch_size=_AT_ONCE,
        logging_steps=1,
        save_steps=max(1, config.steps // 10),
        save_total_limit=2,
        report_to=[],
        disable_tqdm=True,
        seed=run.seed,
        bf16=False,
        gradient_checkpointing=False,
        dataloader_pin_memory=model.device.type == "cuda",
        warmup_steps=min(10, config.steps // 10),
    )
    trainer = LagDPOTrainer(
        model,
        args=args,
        train_dataset=Dataset.from_list([pair.row() for pair in data.train]),
        eval_dataset=Dataset.from_list([pair.row() for pair in data.held_out]),
        weighting=weighting,
        reference_cache=Path(config.reference_cache or run.path / "artefacts" / "reference"),
        supervised=config.method == "sft",
        processing_class=tokenizer,
        peft_config=None if config.full_weights else _adapter_config(config, model),
        callbacks=[RunCallback(run, config.steps)],
    )
    trainer.remove_callback(PrinterCallback)  # standard output is ours
    whole = [path.parent for path in checkpoints.glob(f"checkpoint-*/{STATE}")]
    last = max(whole, key=lambda path: int(path.name.partition("-")[2]), default=None)
    trainer.train(resume_from_checkpoint=None if last is None else str(last))
    held_out = trainer.eval_dataset
    before = np.column_stack([held_out["ref_chosen_logps"], held_out["ref_rejected_logps"]])
    after = np.concatenate(list(trainer.score(held_out, _AT_ONCE)))
    multipliers = weighting.multipliers.values if isinstance(weighting, Lagrangian) else {}
    lineage = adapters.Lineage(
        base=config.model,
        base_identity=str(run.manifest.model["identity"]),
        method=config.method,
        data=config.data,
        data_digest=data.digest,
        config=config.model_dump(mode="json"),
        seed=run.seed,
        full_weights=config.full_weights,
        multipliers=multipliers,
        versions=installed_versions(),
    )
    adapters.save(trainer.model, tokenizer, Path(config.out), lineage)
    history = [row for row in trainer.state.log_history if "loss" in row]
    run.write_table("curve", _curve(history))
    run.write_table("held_out", held_out_table(data.held_out, before, after))
    limits = {name: config.tolerance.get(name, config.slack) for name in data.dimensions}
    summary = {
        "model": config.model,
        "method": config.method,
        "steps": config.steps,
        "dimensions": compare(data.held_out, before, after, config.beta, limits),
        "multipliers": multipliers,
        "adapter": config.out,
        "run": str(run.path),
        "notes": list(data.notes),
        "status": "complete",
    }
    run.events.append("summary", summary)
    run.finish("complete", notes=summary["notes"], seconds=round(time.monotonic() - started, 1))
    return AlignRun(run.path, summary)


def _adapter_config(config: AlignConfig, model: Any) -> Any:
    from peft import LoraConfig

    options: dict[str, Any] = {"target_modules": "all-linear"}
    if config.layers:
        count = model.config.num_hidden_layers
        if config.layers > count:
            raise BadInput(f"the model has {count} layers", field="layers")
        linear = {name for name, module in model.named_modules() if type(module).__name__ == "Linear" and "." in name}
        options = {
            "target_modules": sorted({name.rpartition(".")[2] for name in linear}),
            "layers_to_transform": list(range(count - config.layers, count)),
        }
    return LoraConfig(r=config.rank, lora_alpha=2 * config.rank, task_type="CAUSAL_LM", **options)


def _check_lengths(tokenizer: Any, data: PairData, most: int) -> None:
    """Refuse prompts that leave no room for an answer; TRL would drop them without a word."""
    prompts = [list(pair.prompt) for pair in (*data.train, *data.held_out)]
    tokens = tokenizer.apply_chat_template(prompts, add_generation_prompt=True, tokenize=True, return_dict=True)
    full = sum(len(ids) >= most for ids in tokens["input_ids"])
    if full:
        raise BadInput(f"{full} prompts alone fill {most} tokens", field="max_length", fix="a larger --max-length")


@contextmanager
def _quiet(folder: Path) -> Iterator[None]:
    """Without libraries' progress bars and their words on what will be renamed; a full disk is called by its name."""
    import datasets
    from safetensors import SafetensorError
    from transformers.utils import logging

    datasets.disable_progress_bars()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    except (SafetensorError, OSError) as error:
        if isinstance(error, OSError) and error.errno is None:  # a library's own, not the system's
            raise
        fix = "free some space, then `edgewise resume` the run; the last whole checkpoint stays"
        raise RunError(f"the run cannot be written: {error}", where=str(folder), fix=fix) from None
    finally:
        datasets.enable_progress_bars()
        logging.enable_progress_bar()


def _curve(history: Sequence[dict[str, Any]]) -> pa.Table:
    """Loss, margin and multiplier of each dimension by step, one figure a row."""
    import pyarrow as pa

    kinds = ("loss", "margin", "lambda", "share")
    rows = [
        {"step": row["step"], "what": kind, "dimension": name, "value": float(value)}
        for row in history
        for key, value in row.items()
        for kind, _, name in [key.partition("/")]
        if kind in kinds and name
    ]
    rows += [{"step": row["step"], "what": "loss", "dimension": "", "value": float(row["loss"])} for row in history]
    return pa.Table.from_pylist(sorted(rows, key=lambda row: (row["step"], row["what"], row["dimension"])))
