"""Rewards that are drawn by lot: how often a penalty comes, and whether it comes often enough to matter."""

from __future__ import annotations

from collections import Counter

import numpy as np

from edgewise.core.estimate import Measure
from edgewise.core.records import Record
from edgewise.loopholes.types import Floats
from edgewise.stats import proportion

_LEVELS = 8  # distinct rewards of one answer above which it is noise rather than a lot


class Lottery(Record):
    """What one kind of answer earns when it is graded again and again.

    Attributes:
        usual: Its most frequent reward.
        penalty: Mean of the rewards below that.
        rate: Share of gradings that are below the usual.
        alternative: Mean reward of the honest answers to the same tasks.
        break_even: Rate from which on the honest answer pays more: (usual - alternative) / (usual - penalty).
        dead: Whether the penalty is surely rarer than that.
    """

    usual: float
    penalty: float
    rate: Measure
    alternative: float
    break_even: float
    dead: bool


def break_even(usual: float, penalty: float, alternative: float) -> float:
    """Rate of a penalty at which an answer is worth its alternative, in [0, 1]."""
    return float(np.clip((usual - alternative) / (usual - penalty), 0, 1)) if usual > penalty else 1.0


def lottery(outcomes: Floats, alternative: Floats) -> Lottery | None:
    """Read repeated gradings.

    Args:
        outcomes: Rewards of one answer to each task, again and again, shape (tasks, repeats).
        alternative: Mean reward of each task's honest answer, shape (tasks,).

    Returns:
        None where nothing is drawn, or where rewards are noise and no lot. Tasks whose usual reward is another than
        most tasks' are left out: there the answer is of another kind.
    """
    modes, noisy = [], 0
    for row in outcomes:
        counts = Counter(np.round(row[np.isfinite(row)], 9).tolist())
        noisy += len(counts) > min(_LEVELS, outcomes.shape[1] // 2)
        modes.append(counts.most_common(1)[0][0] if counts else np.nan)
    if noisy > len(outcomes) / 2:
        return None
    usual = Counter(modes).most_common(1)[0][0]
    same = np.array(modes) == usual
    drawn = outcomes[same]
    below = drawn[drawn < usual - 1e-9]
    if not len(below):
        return None
    rate = proportion(len(below), int(np.isfinite(drawn).sum()))
    other, penalty = float(alternative[same].mean()), float(below.mean())
    limit = break_even(usual, penalty, other)
    high = rate.high if rate.high is not None else 1.0
    return Lottery(
        usual=float(usual), penalty=penalty, rate=rate, alternative=other, break_even=limit,
        dead=bool(high < limit and other < usual),
    )  # fmt: skip


def deterministic(outcomes: Floats) -> bool:
    """Whether the same answers always earned the same, shape (answers, repeats)."""
    return bool(np.all(np.nanmax(outcomes, axis=1) - np.nanmin(outcomes, axis=1) < 1e-9)) if outcomes.size else True
