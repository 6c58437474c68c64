"""The generated family of environments, each with what tiny policies that were trained on it really learned.

`python benchmarks/loopholes_family.py FILE.json [PART/PARTS]` trains and appends to the file; what is there is kept.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.loopholes.audit.family import CLEAN, HELD_OUT, LOOPHOLES, Kind, Planted, generate

SEEDS = (0, 1, 2)
SETS = {"fit": (1, 48), "examined": (2, 30), "held_out": (3, 20)}  # seed of the draw, environments
NOTHING = ("honest", "noise", "rescaled", "partial")
IMITATION, STEPS, LR = 300, 100, 5e-4


def environments() -> dict[str, list[Planted]]:
    """The three sets; ``held_out`` has the kinds that nothing was fitted to."""
    usual: list[Kind] = [kind for kind in (*LOOPHOLES, *CLEAN) if kind not in HELD_OUT]
    return {
        name: generate(np.random.default_rng(seed), n, HELD_OUT if name == "held_out" else usual)
        for name, (seed, n) in SETS.items()
    }


def trained(game: Planted, seeds: tuple[int, ...] = SEEDS) -> dict[str, Any]:
    """Imitation of the demonstrations, then GRPO on the proxy; what policies do before and after, by seed.

    Environments in which nothing counts as an exploit are not trained on: their ratio is 0 whatever a policy does.
    """
    if game.planted in NOTHING:
        return {"after": [{"exploit": 0.0} for _ in seeds]}
    import torch

    from edgewise.loopholes.tokens.learning import Adam, GrpoConfig, advantages, answer, framed, imitate, reinforce
    from edgewise.loopholes.tokens.policy import Policy, PolicyShape, initial_weights

    torch.set_num_threads(1)
    shape, config = PolicyShape(), GrpoConfig(lr=LR)
    policy = Policy(initial_weights(shape, list(seeds)), shape)
    rngs = [np.random.default_rng([seed, 1]) for seed in seeds]
    optimiser = Adam(policy.weights, 3e-3)
    for _ in range(IMITATION):
        batches = [game.sample(rng, 64) for rng in rngs]
        prompts = [framed(batch.prompts, ".", rng) for batch, rng in zip(batches, rngs, strict=True)]
        shown = [game.demonstrate(batch, rng) for batch, rng in zip(batches, rngs, strict=True)]
        imitate(policy, optimiser, prompts, shown)

    def measured() -> list[dict[str, float]]:
        batches = [game.sample(np.random.default_rng([seed, 2]), 512) for seed in seeds]
        rows = answer(policy, game, batches, [np.random.default_rng([seed, 3]) for seed in seeds])[2]
        names = ("proxy", "trusted", "true", "exploit")
        return [{name: float(getattr(row, name).mean()) for name in names} for row in rows]

    policy = policy.clone()
    before = measured()
    optimiser = Adam(policy.weights, config.lr)
    for _ in range(STEPS):
        batches = [game.sample(rng, config.prompts) for rng in rngs]
        prompts_, answers, grades = answer(policy, game, batches, rngs, group=config.group)
        by_group = [g.proxy.reshape(config.prompts, config.group) for g in grades]
        advantage = np.stack([advantages(rewards, config.scale).ravel() for rewards in by_group])
        reinforce(policy, optimiser, prompts_, answers, advantage, config)
    return {"before": before, "after": measured()}


def key(game: Planted) -> str:
    """A name that tells all environments of the family apart."""
    return game.model_dump_json()


def main() -> None:
    """Train on what the file lacks."""
    path, part = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "1/1"
    mine, parts = (int(x) for x in part.split("/"))
    sets = environments()
    games = [game for name in ("fit", "held_out", "examined") for game in dict.fromkeys(sets[name])][mine - 1 :: parts]
    for game in games:
        known = json.loads(path.read_text()) if path.is_file() else {}
        if key(game) in known:
            continue
        began = time.perf_counter()
        found = trained(game)
        known = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps(known | {key(game): found}))
        ratio = [round(seed["exploit"], 2) for seed in found["after"]]
        print(game.name, ratio, f"{time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
