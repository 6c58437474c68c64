"""From failures to tentative failure modes: cluster, say when it happens, pair with what passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgewise.core.estimate import Estimate
from edgewise.probing.features import Conditions, meets, words
from edgewise.probing.modes.triggers import Flags, chance, counter_conditions, find_trigger
from edgewise.probing.modes.vectors import LEAST, Vectors, cluster, failure_vectors
from edgewise.probing.search.runner import Step, Trail
from edgewise.probing.types import Mode
from edgewise.stats.intervals import proportion

if TYPE_CHECKING:
    from edgewise.models.embedder import Embedder

_CENTRAL, _BOUNDARY = 4, 3
_CHANCE = 0.05  # above which a trigger is not taken up
_MOST = 0.5
_OWN = 0.4  # share of its failures that no more certain mode has; with less it is a part of them


def find_modes(trail: Trail, embedder: Embedder) -> list[Mode]:
    """Tentative modes, the least likely to be chance first."""
    failures = trail.failures
    if len(failures) < LEAST:
        return []
    vectors = failure_vectors(failures, embedder)
    labels = cluster(vectors)
    judged = [step for step in trail.steps if step.outcome.verdict != "invalid"]
    conditions = Conditions([step.case for step in judged])
    met = conditions.matrix(step.case for step in judged)
    failed = np.array([step.outcome.stable for step in judged])
    passed = np.array([step.outcome.verdict == "pass" for step in judged])
    base = base_rate(trail)
    # Conditions that most questions meet make no mode.
    broad = np.array([step.phase in ("seed", "macro") for step in judged])
    met[:, met[broad].mean(0) > _MOST] = False
    # What each density cluster has in common; then what the failures left over have.
    triggers: dict[tuple[int, ...], float] = {}
    rest = failed.copy()

    def take(inside: Flags) -> bool:
        chosen = find_trigger(met, inside, failed, base, LEAST)
        rows = np.asarray(met[:, list(chosen)].all(1))
        if not chosen or chosen in triggers or (p := chance(rows, failed, base)) > _CHANCE:
            return False
        triggers[chosen] = p
        rest[rows] = False
        return True

    place = {step.number: i for i, step in enumerate(judged)}
    rows_of = np.array([place[step.number] for step in failures])
    for label in range(labels.max() + 1):
        inside = np.zeros(len(judged), dtype=bool)
        inside[rows_of[labels == label]] = True
        take(inside)
    while rest.sum() >= LEAST and take(rest.copy()):
        pass
    modes: list[Mode] = []
    taken = np.zeros(len(failures), dtype=bool)
    for chosen in sorted(triggers, key=lambda t: (triggers[t], t)):
        rows = np.asarray(met[:, list(chosen)].all(1))
        members = rows[rows_of]
        if members[~taken].sum() < _OWN * members.sum():
            continue
        taken |= members
        names = tuple(conditions.names[c] for c in chosen)
        counter = counter_conditions(names, met, conditions.names, rows, passed)
        share = rate_of(int((rows & broad & failed).sum()), int((broad & failed).sum()))
        mode = _mode(f"m{len(modes) + 1}", names, counter, np.flatnonzero(members), failures, vectors, trail)
        modes.append(mode.model_copy(update={"share": share}))
    return modes


def broad_steps(trail: Trail) -> list[Step]:
    """Questions that were not chosen for failing: seeds and macro's, as far as there was a verdict."""
    return [s for s in trail.steps if s.phase in ("seed", "macro") and s.outcome.verdict != "invalid"]


def base_rate(trail: Trail) -> float:
    """Failure rate of the broad questions, with one success and one failure added."""
    broad = broad_steps(trail)
    return (sum(step.outcome.stable for step in broad) + 1) / (len(broad) + 2)


def _mode(
    mode_id: str,
    names: tuple[str, ...],
    counter: tuple[str, ...],
    members: np.ndarray,
    failures: Sequence[Step],
    vectors: Vectors,
    trail: Trail,
) -> Mode:
    chosen = [failures[i] for i in members.tolist()]
    order = np.argsort(-(vectors[members] @ vectors[members].mean(0)), kind="stable").tolist()
    passing = [step for step in trail.steps if step.outcome.verdict == "pass"]
    boundary = boundary_pairs([chosen[i] for i in order[::-1][:_BOUNDARY]], passing, trail)
    lacking = Counter(name for _, near in boundary for name in names if not meets(near.case, (name,)))
    return Mode(
        mode_id=mode_id,
        name=" and ".join(names),
        description=f"It fails when {' and '.join(names)}." + (f" Not when {' or '.join(counter)}." if counter else ""),
        trigger=names,
        counter=(*counter, *(f"not {name}" for name, _ in lacking.most_common())),
        members=tuple(step.case.case_id for step in chosen),
        central=tuple(chosen[i].case.case_id for i in order[:_CENTRAL]),
        boundary=tuple((fail.case.case_id, near.case.case_id) for fail, near in boundary),
        truths=dict(Counter(step.case.truth for step in chosen)),
    )


def boundary_pairs(edge: Sequence[Step], passing: Sequence[Step], trail: Trail) -> list[tuple[Step, Step]]:
    """Failures at the edge with their nearest passing cases: parents and siblings first, then the most alike."""
    pairs = []
    said = {step.number: words(step.case) for step in passing}
    for fail in edge:
        kin = [p for p in passing if fail.parent is not None and p.parent == fail.parent]
        if fail.parent is not None and trail.steps[fail.parent].outcome.verdict == "pass":
            kin.append(trail.steps[fail.parent])
        ours = words(fail.case)

        def likeness(other: Step, ours: set[str] = ours) -> float:
            theirs = said[other.number]
            return len(ours & theirs) / max(1, len(ours | theirs))

        candidates = kin or passing
        if candidates:
            pairs.append((fail, max(candidates, key=lambda p: (likeness(p), -p.number))))
    return pairs


def rate_of(count: int, n: int) -> Estimate | None:
    """A share with its interval; ``None`` of nothing."""
    found = proportion(count, n) if n else None
    return found if isinstance(found, Estimate) else None
