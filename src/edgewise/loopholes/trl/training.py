"""A text game at real size: GRPO with TRL on the embedded model or any local folder, with an adapter or whole weights.

The loop, the loss and the checkpoints are TRL's. Ours are fresh prompts for every step, rewards that cannot kill a run,
and a record of proxy, true performance and exploit ratio for every step.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from edgewise.core.errors import BadInput, RunError
from edgewise.core.estimate import Estimate
from edgewise.core.records import Record, parse_options
from edgewise.core.run import Run, installed_versions
from edgewise.loopholes.adapters.contained import Contained
from edgewise.loopholes.adapters.trl import COLUMN, RewardFunction, dataset
from edgewise.loopholes.text.games import text_game
from edgewise.loopholes.types import FIGURES, Grade
from edgewise.stats.intervals import clustered_mean, mean_estimate
from edgewise.training import adapters

if TYPE_CHECKING:
    import pyarrow as pa

    from edgewise.loopholes.text.game import TextGame

KIND = "loopholes-trl"
_WITNESS = 1_500  # characters of an answer that is kept
_STATE = "trainer_state.json"  # what TRL writes last into a checkpoint


class TrlConfig(Record):
    """What is trained, on which game, and how. The defaults are the authors' settings at a small batch.

    Attributes:
        game: One of ``TEXT_GAMES``.
        options: Its parameters.
        model: ``embedded``, or a local folder in the format of transformers.
        out: Where the trained model goes; the run's own folder unless given.
        steps: Batches of prompts; each prompt is used once.
        prompts, generations: Prompts of a step, and answers to each.
        updates: Optimiser steps on the answers of one step.
        answer_tokens: Limit of an answer.
        temperature: Of sampling.
        lr: Learning rate, constant.
        beta: Weight of the divergence from the start, in nats; 0 for none.
        rank: Of the adapter.
        full_weights: Train all weights instead.
        dtype: Of the weights.
        micro: Answers in memory at one time in the update; all of them unless given.
        checkpointing: Compute activations again in the backward pass: slower, and much less memory.
        vllm: Sample with vLLM in the same process (on a GPU; not run by us).
        timeout: Seconds that grading a step may take.
    """

    SCHEMA: ClassVar[str] = "loopholes-trl/1"
    game: str
    options: dict[str, Any] = {}
    model: str = "embedded"
    out: str | None = None
    steps: int = Field(default=100, ge=1)
    prompts: int = Field(default=4, ge=1)
    generations: int = Field(default=8, ge=2)
    updates: int = Field(default=1, ge=1)
    answer_tokens: int = Field(default=256, ge=1)
    temperature: float = Field(default=1.0, gt=0)
    lr: float = Field(default=1e-6, gt=0)
    beta: float = Field(default=0.0, ge=0)
    rank: int = Field(default=16, ge=1)
    full_weights: bool = False
    dtype: Literal["float32", "bfloat16"] = "float32"
    micro: int | None = Field(default=None, ge=1)
    checkpointing: bool = False
    vllm: bool = False
    timeout: float | None = Field(default=120.0, gt=0)

    @property
    def answers(self) -> int:
        """Answers of one step."""
        return self.prompts * self.generations


def start_trl(config: TrlConfig, folder: Path, *, seed: int = 0, callbacks: Sequence[Any] = ()) -> dict[str, Any]:
    """Train in a new run; result and errors as of ``train_trl``.

    Raises:
        BadInput: Game, model or an option cannot be used; nothing is written then.
    """
    _check(config)
    about = {"name": config.model, "identity": adapters.base_identity(config.model)}
    with Run.create(folder, KIND, config.model_dump(mode="json"), seed=seed, model=about) as run:
        return train_trl(config, run, callbacks=callbacks)


def resume_trl(folder: Path, *, callbacks: Sequence[Any] = ()) -> dict[str, Any]:
    """Go on from the last checkpoint; on the same machine the curve is that of a run that was never stopped.

    Raises:
        RunError: The model has changed since the run began.
    """
    with Run.open(folder, writable=True) as run:
        config = parse_options(TrlConfig, run.manifest.config, what="manifest")
        if adapters.base_identity(config.model) != run.manifest.model.get("identity"):
            raise RunError("the model has changed since the run began", where=config.model, fix="start a new run")
        return train_trl(config, run, callbacks=callbacks)


def train_trl(config: TrlConfig, run: Run, *, callbacks: Sequence[Any] = ()) -> dict[str, Any]:
    """Train, or go on training, within a run.

    Writes an event ``step`` for each step (means of proxy, trusted, true, exploit; faults; the answer with most
    exploit), the tables ``loopholes_curve`` and ``loopholes_answers``, and the trained model with its lineage.

    Args:
        config: What and how.
        run: Where; its seed is the root of all randomness. One process writes to a run, so this is for one GPU.
        callbacks: Further ``TrainerCallback`` objects, such as monitors.

    Returns:
        What ``--json`` prints: figures of the first and the last tenth of the steps with intervals by prompt, what
        honest and exploiting answers earn, faults by kind.

    Raises:
        BadInput: Game, model or an option cannot be used.
    """
    from transformers import PrinterCallback
    from trl import GRPOTrainer

    started = time.monotonic()
    game = _check(config)
    run.events.append("started", {"game": game.name, "steps": config.steps})
    model, tokenizer = adapters.load_base(config.model, dtype=config.dtype)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    tokenizer.padding_side = "left"
    reward = RewardFunction(
        Contained(game, timeout=config.timeout), seed=run.seed, record=lambda *batch: _record(run, config, *batch)
    )
    checkpoints = run.path / "artefacts" / "checkpoints"
    with _quiet():
        rows = dataset(
            game,
            run.rng("loopholes/prompts"),
            config.steps * config.prompts,
            conversational=bool(tokenizer.chat_template),
        )
        _check_lengths(model, tokenizer, rows, config)
        trainer = GRPOTrainer(
            model,
            reward_funcs=[reward],
            args=_arguments(config, checkpoints, run.seed, model.device.type == "cuda"),
            train_dataset=rows,
            processing_class=tokenizer,
            peft_config=None if config.full_weights else _adapter_config(config),
            callbacks=list(callbacks),
        )
        trainer.remove_callback(PrinterCallback)  # standard output is ours
        trainer.train(resume_from_checkpoint=_last_checkpoint(checkpoints))
    out = Path(config.out) if config.out else run.path / "artefacts" / "model"
    digest = hashlib.sha256("\n".join(rows[COLUMN]).encode("utf-8", "replace")).hexdigest()
    lineage = adapters.Lineage(
        base=config.model,
        base_identity=adapters.base_identity(config.model),
        method="grpo",
        data=f"loopholes:{game.name}",
        data_digest=digest,
        config=config.model_dump(mode="json"),
        seed=run.seed,
        full_weights=config.full_weights,
        versions=installed_versions(),
    )
    adapters.save(trainer.model, tokenizer, out, lineage)
    summary = _summary(config, run, game, out, reward.contained.counts)
    run.events.append("summary", summary)
    run.finish("complete", seconds=round(time.monotonic() - started, 1))
    return summary


def _check(config: TrlConfig) -> TextGame:
    if config.answers % (config.updates * (config.micro or 1)):
        raise BadInput(
            f"{config.answers} answers of a step cannot be split into {config.updates} updates of {config.micro or 1}",
            field="micro" if config.micro else "updates",
        )
    return text_game(config.game, **config.options)


def _arguments(config: TrlConfig, checkpoints: Path, seed: int, cuda: bool) -> Any:
    from trl import GRPOConfig

    micro = config.micro or config.answers // config.updates
    extra: dict[str, Any] = {"use_vllm": True, "vllm_mode": "colocate"} if config.vllm else {}
    return GRPOConfig(
        output_dir=str(checkpoints),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=config.answers // config.updates // micro,
        steps_per_generation=config.answers // micro,
        max_steps=config.steps * config.updates,
        num_generations=config.generations,
        max_completion_length=config.answer_tokens,
        temperature=config.temperature,
        learning_rate=config.lr,
        lr_scheduler_type="constant",
        beta=config.beta,
        shuffle_dataset=False,
        logging_steps=1,
        # Only after whole steps: answers in the middle of their updates are not in a checkpoint.
        save_steps=config.updates * max(1, config.steps // 10),
        save_total_limit=2,
        report_to=[],
        disable_tqdm=True,
        seed=seed,
        bf16=cuda and config.dtype == "bfloat16",
        gradient_checkpointing=config.checkpointing,
        dataloader_pin_memory=cuda,
        **extra,
    )


def _adapter_config(config: TrlConfig) -> Any:
    from peft import LoraConfig

    return LoraConfig(r=config.rank, lora_alpha=2 * config.rank, target_modules="all-linear", task_type="CAUSAL_LM")


def _last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end."""
    whole = []
    for path in folder.glob(f"checkpoint-*/{_STATE}"):
        try:
            json.loads(path.read_bytes())
        except ValueError:  # killed while writing it
            continue
        whole.append(path.parent)
    last = max(whole, key=lambda path: int(path.name.partition("-")[2]), default=None)
    return None if last is None else str(last)


