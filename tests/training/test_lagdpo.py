"""The trainer beside TRL's own on the same batches; weights, batches, checkpoints, the reference cache, NaN."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise.core.errors import BadInput, EdgewiseError
from edgewise.training import Constraint, Controller, Multipliers
from edgewise.training.sampling import StratifiedSampler
from edgewise.training.weighting import Fixed, GroupRobust, Lagrangian, Pooled
from support.tiny_model import tiny_model

pytest.importorskip("trl")
WORDS = ("red", "green", "blue", "dark", "light", "warm", "cold", "old", "new", "odd")


def pairs(n: int = 24, rare: int = 3) -> Any:
    from datasets import Dataset

    rows = []
    for i in range(n):
        name = "empathy" if i % (n // rare) == 0 else ("trust", "novelty")[i % 2]
        rows.append(
            {
                "prompt": [{"role": "user", "content": f"Say {WORDS[i % 10]}."}],
                "chosen": [{"role": "assistant", "content": f"{WORDS[i % 10]} it is"}],
                "rejected": [{"role": "assistant", "content": f"no {WORDS[(i * 3 + 1) % 10]}"}],
                "dimension": name,
            }
        )
    return Dataset.from_list(rows)


def config(folder: Path, **options: Any) -> Any:
    from trl import DPOConfig

    usual = {
        "output_dir": str(folder), "per_device_train_batch_size": 6, "max_steps": 4, "learning_rate": 1e-2, "beta": 0.5,
        "report_to": [], "save_strategy": "no", "logging_steps": 1, "use_cpu": True, "seed": 3, "disable_tqdm": True,
        "bf16": False, "gradient_checkpointing": False, "lr_scheduler_type": "constant",
    }  # fmt: skip
    return DPOConfig(**(usual | options))


def trainer(folder: Path, weighting: Any, data: Any = None, **options: Any) -> Any:
    from edgewise.training.lagdpo import LagDPOTrainer

    extra = {name: options.pop(name) for name in ("reference_cache", "supervised", "peft_config") if name in options}
    model, tokenizer = tiny_model()
    reference = None if "peft_config" in extra or options.get("precompute_ref_log_probs") else tiny_model()[0]
    return LagDPOTrainer(
        model,
        args=config(folder, **options),
        train_dataset=pairs() if data is None else data,
        weighting=weighting,
        ref_model=reference,
        processing_class=tokenizer,
        **extra,
    )


def weights_of(trained: Any) -> np.ndarray:
    return np.concatenate([p.detach().numpy().ravel() for p in trained.model.parameters()])


def losses_of(trained: Any) -> list[float]:
    return [row["loss"] for row in trained.state.log_history if "loss" in row]


def test_pooled_losses_and_gradients_are_those_of_the_stock_trainer(tmp_path: Path) -> None:
    import torch
    from trl import DPOTrainer

    ours = trainer(tmp_path / "a", Pooled())
    model, tokenizer = tiny_model()
    stock = DPOTrainer(
        model, ref_model=tiny_model()[0], args=config(tmp_path / "b"), train_dataset=pairs(), processing_class=tokenizer
    )
    with torch.no_grad():  # away from the reference, where all losses are log 2
        for network in (ours.model, stock.model):
            torch.manual_seed(0)
            for p in network.parameters():
                p.add_(0.02 * torch.randn_like(p))
    batch = ours._prepare_inputs(next(iter(ours.get_train_dataloader())))
    plain = {key: value for key, value in batch.items() if key != "dimension"}
    losses = ours.compute_loss(ours.model.train(), dict(batch)), stock.compute_loss(stock.model.train(), plain)
    assert float(losses[0].detach()) == pytest.approx(float(losses[1].detach()), rel=1e-5)
    assert abs(float(losses[0].detach()) - np.log(2)) > 0.01
    for network, loss in zip((ours.model, stock.model), losses, strict=True):
        loss.backward()
        assert network is not None
    for mine, theirs in zip(ours.model.parameters(), stock.model.parameters(), strict=True):
        assert mine.grad.numpy() == pytest.approx(theirs.grad.numpy(), abs=1e-5)


def test_weights_multiply_the_means_of_dimensions(tmp_path: Path) -> None:
    weights = {"trust": 1.0, "novelty": 2.0, "empathy": 5.0}
    ours = trainer(tmp_path, Fixed(weights))
    batch = ours._prepare_inputs(next(iter(ours.get_train_dataloader())))
    losses, margins = ours.pair_losses(ours.model, batch)
    losses, dimension = losses.detach().numpy(), batch["dimension"].numpy()
    names = list(ours.dimensions)
    expected = sum(weights[n] / 8 * losses[dimension == k].mean() for k, n in enumerate(names))
    assert float(ours.compute_loss(ours.model.train(), batch).detach()) == pytest.approx(expected, rel=1e-6)
    assert margins.detach().numpy() == pytest.approx(0, abs=1e-5)


def test_batches_hold_every_dimension_and_every_pair_comes() -> None:
    names = ["a"] * 50 + ["b"] * 45 + ["c"] * 5
    sampler = StratifiedSampler(names, 8, 0)
    order = list(sampler)
    assert len(order) == len(sampler) == 100
    for start in range(0, 96, 8):
        counts = Counter(names[i] for i in order[start : start + 8])
        assert set(counts.values()) <= {2, 3} and len(counts) == 3
    assert {i for i in order if names[i] == "c"} == set(range(95, 100))
    assert max(Counter(i for i in order if names[i] == "a").values()) == 1
    assert list(sampler) == order
    sampler.set_epoch(1)
    assert list(sampler) != order
    with pytest.raises(BadInput, match="cannot hold 3 dimensions"):
        StratifiedSampler(names, 2, 0)


def lagrangian() -> Lagrangian:
    constraints = {name: Constraint(target=0.3, tolerance=0.1) for name in ("trust", "novelty", "empathy")}
    return Lagrangian(Multipliers(constraints, Controller(rate=0.5, average=0.5)))


def test_multipliers_rise_on_what_violates_and_are_logged(tmp_path: Path) -> None:
    trained = trainer(tmp_path, lagrangian(), max_steps=6)
    trained.train()
    first, last = (row for row in (trained.state.log_history[0], trained.state.log_history[5]))
    assert first["lambda/trust"] == pytest.approx(0.5 * (np.log(2) - 0.4), rel=1e-3)
    assert set(last) >= {"lambda/empathy", "violation/empathy", "loss/empathy", "margin/empathy"}
    assert last["loss"] < first["loss"] and last["margin/trust"] > 0


def test_a_run_gone_on_with_is_the_same_run(tmp_path: Path) -> None:
    whole = trainer(tmp_path / "whole", lagrangian(), max_steps=6)
    whole.train()
    part = trainer(tmp_path / "part", lagrangian(), max_steps=6, save_strategy="steps", save_steps=3)
    part.train()
    again = trainer(tmp_path / "part", lagrangian(), max_steps=6)
    again.train(resume_from_checkpoint=str(tmp_path / "part" / "checkpoint-3"))
    assert losses_of(again) == pytest.approx(losses_of(whole), rel=1e-6)
    assert weights_of(again) == pytest.approx(weights_of(whole), abs=1e-6)
    assert again.weighting.state() == whole.weighting.state()


def test_an_adapter_trains_and_the_base_stays(tmp_path: Path) -> None:
    from peft import LoraConfig

    adapter = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    trained = trainer(tmp_path, lagrangian(), peft_config=adapter, max_steps=3)
    before = {n: p.detach().clone() for n, p in trained.model.named_parameters() if "lora" not in n}
    trained.train()
    after = dict(trained.model.named_parameters())
    assert all((after[name] == value).all() for name, value in before.items())
    assert losses_of(trained)[-1] < losses_of(trained)[0]


def test_reference_log_probabilities_are_computed_once_and_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgewise.training import lagdpo

    asked: list[int] = []
    compute = lagdpo.LagDPOTrainer.compute_ref_log_probs

    def counted(self: Any, model: Any, inputs: Any) -> Any:
        asked.append(len(inputs["input_ids"]) // 2)
        return compute(self, model, inputs)

    monkeypatch.setattr(lagdpo.LagDPOTrainer, "compute_ref_log_probs", counted)
    monkeypatch.setattr(lagdpo, "_CHUNK", 1)
    cache = tmp_path / "cache"
    options = {"precompute_ref_log_probs": True, "reference_cache": cache}
    first = trainer(tmp_path / "a", Pooled(), **options)
    assert sum(asked) == 24
    asked.clear()
    again = trainer(tmp_path / "b", Pooled(), **options)
    assert not asked
    (path,) = cache.glob("*.npy")
    np.save(path, np.load(path)[:18])  # as a kill would have left it
    trainer(tmp_path / "c", Pooled(), **options)
    assert sum(asked) == 6
    plain = trainer(tmp_path / "d", Pooled())
    for trained in (first, again, plain):
        trained.train()
    assert losses_of(first) == losses_of(again) == pytest.approx(losses_of(plain), abs=1e-4)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    import torch

    trained = trainer(tmp_path, lagrangian())
    with torch.no_grad():
        next(trained.model.parameters()).fill_(float("nan"))
    with pytest.raises(EdgewiseError, match="not a number at step 1"):
        trained.train()


def test_group_robust_goes_to_the_worst_and_supervised_to_the_chosen(tmp_path: Path) -> None:
    robust = GroupRobust(["a", "b"], rate=1.0)
    for _ in range(5):
        weights = robust.weigh({"a": (0.1, 4), "b": (1.1, 4)})
    assert weights["b"] == pytest.approx(1 / (1 + np.exp(-5.0)))
    other = GroupRobust(["a", "b"])
    other.restore(robust.state())
    assert other.state() == robust.state()
    trained = trainer(tmp_path, Pooled(), supervised=True, max_steps=5)
    trained.train()
    assert losses_of(trained)[-1] < losses_of(trained)[0]


def test_what_cannot_be_trained_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no column 'dimension'"):
        trainer(tmp_path, Pooled(), pairs().remove_columns("dimension"))
    with pytest.raises(BadInput, match="only the loss sigmoid"):
        trainer(tmp_path, Pooled(), loss_type=["hinge"])
    with pytest.raises(BadInput, match="not all 0"):
        Fixed({"a": 0.0})
