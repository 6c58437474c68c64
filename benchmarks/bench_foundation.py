"""Start-up, event log, door and cache: what the ground floor costs."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from _table import repeat, spread, write_table

from edgewise.core.events import EventLog, read_events
from edgewise.core.run import Run
from edgewise.models import Cache, Settings, gather_calls, scripted_model
from edgewise.models.calls import Call
from edgewise.models.door import Model
from edgewise.models.scripted import ScriptedBackend


def command(*words: str) -> float:
    started = time.perf_counter()
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def script(messages: object, settings: Settings, sample: int) -> str:
    return "an answer of a few words"


def events_per_second(folder: Path, count: int = 20_000) -> float:
    """Durable events written from ``count`` concurrent tasks."""
    log = EventLog(folder / f"write{time.perf_counter_ns()}.jsonl")
    data = {"request": "x" * 300, "response": "y" * 300}

    async def go() -> None:
        await asyncio.gather(*(log.put("call", data, str(i)) for i in range(count)))

    started = time.perf_counter()
    asyncio.run(go())
    seconds = time.perf_counter() - started
    log.close()
    return count / seconds


def read_a_million(folder: Path) -> list[float]:
    path = folder / "million.jsonl"
    log = EventLog(path)
    for start in range(0, 1_000_000, 50_000):
        log.extend([("unit", "", {"i": i, "text": "x" * 60}) for i in range(start, start + 50_000)], durable=False)
    log.close()

    def read() -> float:
        started = time.perf_counter()
        assert sum(1 for _ in read_events(path)) == 1_000_000
        return time.perf_counter() - started

    return repeat(3, read)


def overhead(model: Model, prompts: list[str]) -> float:
    """Milliseconds per call, one call after the other, less what the script itself takes."""

    async def go() -> float:
        started = time.perf_counter()
        for prompt in prompts:
            await model.generate(prompt)
        through = time.perf_counter() - started
        backend = ScriptedBackend(script)
        calls = [Call(messages=({"role": "user", "text": prompt},)) for prompt in prompts]  # type: ignore[arg-type]
        started = time.perf_counter()
        for call in calls:
            await backend.generate(call)
        return (through - (time.perf_counter() - started)) / len(prompts) * 1e3

    return asyncio.run(go())


def many(count: int) -> tuple[float, float]:
    """Seconds and MiB of growth for ``count`` calls at once through a recording door."""
    with tempfile.TemporaryDirectory() as folder, Run.create(Path(folder) / "r", "bench", {}, seed=0) as run:
        model = scripted_model(script).bind(run)
        before = psutil.Process().memory_info().rss
        peak = before

        def watch(done: int, total: int) -> None:
            nonlocal peak
            if done % 500 == 0:
                peak = max(peak, psutil.Process().memory_info().rss)

        started = time.perf_counter()
        jobs = [lambda i=i: model.generate(f"question {i}") for i in range(count)]
        asyncio.run(gather_calls(jobs, limit=count, progress=watch))
        return time.perf_counter() - started, (peak - before) / 2**20


def main() -> None:
    rows: list[tuple[str, str, str]] = []
    bare = repeat(5, lambda: command(sys.executable, "-c", "pass"))
    rows.append(("python -c pass", f"{spread(bare, 3)} s", "the floor"))
    rows.append(
        (
            "import edgewise",
            f"{spread(repeat(5, lambda: command(sys.executable, '-c', 'import edgewise')), 3)} s",
            "0.3 s",
        )
    )
    helped = repeat(5, lambda: command(sys.executable, "-c", "from edgewise.cli import main; main()", "--help"))
    rows.append(("edgewise --help", f"{spread(helped, 3)} s", "0.5 s"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written = repeat(5, lambda: events_per_second(folder))
        rows.append(("event log: durable events per second, 20,000 tasks", spread(written, 0), "5,000"))
        rows.append(("event log: reading 1,000,000 events", f"{spread(read_a_million(folder))} s", "5 s"))
        prompts = [f"question {i}" for i in range(500)]
        free = [overhead(scripted_model(script), prompts) for _ in range(5)]
        rows.append(("door: overhead per call, no run", f"{spread(free, 3)} ms", "2 ms"))
        recorded = []
        for i in range(5):
            with Run.create(folder / f"run{i}", "bench", {}, seed=0) as run:
                recorded.append(overhead(scripted_model(script).bind(run), prompts))
        rows.append(("door: overhead per call, each durable before the next", f"{spread(recorded, 3)} ms", "2 ms"))
        cache = Cache(folder / "cache.sqlite")
        cached = Model(ScriptedBackend(script), name="s", spec="s", identity="s", cache=cache)
        overhead(cached, prompts)
        rows.append(("door: cache hit", f"{spread([overhead(cached, prompts) for _ in range(5)], 3)} ms", "0.5 ms"))
    for count in (1_000, 10_000, 40_000):
        seconds, growth = many(count)
        rows.append(
            (f"{count:,} scripted calls at once, recorded", f"{seconds:.1f} s, +{growth:.0f} MiB", "flat memory")
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    notes = f"Median with smallest and largest of five runs. Peak memory of this whole script: {peak:.0f} MiB."
    write_table("foundation", "The ground floor", ("what", "measured", "target"), rows, notes)


if __name__ == "__main__":
    main()