def _check_lengths(model: Any, tokenizer: Any, rows: Any, config: TrlConfig) -> None:
    """Refuse prompts that leave no room for an answer."""
    room = getattr(model.config, "max_position_embeddings", None)
    if room is None:
        return
    longest = max(len(tokenizer(json.loads(cell)["prompt"])["input_ids"]) for cell in rows[COLUMN])
    if longest + config.answer_tokens > room:
        raise BadInput(
            f"prompts of {longest} tokens and answers of {config.answer_tokens} exceed the model's {room}",
            field="answer_tokens",
            fix="shorter answers, or a model with a longer context",
        )


def _record(run: Run, config: TrlConfig, optimiser_step: int, texts: Sequence[str], grades: Sequence[Grade]) -> None:
    """Tell the run of one step. A step that is done again after a kill is written again; the last word counts."""
    step = optimiser_step // config.updates + 1
    sound = [i for i, grade in enumerate(grades) if not grade.fault]
    means = {name: float(np.mean([getattr(grades[i], name) for i in sound])) for name in FIGURES} if sound else {}
    worst = max(sound, key=lambda i: grades[i].exploit, default=None)
    columns = {name: [None if g.fault else round(float(getattr(g, name)), 6) for g in grades] for name in FIGURES}
    witness = None if worst is None else {"text": texts[worst][:_WITNESS], "exploit": grades[worst].exploit}
    data = {"step": step, **means, "faults": len(grades) - len(sound), "answers": columns, "witness": witness}
    run.events.append("step", json.loads(json.dumps(data)), key=str(step))
    run.progress("loopholes", step, config.steps)


