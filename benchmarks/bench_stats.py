"""Speed of edgewise.stats beside scipy and krippendorff, and how often its intervals cover.

    OMP_NUM_THREADS=1 python benchmarks/bench_stats.py    # five minutes; writes benchmarks/results/stats.md

Peers run in the same process, one after the other, on the same data. Times are the best of three.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
from _table import best_of, peak_of
from scipy import stats as peer

from edgewise import stats

RESULTS = Path(__file__).parent / "results" / "stats.md"
ROUNDS = 1000  # simulated samples per coverage; standard error 0.7 percentage points at 95 %


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[Any]], note: str) -> str:
    columns = list(columns)
    lines = [f"## {title}", "", f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join([*lines, "", note, ""])


def mean(sample: np.ndarray) -> np.ndarray:
    return sample.mean(axis=-1)


def bench_bootstrap() -> str:
    rows = []
    for method, theirs in (("bca", "BCa"), ("percentile", "percentile")):
        for n, replicates in ((100, 2000), (1000, 2000), (1000, 10_000), (10_000, 2000)):
            data = np.random.default_rng(0).exponential(size=n)

            def ours(data: np.ndarray = data, method: str = method, replicates: int = replicates) -> object:
                rng = np.random.default_rng(1)
                return stats.bootstrap(mean, data, rng=rng, replicates=replicates, method=method, vectorized=True)  # type: ignore[call-overload]

            def scipys(batch: int | None, data: np.ndarray = data, theirs: str = theirs, k: int = replicates) -> object:
                rng = np.random.default_rng(1)
                return peer.bootstrap((data,), np.mean, n_resamples=k, method=theirs, rng=rng, batch=batch)

            batch = max(1, 500_000 // n)  # the same memory as ours
            our_time, whole = best_of(ours), best_of(lambda run=scipys: run(None))
            batched = best_of(lambda run=scipys, b=batch: run(b))
            memory = [f"{peak_of(job):.0f}" for job in (ours, lambda run=scipys: run(None))]
            rows.append([
                method, n, replicates, f"{our_time * 1e3:.1f}", f"{whole * 1e3:.1f}", f"{batched * 1e3:.1f}",
                f"{min(whole, batched) / our_time:.2f}", *memory,
            ])  # fmt: skip
    for n in (30_000, 100_000):
        data = np.random.default_rng(0).exponential(size=n)
        seconds = best_of(
            lambda data=data: stats.bootstrap(mean, data, rng=np.random.default_rng(1), vectorized=True), repeats=1
        )
        rows.append(["bca", n, 2000, f"{seconds * 1e3:.0f}", "not run", "not run", "", "", ""])
    columns = ["method", "n", "replicates", "edgewise, ms", "scipy, ms", "scipy in batches, ms"]
    return table(
        "Bootstrap of a mean",
        [*columns, "scipy's better / edgewise", "edgewise peak, MB", "scipy peak, MB"],
        rows,
        "Batches of scipy's hold as many numbers as edgewise's chunks. The last two rows are single runs. Above 2000 "
        "units edgewise's jackknife leaves out "
        "2000 groups, so that BCa grows as n; scipy's grows as n².",
    )


def bench_clusters() -> str:
    rows = []
    for items, repeats in ((100, 5), (1000, 5), (1000, 50)):
        clusters = np.repeat(np.arange(items), repeats)
        values = np.random.default_rng(0).random(items * repeats)
        unequal, uneven = values[:-1], clusters[:-1]
        even_time = best_of(lambda v=values, c=clusters: stats.mean_estimate(v, c))
        uneven_time = best_of(lambda v=unequal, c=uneven: stats.mean_estimate(v, c))
        rows.append([items, repeats, f"{even_time * 1e3:.1f}", f"{uneven_time * 1e3:.1f}"])
    return table(
        "Mean of clustered scores (`mean_estimate`, 2000 replicates)",
        ["clusters", "scores in each", "equal sizes, ms", "one score fewer, ms"],
        rows,
        "Only the sums of clusters are drawn; scores add the cost of sorting them into clusters.",
    )


def bench_agreement() -> str:
    rows = []
    rng = np.random.default_rng(0)
    for metric in ("nominal", "ordinal", "interval", "ratio"):
        truth = rng.integers(1, 6, 200)
        ratings = np.where(rng.random((5, 200)) < 0.7, truth, rng.integers(1, 6, (5, 200))).astype(float)
        ratings[rng.random((5, 200)) < 0.1] = np.nan

        def theirs(metric: str = metric, ratings: np.ndarray = ratings) -> None:
            draw = np.random.default_rng(1)
            for _ in range(500):
                krippendorff.alpha(ratings[:, draw.integers(200, size=200)], level_of_measurement=metric)

        ours = best_of(lambda m=metric, r=ratings: stats.krippendorff_alpha(r, m, replicates=500))
        loop = best_of(theirs)
        one = krippendorff.alpha(ratings, level_of_measurement=metric)
        difference = abs(stats.krippendorff_alpha(ratings, metric, replicates=2).value - one)
        rows.append([metric, f"{ours * 1e3:.1f}", f"{loop * 1e3:.0f}", f"{loop / ours:.0f}", f"{difference:.0e}"])
    return table(
        "Krippendorff's alpha with 500 bootstrap replicates (5 raters, 200 units, 5 values, 10 % missing)",
        ["metric", "edgewise, ms", "loop over `krippendorff.alpha`, ms", "ratio", "difference of alpha"],
        rows,
        "The package has no interval of its own; the loop is what its users write.",
    )


def loop_ece(p: np.ndarray, y: np.ndarray, bins: int = 10) -> float:
    """As usually written: a mask per bin."""
    total = 0.0
    for b in range(bins):
        inside = (p > b / bins) & (p <= (b + 1) / bins)
        if inside.any():
            total += inside.mean() * abs(p[inside].mean() - y[inside].mean())
    return total


def bench_calibration() -> str:
    rows = []
    for n in (100, 1000, 10_000, 1_000_000):
        rng = np.random.default_rng(0)
        p = rng.random(n)
        y = (rng.random(n) < p).astype(float)
        ours = best_of(lambda p=p, y=y: stats.expected_calibration_error(p, y))
        loop = best_of(lambda p=p, y=y: loop_ece(p, y))
        assert abs(stats.expected_calibration_error(p, y) - loop_ece(p, y)) < 1e-9
        row = [f"{n:,}", f"{ours * 1e3:.2f}", f"{loop * 1e3:.2f}", f"{loop / ours:.1f}"]
        if n <= 10_000:
            row += [
                f"{best_of(lambda p=p, y=y, f=f: f(p, y), 1) * 1e3:.0f}"
                for f in (stats.ece_estimate, stats.aurc_estimate)
            ]
        rows.append(row + ["not run"] * (6 - len(row)))
    return table(
        "Calibration",
        ["n", "ECE, ms", "loop over bins, ms", "ratio", "`ece_estimate`, ms", "`aurc_estimate`, ms"],
        rows,
        "Estimates with their default 2000 replicates, single runs.",
    )


def coverage(draw: Callable[[], Any], estimate: Callable[[Any], Any], truth: float) -> str:
    """Share of simulated samples whose interval contains the truth; samples that are not measured are left out."""
    hits = measured = 0
    for _ in range(ROUNDS):
        measure = estimate(draw())
        if measure.measured:
            measured += 1
            hits += measure.low <= truth <= measure.high
    return f"{100 * hits / measured:.1f}"


def coverage_rows() -> Iterable[list[str]]:
    rng = np.random.default_rng(2026)
    laws: dict[str, tuple[Callable[[int], np.ndarray], float]] = {
        "Bernoulli(0.9)": (lambda n: (rng.random(n) < 0.9).astype(float), 0.9),
        "1 with 95 %, else uniform": (lambda n: np.where(rng.random(n) < 0.95, 1, rng.random(n)), 0.975),
        "Beta(0.5, 2)": (lambda n: rng.beta(0.5, 2, n), 0.2),
        "uniform": (lambda n: rng.random(n), 0.5),
    }
    sizes = (10, 20, 50, 200)
    for name, (law, truth) in laws.items():
        yield ["`mean_estimate`", name] + [
            coverage(lambda n=n, law=law: law(n), lambda v: stats.mean_estimate(v, rng=rng, replicates=500), truth)
            for n in sizes
        ]

    def clustered(n: int) -> np.ndarray:
        return rng.random((n, 3)) < rng.beta(2, 1, (n, 1))

    yield ["`mean_estimate`, clusters", "3 answers to each of n items, Beta(2, 1)"] + [
        coverage(
            lambda n=n: clustered(n),
            lambda v: stats.mean_estimate(v.ravel(), np.repeat(np.arange(len(v)), 3), rng=rng, replicates=500),
            2 / 3,
        )
        for n in sizes
    ]

    def two_systems(n: int) -> tuple[np.ndarray, np.ndarray]:
        first = rng.random(n) < 0.6
        return first, np.where(rng.random(n) < 0.8, first, rng.random(n) < 0.4)

    yield ["`paired_difference`", "0 or 1, one item in ten differs"] + [
        coverage(lambda n=n: two_systems(n), lambda s: stats.paired_difference(*s, rng=rng), 0.04) for n in sizes
    ]

    def ordered(n: int, cuts: list[float] | None) -> np.ndarray:
        z = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=n).T
        return z if cuts is None else np.digitize(z, cuts)

    for name, cuts in (("continuous", None), ("five values", [-1, 0, 0.5, 1.2]), ("two values", [0.3])):
        big = ordered(500_000, cuts)
        for label, ours, theirs in (
            ("kendall", stats.kendall, peer.kendalltau),
            ("spearman", stats.spearman, peer.spearmanr),
        ):
            truth = float(theirs(*big).statistic)
            yield [f"`{label}`", f"normal, r = 0.6, {name}"] + [
                coverage(lambda n=n, c=cuts: ordered(n, c), lambda s, f=ours: f(*s), truth) for n in sizes
            ]

    def rated(n: int, reliability: float) -> np.ndarray:
        truth = rng.integers(0, 4, n)
        return np.where(rng.random((3, n)) < reliability, truth, rng.integers(0, 4, (3, n))).astype(float)

    for reliability in (0.8, 0.98):
        truth = stats.krippendorff_alpha(rated(200_000, reliability), "interval", replicates=2).value
        yield ["`krippendorff_alpha`, interval", f"3 raters right at {reliability:.0%}, 4 values"] + [
            coverage(
                lambda n=n, q=reliability: rated(n, q),
                lambda r: stats.krippendorff_alpha(r, "interval", rng=rng, replicates=500),
                truth,
            )
            for n in sizes
        ]

    def answers(n: int, gap: float) -> tuple[np.ndarray, np.ndarray]:
        p = rng.uniform(0.3, 1, n)
        return p, (rng.random(n) < p - gap).astype(float)

    for gap in (0.0, 0.05, 0.2):
        yield ["`ece_estimate`", f"true error {gap}"] + [
            coverage(lambda n=n, g=gap: answers(n, g), lambda s: stats.ece_estimate(*s, rng=rng, replicates=300), gap)
            for n in sizes
        ]
    for excess in (False, True):
        big = answers(1_000_000, 0.05)
        truth = (stats.excess_aurc if excess else stats.aurc)(*big)
        yield [f"`aurc_estimate`{', excess' if excess else ''}", "confidence 5 points too high"] + [
            coverage(
                lambda n=n: answers(n, 0.05),
                lambda s, e=excess: stats.aurc_estimate(*s, excess=e, rng=rng, replicates=500),
                truth,
            )
            for n in sizes
        ]


def main() -> None:
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "krippendorff"))
    parts = [
        "# edgewise.stats: speed and coverage",
        "",
        "Written by `OMP_NUM_THREADS=1 python benchmarks/bench_stats.py`.",
        f"Machine: {os.cpu_count()} cores ({cpu}), Python {platform.python_version()}, {libraries}.",
        "Times are the best of three runs, unless said. One thread (`OMP_NUM_THREADS=1`); "
        "other work may have shared the cores.",
        "",
    ]
    for section in (bench_bootstrap, bench_clusters, bench_agreement, bench_calibration):
        parts.append(section())
        print(parts[-1], flush=True)
    rows = []
    for row in coverage_rows():
        rows.append(row)
        print(*row, sep=" | ", flush=True)
    note = (
        f"{ROUNDS} simulated samples each: a standard error of 0.7 points. Levels other than 95 % were not simulated."
    )
    columns = ["function", "truth", "n = 10", "n = 20", "n = 50", "n = 200"]
    parts.append(table("Coverage of 95 % intervals, %", columns, rows, note))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(parts))


if __name__ == "__main__":
    main()
