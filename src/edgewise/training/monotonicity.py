"""Whether a knob does what it says: held-out margins as one adapter's weight is turned, the others staying."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import BadInput
from edgewise.stats.intervals import clustered_mean, mean_estimate
from edgewise.training import adapters
from edgewise.training.heldout import shown
from edgewise.training.pairs import Pair
from edgewise.training.scoring import score, tokenise
from edgewise.training.steer import full_weighting, read_adapters, steer

Floats = npt.NDArray[np.float64]


def check_grid(grid: Sequence[float]) -> tuple[float, ...]:
    """Weights in rising order.

    Raises:
        BadInput: Fewer than two different ones, or one that is not finite.
    """
    found = tuple(sorted(set(grid)))
    if len(found) < 2 or not np.all(np.isfinite(found)):
        raise BadInput("needs at least two different weights, all finite", field="grid")
    return found


def measure(
    folders: Mapping[str, Path],
    weights: Mapping[str, float],
    pairs: Sequence[Pair],
    grid: Sequence[float],
    *,
    max_length: int = 512,
    dtype: str = "float32",
    done: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Margins on held-out pairs at each weight of each adapter, as JSON data.

    Args:
        folders: Of adapters, by dimension.
        weights: Where the others stand; 1 where none is given.
        pairs: Held-out ones; those of dimensions without an adapter are left out.
        grid: Weights to try.
        max_length: Tokens of prompt and answer.
        dtype: Of the base's weights.
        done: Told how many settings of how many are measured.

    Returns:
        By dimension what ``monotonicity`` gives for its own pairs, and ``others``: the slopes of the other dimensions'
        margins against this weight.

    Raises:
        BadInput: A grid of fewer than two weights, a dimension without pairs, what ``read_adapters`` raises.
    """
    steps = check_grid(grid)
    found = read_adapters(folders)
    weighting = full_weighting(found, weights)
    own = [pair for pair in pairs if pair.dimension in found]
    missing = sorted(set(found) - {pair.dimension for pair in own})
    if missing:
        raise BadInput(f"no pair of {missing[0]!r} is held out, so it cannot be measured", field="measure")
    settings = [tuple((weighting | {name: w}).values()) for name in found for w in steps]
    margins = _margins(folders, sorted(set(settings)), own, max_length, dtype, done)
    names, records = np.array([pair.dimension for pair in own]), np.array([pair.record for pair in own])
    result: dict[str, Any] = {}
    for k, name in enumerate(found):
        curve = np.stack([margins[s] for s in settings[k * len(steps) : (k + 1) * len(steps)]], axis=1)
        result[name] = monotonicity(curve[names == name], records[names == name].tolist(), steps)
        others = {other: (curve[names == other], records[names == other].tolist()) for other in found if other != name}
        result[name]["others"] = {other: slope(c, units, steps) for other, (c, units) in others.items()}
    return result


def monotonicity(curve: Floats, records: Sequence[str], grid: Sequence[float]) -> dict[str, Any]:
    """How margins follow a weight, as JSON data, intervals by record.

    Args:
        curve: Margins in nats, shape (pairs, weights).
        records: What each pair belongs to.
        grid: The weights, rising.

    Returns:
        ``weights`` and ``margins`` (mean at each); ``slope`` (nats by unit of weight, see ``slope``); ``steps`` and how
        many of them the mean rises in, ``rising_steps``; ``rising``, the share of single pairs' steps that rise.
    """
    rises = np.diff(curve, axis=1) > 0
    means = curve.mean(axis=0)
    return {
        "weights": list(grid),
        "margins": [shown(clustered_mean(column, records)) for column in curve.T],
        "slope": slope(curve, records, grid),
        "steps": len(grid) - 1,
        "rising_steps": int((np.diff(means) > 0).sum()),
        "rising": shown(mean_estimate(rises.mean(axis=1), records)),
    }


def slope(curve: Floats, records: Sequence[str], grid: Sequence[float]) -> dict[str, Any]:
    """Least-squares slope of margins on the weight, as JSON data; arguments as for ``monotonicity``.

    All pairs have the same weights, so that the pooled slope is the mean of each pair's own, which is what the interval
    is made of: pairs may differ in level and slope.
    """
    centred = np.asarray(grid) - np.mean(grid)
    return shown(clustered_mean(curve @ centred / (centred @ centred), records))


def _margins(
    folders: Mapping[str, Path],
    settings: Sequence[tuple[float, ...]],
    pairs: Sequence[Pair],
    max_length: int,
    dtype: str,
    done: Callable[[int, int], None] | None,
) -> dict[tuple[float, ...], Floats]:
    """Log p(chosen) - log p(rejected) of each pair at each setting of all weights."""
    import torch
    from peft import PeftModel

    found = read_adapters(folders)
    with tempfile.TemporaryDirectory() as folder:
        merged = Path(folder) / "merged"
        lineage = steer(folders, dict.fromkeys(folders, 1.0), merged)
        adapters.check_base(lineage, next(iter(found.values())).folder)
        base, tokenizer = adapters.load_base(lineage.base, dtype=dtype)
        with adapters.quiet_loading():
            model = PeftModel.from_pretrained(base, str(merged)).eval()
    if torch.cuda.is_available():
        model = model.to("cuda")
    tokens = tokenise(tokenizer, pairs, max_length)
    ranks = torch.tensor([adapter.rank for adapter in found.values()])
    beside = {name: (p, p.detach().clone()) for name, p in model.named_parameters() if ".lora_B." in name}
    margins = {}
    for k, setting in enumerate(settings):
        columns = torch.repeat_interleave(torch.tensor(setting, dtype=torch.float64), ranks)
        with torch.no_grad():
            for p, whole in beside.values():
                p.copy_(whole * columns.to(whole))
        both = score(model, tokens)
        margins[setting] = both[:, 0] - both[:, 1]
        if done is not None:
            done(k + 1, len(settings))
    return margins
