"""Item response models: time, memory and likelihood beside girth.

    OMP_NUM_THREADS=1 python benchmarks/bench_irt.py    # two minutes; writes benchmarks/results/irt.md

girth is no dependency: `pip install --no-deps --target DIR girth` and PYTHONPATH=DIR put it in the table.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from _table import peak_of, write_table
from scipy.special import expit

from edgewise.ranking.irt import Model, fit_irt
from edgewise.ranking.irt_quadrature import Data, Parameters, e_step

MMLU_PRO = Path(__file__).parents[2] / "shared/data/responses/mmlu_pro.responses.parquet"
SIZES = (4_444, 8_888, 17_775, 35_550)
MODELS = 30


def simulate(n_items: int, n_models: int, *, slopes: bool, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    theta, b = rng.normal(size=n_models), rng.normal(size=n_items)
    a = np.exp(0.3 * rng.normal(size=n_items)) if slopes else np.ones(n_items)
    return (rng.random((n_items, n_models)) < expit(a[:, None] * (theta - b[:, None]))).astype(np.float64)


def timed(job: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    """Seconds of the fastest run, and what it gave."""
    seconds, found = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        found = job()
        seconds.append(time.perf_counter() - start)
    return min(seconds), found


def log_likelihood(values: np.ndarray, slope: np.ndarray, difficulty: np.ndarray) -> float:
    """Marginal log-likelihood at given parameters, abilities N(0, 1): the same function for everybody."""
    items = np.column_stack([-slope * difficulty, np.log(slope)])
    data = Data(values, None, np.ones(len(values)), 2, (np.inf, np.inf))
    return e_step(data, Parameters(items, 0.0), np.zeros(values.shape[1]), 25).log_likelihood


def row_of(values: np.ndarray, model: Model, what: str, repeats: int = 3) -> list[object]:
    seconds, fit = timed(lambda: fit_irt(values, model), repeats)
    memory = peak_of(lambda: fit_irt(values, model))
    shape = f"{values.shape[0]:,} x {values.shape[1]}"
    return [what, shape, f"{seconds:.3f}", f"{memory:.0f}", fit.iterations, f"{fit.log_likelihood:.4f}"]


def girth_rows(values: np.ndarray, name: str, what: str) -> list[object]:
    shape = f"{values.shape[0]:,} x {values.shape[1]}"
    try:
        import girth  # type: ignore[import-not-found]

        label = f"girth {version('girth')} {name}"
    except (ImportError, PackageNotFoundError):
        return [f"girth {what}", shape, "not installed", "", "", ""]
    answers = values.astype(int)
    seconds, found = timed(lambda: getattr(girth, name)(answers), 1)
    slope = np.broadcast_to(np.asarray(found["Discrimination"], dtype=np.float64), values.shape[:1])
    height = log_likelihood(values, slope, np.asarray(found["Difficulty"], dtype=np.float64))
    return [label, shape, f"{seconds:.3f}", "", "", f"{height:.4f}"]


def without_extremes(values: np.ndarray) -> np.ndarray:
    """Items that somebody solved and somebody did not: girth has no difficulty for others."""
    totals = values.sum(axis=1)
    return values[(totals > 0) & (totals < values.shape[1])]


def main() -> None:
    rows: list[list[object]] = []
    for model, slopes in (("rasch", False), ("2pl", True)):
        for size in SIZES:
            rows.append(row_of(simulate(size, MODELS, slopes=slopes), model, f"edgewise {model}"))  # type: ignore[arg-type]
    binary = without_extremes(simulate(SIZES[-1], MODELS, slopes=False))
    rows += [row_of(binary, "rasch", "edgewise rasch, no extremes"), girth_rows(binary, "rasch_mml", "rasch")]
    classic = simulate(40, 1000, slopes=True)
    rows += [row_of(classic, "2pl", "edgewise 2pl"), girth_rows(classic, "twopl_mml", "2pl")]
    rows.append(row_of(simulate(40, 1000, slopes=True), "3pl", "edgewise 3pl", 1))
    if MMLU_PRO.exists():
        from pyarrow import parquet

        table = parquet.read_table(MMLU_PRO).drop_columns(["item_id"])
        real = np.column_stack([c.cast("float64").to_numpy(zero_copy_only=False) for c in table.columns])
        rows += [row_of(real, model, f"edgewise {model}, MMLU-Pro (missing cells)") for model in ("rasch", "2pl")]
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    write_table(
        "irt",
        "Item response models by marginal maximum likelihood",
        ("fit", "items x models", "seconds", "MB above the input", "iterations", "log-likelihood"),
        rows,
        f"""
Simulated answers, seed 0, abilities and difficulties N(0, 1), log slopes N(0, 0.3^2) for 2PL. Fastest of three runs
(girth and 3PL: one), one after the other in one process, OMP_NUM_THREADS={threads}.
Log-likelihoods of girth's parameters and ours are computed by the same function (25 adaptive nodes per respondent; ours
agrees with adaptive integration to 1e-6, tests/ranking/test_irt.py). girth's `rasch_mml` holds slope and spread of
ability at 1, ours estimates the spread. Our 2PL maximises the likelihood times a prior on the slopes, girth's confines
slopes to [0.25, 4], so that its likelihood may be a little higher; without the prior ours is no lower (the test says).
girth's 2PL is not timed at {SIZES[-1]:,} items: 396 items took it 205 s in a trial run.
""",
    )


if __name__ == "__main__":
    main()
