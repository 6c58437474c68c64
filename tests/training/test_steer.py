"""Merged adapters are the weighted sum of their changes, exactly; how margins follow a knob; what cannot be merged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise.core.errors import BadInput, CorruptRecord
from edgewise.training import adapters
from edgewise.training.pairs import Pair
from support.tiny_adapters import save_adapter, save_base
from support.tiny_model import tiny_model

pytest.importorskip("peft")
SHAPES = {
    "empathy": {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"},
    "trust": {"r": 3, "lora_alpha": 5, "target_modules": ["q_proj", "v_proj"], "use_rslora": True},
    "novelty": {
        "r": 2, "lora_alpha": 2, "target_modules": ["down_proj", "q_proj"], "rank_pattern": {"q_proj": 5},
        "alpha_pattern": {"q_proj": 7},
    },
    "candour": {"r": 2, "lora_alpha": 4, "target_modules": ["q_proj", "up_proj"], "layers_to_transform": [1]},
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("steer")
    base = save_base(folder / "base")
    for k, (name, shape) in enumerate(SHAPES.items()):
        save_adapter(base, folder / name, k, **shape)
    return folder


def logits(model: Any) -> np.ndarray:
    import torch

    with torch.no_grad():
        found: np.ndarray = model(input_ids=torch.arange(40)[None] % 200).logits.double().numpy()
    return found


def explicit_sum(place: Path, weights: dict[str, float]) -> Any:
    """The base with each adapter's change, as PEFT says it is, added by its weight."""
    import torch
    from peft import PeftModel

    total, _ = adapters.load_base(str(place / "base"))
    for name, weight in weights.items():
        base, _ = adapters.load_base(str(place / "base"))
        adapted = PeftModel.from_pretrained(base, str(place / name))
        for module, layer in adapted.base_model.model.named_modules():
            if hasattr(layer, "get_delta_weight"):
                with torch.no_grad():
                    total.get_submodule(module).weight += weight * layer.get_delta_weight("default")
    return total


@pytest.mark.parametrize(
    "weights",
    [
        {"empathy": 1.0, "trust": 1.0, "novelty": 1.0},
        {"empathy": 0.5, "trust": -0.7, "novelty": 1.6},
        {"empathy": 0.0, "trust": 0.0, "novelty": 0.0},
        {"trust": 0.25, "novelty": -1.0},
        {"trust": 1.0},
        {"candour": 1.5, "empathy": 0.3},
    ],
)
def test_logits_are_those_of_the_weighted_sum_of_changes(
    weights: dict[str, float], place: Path, tmp_path: Path
) -> None:
    from edgewise.training.steer import steer

    steer({name: place / name for name in weights}, weights, tmp_path / "out")
    merged, _ = adapters.load(tmp_path / "out")
    found, base = logits(merged), logits(adapters.load_base(str(place / "base"))[0])
    np.testing.assert_allclose(found, logits(explicit_sum(place, weights)), atol=2e-4)
    assert (np.abs(found - base).max() > 0.1) == any(weights.values())


def test_it_is_peft_own_merge_by_concatenation(place: Path, tmp_path: Path) -> None:
    from peft import PeftModel

    from edgewise.training.steer import steer

    weights = {"empathy": 0.5, "trust": 1.5}
    base, _ = adapters.load_base(str(place / "base"))
    model = PeftModel.from_pretrained(base, str(place / "empathy"), adapter_name="empathy")
    model.load_adapter(str(place / "trust"), adapter_name="trust")
    model.add_weighted_adapter(list(weights), list(weights.values()), "both", combination_type="cat")
    model.set_adapter("both")
    steer({name: place / name for name in weights}, weights, tmp_path / "out")
    np.testing.assert_allclose(logits(adapters.load(tmp_path / "out")[0]), logits(model), atol=2e-4)


def test_the_lineage_names_the_parents_and_a_merged_adapter_merges_again(place: Path, tmp_path: Path) -> None:
    from edgewise.training.steer import steer

    folders = {"empathy": place / "empathy", "trust": place / "trust"}
    made = steer(folders, {"trust": 0.5}, tmp_path / "one")
    assert made == adapters.read_lineage(tmp_path / "one") and made.method == "steer"
    assert made.parents == {name: adapters.identity(folder) for name, folder in folders.items()}
    assert made.config["weights"] == {"empathy": 1.0, "trust": 0.5}
    steer({"both": tmp_path / "one", "novelty": place / "novelty"}, {"both": 2.0}, tmp_path / "two")
    expected = explicit_sum(place, {"empathy": 2.0, "trust": 1.0, "novelty": 1.0})
    np.testing.assert_allclose(logits(adapters.load(tmp_path / "two")[0]), logits(expected), atol=2e-4)
    assert adapters.identity(tmp_path / "one") != adapters.identity(tmp_path / "two")


def some_pairs() -> list[Pair]:
    words = ("red", "green", "blue", "dark", "light")
    return [
        Pair(
            ({"role": "user", "content": f"Say {words[i % 5]}."},),
            f"{words[i % 5]} it is " * (i % 3 + 1), f"no {words[(i * 3 + 1) % 5]}",
            ("empathy", "trust")[i % 2], f"r{i // 4}",
        )
        for i in range(16)
    ]  # fmt: skip


