"""What is left: which kinds of questions were asked, how many failure modes are unseen, what more calls would bring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from edgewise.probing.features import meets
from edgewise.probing.modes.find import broad_steps
from edgewise.probing.search.runner import Step, Trail
from edgewise.probing.types import Mode


def kind_of(step: Step) -> str:
    """The kind of a question: its group and difficulty."""
    return " · ".join(part for part in (step.case.group or "(no group)", step.case.knobs.get("difficulty", "")) if part)


def coverage(trail: Trail) -> dict[str, tuple[int, int]]:
    """By kind of question, how many were asked broadly and had a verdict, and how many of them failed."""
    asked: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for step in broad_steps(trail):
        asked[kind_of(step)] += 1
        failed[kind_of(step)] += step.outcome.stable
    return {kind: (asked[kind], failed[kind]) for kind in sorted(asked)}


def sightings(modes: Sequence[Mode], trail: Trail) -> list[int]:
    """How often the broad search came upon each mode that it came upon at all."""
    broad = [step for step in broad_steps(trail) if step.outcome.stable]
    counts = [sum(meets(step.case, mode.trigger) for step in broad) for mode in modes]
    return [count for count in counts if count]


def unseen(counts: Sequence[int]) -> float:
    """Chao's estimate (1984, bias-corrected) of how many kinds have not been seen, from how often each was."""
    once, twice = sum(c == 1 for c in counts), sum(c == 2 for c in counts)
    return once * (once - 1) / (2 * (twice + 1))


def expected_new(counts: Sequence[int], more: float) -> float:
    """How many unseen kinds so many more sightings would bring, by extrapolation (Chao and Jost 2012, eq. 10)."""
    n, once, left = sum(counts), sum(c == 1 for c in counts), unseen(counts)
    if not left or not n:
        return 0.0
    return float(left * (1 - (1 - once / (n * left + once)) ** more))


def discovery(modes: Sequence[Mode], trail: Trail) -> list[tuple[int, int]]:
    """(calls, modes found so far): a mode is found when the third failure that meets its trigger is there."""
    found: list[tuple[int, int]] = [(0, 0)]
    hits: Counter[str] = Counter()
    calls = 0
    for step in trail.steps:
        if step.phase == "holdout":
            break
        calls += step.outcome.calls
        if step.outcome.stable:
            met = [mode.mode_id for mode in modes if meets(step.case, mode.trigger)]
            hits.update(met)
            if any(hits[mode] == 3 for mode in met):
                found.append((calls, sum(count >= 3 for count in hits.values())))
    found.append((calls, found[-1][1]))
    return found
