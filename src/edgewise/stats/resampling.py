"""The bootstrap: iid, by cluster, stratified; percentile and BCa intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Measure, from_interval
from edgewise.stats.checks import Floats, check_level, codes

Labels = Sequence[object] | npt.NDArray[np.generic]
_CHUNK = 4_000_000  # resampled rows held in memory at one time


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
        """As an ``Estimate``, its interval stretched to contain the value; ``NotMeasured`` where it is undefined."""
        interval = (min(self.low, self.value), max(self.high, self.value))
        measure = from_interval(self.value, interval, self.n, self.method)
        return measure.model_copy(update={"level": self.level}) if measure.measured else measure


def bootstrap(
    statistic: Callable[..., Any],
    data: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    replicates: int = 2000,
    level: float = 0.95,
    method: Literal["bca", "percentile"] = "bca",
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
        replicates: Number of resamples.
        level: Coverage.
        method: ``bca`` corrects bias and skewness with a jackknife over the resampled units; ``percentile`` does not.
        clusters: Observations with one label are drawn together, shape (n,). With clusters a resample may have another
            number of rows than the data.
        strata: Units are drawn within each stratum, shape (n,). A cluster lies within one stratum.
        vectorized: Whether ``statistic`` takes a stack of samples. Not used where clusters differ in size.

    Raises:
        BadInput: No data, labels of the wrong shape, a cluster in two strata.
    """
    check_level(level)
    rows = np.asarray(data)
    if rows.ndim == 0 or rows.shape[0] == 0:
        raise BadInput("there is nothing to resample", field="data")
    if replicates < 1:
        raise BadInput("at least one replicate is needed", field="replicates")
    units = _Units.build(rows.shape[0], clusters, strata)
    stacked = vectorized and units.equal_size

    def evaluate(samples: Iterator[npt.NDArray[np.intp]]) -> Floats:
        """The statistic for stacks of unit indices, each of shape (k, units)."""
        found: list[Floats] = []
        for picked in samples:
            if stacked:
                found.append(np.asarray(statistic(rows[units.rows_of_stack(picked)]), dtype=np.float64))
            else:
                one = [
                    statistic(s[None])[0] if vectorized else statistic(s)
                    for s in (rows[units.rows_of(p)] for p in picked)
                ]
                found.append(np.asarray(one, dtype=np.float64))
        return np.concatenate(found)

    everything = np.arange(units.count)[None]
    value = float(evaluate(iter([everything]))[0])
    distribution = evaluate(units.draw(rng, replicates, rows.shape[0]))
    usable = distribution[np.isfinite(distribution)]
    tail = (1 - level) / 2
    tails = (tail, 1 - tail)
    label = "percentile bootstrap"
    if usable.size == 0 or not np.isfinite(value):
        return BootstrapResult(value, np.nan, np.nan, units.count, label, distribution, level)
    if method == "bca":
        corrected = _bca_tails(usable, value, lambda: evaluate(units.leave_one_out()), units.stratum, tails)
        if corrected is not None:
            tails, label = corrected, "BCa bootstrap"
    low, high = np.quantile(usable, tails)
    kind = " over clusters" if clusters is not None else ""
    return BootstrapResult(
        value, float(low), float(high), units.count, f"{label}{kind}, {replicates} replicates", distribution, level
    )


def _bca_tails(
    distribution: Floats,
    value: float,
    jackknife: Callable[[], Floats],
    stratum: npt.NDArray[np.intp],
    tails: tuple[float, float],
) -> tuple[float, float] | None:
    """Corrected tail probabilities (Efron 1987, eq. 14.9 in Efron and Tibshirani); ``None`` where undefined."""
    from scipy.special import ndtr, ndtri

    below = (np.mean(distribution < value) + np.mean(distribution <= value)) / 2
    if not 0 < below < 1:
        return None
    bias = float(ndtri(below))
    left_out = jackknife()
    if left_out.size < 2 or not np.all(np.isfinite(left_out)):
        return None
    numerator = denominator = 0.0
    for s in np.unique(
        stratum
    ):  # influence within each stratum (Davison and Hinkley 1997, section 5.3.2, their eq. 5.24)
        members = left_out[stratum == s]
        if members.size > 1:
            influence = (members.size - 1) * (members.mean() - members) / members.size
            numerator += float(np.sum(influence**3))
            denominator += float(np.sum(influence**2))
    acceleration = numerator / (6 * denominator**1.5) if denominator > 0 else 0.0
    z = ndtri(np.asarray(tails)) + bias
    low, high = ndtr(bias + z / (1 - acceleration * z))
    return float(low), float(high)


@dataclass(frozen=True)
class _Units:
    """What is resampled: observations, or clusters of them, within strata."""

    members: tuple[npt.NDArray[np.intp], ...] | npt.NDArray[np.intp]
    stratum: npt.NDArray[np.intp]
    equal_size: bool

    @classmethod
    def build(cls, n: int, clusters: Labels | None, strata: Labels | None) -> _Units:
        by_row = np.zeros(n, dtype=np.intp) if strata is None else codes("strata", strata, n)
        if clusters is None:
            return cls(np.arange(n)[:, None], by_row, equal_size=True)
        labels = codes("clusters", clusters, n)
        order = np.argsort(labels, kind="stable")
        members = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
        if any(np.ptp(by_row[m]) for m in members):
            raise BadInput("a cluster lies in two strata", field="strata")
        stratum = np.array([by_row[m[0]] for m in members])
        if len({m.size for m in members}) == 1:
            return cls(np.stack(members), stratum, equal_size=True)
        return cls(tuple(members), stratum, equal_size=False)

    @property
    def count(self) -> int:
        return len(self.stratum)

    def rows_of(self, picked: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        if isinstance(self.members, np.ndarray):
            return self.members[picked].reshape(-1)
        return np.concatenate([self.members[i] for i in picked])

    def rows_of_stack(self, picked: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        assert isinstance(self.members, np.ndarray)
        return self.members[picked].reshape(picked.shape[0], -1)

    def draw(self, rng: np.random.Generator, replicates: int, n: int) -> Iterator[npt.NDArray[np.intp]]:
        """Stacks of drawn units, shape (k, units): as many from each stratum as it has."""
        groups = [np.flatnonzero(self.stratum == s) for s in np.unique(self.stratum)]
        step = max(1, _CHUNK // max(n, 1))
        for start in range(0, replicates, step):
            k = min(step, replicates - start)
            yield np.concatenate([g[rng.integers(g.size, size=(k, g.size))] for g in groups], axis=1)

    def leave_one_out(self) -> Iterator[npt.NDArray[np.intp]]:
        """Stacks of all units but one, shape (k, units - 1)."""
        step = max(1, _CHUNK // self.count)
        base = np.arange(self.count - 1)
        for start in range(0, self.count, step):
            left = np.arange(start, min(start + step, self.count))[:, None]
            yield base + (base >= left)