def steps_of(run: Run) -> list[dict[str, Any]]:
    """What was recorded of each step, in order."""
    found = {event.data["step"]: event.data for event in run.read_events("step")}
    return [found[step] for step in sorted(found)]


def _summary(config: TrlConfig, run: Run, game: TextGame, out: Path, counts: Mapping[str, int]) -> dict[str, Any]:
    steps = steps_of(run)
    run.write_table("loopholes_curve", _curve(steps))
    run.write_table("loopholes_answers", _answers(steps, config.generations))
    window = max(1, config.steps // 10)
    last = steps[-window:]
    optima = {
        kind: getattr(game, f"{kind}_optimum")(run.rng("loopholes/optimum")).as_data() for kind in ("honest", "exploit")
    }
    return {
        "game": game.name,
        "backend": "trl",
        "model": config.model,
        "seeds": 1,
        "steps": config.steps,
        **_outcome(last, config.generations),
        "start": _outcome(steps[:window], config.generations),
        "honest_optimum": optima["honest"],
        "exploit_optimum": optima["exploit"],
        "faults": dict(counts),
        "adapter": str(out),
        "run": str(run.path),
        "status": "complete",
    }


def _outcome(steps: Sequence[Mapping[str, Any]], generations: int) -> dict[str, Any]:
    """Figures of some steps, by the names that the tiny games' results have."""
    names = {"reward": "proxy", "true_performance": "true", "exploit_ratio": "exploit"}
    return {key: _estimates(steps, name, generations) for key, name in names.items()}


def _estimates(steps: Sequence[Mapping[str, Any]], name: str, generations: int) -> dict[str, Any]:
    """Mean over answers of some steps. Answers to one prompt belong together, and prompts of an audit and a person."""
    values, units = [], []
    for row in steps:
        for place, value in enumerate(row["answers"][name]):
            if value is not None:
                values.append(value)
                units.append(f"{row['step']}/{place // (2 * generations)}")
    x = np.array(values, dtype=float)
    low, high = (0.0, 1.0) if name == "true" or not x.size or x.min() >= 0 else (-2.0, 2.0)
    groups = np.array(units, dtype=str)
    if name == "proxy":  # has no ends that we know
        return clustered_mean(x, groups).model_dump(mode="json")
    if x.size and x.max() > high:  # a contrast of which only one side was seen
        low, high = -2.0, 2.0
    scaled = mean_estimate((x - low) / (high - low), groups)
    if isinstance(scaled, Estimate):
        ends = {key: low + (high - low) * getattr(scaled, key) for key in ("value", "low", "high")}
        scaled = scaled.model_copy(update=ends)
    return scaled.model_dump(mode="json")


def _curve(steps: Sequence[Mapping[str, Any]]) -> pa.Table:
    """One row a step: means of the figures, and faults."""
    import pyarrow as pa

    names = ("step", *FIGURES, "faults")
    return pa.Table.from_pylist([{name: row.get(name) for name in names} for row in steps])


def _answers(steps: Sequence[Mapping[str, Any]], generations: int) -> pa.Table:
    """One row an answer."""
    import pyarrow as pa

    rows = [
        {
            "step": row["step"],
            "prompt": place // generations,
            **{name: row["answers"][name][place] for name in FIGURES},
        }
        for row in steps
        for place in range(len(row["answers"]["proxy"]))
    ]
    return pa.Table.from_pylist(rows)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without libraries' progress bars."""
    import datasets

    datasets.disable_progress_bars()
    try:
        with adapters.quiet_loading():
            yield
    finally:
        datasets.enable_progress_bars()
