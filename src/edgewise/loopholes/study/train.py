"""Emergence: a game is trained on from a neutral start, beside controls in which nothing must emerge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgewise.core.estimate import Measure
from edgewise.loopholes.study.emergence import emergence
from edgewise.loopholes.study.estimates import over_seeds
from edgewise.loopholes.study.workbench import Trained, Workbench
from edgewise.loopholes.tokens.game import TokenGame
from edgewise.loopholes.tokens.policy import Policy
from edgewise.loopholes.tokens.training import TrainConfig, figures
from edgewise.loopholes.tokens.vocabulary import to_text
from edgewise.loopholes.types import Floats, Grades
from edgewise.stats.intervals import proportion

_WITNESSES = 4  # answers that are shown, before and after
CONTROLS = {
    "secure": "the loophole is closed",
    "shuffled": "rewards are dealt out at random",
    "banned": "the words of the exploit are never said",
}


def train(bench: Workbench, game: TokenGame, config: TrainConfig, controls: Sequence[str]) -> dict[str, Any]:
    """Figures of the game's training and of its controls; the contract of ``train --json``."""
    before = bench.evaluate(bench.start(), game)
    result = examined(bench, "train", game, config, before)
    trained = bench.train("train", game, config)
    result["witnesses"] = [
        *_witnesses(bench, bench.start(), game, "before training"),
        *_witnesses(bench, trained.policy, game, "after training"),
    ]
    bench.run.write_table("prompts", bench.prompts("train"))
    result["controls"] = {}
    for name in controls:
        if name == "secure":
            variant, settings = game.model_copy(update={"secure": True}), config
        else:
            shuffled = {"reward": config.reward.model_copy(update={"shuffled": True})}
            change = shuffled if name == "shuffled" else {"banned": game.exploit_words}
            variant, settings = game, config.model_copy(update=change)
        result["controls"][name] = examined(bench, name, variant, settings, bench.evaluate(bench.start(), variant))
    return result


def examined(
    bench: Workbench, key: str, game: TokenGame, config: TrainConfig, before: Sequence[Grades]
) -> dict[str, Any]:
    """Train, and say what became of it."""
    trained = bench.train(key, game, config)
    after = figures(bench.evaluate(trained.policy, game))
    began = figures(before)
    changes = emergence_steps(trained, before, config.grpo.prompts)
    emerged = int(np.isfinite(changes).sum())
    return {
        "game": game.name,
        "options": game.model_dump(mode="json"),
        "steps": config.steps or game.steps,
        "reward": data(over_seeds(after["proxy"])),
        **outcome(after),
        "honest_optimum": game.honest_optimum().as_data(),
        "exploit_optimum": game.exploit_optimum().as_data(),
        "emergence_step": data(over_seeds(changes)),
        "emerged": data(proportion(emerged, len(changes))),
        "start": {
            "reward": data(over_seeds(began["proxy"])),
            **outcome(began),
            "exploiting_answers": data(over_seeds(np.array([np.mean(g.exploit >= 0.5) for g in before]), 0, 1)),
        },
        "by_seed": {
            "true_performance": np.round(after["true"], 4).tolist(),
            "exploit_ratio": np.round(after["exploit"], 4).tolist(),
            "emergence_step": [int(step) if np.isfinite(step) else None for step in changes],
        },
    }


def emergence_steps(trained: Trained, before: Sequence[Grades], prompts: int) -> Floats:
    """Change-point of the exploit ratio in each seed; NaN where there is none, shape (seeds,)."""
    found = []
    for grades, curve in zip(before, trained.curves["exploit"].T, strict=True):
        change = emergence(curve, float(np.nanmean(grades.exploit)), float(np.nanstd(grades.exploit)), prompts)
        found.append(np.nan if change is None else change.change)
    return np.array(found)


def outcome(found: Mapping[str, Floats]) -> dict[str, Any]:
    """Where training has led: exploit ratio and intended performance over seeds."""
    return {
        "exploit_ratio": data(over_seeds(found["exploit"], -1, 1)),
        "true_performance": data(over_seeds(found["true"], 0, 1)),
    }


def data(measure: Measure) -> dict[str, Any]:
    """As JSON data."""
    return measure.model_dump(mode="json")


def _witnesses(bench: Workbench, policy: Policy, game: TokenGame, when: str) -> list[dict[str, Any]]:
    """A few answers of the first seed."""
    said = bench.answers(policy, game, _WITNESSES)
    grades = said.grades[0]
    return [
        {
            "when": when,
            "prompt": to_text(said.prompts[0][i]),
            "answer": to_text(said.answers[0][i]),
            "reward": float(grades.proxy[i]),
            "true": float(grades.true[i]),
            "exploit": float(grades.exploit[i]),
        }
        for i in range(_WITNESSES)
    ]
