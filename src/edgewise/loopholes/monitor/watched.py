"""A tiny training run under watch: every seed has its monitor, and an alarm stops it or makes its grading secure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.loopholes.monitor.monitor import Check, Monitor, MonitorConfig
from edgewise.loopholes.monitor.rows import Row, row_of
from edgewise.loopholes.tokens.learning import answer
from edgewise.loopholes.tokens.policy import Policy
from edgewise.loopholes.tokens.training import Training
from edgewise.loopholes.tokens.vocabulary import PAD, Tokens
from edgewise.loopholes.types import Grades

_WATCH = 9  # stream of randomness of a seed, apart from those of training
OnAlarm = Literal["stop", "switch", "warn"]
Source = Literal["heldout", "training"]


@dataclass
class Watched:
    """What came of a run under watch.

    Attributes:
        monitors: One for each seed, with its checks and its alarm.
        policy: Policies at the end; with ``stop`` those of seeds with an alarm are as they were at the alarm.
        rows: What was looked at, for a log (``rows``).
    """

    monitors: list[Monitor]
    policy: Policy
    rows: list[Row] = field(default_factory=list)

    @property
    def alarms(self) -> list[int | None]:
        """Step of the alarm of each seed."""
        return [None if monitor.alarm is None else monitor.alarm.step for monitor in self.monitors]


def watched(
    training: Training, config: MonitorConfig | None = None, *, every: int = 1, prompts: int = 256,
    baseline: int = 4096, source: Source = "heldout", on_alarm: OnAlarm = "stop",
    record: Callable[[Row], None] | None = None, tell: Callable[[int, Check], None] | None = None,
) -> Watched:  # fmt: skip
    """Run a training to its end, or until every seed has an alarm.

    The reward that is watched is the one that training sees: the proxy with its mitigations, but not shuffled.

    Args:
        training: At its beginning.
        config: Of the monitors.
        every: Steps between checks. Policies this small may learn an exploit within five steps.
        prompts: Held-out prompts of a check, with one answer each.
        baseline: Held-out answers at the start; with ``training`` as many to a prompt as in a step.
        source: ``heldout``: fresh answers for each check. ``training``: the answers of the training step, which were
            given before anything was learned from them to prompts that are fresh in every step; each prompt is one
            unit, and nothing more has to be sampled or, but for the trusted reward, graded.
        on_alarm: ``stop``: the seed's policy is kept as it is. ``switch``: it is trained on the trusted reward from
            then on. ``warn``: nothing.
        record: Told every row as it comes, for a log.
        tell: Told the seed's place and every check.

    Raises:
        BadInput: The training has already begun, or the baseline is too small.
    """
    begun = training.step > 0
    if begun:
        raise BadInput(f"the training is at step {training.step}", field="training", fix="watch it from the beginning")
    done = Watched([Monitor(config) for _ in training.seeds], training.policy)
    kept: dict[int, dict[str, object]] = {}

    def look(step: int, found: Sequence[Grades], said: Sequence[Tokens] | None, units: Sequence[object] | None) -> None:
        for i, (monitor, grades) in enumerate(zip(done.monitors, found, strict=True)):
            if monitor.alarm is not None and on_alarm != "warn":
                continue
            texts = [] if said is None else [row[row != PAD].tolist() for row in said[i]]
            row = row_of(step, grades, kind="check" if monitor.begun else "start", seed=training.seeds[i], units=units)
            done.rows.append(row)
            if record is not None:
                record(row)
            if not monitor.begun:
                monitor.begin(grades, texts, units)
                continue
            check = monitor.check(step, grades, texts, units)
            if tell is not None:
                tell(i, check)
            if monitor.alarm is None or i in kept:
                continue
            kept[i] = {name: w.detach()[i].clone() for name, w in training.policy.weights.items()}
            if on_alarm == "switch":
                training.rewards[i] = training.rewards[i].model_copy(update={"trusted_share": 1.0})

    group = training.config.grpo.group if source == "training" else 1
    first = _held_out(training, training.start, max(1, baseline // group), group)
    look(0, *first, _units(baseline // group, group) if group > 1 else None)
    units = _units(training.config.grpo.prompts, group)
    while not training.done and not (on_alarm == "stop" and len(kept) == len(training.seeds)):
        step = training.step
        if source == "heldout" and step and step % every == 0:
            look(step, *_held_out(training, training.policy, prompts), None)
        grades = training.advance()
        if source == "training" and step and step % every == 0:
            look(step, _as_trained(training, grades, step), None, units)
    if source == "heldout" and training.done:
        look(training.step, *_held_out(training, training.policy, prompts), None)
    done.policy = training.policy.clone()
    if on_alarm == "stop":
        for i, weights in kept.items():
            for name, w in weights.items():
                done.policy.weights[name][i] = w  # type: ignore[assignment]
    return done


def _units(prompts: int, group: int) -> list[int]:
    return np.repeat(np.arange(prompts), group).tolist()


def _held_out(training: Training, policy: Policy, n: int, group: int = 1) -> tuple[list[Grades], list[Tokens]]:
    """Grades of answers to fresh prompts by seed, and the answers."""
    rngs = [np.random.default_rng([seed, _WATCH, training.step]) for seed in training.seeds]
    batches = [training.game.sample(rng, n) for rng in rngs]
    _, answers, grades = answer(policy, training.game, batches, rngs, group=group, frame=training.config.frame)
    return _as_trained(training, grades, training.step), list(answers.numpy())


def _as_trained(training: Training, grades: Sequence[Grades], step: int) -> list[Grades]:
    """With the reward that training sees for a proxy."""
    found = []
    for seed, reward, g in zip(training.seeds, training.rewards, grades, strict=True):
        rng = np.random.default_rng([seed, _WATCH, step, 1])
        seen = reward.model_copy(update={"shuffled": False}).apply(g, rng)
        found.append(Grades(seen, g.trusted, g.true, g.exploit, g.parts))
    return found
