"""The tiny model in a folder, and random adapters of it as training leaves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgewise.training import adapters
from support.tiny_model import tiny_model


def save_base(folder: Path, seed: int = 0) -> str:
    model, tokenizer = tiny_model(seed)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def save_adapter(base: str, folder: Path, seed: int, **shape: Any) -> Any:
    """A random adapter that is not nothing, saved as `edgewise align` does; returns the model."""
    import torch
    from peft import LoraConfig, get_peft_model

    model, tokenizer = adapters.load_base(base)
    adapted = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **shape))
    generator = torch.Generator().manual_seed(seed)
    for name, p in adapted.named_parameters():
        if ".lora_" in name:
            p.data = 0.3 * torch.randn(p.shape, generator=generator)
    lineage = adapters.Lineage(
        base=base, base_identity=adapters.base_identity(base), method="dpo", data="none", data_digest=str(seed),
        config={}, seed=seed,
    )  # fmt: skip
    adapters.save(adapted, tokenizer, folder, lineage)
    return adapted
