"""Speed and memory of RankLLM and its bootstrap, beside PageRank (scikit-network, networkx), py-irt and plain reading.

    python benchmarks/bench_ranking.py    # twenty minutes, 2 GB of disk; writes benchmarks/results/ranking.md and .svg

scikit-network comes with `pip install scikit-network`. py-irt is in the table if it can be imported
(`pip install --no-deps --target DIR py-irt pyro-ppl pyro-api opt-einsum ordered-set toml`, torch, PYTHONPATH=DIR).
Every job runs in a process of its own, one after the other; times are the best of three, memory is the process's peak
above what it had after its imports.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _table import best_of, write_plot, write_table

MMLU_PRO = Path(__file__).parents[2] / "shared/data/responses/mmlu_pro.responses.parquet"
ITEMS = (4_444, 8_888, 17_775, 35_550)
MODELS = 30


def simulate(n_items: int, n_models: int, seed: int = 0) -> np.ndarray:
    """Rasch answers as bytes, shape (items, models)."""
    rng = np.random.default_rng(seed)
    ability = rng.normal(size=n_models).astype(np.float32)
    values = np.empty((n_items, n_models), np.uint8)
    step = max(1, 1_000_000 // n_models)
    for start in range(0, n_items, step):
        difficulty = rng.normal(size=min(step, n_items - start)).astype(np.float32)
        chance = 65_536 / (1 + np.exp(difficulty[:, None] - ability))
        values[start : start + step] = rng.integers(0, 65_536, size=chance.shape, dtype=np.uint16) < chance
    return values


def resident(peak: bool = False) -> float:
    """Memory of this process now, or at its peak, MiB."""
    key = "VmHWM" if peak else "VmRSS"
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) / 1024


def rankllm_job(n_items: int) -> dict[str, float]:
    from edgewise.ranking import ResponseMatrix
    from edgewise.ranking.rankllm import rankllm, sum_statistics

    values = simulate(n_items, MODELS)
    matrix = ResponseMatrix.from_array(values)
    ones = np.ones(MODELS), np.ones(n_items)
    statistics = sum_statistics(matrix.blocks(), *ones)
    return {
        "seconds": best_of(lambda: rankllm(matrix), 20),
        "solve": best_of(lambda: statistics.competency(0.85, ones[0]), 20),
    }


def sknetwork_job(n_items: int) -> dict[str, float]:
    from scipy import sparse
    from sknetwork.ranking import PageRank

    values = simulate(n_items, MODELS)
    restart = np.r_[np.full(n_items, 0.5 / n_items), np.full(MODELS, 0.5 / MODELS)]

    def job() -> None:
        right = sparse.csr_matrix(values.astype(float))
        wrong = sparse.csr_matrix(1.0 - values)
        graph = sparse.bmat([[None, right], [wrong.T, None]], format="csr")
        PageRank(damping_factor=0.85, solver="piteration", n_iter=100, tol=1e-10).fit_predict(graph, weights=restart)

    return {"seconds": best_of(job)}


def networkx_job(n_items: int) -> dict[str, float]:
    import networkx

    values = simulate(n_items, MODELS)
    restart = {**dict.fromkeys(range(n_items), 0.5 / n_items)}
    restart |= dict.fromkeys(range(n_items, n_items + MODELS), 0.5 / MODELS)

    def job() -> None:
        graph = networkx.DiGraph()
        items, models = np.nonzero(values)
        graph.add_edges_from(zip(items.tolist(), (n_items + models).tolist(), strict=True))
        items, models = np.nonzero(values == 0)
        graph.add_edges_from(zip((n_items + models).tolist(), items.tolist(), strict=True))
        networkx.pagerank(graph, 0.85, personalization=restart, tol=1e-14, max_iter=1000)

    return {"seconds": best_of(job, 1)}


def py_irt_job(n_items: int) -> dict[str, float]:
    from py_irt.config import IrtConfig
    from py_irt.dataset import Dataset
    from py_irt.training import IrtModelTrainer

    values = simulate(n_items, MODELS)
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        for j in range(MODELS):
            answers = {f"q{i}": int(x) for i, x in enumerate(values[:, j])}
            file.write(json.dumps({"subject_id": f"m{j}", "responses": answers}) + "\n")
        file.flush()
        data = Dataset.from_jsonlines(file.name)
        config = IrtConfig(model_type="1pl", epochs=100, priors="vague", log_every=1000)
        trainer = IrtModelTrainer(config=config, data_path=file.name, dataset=data)
        return {"seconds": best_of(lambda: trainer.train(device="cpu"), 1)}


def bootstrap_job(method: str, replicates: int) -> dict[str, float]:
    from edgewise.ranking import Options, read_responses
    from edgewise.ranking.uncertainty import bootstrap_items

    matrix = read_responses([MMLU_PRO])
    rng = np.random.default_rng(0)
    return {"seconds": best_of(lambda: bootstrap_items(matrix, method, Options(), replicates, rng))}


def memory_job(n_items: int, n_models: int) -> dict[str, float]:
    from edgewise.ranking import ResponseMatrix
    from edgewise.ranking.rankllm import rankllm

    rankllm(ResponseMatrix.from_array(simulate(1000, 200)))  # imports
    before = resident()
    values = simulate(n_items, n_models)
    matrix = ResponseMatrix.from_array(values)
    found = rankllm(matrix)
    memory = resident(peak=True) - before
    return {"seconds": best_of(lambda: rankllm(matrix)), "memory": memory, "sweeps": found.sweeps}


def write_parquet(path: Path, n_items: int, n_models: int) -> None:
    """The same answers as int8 columns, 20,000 items a row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [f"m{j}" for j in range(n_models)]
    schema = pa.schema([("item_id", pa.string()), *((name, pa.int8()) for name in names)])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, n_items, 20_000):
            part = simulate(min(20_000, n_items - start), n_models, seed=start).astype(np.int8)
            ids = pa.array([f"q{start + i}" for i in range(len(part))])
            writer.write_table(pa.table([ids, *(pa.array(part[:, j]) for j in range(n_models))], schema=schema))