def test_margins_follow_the_knob_and_are_those_of_merged_adapters(place: Path, tmp_path: Path) -> None:
    from edgewise.training.monotonicity import measure
    from edgewise.training.scoring import score, tokenise
    from edgewise.training.steer import steer

    folders = {"empathy": place / "empathy", "trust": place / "trust"}
    told: list[tuple[int, int]] = []
    found = measure(
        folders, {"trust": 0.5}, some_pairs(), (1, 0, 0.5), max_length=64, done=lambda k, n: told.append((k, n))
    )
    assert found["empathy"]["weights"] == [0, 0.5, 1] and told[-1] == (5, 5)  # (1, 0.5) is in both sweeps
    steer(folders, {"empathy": 0.5, "trust": 0.5}, tmp_path / "out")
    model, tokenizer = adapters.load(tmp_path / "out")
    own = [pair for pair in some_pairs() if pair.dimension == "empathy"]
    both = score(model, tokenise(tokenizer, own, 64))
    middle = found["empathy"]["margins"][1]
    assert middle["value"] == pytest.approx((both[:, 0] - both[:, 1]).mean(), abs=2e-3) and middle["n"] == 4
    assert set(found["trust"]["others"]) == {"empathy"}


def test_a_sample_has_as_many_pairs_of_each_dimension() -> None:
    from collections import Counter

    from edgewise.training.pairs import sampled

    kept = sampled(some_pairs(), 5)
    assert Counter(pair.dimension for pair in kept) == {"empathy": 5, "trust": 5}
    assert kept == [pair for pair in some_pairs() if pair in kept] and sampled(some_pairs(), 99) == some_pairs()


def test_slopes_and_rising_steps_by_formula() -> None:
    from edgewise.training.monotonicity import monotonicity

    rng = np.random.default_rng(0)
    grid = (-1.0, 0.0, 0.5, 2.0)
    curve = rng.normal(size=(40, 4)) + 3 * np.array(grid)
    records = [f"r{i // 2}" for i in range(40)]
    found = monotonicity(curve, records, grid)
    pooled = np.polyfit(np.tile(grid, 40), curve.ravel(), 1)[0]
    assert found["slope"]["value"] == pytest.approx(pooled) and found["slope"]["n"] == 20
    assert found["slope"]["low"] < 3 < found["slope"]["high"]
    assert found["steps"] == 3 == found["rising_steps"]
    assert found["rising"]["value"] == pytest.approx((np.diff(curve, axis=1) > 0).mean())
    flat = monotonicity(np.zeros((40, 4)), records, grid)
    assert flat["rising_steps"] == 0 == flat["slope"]["value"] == flat["rising"]["value"]


def test_scores_are_the_trainers(tmp_path: Path) -> None:
    pytest.importorskip("trl")
    from datasets import Dataset
    from trl import DPOConfig

    from edgewise.training.lagdpo import LagDPOTrainer
    from edgewise.training.scoring import score, tokenise
    from edgewise.training.weighting import Pooled

    pairs = some_pairs()
    model, tokenizer = tiny_model()
    args = DPOConfig(
        output_dir=str(tmp_path), max_length=40, precompute_ref_log_probs=True, report_to=[], use_cpu=True, bf16=False
    )
    data = Dataset.from_list([pair.row() for pair in pairs])
    trainer = LagDPOTrainer(
        model, args=args, train_dataset=data, weighting=Pooled(), processing_class=tokenizer,
        reference_cache=tmp_path / "cache",
    )  # fmt: skip
    theirs = np.concatenate(list(trainer.score(trainer.train_dataset, 5)))
    np.testing.assert_allclose(score(model, tokenise(tokenizer, pairs, 40)), theirs, atol=1e-3)
    with pytest.raises(BadInput, match="a prompt alone fills 8 tokens"):
        tokenise(tokenizer, pairs, 8)


def test_what_cannot_be_merged_is_named(place: Path, tmp_path: Path) -> None:
    from edgewise.training.monotonicity import measure
    from edgewise.training.steer import steer

    one = {"empathy": place / "empathy"}
    other = save_base(tmp_path / "other", seed=1)
    save_adapter(other, tmp_path / "foreign", 5, **SHAPES["trust"])
    save_adapter(str(place / "base"), tmp_path / "dora", 5, r=2, target_modules=["q_proj"], use_dora=True)
    save_adapter(str(place / "base"), tmp_path / "embeds", 5, r=2, target_modules=["embed_tokens"])
    shutil.copytree(place / "trust", tmp_path / "broken")
    (tmp_path / "broken" / "adapter_model.safetensors").write_bytes(b"nothing")
    shutil.copytree(place / "trust", tmp_path / "whole")
    lineage = json.loads((tmp_path / "whole" / "lineage.json").read_text()) | {"full_weights": True}
    (tmp_path / "whole" / "lineage.json").write_text(json.dumps(lineage))
    for name, error, message in (
        ("foreign", BadInput, "it was trained on folder@"),
        ("dora", BadInput, "only plain low-rank adapters"),
        ("embeds", BadInput, "only plain low-rank adapters"),
        ("whole", BadInput, "whole weights"),
        ("nothing", BadInput, "no trained model here"),
        ("broken", CorruptRecord, "cannot be read"),
    ):
        with pytest.raises(error, match=message):
            steer(one | {"trust": tmp_path / name}, {}, tmp_path / "out")
    with pytest.raises(BadInput, match="there is no adapter of 'warmth'"):
        steer(one, {"warmth": 1.0}, tmp_path / "out")
    with pytest.raises(BadInput, match="is no weight"):
        steer(one, {"empathy": float("nan")}, tmp_path / "out")
    with pytest.raises(BadInput, match="no adapters to merge"):
        steer({}, {}, tmp_path / "out")
    with pytest.raises(BadInput, match="not empty"):
        steer(one, {}, place)
    with pytest.raises(BadInput, match="no pair of 'novelty' is held out"):
        measure({"novelty": place / "novelty"}, {}, some_pairs(), (0, 1))
    with pytest.raises(BadInput, match="two different weights"):
        measure(one, {}, some_pairs(), (1, 1))
    assert not (tmp_path / "out").exists()
