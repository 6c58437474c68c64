"""The bootstrap: iid, by cluster, stratified; percentile and BCa intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Measure, NotMeasured
from edgewise.stats.checks import Floats, Labels, check_choice, check_level, codes, make_measure

Indices = npt.NDArray[np.intp]
IntervalMethod = Literal["bca", "percentile"]
_CHUNK = 500_000  # resampled numbers held in memory at one time; more is slower, since it leaves the processor's cache
_JACKKNIFE = 2000  # leave-outs for the acceleration; without a limit they would cost n² for n units


@dataclass(frozen=True)
class BootstrapResult:
    """A statistic with its bootstrap interval.

    Attributes:
        value: The statistic on the data as given.
        low: Lower end.
        high: Upper end.
        n: Number of resampled units (clusters where there are any).
        method: How the interval was made, in words.
        replicates: The bootstrap distribution, shape (replicates,); NaN where the statistic was undefined.
        level: Coverage.
    """

    value: float
    low: float
    high: float
    n: int
    method: str
    replicates: Floats
    level: float

    def estimate(self) -> Measure:
        """As an ``Estimate``, its interval stretched to contain the value.

        ``NotMeasured`` where the statistic is undefined, and where it is the same on every resample: the bootstrap then
        knows nothing of its uncertainty, and an interval of no width would claim that there is none.
        """
        usable = self.replicates[np.isfinite(self.replicates)]
        if usable.size and np.ptp(usable) <= 1e-12 * abs(self.value):
            return NotMeasured(reason=f"all resamples of {self.n} units give {self.value:.4g}: uncertainty unknown")
        low, high = min(self.low, self.value), max(self.high, self.value)
        return make_measure(self.value, low, high, self.n, self.method, self.level)


def bootstrap(
    statistic: Callable[..., Any],
    data: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    replicates: int = 2000,
    level: float = 0.95,
    method: IntervalMethod = "bca",
    clusters: Labels | None = None,
    strata: Labels | None = None,
    vectorized: bool = False,
) -> BootstrapResult:
    """Bootstrap interval of a statistic (Efron and Tibshirani 1993, chapters 13 and 14).

    Args:
        statistic: Takes rows like ``data``, shape (m, ...), and returns a number. With ``vectorized`` it takes a stack
            of samples, shape (k, m, ...), and returns shape (k,); the last axes are those of ``data``.
        data: Observations along the first axis, shape (n, ...).
        rng: Where randomness comes from.
        replicates: Number of resamples. Those on which the statistic is not finite are left out and told in ``method``.
        level: Coverage.
        method: ``bca`` corrects bias and skewness with a jackknife over the resampled units; ``percentile`` does not.
            Where the correction is undefined (all replicates on one side of the value) the percentile interval is
            returned and ``method`` of the result says so. Beyond 2000 units the jackknife leaves out random groups.
        clusters: Observations with one label are drawn together, shape (n,). With clusters a resample may have another
            number of rows than the data.
        strata: Units are drawn within each stratum, shape (n,). A cluster lies within one stratum.
        vectorized: Whether ``statistic`` takes a stack of samples; much faster. Where clusters differ in size it gets
            stacks of one.

    Raises:
        BadInput: No data, labels of the wrong shape, a cluster in two strata, or an option out of range.
    """
    check_level(level)
    check_choice("method", method, IntervalMethod)
    rows = np.asarray(data)
    if rows.ndim == 0 or rows.shape[0] == 0:
        raise BadInput("there is nothing to resample", field="data")
    if replicates < 1:
        raise BadInput("at least one replicate is needed", field="replicates")
    units = _Units.build(rows.shape[0], clusters, strata)
    numbers = rows.size + rows.shape[0]  # in one resample, its indices included
    stacked = vectorized and units.equal_size

    def evaluate(samples: Iterator[Indices]) -> Floats:
        """The statistic for stacks of unit indices, each of shape (k, units)."""
        found: list[Floats] = []
        for picked in samples:
            if stacked:
                found.append(np.asarray(statistic(rows.take(units.rows_of_stack(picked), axis=0)), dtype=np.float64))
                continue
            resamples = (rows.take(units.rows_of(one), axis=0) for one in picked)
            values = [statistic(r[None])[0] if vectorized else statistic(r) for r in resamples]
            found.append(np.asarray(values, dtype=np.float64))
        return np.concatenate(found)

    value = float(evaluate(iter([np.arange(units.count)[None]]))[0])
    distribution = evaluate(units.draw(rng, replicates, numbers))
    usable = distribution[np.isfinite(distribution)]
    if usable.size == 0 or not np.isfinite(value):
        return BootstrapResult(value, np.nan, np.nan, units.count, "undefined", distribution, level)
    tails, label = ((1 - level) / 2, (1 + level) / 2), "percentile"
    if method == "bca":
        acceleration = _acceleration(units, evaluate, rng, numbers)
        corrected = _bca_tails(usable, value, acceleration, tails)
        if corrected is not None:
            tails, label = corrected, "BCa"
    low, high = np.quantile(usable, tails)
    kind = " over clusters" if clusters is not None else ""
    defined = "" if usable.size == replicates else f"{usable.size} defined of "
    label = f"{label} bootstrap{kind}, {defined}{replicates} replicates"
    return BootstrapResult(value, float(low), float(high), units.count, label, distribution, level)


def chunk_sizes(total: int, numbers: int) -> Iterator[int]:
    """Splits ``total`` repetitions, each of which holds ``numbers`` numbers in memory, into chunks of bounded size."""
    step = max(1, _CHUNK // max(numbers, 1))
    for start in range(0, total, step):
        yield min(step, total - start)


def _acceleration(
    units: _Units, evaluate: Callable[[Iterator[Indices]], Floats], rng: np.random.Generator, numbers: int
) -> float | None:
    """Skewness of the jackknife's influence values over 6 (Efron 1987); ``None`` where undefined.

    In strata influences scale with each stratum's size, as for several samples (Davison and Hinkley 1997, section
    5.3.2; scipy.stats.bootstrap does the same).
    """
    if units.count <= _JACKKNIFE:
        left_out, stratum = evaluate(units.leave_one_out(numbers)), units.stratum
    else:
        groups = units.groups(rng)
        stratum = units.stratum[[group[0] for group in groups]]
        left_out = evaluate(np.delete(np.arange(units.count), group)[None] for group in groups)
    if left_out.size < 2 or not np.all(np.isfinite(left_out)):
        return None
    third = second = 0.0
    for s in np.unique(stratum):
        members = left_out[stratum == s]
        influence = (members.size - 1) / members.size * (members.mean() - members)
        third += float(np.sum(influence**3))
        second += float(np.sum(influence**2))
    return third / (6 * second**1.5) if second > 0 else 0.0


def _bca_tails(
    distribution: Floats, value: float, acceleration: float | None, tails: tuple[float, float]
) -> tuple[float, float] | None:
    """Corrected tail probabilities (Efron and Tibshirani 1993, section 14.3); ``None`` where undefined."""
    from scipy.special import ndtr, ndtri

    below = (np.mean(distribution < value) + np.mean(distribution <= value)) / 2
    if acceleration is None or not 0 < below < 1:
        return None
    bias = float(ndtri(below))
    z = ndtri(np.asarray(tails)) + bias
    if np.any(acceleration * z >= 1):  # beyond its pole the correction would turn the interval round
        return None
    low, high = ndtr(bias + z / (1 - acceleration * z))
    return float(low), float(high)


@dataclass(frozen=True)
class _Units:
    """What is resampled: observations, or clusters of them, within strata.

    ``members`` has the rows of each unit: ``None`` where units are rows, an array where all have equally many.
    """

    members: tuple[Indices, ...] | Indices | None
    stratum: Indices

    @classmethod
    def build(cls, n: int, clusters: Labels | None, strata: Labels | None) -> _Units:
        by_row = np.zeros(n, dtype=np.intp) if strata is None else codes("strata", strata, n)
        if clusters is None:
            return cls(None, by_row)
        labels = codes("clusters", clusters, n)
        order = np.argsort(labels, kind="stable")
        members = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
        if any(np.ptp(by_row[m]) for m in members):
            raise BadInput("a cluster lies in two strata", field="strata")
        stratum = np.array([by_row[m[0]] for m in members])
        same = len({m.size for m in members}) == 1
        return cls(np.stack(members) if same else tuple(members), stratum)

    @property
    def count(self) -> int:
        return len(self.stratum)

    @property
    def equal_size(self) -> bool:
        return not isinstance(self.members, tuple)

    def rows_of(self, picked: Indices) -> Indices:
        if isinstance(self.members, tuple):
            return np.concatenate([self.members[i] for i in picked])
        return self.rows_of_stack(picked[None]).ravel()

    def rows_of_stack(self, picked: Indices) -> Indices:
        assert not isinstance(self.members, tuple)
        return picked if self.members is None else self.members[picked].reshape(picked.shape[0], -1)

    def draw(self, rng: np.random.Generator, replicates: int, numbers: int) -> Iterator[Indices]:
        """Stacks of drawn units, shape (k, units): as many from each stratum as it has."""
        strata = [np.flatnonzero(self.stratum == s) for s in np.unique(self.stratum)]
        for k in chunk_sizes(replicates, numbers):
            if len(strata) == 1:
                yield rng.integers(self.count, size=(k, self.count))
            else:
                yield np.concatenate([s[rng.integers(s.size, size=(k, s.size))] for s in strata], axis=1)

    def leave_one_out(self, numbers: int) -> Iterator[Indices]:
        """Stacks of all units but one, shape (k, units - 1)."""
        base, start = np.arange(self.count - 1), 0
        for k in chunk_sizes(self.count, numbers):
            yield base + (base >= np.arange(start, start + k)[:, None])
            start += k

    def groups(self, rng: np.random.Generator) -> list[Indices]:
        """The units in about ``_JACKKNIFE`` random groups of about equal size, each within one stratum."""
        found: list[Indices] = []
        for s in np.unique(self.stratum):
            members = rng.permutation(np.flatnonzero(self.stratum == s))
            parts = max(1, round(_JACKKNIFE * members.size / self.count))
            found += np.array_split(members, min(members.size, max(parts, 2)))
        return found