def read_job(path: str) -> dict[str, float]:
    import pyarrow.parquet as pq

    def job() -> None:
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            file.read_row_group(group)

    before = resident()
    return {"seconds": best_of(job), "memory": resident(peak=True) - before}


def stream_job(path: str, engine: str) -> dict[str, float]:
    from edgewise.ranking import rankllm_parquet

    before = resident()
    with tempfile.TemporaryDirectory() as folder:

        def job() -> None:
            rankllm_parquet(Path(path), Path(folder) / "items.parquet", engine=engine)  # type: ignore[arg-type]

        return {"seconds": best_of(job, 2), "memory": resident(peak=True) - before}


def add_job(n_items: int, n_models: int) -> dict[str, float]:
    from edgewise.ranking import Incremental, ResponseMatrix
    from edgewise.ranking.rankllm import rankllm

    matrix = ResponseMatrix.from_array(simulate(n_items, n_models + 1))
    last = matrix.select(models=[n_models])
    refit = best_of(lambda: rankllm(matrix), 2)
    live = Incremental(matrix.select(models=np.arange(n_models)))
    live.propagation()

    def job() -> None:
        live.add_models(last)
        live.propagation()

    return {"seconds": best_of(job, 1), "refit": refit}


def add_items_job(n_items: int) -> dict[str, float]:
    from edgewise.ranking import Incremental, ResponseMatrix
    from edgewise.ranking.rankllm import rankllm

    matrix = ResponseMatrix.from_array(simulate(n_items, MODELS))
    live = Incremental(matrix.select(items=np.arange(n_items - 1)))
    live.competency()
    part = matrix.select(items=[n_items - 1])

    def job() -> None:
        live._statistics += statistics(part)  # type: ignore[operator]
        live.competency()

    from edgewise.ranking.incremental import _statistics as statistics

    return {"seconds": best_of(job, 1), "refit": best_of(lambda: rankllm(matrix), 5)}


JOBS: dict[str, Callable[..., dict[str, float]]] = {
    name.removesuffix("_job"): job for name, job in dict(globals()).items() if name.endswith("_job")
}


