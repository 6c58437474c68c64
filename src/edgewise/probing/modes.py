"""From failures to failure modes: embed, cluster, say when it happens, confirm on fresh questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgewise.core.estimate import Estimate
from edgewise.probing.features import Conditions, meets, words
from edgewise.probing.runner import Step, Trail, ask_until_sure
from edgewise.probing.targets import Target
from edgewise.probing.types import Case, Mode
from edgewise.probing.worlds import World
from edgewise.stats.intervals import proportion
from edgewise.stats.multiple import benjamini_hochberg

if TYPE_CHECKING:
    from edgewise.models.embedder import Embedder

Vectors = NDArray[np.float64]
_SMALL = 15  # failures below which density says nothing
_CUT = 0.7  # cosine distance at which small sets are cut
_BEAM, _LONGEST = 12, 3  # triggers kept while searching; conditions of a trigger
_CENTRAL, _BOUNDARY = 4, 3
_LEAST = 3  # members of a mode
_CLUSTERED, _LEFT_OVER = 0.2, 0.01  # chance below which a trigger is taken up, of a cluster and of what is left
_SAME = 0.5  # overlap (Jaccard) of failures from which two modes are one


def failure_vectors(failures: Sequence[Step], embedder: Embedder, weight: float = 0.6) -> Vectors:
    """Where failures lie: what was asked, and how it went wrong. Shape (failures, dimensions), rows of length 1.

    Args:
        failures: With their outcomes.
        embedder: Of both texts, each on its own.
        weight: Of how it went wrong; 0 for the topic alone.
    """
    asked = [
        " ".join((step.case.group, *(f"{k} {v}" for k, v in step.case.knobs.items()), step.case.question[:600]))
        for step in failures
    ]
    wrong = [step.outcome.error or "wrong" for step in failures]
    parts = [np.sqrt(1 - weight) * embedder.embed(asked), np.sqrt(weight) * embedder.embed(wrong)]
    return np.hstack(parts).astype(np.float64)


def cluster(vectors: Vectors, *, least: int | None = None) -> NDArray[np.int64]:
    """Label of each row; -1 for those that belong nowhere. Density-based (HDBSCAN); a few are linked by average.

    Args:
        vectors: Shape (rows, dimensions).
        least: Rows of a cluster; 3 % of them, at least 3, unless given.
    """
    from sklearn.cluster import HDBSCAN, AgglomerativeClustering
    from sklearn.decomposition import TruncatedSVD

    n = len(vectors)
    least = least or max(_LEAST, round(0.03 * n))
    if n < _LEAST:
        return np.full(n, -1)
    if n < _SMALL:
        linked = AgglomerativeClustering(None, distance_threshold=_CUT, metric="cosine", linkage="average")
        labels = linked.fit_predict(vectors + 1e-12)
        sizes = np.bincount(labels)
        return np.where(sizes[labels] >= _LEAST, labels, -1)
    dimensions = min(20, vectors.shape[1] - 1, n // 2)
    reduced = vectors
    if dimensions > 1:
        with np.errstate(divide="ignore", invalid="ignore"):  # rows that are all alike have no variance
            reduced = TruncatedSVD(dimensions, random_state=0).fit_transform(vectors)
    found = HDBSCAN(min_cluster_size=least, min_samples=2, cluster_selection_method="eom", copy=True)
    return np.asarray(found.fit_predict(reduced))


def find_modes(trail: Trail, embedder: Embedder) -> list[Mode]:
    """Tentative modes, the least likely to be chance first."""
    failures = trail.failures
    if len(failures) < _LEAST:
        return []
    vectors = failure_vectors(failures, embedder)
    labels = cluster(vectors)
    judged = [step for step in trail.steps if step.outcome.verdict != "invalid"]
    conditions = Conditions([step.case for step in judged])
    met = conditions.matrix(step.case for step in judged)
    failed = np.array([step.outcome.stable for step in judged])
    place = {step.number: i for i, step in enumerate(judged)}
    # What each density cluster has in common; then what the failures left over have, as long as it is no chance.
    triggers: dict[tuple[int, ...], float] = {}
    rest = failed.copy()

    def take(inside: NDArray[np.bool_], level: float) -> bool:
        chosen = _trigger(met, inside, failed)
        rows = np.asarray(met[:, list(chosen)].all(1))
        chance = _chance(rows, failed)
        if not chosen or chosen in triggers or chance > level:
            return False
        triggers[chosen] = chance
        rest[rows] = False
        return True

    for label in range(labels.max() + 1):
        inside = np.zeros(len(judged), dtype=bool)
        inside[[place[failures[i].number] for i in np.flatnonzero(labels == label)]] = True
        take(inside, _CLUSTERED)
    while rest.sum() >= _LEAST and take(rest.copy(), _LEFT_OVER):
        pass
    found = [tuple(conditions.names[c] for c in chosen) for chosen in sorted(triggers, key=lambda t: (triggers[t], t))]
    covered = {names: {i for i, s in enumerate(failures) if meets(s.case, names)} for names in found}
    modes: list[Mode] = []
    taken: list[set[int]] = []
    for names in found:
        members_ = covered[names]
        if any(len(members_ & other) >= _SAME * len(members_ | other) for other in taken):
            continue
        taken.append(members_)
        modes.append(_mode(names, sorted(members_), failures, vectors, judged, trail))
    return modes


def _chance(rows: NDArray[np.bool_], failed: NDArray[np.bool_]) -> float:
    """Probability that so many of the rows fail, or more, if failures were dealt out at random."""
    from scipy.stats import hypergeom

    return float(hypergeom.sf((rows & failed).sum() - 1, len(failed), failed.sum(), rows.sum()))


def _trigger(met: NDArray[np.bool_], inside: NDArray[np.bool_], failed: NDArray[np.bool_]) -> tuple[int, ...]:
    """Up to three conditions that most of the members meet, and under which failing is common: beam search.

    A trigger's worth is how far its failure rate (with one success and one failure added) is above the rate of all,
    times the square root of the share of members that meet it.
    """
    base = (failed.sum() + 1) / (len(failed) + 2)

    def worth(rows: NDArray[np.bool_]) -> float:
        cover = int((rows & inside).sum())
        if cover < _LEAST:
            return -1.0
        rate = (int((rows & failed).sum()) + 1) / (int(rows.sum()) + 2)
        return float(np.sqrt(cover / inside.sum()) * (rate - base))

    usable = [int(c) for c in np.flatnonzero((met & inside[:, None]).sum(0) >= max(_LEAST, 0.3 * inside.sum()))]
    beam: list[tuple[float, tuple[int, ...], NDArray[np.bool_]]] = [(0.0, (), np.ones(len(failed), dtype=bool))]
    best: tuple[float, tuple[int, ...]] = (0.0, ())
    for _ in range(_LONGEST):
        grown: dict[tuple[int, ...], tuple[float, tuple[int, ...], NDArray[np.bool_]]] = {}
        for _, chosen, rows in beam:
            for c in usable:
                if c not in chosen:
                    longer = tuple(sorted((*chosen, c)))
                    if longer not in grown:
                        both = rows & met[:, c]
                        grown[longer] = (worth(both), longer, both)
        beam = sorted(grown.values(), key=lambda each: (-each[0], each[1]))[:_BEAM]
        if not beam or beam[0][0] <= best[0] + 0.01:  # another condition must be worth its words
            break
        best = beam[0][0], beam[0][1]
    return best[1]


def _mode(
    names: tuple[str, ...],
    members: list[int],
    failures: Sequence[Step],
    vectors: Vectors,
    judged: Sequence[Step],
    trail: Trail,
) -> Mode:
    chosen = [failures[i] for i in members]
    centre = vectors[members].mean(0)
    order = np.argsort(-(vectors[members] @ centre), kind="stable")
    passing = [step for step in judged if step.outcome.verdict == "pass"]
    boundary = _boundary([chosen[i] for i in order[::-1][:_BOUNDARY]], passing, trail)
    broad = [step for step in trail.failures if step.regime != "micro"]
    return Mode(
        name=" and ".join(names),
        description=f"fails when {' and '.join(names)}; {len(chosen)} failures found",
        trigger=names,
        counter=_counter(names, boundary, {step.case.case_id: step for step in passing}),
        members=tuple(step.case.case_id for step in chosen),
        central=tuple(chosen[i].case.case_id for i in order[:_CENTRAL]),
        boundary=tuple((fail.case.case_id, near.case.case_id) for fail, near in boundary),
        truths=dict(Counter(step.case.truth for step in chosen)),
        share=_rate(sum(meets(step.case, names) for step in broad), len(broad)),
    )


def _boundary(edge: Sequence[Step], passing: Sequence[Step], trail: Trail) -> list[tuple[Step, Step]]:
    """Failures at the edge with their nearest passing cases: parents and siblings first, then the most alike."""
    pairs = []
    for fail in edge:
        kin = [p for p in passing if fail.parent is not None and p.parent == fail.parent]
        if fail.parent is not None and trail.steps[fail.parent].outcome.verdict == "pass":
            kin.append(trail.steps[fail.parent])
        ours = words(fail.case)

        def likeness(other: Step, ours: set[str] = ours) -> float:
            theirs = words(other.case)
            return len(ours & theirs) / max(1, len(ours | theirs))

        candidates = kin or passing
        if candidates:
            pairs.append((fail, max(candidates, key=lambda p: (likeness(p), -p.number))))
    return pairs


def _counter(
    names: tuple[str, ...], boundary: Sequence[tuple[Step, Step]], passing: dict[str, Step]
) -> tuple[str, ...]:
    """Conditions of the trigger that the nearest passing cases do not meet."""
    lacking = Counter(name for _, near in boundary for name in names if not meets(near.case, (name,)))
    return tuple(f"not {name}" for name, _ in lacking.most_common())


async def confirm_modes(
    modes: Sequence[Mode],
    world: World,
    target: Target,
    *,
    fresh: int = 16,
    controls: int = 32,
    again: int = 0,
    level: float = 0.05,
) -> tuple[list[Mode], int]:
    """Ask fresh questions that meet each trigger, and ones that do not, and keep what holds beyond chance.

    Args:
        modes: Tentative modes.
        world: Source of fresh questions.
        target: Who answers.
        fresh: Questions for each trigger.
        controls: Questions that meet no mode's trigger; the same for all modes.
        again: How often a failure is asked again.
        level: Of false discoveries among the confirmed.

    Returns:
        The modes with their rates, confirmed or tentative; and the calls made.
    """
    from scipy.stats import fisher_exact

    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1

    async def failures_of(cases: Sequence[Case]) -> tuple[int, int]:
        outcomes = [await ask_until_sure(target, case, again=again, count=count) for case in cases]
        valid = [outcome for outcome in outcomes if outcome.verdict != "invalid"]
        return sum(outcome.stable for outcome in valid), len(valid)

    if not modes:
        return [], 0
    untouched = world.holdout(lambda case: not any(meets(case, mode.trigger) for mode in modes), controls)
    other, other_n = await failures_of(untouched)
    measured = []
    for mode in modes:
        failed, n = await failures_of(world.holdout(lambda case, t=mode.trigger: meets(case, t), fresh))  # type: ignore[misc]
        table = np.array([[failed, n - failed], [other, other_n - other]])
        p = float(fisher_exact(table, alternative="greater").pvalue) if n and other_n else None
        measured.append((failed, n, p))
    known = [p for *_, p in measured if p is not None]
    adjusted = iter(np.asarray(benjamini_hochberg(known)).tolist() if known else [])
    judged = []
    for mode, (failed, n, p) in zip(modes, measured, strict=True):
        q = None if p is None else float(next(adjusted))
        judged.append(
            mode.model_copy(
                update={
                    "rate": _rate(failed, n),
                    "other_rate": _rate(other, other_n),
                    "p_value": p,
                    "q_value": q,
                    "status": "confirmed" if q is not None and q < level else "tentative",
                }
            )
        )
    return judged, calls


def _rate(count: int, n: int) -> Estimate | None:
    found = proportion(count, n) if n else None
    return found if isinstance(found, Estimate) else None


def unseen(counts: Sequence[int]) -> float:
    """Chao's estimate (1984, bias-corrected) of how many kinds have not been seen, from how often each was."""
    once, twice = sum(c == 1 for c in counts), sum(c == 2 for c in counts)
    return once * (once - 1) / (2 * (twice + 1))
