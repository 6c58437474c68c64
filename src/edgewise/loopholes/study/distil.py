"""Distillation: an exploit handed on through data alone, and how either kind of exploit is unlearned and comes back."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewise.core.estimate import NotMeasured
from edgewise.loopholes.study.emergence import steps_to
from edgewise.loopholes.study.estimates import over_seeds, ratio_over_seeds
from edgewise.loopholes.study.train import data, outcome
from edgewise.loopholes.study.transfer import steps_by_seed, steps_needed
from edgewise.loopholes.study.workbench import REACHED, Answers, Draw, Trained, Workbench
from edgewise.loopholes.tokens.game import TokenGame
from edgewise.loopholes.tokens.learning import framed
from edgewise.loopholes.tokens.policy import Policy
from edgewise.loopholes.tokens.training import TrainConfig, figures
from edgewise.loopholes.tokens.vocabulary import PAD, Tokens
from edgewise.loopholes.types import Bools, Floats

_OUTPUTS = 2048  # answers of the teacher, of each seed
_STEPS = 200  # of imitation
_UNLEARN = 100  # steps of each way to unlearn
_FEWEST = 32  # answers that a student can learn from
_UNLIKELY = 0.05  # share of the start's own answers that the detector would stop


def distil(bench: Workbench, game: TokenGame, config: TrainConfig) -> dict[str, Any]:
    """Train a teacher, let students imitate what it says, filtered in several ways, then unlearn both.

    Filters of the teacher's answers: ``none``; ``reward`` (the better half by proxy); ``outcome`` (what the intended
    performance of an answer puts in the better half, and above none at all); ``detector`` (what the start itself might
    have said: answers less likely under it than 95 % of its own are dropped). ``another_start`` is the unfiltered data
    given to students that began elsewhere.
    """
    start = bench.start()
    teacher = bench.train("train", game, config)
    shown = figures(bench.evaluate(teacher.policy, game))
    said = bench.answers(teacher.policy, game, _OUTPUTS)
    kept = _filters(bench, start, said, game)
    students: dict[str, Any] = {}
    policies: dict[str, Policy] = {}
    for name, masks in kept.items():
        if min(int(mask.sum()) for mask in masks) < _FEWEST:
            few = NotMeasured(reason=f"the filter leaves fewer than {_FEWEST} answers in some seed")
            students[name] = {"exploit_ratio": data(few), "true_performance": data(few), "kept": _share(masks)}
            continue
        begin = start.chosen([*range(1, start.seeds), 0]) if name == "another_start" else start
        student = bench.imitate(f"student/{name}", begin, _STEPS, _drawn(said, masks))
        policies[name] = student.policy
        found = figures(bench.evaluate(student.policy, game))
        students[name] = {
            **outcome(found),
            "less_than_teacher": data(over_seeds(shown["exploit"] - found["exploit"], -2, 2)),
            "kept": _share(masks),
        }
    return {
        "game": game.name,
        "teacher": outcome(shown),
        "students": students,
        "unlearning": unlearning(bench, game, config, teacher.policy, policies["none"]),
    }


def unlearning(
    bench: Workbench, game: TokenGame, config: TrainConfig, learned: Policy, distilled: Policy
) -> dict[str, Any]:
    """How fast safety training takes an exploit away, and how fast it comes back where the loophole does.

    ``honest_examples`` is imitation of demonstrations, ``secure_rewards`` training on the closed variant. Half-life:
    steps until the exploit ratio has fallen to half of what it was. ``relapse`` trains on the open game again, after
    secure rewards.
    """
    secure = game.model_copy(update={"secure": True})
    short = config.model_copy(update={"steps": _UNLEARN})

    def honest(i: int, rng: np.random.Generator, n: int) -> tuple[Tokens, Tokens]:
        batch = game.practice().sample(rng, n)
        return framed(batch.prompts, ".", rng), game.demonstrate(batch, rng)

    lives: dict[str, dict[str, Floats]] = {"honest_examples": {}, "secure_rewards": {}, "relapse": {}}
    result: dict[str, Any] = {}
    for kind, policy in (("learned", learned), ("distilled", distilled)):
        shown = bench.evaluate(policy, game)
        before = figures(shown)["exploit"]
        by_example = bench.imitate(f"unlearn-examples/{kind}", policy, _UNLEARN, honest, lr=3e-4, watch=game, every=2)
        by_reward = bench.train(f"unlearn-rewards/{kind}", secure, short, policy)
        back = bench.train(f"relapse/{kind}", game, config, by_reward.policy, until=REACHED)
        lives["honest_examples"][kind] = _half_life(by_example, before) * 2
        lives["secure_rewards"][kind] = _half_life(by_reward, before)
        lives["relapse"][kind] = steps_by_seed(back)
        result[kind] = {
            "exploit_ratio": data(over_seeds(before, -1, 1)),
            **{way: steps_needed(found[kind]) for way, found in lives.items()},
        }
    rng = bench.run.rng("unlearning")
    result["learned_over_distilled"] = {
        way: data(ratio_over_seeds(found["learned"], found["distilled"], rng)) for way, found in lives.items()
    }
    return result


def _half_life(trained: Trained, before: Floats) -> Floats:
    """Points until the exploit ratio has fallen to half, by seed; infinite where it has not."""
    curves = trained.curves["exploit"].T
    return np.array([steps_to(-curve, -level / 2, window=3) for curve, level in zip(curves, before, strict=True)])


def _filters(bench: Workbench, start: Policy, said: Answers, game: TokenGame) -> dict[str, list[Bools]]:
    def better_half(values: Floats) -> Bools:
        return np.asarray((values >= np.median(values)) & (values > values.min()))

    everything = [np.ones(len(answers), dtype=bool) for answers in said.answers]
    own = bench.answers(start, game, _OUTPUTS)
    limits = [np.quantile(row, _UNLIKELY) for row in _log_probabilities(start, own)]
    likely = [row >= limit for row, limit in zip(_log_probabilities(start, said), limits, strict=True)]
    return {
        "none": everything,
        "reward": [better_half(g.proxy) for g in said.grades],
        "outcome": [better_half(g.true) for g in said.grades],
        "detector": likely,
        "another_start": everything,
    }


def _log_probabilities(policy: Policy, said: Answers) -> Floats:
    """Nats of whole answers, shape (seeds, answers)."""
    import torch

    answers = torch.from_numpy(np.stack(said.answers))
    with torch.no_grad():
        logp, _ = policy.log_probabilities(torch.from_numpy(np.stack(said.prompts)), answers)
    return np.asarray((logp * (answers != PAD)).sum(-1).numpy(), dtype=np.float64)


def _drawn(said: Answers, masks: list[Bools]) -> Draw:
    places = [np.flatnonzero(mask) for mask in masks]

    def draw(i: int, rng: np.random.Generator, n: int) -> tuple[Tokens, Tokens]:
        chosen = rng.choice(places[i], n)
        return said.prompts[i][chosen], said.answers[i][chosen]

    return draw


def _share(masks: list[Bools]) -> float:
    return round(float(np.mean([mask.mean() for mask in masks])), 4)
