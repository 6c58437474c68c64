"""When it fails: the few conditions under which failing is common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BEAM, _LONGEST = 12, 3  # triggers kept while searching; conditions of a trigger
_WORTH_A_WORD = 0.01  # what another condition must add
_COMMON = 0.3  # share of the members that must meet a condition

Flags = NDArray[np.bool_]


def find_trigger(met: Flags, inside: Flags, failed: Flags, base: float, least: int) -> tuple[int, ...]:
    """Up to three conditions that most of the members meet, and under which failing is common: beam search.

    A trigger's worth is how far its failure rate (with one success and one failure added) is above ``base``, times the
    square root of the share of members that meet it.

    Args:
        met: Which case meets which condition, shape (cases, conditions).
        inside: Which cases are members, all of them failures.
        failed: Which cases failed.
        base: Failure rate of questions that were not chosen for failing.
        least: Members that must meet the trigger.
    """
    n_inside = int(inside.sum())
    cover_of = met[inside].sum(0)
    usable = np.flatnonzero(cover_of >= max(least, _COMMON * n_inside))
    columns = np.asfortranarray(met[:, usable])
    beam: list[tuple[float, tuple[int, ...], Flags]] = [(0.0, (), np.ones(len(failed), dtype=bool))]
    best: tuple[float, tuple[int, ...]] = (0.0, ())
    for _ in range(_LONGEST):
        grown: dict[tuple[int, ...], tuple[float, tuple[int, ...], Flags]] = {}
        for _, chosen, rows in beam:
            # All conditions at once: how many of the rows that are left meet each.
            here = columns[rows].astype(np.float32)
            n = here.sum(0)
            fails = failed[rows].astype(np.float32) @ here
            cover = inside[rows].astype(np.float32) @ here
            worth = np.sqrt(cover / n_inside) * ((fails + 1) / (n + 2) - base)
            worth[cover < least] = -1.0
            for k in np.argsort(-worth, kind="stable")[: _BEAM + len(chosen)].tolist():
                c = int(usable[k])
                longer = tuple(sorted((*chosen, c)))
                if c not in chosen and longer not in grown:
                    grown[longer] = (float(worth[k]), longer, rows & columns[:, k])
        beam = sorted(grown.values(), key=lambda each: (-each[0], each[1]))[:_BEAM]
        if not beam or beam[0][0] <= best[0] + _WORTH_A_WORD:
            break
        best = beam[0][0], beam[0][1]
    return best[1]


def chance(rows: Flags, failed: Flags, base: float) -> float:
    """Probability that so many of the rows fail, or more, if each failed with probability ``base``.

    The search goes where it finds failures, so this is only a first look; modes are confirmed with fresh questions.
    """
    from scipy.stats import binom

    return float(binom.sf((rows & failed).sum() - 1, rows.sum(), base))


def counter_conditions(
    names: Sequence[str], met: Flags, all_names: Sequence[str], inside: Flags, passed: Flags
) -> tuple[str, ...]:
    """Conditions under which it does not fail although the trigger holds, or that take the trigger away.

    Args:
        names: The trigger.
        met: Which case meets which condition.
        all_names: Of the columns of ``met``.
        inside: Which cases meet the trigger.
        passed: Which cases were answered rightly.
    """
    right, wrong = met[inside & passed], met[inside & ~passed]
    if len(right) < 3 or len(wrong) < 3:
        return ()
    difference = (right.sum(0) + 0.5) / (len(right) + 1) - (wrong.sum(0) + 0.5) / (len(wrong) + 1)
    order = np.argsort(-difference, kind="stable")[:3]
    return tuple(all_names[i] for i in order.tolist() if difference[i] > 0.3 and all_names[i] not in names)
