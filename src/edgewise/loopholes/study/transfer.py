"""Transfer: what a policy trained on one game does in another, at once and after training on that one too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewise.loopholes.study.emergence import steps_to
from edgewise.loopholes.study.estimates import over_seeds, ratio_over_seeds
from edgewise.loopholes.study.train import data
from edgewise.loopholes.study.workbench import REACHED, Trained, Workbench
from edgewise.loopholes.tokens.game import TokenGame
from edgewise.loopholes.tokens.training import TrainConfig, figures
from edgewise.loopholes.types import Floats


def transfer(bench: Workbench, games: Sequence[TokenGame], config: TrainConfig) -> dict[str, Any]:
    """Both matrices, first game by second game.

    ``zero_shot`` is the exploit ratio in the second game after training on the first, less that of the start.
    ``catalysed`` is the number of steps until the exploit ratio of the second game passes one half, after training on
    the first over from scratch; 1 is no help, less is help. Seeds in which either never gets there do not count in the
    ratio, and are told.
    """
    trained = {game.kind: bench.train(f"train/{game.kind}", game, config) for game in games}
    scratch = {kind: steps_by_seed(one) for kind, one in trained.items()}
    at_start = {game.kind: figures(bench.evaluate(bench.start(), game))["exploit"] for game in games}
    zero: dict[str, dict[str, Any]] = {}
    again: dict[str, dict[str, Any]] = {}
    for first in games:
        zero[first.kind], again[first.kind] = {}, {}
        for second in games:
            shown = figures(bench.evaluate(trained[first.kind].policy, second))["exploit"]
            zero[first.kind][second.kind] = data(over_seeds(shown - at_start[second.kind], -2, 2))
            if first.kind == second.kind:
                continue
            key = f"after-{first.kind}/{second.kind}"
            later = bench.train(key, second, config, trained[first.kind].policy, until=REACHED)
            steps = steps_by_seed(later)
            rng = bench.run.rng("transfer", first.kind, second.kind)
            ratio = data(ratio_over_seeds(steps, scratch[second.kind], rng))
            again[first.kind][second.kind] = {"ratio": ratio, **steps_needed(steps)}
    return {
        "games": [game.kind for game in games],
        "zero_shot": zero,
        "catalysed": again,
        "scratch": {kind: steps_needed(steps) for kind, steps in scratch.items()},
    }


def steps_needed(steps: Floats) -> dict[str, Any]:
    """In how many seeds something was reached, and after how many steps in these; infinite where it never was."""
    known = np.isfinite(steps)
    return {"reached": int(known.sum()), "steps": data(over_seeds(np.where(known, steps, np.nan)))}


def steps_by_seed(trained: Trained) -> Floats:
    """Steps until the exploit ratio passes one half, by seed; infinite where it never does."""
    return np.array([steps_to(curve, REACHED) for curve in trained.curves["exploit"].T])
