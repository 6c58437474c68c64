"""Lag-DPO at full size on one GPU: an adapter on a model of some billion parameters.

    python examples/align_lora_one_gpu.py                               # embedded model, made-up pairs, two steps, CPU
    python examples/align_lora_one_gpu.py MODEL PAIRS OUT --steps 1000  # on a GPU
    edgewise checkup adapter:OUT

MODEL is a local folder in the format of transformers, PAIRS what `edgewise align` takes (docs/align.md). Weights are
bfloat16 and activations are computed again in the backward pass, so that memory is about two bytes a parameter, the
adapter, and one layer's activations for `--batch` pairs. `edgewise align` does the same without computing activations
again, with checkpoints and held-out figures; this script is where to change what it does not ask for. Its bfloat16 path
has not been run on a GPU by us; without a GPU it runs in float32.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import torch
import typer
from datasets import Dataset
from peft import LoraConfig
from trl import DPOConfig

from edgewise.core.run import installed_versions
from edgewise.training import Constraint, Controller, Multipliers, adapters
from edgewise.training.lagdpo import LagDPOTrainer
from edgewise.training.pairs import read_pairs
from edgewise.training.weighting import Lagrangian


def main(
    model: Annotated[str, typer.Argument()] = "embedded",
    pairs: Annotated[Path | None, typer.Argument()] = None,
    out: Annotated[Path | None, typer.Argument()] = None,
    steps: int = 2,
    batch: int = 4,
    lr: float = 1e-4,
    beta: float = 0.1,
    slack: float = 0.5,
    rank: int = 16,
    max_length: int = 1024,
) -> None:
    gpu = torch.cuda.is_available()
    scratch = Path(tempfile.mkdtemp(prefix="edgewise-"))
    pairs, out = pairs or made_up_pairs(scratch / "pairs.jsonl"), out or scratch / "adapter"
    data = read_pairs(pairs)
    network, tokenizer = adapters.load_base(model, dtype="bfloat16" if gpu else "float32")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    constraints = {name: Constraint(tolerance=slack) for name in data.dimensions}
    rule = Lagrangian(Multipliers(constraints, Controller(warmup=5)))
    trainer = LagDPOTrainer(
        network,
        args=DPOConfig(
            output_dir=str(out.with_name(f"{out.name}-checkpoints")), per_device_train_batch_size=batch,
            max_steps=steps, learning_rate=lr, beta=beta, max_length=max_length,
            precompute_ref_log_probs=True, bf16=gpu, gradient_checkpointing=gpu, logging_steps=1, report_to=[],
        ),
        train_dataset=Dataset.from_list([pair.row() for pair in data.train]),
        weighting=rule,
        reference_cache=out.with_name(f"{out.name}-reference"),
        processing_class=tokenizer,
        peft_config=LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM"),
    )  # fmt: skip
    trainer.train()
    lineage = adapters.Lineage(
        base=model, base_identity=adapters.base_identity(model), method="lagdpo", data=str(pairs),
        data_digest=data.digest, config={"steps": steps, "batch": batch, "lr": lr, "beta": beta, "slack": slack},
        seed=trainer.args.seed, multipliers=rule.multipliers.values, versions=installed_versions(),
    )  # fmt: skip
    adapters.save(trainer.model, tokenizer, out, lineage)
    print(f"multipliers: {rule.multipliers.values}\nedgewise checkup adapter:{out}")


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
