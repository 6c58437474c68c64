"""Mitigations side by side: by how much each lowers the exploit ratio, and what it costs in intended performance."""

from __future__ import annotations

from typing import Any

from edgewise.loopholes.study.estimates import over_seeds
from edgewise.loopholes.study.train import data, outcome
from edgewise.loopholes.study.workbench import Workbench
from edgewise.loopholes.tokens.game import TokenGame
from edgewise.loopholes.tokens.training import TrainConfig, figures


def mitigations(game: TokenGame, config: TrainConfig) -> dict[str, tuple[str, TokenGame, TrainConfig]]:
    """By name: what it is, and the game and the settings under it."""

    def reward(**change: Any) -> TrainConfig:
        return config.model_copy(update={"reward": config.reward.model_copy(update=change)})

    def grpo(**change: Any) -> TrainConfig:
        return config.model_copy(update={"grpo": config.grpo.model_copy(update=change)})

    secure = game.model_copy(update={"secure": True})
    ceiling = game.honest_optimum().proxy
    return {
        "audit_25": ("a trusted grader grades a quarter of the answers", game, reward(trusted_share=0.25)),
        "audit_50": ("a trusted grader grades half of the answers", game, reward(trusted_share=0.5)),
        "secure_parser": ("the loophole is closed", secure, config),
        "ceiling": ("no reward above the best honest one", game, reward(ceiling=ceiling)),
        "ensemble": ("the least of the proxy and a noisy trusted grader", game, reward(ensemble=0.5)),
        "noise": ("normal errors of deviation 1 on every reward", game, reward(noise=1.0)),
        "kl_05": ("divergence from the start costs .05 a nat", game, grpo(kl=0.05)),
        "kl_20": ("divergence from the start costs .2 a nat", game, grpo(kl=0.2)),
        "random_frame": (
            "every prompt in one of four frames, at random",
            game,
            config.model_copy(update={"frame": "any"}),
        ),
        "inoculation": (
            "trained in a frame that is not used afterwards",
            game,
            config.model_copy(update={"frame": "!"}),
        ),
    }


def mitigate(bench: Workbench, game: TokenGame, config: TrainConfig) -> dict[str, Any]:
    """Figures of all mitigations, each less those of training without any; evaluated on the open game."""
    base = figures(bench.evaluate(bench.train("train", game, config).policy, game))
    under = mitigations(game, config)
    found_by = {
        name: figures(bench.evaluate(bench.train(name, variant, settings).policy, game))
        for name, (_, variant, settings) in under.items()
    }
    honest = found_by["secure_parser"]
    rows = {}
    for name, found in found_by.items():
        rows[name] = {
            "about": under[name][0],
            **outcome(found),
            "exploit_change": data(over_seeds(found["exploit"] - base["exploit"], -2, 2)),
            "true_change": data(over_seeds(found["true"] - base["true"], -1, 1)),
            "below_secure": data(over_seeds(honest["true"] - found["true"], -1, 1)),
        }
    return {
        "game": game.name,
        "without": outcome(base),
        "mitigations": rows,
    }
