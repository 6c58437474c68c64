"""Lag-DPO at full size over several GPUs: all weights, sharded by FSDP through accelerate.

    python examples/align_full_fsdp.py                       # embedded model, made-up pairs, two steps, one CPU process
    accelerate launch --num_processes 8 --mixed_precision bf16 --use_fsdp --fsdp_version 2 \\
        --fsdp_auto_wrap_policy TRANSFORMER_BASED_WRAP --fsdp_reshard_after_forward true \\
        --fsdp_state_dict_type FULL_STATE_DICT --fsdp_activation_checkpointing true \\
        examples/align_full_fsdp.py MODEL PAIRS OUT --steps 1000
    edgewise checkup adapter:OUT

MODEL is a local folder in the format of transformers, PAIRS what `edgewise align` takes (docs/align.md). A step has
`--batch` pairs for each process; every such step holds all dimensions, and the multipliers see the means over all
processes, so that they are the same everywhere. Weights, gradients and AdamW's two moments are about 16 bytes a
parameter, divided by the number of processes. The reference's log-probabilities are computed first, by a copy that is
freed then. Not run on GPUs by us: what is tested is one process, and two processes without sharding, on CPUs.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import torch
import typer
from accelerate import PartialState
from datasets import Dataset, load_from_disk
from trl import DPOConfig

from edgewise.core.files import write_atomically
from edgewise.core.run import installed_versions
from edgewise.training import Constraint, Controller, Multipliers, adapters
from edgewise.training.lagdpo import LagDPOTrainer
from edgewise.training.pairs import PairData, read_pairs
from edgewise.training.weighting import Lagrangian


def main(
    model: Annotated[str, typer.Argument()] = "embedded",
    pairs: Annotated[Path | None, typer.Argument()] = None,
    out: Annotated[Path | None, typer.Argument()] = None,
    steps: int = 2,
    batch: int = 4,
    lr: float = 1e-6,
    beta: float = 0.1,
    slack: float = 0.5,
    max_length: int = 1024,
) -> None:
    scratch = Path(tempfile.mkdtemp(prefix="edgewise-"))
    pairs, out = pairs or made_up_pairs(scratch / "pairs.jsonl"), out or scratch / "model"
    data = read_pairs(pairs)
    network, tokenizer = adapters.load_base(model, dtype="float32")  # the optimiser's copy; FSDP computes in bfloat16
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    constraints = {name: Constraint(tolerance=slack) for name in data.dimensions}
    rule = Lagrangian(Multipliers(constraints, Controller(warmup=5)))
    trainer = LagDPOTrainer(
        network,
        args=DPOConfig(
            output_dir=str(out.with_name(f"{out.name}-checkpoints")), per_device_train_batch_size=batch,
            max_steps=steps, learning_rate=lr, beta=beta, max_length=max_length, precompute_ref_log_probs=True,
            bf16=torch.cuda.is_available(), gradient_checkpointing=False, logging_steps=1, save_strategy="no",
            report_to=[],
        ),
        train_dataset=on_disk(data, out.with_name(f"{out.name}-pairs")),
        weighting=rule,
        processing_class=tokenizer,
    )  # fmt: skip
    trainer.train()
    trainer.save_model(str(out))  # gathers the shards, and has the tokenizer with it
    if trainer.accelerator.is_main_process:
        (out / "training_args.bin").unlink(missing_ok=True)  # a pickle, which nobody should have to open
        lineage = adapters.Lineage(
            base=model, base_identity=adapters.base_identity(model), method="lagdpo", data=str(pairs),
            data_digest=data.digest, config={"steps": steps, "batch": batch, "lr": lr, "beta": beta, "slack": slack},
            seed=trainer.args.seed, full_weights=True, multipliers=rule.multipliers.values,
            versions=installed_versions(),
        )  # fmt: skip
        write_atomically(out / adapters.LINEAGE, lineage.to_json())
        print(f"multipliers: {rule.multipliers.values}\nedgewise checkup adapter:{out}")


def on_disk(data: PairData, folder: Path) -> Dataset:
    """Training pairs where all processes find them, and the reference's log-probabilities beside them."""
    state = PartialState()
    if state.is_main_process:
        Dataset.from_list([pair.row() for pair in data.train]).save_to_disk(str(folder))
    state.wait_for_everyone()
    return load_from_disk(str(folder))


def made_up_pairs(file: Path) -> Path:
    """Enough to see that everything runs."""
    import json

    answers = {"empathy": ("That sounds hard.", "Get over it."), "candour": ("I am not sure.", "It is certain.")}
    rows = [
        {"prompt": f"Question {i}?", "chosen": good, "rejected": bad, "dimension": name, "record": f"{name} {i}"}
        for i in range(12)
        for name, (good, bad) in answers.items()
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


if __name__ == "__main__":
    typer.run(main)
