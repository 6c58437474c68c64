"""Knobs at inference: one adapter for each dimension, merged with weights into one.

An adapter adds s B A to a weight matrix (Hu et al. 2022, section 4.1). The sum of several with weights w_i is again of
that form: A's one below the other, and w_i s_i B_i side by side, its rank the sum of ranks. The merged adapter is
therefore exact, unlike a mean of factors, and weights may be 0, above 1 or negative. (PEFT's ``cat`` puts the weight's
sign and size into A; the product is the same.)
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewise.core.errors import BadInput, CorruptRecord
from edgewise.core.files import write_atomically
from edgewise.core.run import installed_versions
from edgewise.training import adapters

if TYPE_CHECKING:
    import torch

_WEIGHTS, _CONFIG = "adapter_model.safetensors", "adapter_config.json"
# What makes an adapter more than s B A on linear layers; sums of such are no adapters of the same form.
_MORE = (
    "use_dora",
    "modules_to_save",
    "trainable_token_indices",
    "target_parameters",
    "layer_replication",
    "lora_bias",
)


@dataclass(frozen=True, eq=False)
class Adapter:
    """One dimension's low-rank change.

    Attributes:
        folder: Where it was read.
        lineage: Of it.
        identity: Of its weights.
        factors: By module: A (rank, inputs) and B (outputs, rank), the scale s already in B.
        config: PEFT's.
    """

    folder: Path
    lineage: adapters.Lineage
    identity: str
    factors: Mapping[str, tuple[torch.Tensor, torch.Tensor]]
    config: Mapping[str, Any]

    @property
    def rank(self) -> int:
        """Largest rank of its modules."""
        return max(a.shape[0] for a, _ in self.factors.values())


def read_adapter(folder: Path) -> Adapter:
    """An adapter that ``edgewise align`` or ``edgewise steer`` made.

    Raises:
        BadInput: The folder holds none, or whole weights, or an adapter that is more than a low-rank sum.
        CorruptRecord: Its files are damaged.
    """
    lineage = adapters.read_lineage(folder)
    if lineage.full_weights:
        raise BadInput(
            "these are whole weights, no adapter", file=folder, fix="`edgewise align` without --full-weights"
        )
    config = _read_config(folder / _CONFIG)
    more = [name for name in _MORE if config.get(name)]
    if config.get("peft_type") != "LORA" or config.get("bias", "none") != "none" or more:
        what = more[0] if more else "peft_type" if config.get("peft_type") != "LORA" else "bias"
        raise BadInput("only plain low-rank adapters can be merged exactly", file=folder / _CONFIG, field=what)
    return Adapter(folder, lineage, adapters.identity(folder), _read_factors(folder, config), config)


def _read_config(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise BadInput("there is no adapter here", file=file)
    try:
        config = json.loads(file.read_bytes())
    except ValueError as error:
        raise CorruptRecord(f"not valid JSON ({error})", where=str(file)) from None
    if not isinstance(config, dict) or not isinstance(config.get("r"), int):
        raise CorruptRecord("this is no configuration of an adapter", where=str(file))
    return config


def _read_factors(folder: Path, config: Mapping[str, Any]) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = folder / _WEIGHTS
    try:
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise CorruptRecord(f"cannot be read ({error})", where=str(file)) from None
    factors = {}
    for key in sorted(tensors):
        module, found, _ = key.partition(".lora_A.weight")
        if not found:
            continue
        other = tensors.pop(f"{module}.lora_B.weight", None)
        own = tensors.pop(key)
        if other is None or other.shape[1] != own.shape[0]:
            raise CorruptRecord(f"the factors of {module} do not fit", where=str(file))
        factors[module] = own.float(), other.float() * _scale(module, own.shape[0], config)
    if tensors or not factors:
        what = next(iter(tensors), "no factor at all")
        raise BadInput(f"only plain low-rank adapters can be merged exactly; this one has {what}", file=file)
    return factors


def _scale(module: str, rank: int, config: Mapping[str, Any]) -> float:
    """PEFT's alpha / rank, or alpha / sqrt(rank) where it is rank-stabilised."""
    import re

    alpha = float(config.get("lora_alpha", rank))
    for pattern, own in (config.get("alpha_pattern") or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            alpha = float(own)
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def read_adapters(folders: Mapping[str, Path]) -> dict[str, Adapter]:
    """Adapters by dimension, all of one base.

    Raises:
        BadInput: There are none, or they were trained on different bases; what ``read_adapter`` raises.
    """
    if not folders:
        raise BadInput("there are no adapters to merge", field="adapter", fix="--adapter DIMENSION=FOLDER")
    found = {name: read_adapter(folder) for name, folder in folders.items()}
    first = next(iter(found))
    for name, adapter in found.items():
        theirs, ours = found[first].lineage.base_identity, adapter.lineage.base_identity
        if theirs != ours:
            raise BadInput(
                f"it was trained on {ours}, and that of {first} on {theirs}",
                file=adapter.folder,
                field=name,
                fix="train all adapters on one base",
            )
    return found


def full_weighting(dimensions: Collection[str], weights: Mapping[str, float]) -> dict[str, float]:
    """A weight for each adapter: as given, 1 where none is.

    Raises:
        BadInput: A weight of a dimension that has no adapter, or one that is not finite.
    """
    for name, weight in weights.items():
        if name not in dimensions:
            known = ", ".join(dimensions)
            raise BadInput(f"there is no adapter of {name!r}", field="weight", fix=f"there are: {known}")
        if not math.isfinite(weight):
            raise BadInput(f"{weight} is no weight", field="weight")
    return {name: weights.get(name, 1.0) for name in dimensions}


def merge_factors(
    found: Mapping[str, Adapter], weights: Mapping[str, float]
) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """By module, A (sum of ranks, inputs) and B (outputs, sum of ranks) whose product is sum_i w_i s_i B_i A_i.

    A module that an adapter leaves alone has zeros there, so that all have the same rank.

    Raises:
        BadInput: Adapters whose modules have different shapes.
    """
    import torch

    merged = {}
    for module in sorted({module for adapter in found.values() for module in adapter.factors}):
        shape = next(
            (a.shape[1], b.shape[0]) for x in found.values() if module in x.factors for a, b in [x.factors[module]]
        )
        below, beside = [], []
        for name, adapter in found.items():
            own = torch.zeros(adapter.rank, shape[0]), torch.zeros(shape[1], adapter.rank)
            if module in adapter.factors:
                a, b = adapter.factors[module]
                if (a.shape[1], b.shape[0]) != shape:
                    raise BadInput(f"{module} has another shape than in the other adapters", file=adapter.folder)
                own[0][: len(a)], own[1][:, : len(a)] = a, weights[name] * b
            below.append(own[0])
            beside.append(own[1])
        merged[module] = torch.cat(below).contiguous(), torch.cat(beside, dim=1).contiguous()
    return merged


def check_out(out: Path) -> None:
    """Raise ``BadInput`` where an adapter would be written over something."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput("the folder is not empty", file=out, fix="choose another folder with --out")


def steer(folders: Mapping[str, Path], weights: Mapping[str, float], out: Path) -> adapters.Lineage:
    """Merge adapters into a new one, whose lineage names its parents.

    Args:
        folders: Of adapters, by dimension.
        weights: By dimension; 1 where none is given, negative ones allowed.
        out: New or empty folder.

    Raises:
        BadInput: What ``read_adapters`` and ``full_weighting`` raise, or a folder that holds something.
    """
    from safetensors.torch import save_file

    found = read_adapters(folders)
    weighting = full_weighting(found, weights)
    check_out(out)
    factors = merge_factors(found, weighting)
    out.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for module, (a, b) in factors.items():
        tensors[f"{module}.lora_A.weight"], tensors[f"{module}.lora_B.weight"] = a, b
    save_file(tensors, out / _WEIGHTS, metadata={"format": "pt"})
    first = next(iter(found.values()))
    config = merged_config(first.config, factors)
    write_atomically(out / _CONFIG, json.dumps(config, indent=2, sort_keys=True).encode())
    parents = {name: adapter.identity for name, adapter in found.items()}
    lineage = adapters.Lineage(
        base=first.lineage.base,
        base_identity=first.lineage.base_identity,
        method="steer",
        data="; ".join(sorted({adapter.lineage.data for adapter in found.values()})),
        data_digest=hashlib.sha256(
            "".join(adapter.lineage.data_digest for adapter in found.values()).encode()
        ).hexdigest(),
        config={"adapters": {name: str(adapter.folder) for name, adapter in found.items()}, "weights": weighting},
        seed=0,
        parents=parents,
        versions=installed_versions(),
    )
    write_atomically(out / adapters.LINEAGE, lineage.to_json())
    return lineage


def merged_config(
    config: Mapping[str, Any], factors: Mapping[str, tuple[torch.Tensor, torch.Tensor]]
) -> dict[str, Any]:
    """PEFT's configuration of a merged adapter: the scale is 1, and modules are named one by one."""
    rank = next(iter(factors.values()))[0].shape[0]
    return {
        **config,
        "r": rank,
        "lora_alpha": rank,
        "use_rslora": False,
        "rank_pattern": {},
        "alpha_pattern": {},
        "layers_to_transform": None,
        "layers_pattern": None,
        "exclude_modules": None,
        "target_modules": [module.removeprefix("base_model.model.") for module in factors],
        "inference_mode": True,
    }
