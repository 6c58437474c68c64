"""Lag-DPO beside TRL's own DPO trainer on the same batches: time of a step, peak memory.

python benchmarks/bench_align.py            # writes benchmarks/results/align.md
python benchmarks/bench_align.py --quick    # few steps; writes nothing
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _table import interval, ratio, run_sections, table

QUICK = "--quick" in sys.argv
STEPS, WORDS, PAIRS = (2, 30, 4) if QUICK else (12, 100, 4)
DIMENSIONS = ("anti_sycophancy", "trustworthiness", "empathy", "creativity")


def _pairs() -> list[dict[str, Any]]:
    """Answers of about as many tokens as words; what they say does not matter for time."""
    import random

    rng = random.Random(0)
    some = ("river", "stone", "early", "paper", "green", "light", "seven", "window", "often", "bread", "quiet", "road")

    def text() -> list[dict[str, str]]:
        return [{"role": "assistant", "content": " ".join(rng.choice(some) for _ in range(WORDS))}]

    return [
        {"prompt": [{"role": "user", "content": " ".join(rng.choice(some) for _ in range(WORDS // 2))}],
         "chosen": text(), "rejected": text(), "dimension": DIMENSIONS[i % 4]}
        for i in range(4 * PAIRS)
    ]  # fmt: skip


def _trainer(kind: str, folder: Path) -> Any:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from trl import DPOConfig, DPOTrainer

    from edgewise.models.embedded import load_torch_model
    from edgewise.training import Constraint, Multipliers
    from edgewise.training.lagdpo import LagDPOTrainer
    from edgewise.training.weighting import Lagrangian

    model, tokenizer = load_torch_model(torch.float32)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    args = DPOConfig(
        output_dir=str(folder), per_device_train_batch_size=PAIRS, report_to=[], disable_tqdm=True, use_cpu=True,
        bf16=False, gradient_checkpointing=False, precompute_ref_log_probs=True, precompute_ref_batch_size=8,
    )  # fmt: skip
    common = {
        "args": args, "train_dataset": Dataset.from_list(_pairs()), "processing_class": tokenizer,
        "peft_config": LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    }  # fmt: skip
    if kind == "trl":
        return DPOTrainer(model, **common)
    rule = Lagrangian(Multipliers({name: Constraint() for name in DIMENSIONS}))
    return LagDPOTrainer(model, weighting=rule, reference_cache=folder / "reference", **common)


def _step(trainer: Any, batch: dict[str, Any]) -> float:
    start = time.perf_counter()
    trainer.model.train()
    trainer.compute_loss(trainer.model, dict(batch)).backward()
    trainer.optimizer.step()
    trainer.optimizer.zero_grad()
    return time.perf_counter() - start


def _prepared(kind: str, folder: Path) -> tuple[Any, dict[str, Any]]:
    trainer = _trainer(kind, folder)
    trainer.create_optimizer()
    rows = [trainer.train_dataset[i] for i in range(PAIRS)]
    batch = trainer._prepare_inputs(trainer.data_collator(rows))
    _step(trainer, batch)
    return trainer, batch


def speed() -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        both = {kind: _prepared(kind, Path(folder) / kind) for kind in ("trl", "edgewise")}
        tokens = both["trl"][1]["attention_mask"].sum(1).float().mean()
        seconds: dict[str, list[float]] = {kind: [] for kind in both}
        for i in range(STEPS):
            for kind in list(both)[:: 1 if i % 2 else -1]:
                seconds[kind].append(_step(*both[kind]))
    peaks = {kind: [_apart(kind) for _ in range(1 if QUICK else 3)] for kind in seconds}
    rows = [(kind, STEPS, interval(seconds[kind]), interval(peaks[kind], 0)) for kind in seconds]
    rows.append(
        ("edgewise / trl", STEPS, ratio(seconds["edgewise"], seconds["trl"], 3),
         ratio(peaks["edgewise"], peaks["trl"], 3))
    )  # fmt: skip
    note = (
        f"SmolLM2-135M in 32 bits, LoRA of rank 16 on all linear layers, {PAIRS} pairs ({2 * PAIRS} sequences of "
        f"{tokens:.0f} tokens), reference log-probabilities computed beforehand on both sides. The same batch to both, "
        "in turns; forward, backward, optimiser. Peak memory is that of a process of its own over three steps. "
        "Aims: at most 1.05 times the time, the same memory."
    )
    return "Time of a step", f"{note}\n\n{table(('trainer', 'n', 'seconds a step', 'peak MiB'), rows)}"


def _apart(kind: str) -> float:
    done = subprocess.run([sys.executable, __file__, "peak", kind], capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def peak(kind: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        trainer, batch = _prepared(kind, Path(folder))
        for _ in range(2):
            _step(trainer, batch)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["peak"]:
        print(json.dumps(peak(sys.argv[2])))
    else:
        run_sections({"speed": speed}, "align", "Align")