def run(name: str, *arguments: object) -> dict[str, float] | None:
    """A job in a process of its own; ``None`` if a peer is not installed."""
    print(name, *arguments, file=sys.stderr)
    done = subprocess.run(
        [sys.executable, __file__, name, json.dumps(arguments)], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        print("failed or not installed", file=sys.stderr)
        return None
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    rows: list[tuple[Any, ...]] = []
    lines: dict[str, tuple[list[float], list[float]]] = {}

    def note(
        job: str, size: str, cells: float, found: dict[str, float] | None, beside: str = "", aim: str = ""
    ) -> None:
        if found is None:
            rows.append((job, size, "not run", "", beside, aim))
            return
        memory = f"{found['memory']:.0f}" if "memory" in found else ""
        rows.append((job, size, f"{found['seconds']:.4g}", memory, beside, aim))
        x, y = lines.setdefault(job, ([], []))
        x.append(cells)
        y.append(found["seconds"])

    def ratio(a: dict[str, float] | None, b: dict[str, float] | None, what: str) -> str:
        return f"{a['seconds'] / b['seconds']:.3g} x {what}" if a and b else ""

    for n in ITEMS:
        size, cells = f"{n:,} x {MODELS}", n * MODELS
        ours = run("rankllm", n)
        assert ours is not None
        note("RankLLM, direct", size, cells, ours)
        note("RankLLM, the solve alone", size, cells, {"seconds": ours["solve"]}, "", "10 ms")
        for name, label, aim in (
            ("sknetwork", "PageRank by scikit-network", "5 x"),
            ("networkx", "PageRank by networkx", ""),
        ):
            peer = run(name, n)
            note(label, size, cells, peer, ratio(peer, ours, "ours"), aim if n == ITEMS[-1] else "")
        if n == ITEMS[-1]:
            peer = run("py_irt", n)
            note("py-irt 1PL, 100 epochs", size, cells, peer, ratio(peer, ours, "ours"), "200 x")
    for method in ("rankllm", "edgewise"):
        for replicates in (125, 250, 500, 1000):
            found = run("bootstrap", method, replicates)
            note(
                f"bootstrap of {method} on mmlu_pro", f"{replicates} replicates", replicates, found, "", "5 s for 1,000"
            )
    for n_items, n_models in ((12_500, 1000), (25_000, 1000), (50_000, 1000), (100_000, 1000), (1_000_000, 100)):
        found = run("memory", n_items, n_models)
        aim = "2 s, 300 MB" if n_items * n_models == 100_000_000 else ""
        note("RankLLM in memory, sweeps", f"{n_items:,} x {n_models}", n_items * n_models, found, "", aim)
    with tempfile.TemporaryDirectory() as folder:
        for n_items in (10_000, 30_000, 100_000, 1_000_000):
            path = str(Path(folder) / f"{n_items}.parquet")
            write_parquet(Path(path), n_items, 1000)
            size, cells = f"{n_items:,} x 1,000", n_items * 1000
            read, ours = run("read", path), run("stream", path, "sweeps")
            note("reading the Parquet file by pyarrow", size, cells, read)
            aim = "1.5 x, 500 MB" if n_items == 1_000_000 else ""
            note("RankLLM streamed from it", size, cells, ours, ratio(ours, read, "reading"), aim)
            Path(path).unlink()
    for n_items in (30_000, 100_000, 300_000, 1_000_000):
        found = run("add", n_items, 1000)
        aim = "50 x" if n_items == 1_000_000 else ""
        beside = f"a refit costs {found['refit'] / found['seconds']:.3g} x" if found else ""
        note("adding a model to 1,000", f"{n_items:,} x 1,000", n_items * 1000, found, beside, aim)
    for n in ITEMS:
        found = run("add_items", n)
        beside = f"a refit costs {found['refit'] / found['seconds']:.3g} x" if found else ""
        note(f"adding an item to {MODELS} models", f"{n:,} x {MODELS}", n * MODELS, found, beside)
    notes = """
Sizes are items x models, simulated by a Rasch model; memory is MiB above the process after imports, the matrix
included. scikit-network's and our times include building what they work on from the 0/1 array.

![growth](ranking.svg)
"""
    columns = ("job", "size", "seconds", "MiB", "beside", "aim")
    write_table("ranking", "RankLLM: speed and memory", columns, rows, notes)
    growing = {label: line for label, line in lines.items() if len(line[0]) >= 4}
    write_plot("ranking", "responses (or replicates)", "seconds", growing)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print("\n" + json.dumps(JOBS[sys.argv[1]](*json.loads(sys.argv[2]))))
    else:
        main()
