"""Probing: modes found in planted worlds, replay of recorded answers, speed, and rivals on the same failures.

    python benchmarks/bench_probing.py            # writes benchmarks/results/probing.md, section by section
    python benchmarks/bench_probing.py speed      # that section alone: planted, replay, speed, rivals
    python benchmarks/bench_probing.py --quick    # a trial with few repeats; writes nothing

faultmap and domino are in the table if they are there (`pip install --no-deps --target peers/faultmap faultmap==0.5.0`,
and domino==0.1.5 likewise; another folder than ``peers`` is named by EDGEWISE_PEERS).
"""

from __future__ import annotations

import asyncio
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _table import table, write_section
from probing_quality import (
    cluster_labels,
    conditions_of,
    domino_labels,
    edgewise_labels,
    faultmap_labels,
    planted_failures,
    scores,
)

MMLU_PRO = Path(__file__).parents[2] / "shared/data/probe/mmlu_pro_meta-llama-3_1-8b-instruct.parquet"
QUICK = "--quick" in sys.argv
FOUND = 4  # failures that make a region found, as in the specification


def say(*what: object) -> None:
    print(*what, file=sys.stderr, flush=True)


def interval(values: Sequence[float], digits: int = 2, scale: tuple[float, float] | None = None) -> str:
    """Mean with its 95 % interval over repeats: within a scale if there is one, else Student's."""
    from scipy.stats import t

    from edgewise.stats.intervals import mean_estimate

    x = np.asarray(values, dtype=float)
    if not len(x):
        return "none"
    if scale is not None:
        least, width = scale[0], scale[1] - scale[0]
        found: Any = mean_estimate(np.clip((x - least) / width, 0, 1), rng=np.random.default_rng(0))
        low, high = least + width * found.low, least + width * found.high
    elif len(x) == 1:
        return f"{x[0]:.{digits}f}"
    else:
        low, high = x.mean() + np.array([-1, 1]) * t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x))
    return f"{x.mean():.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def of_8(values: Sequence[float]) -> str:
    """Mean number of the eight defects."""
    return interval(values, scale=(0, 8))


def share(values: Sequence[float]) -> str:
    """Mean of numbers in [0, 1]."""
    return interval(values, 3, (0, 1))


def difference(values: Sequence[float]) -> str:
    """Mean difference of numbers of defects, of eight."""
    return interval(values, scale=(-8, 8))


def planted_run(policy: str, seed: int, **world: Any) -> tuple[Any, Any, Any]:
    from edgewise.probing import POLICIES, Planted, PlantedTarget, explore

    planted = Planted(np.random.default_rng(seed), **world)
    target = PlantedTarget(planted)
    return planted, target, asyncio.run(explore(planted, target, POLICIES[policy], budget=300, again=0))


def regions_found(planted: Any, steps: Sequence[Any]) -> int:
    from edgewise.probing.worlds.planted import region_of

    failed = [region_of(step.case) for step in steps if step.outcome.stable]
    return sum(failed.count(region) >= FOUND for region in planted.defective)


def confirmed(planted: Any, target: Any, trail: Any) -> list[Any]:
    from edgewise.models.embedder import TfIdf
    from edgewise.probing import confirm_modes, find_modes

    modes = asyncio.run(confirm_modes(find_modes(trail, TfIdf()), trail, planted, target))
    return [mode for mode in modes if mode.status == "confirmed"]


def planted() -> str:
    from edgewise.probing import POLICIES

    repeats, fewer = (6, 3) if QUICK else (400, 100)
    rows, after, found_by = [], [], {}
    for policy in POLICIES:
        say("planted", policy)
        found: dict[int, list[float]] = {100: [], 300: []}
        rates: dict[int, list[float]] = {100: [], 300: []}
        true: list[float] = []
        precision: list[float] = []
        for seed in range(repeats):
            world, target, trail = planted_run(policy, seed)
            for budget in found:
                # One at a time, a search of 100 questions is the beginning of one of 300.
                steps = [s for s in trail.steps if s.phase == "seed"]
                steps += [s for s in trail.steps if s.phase != "seed"][:budget]
                found[budget].append(regions_found(world, steps))
                rates[budget].append(float(np.mean([s.outcome.stable for s in steps if s.phase != "seed"])))
            if policy in ("bridge", "uniform", "paper") and seed < fewer:
                topics = [world.topic(region) for region in world.defective]
                held = confirmed(world, target, trail)
                names = {f"group={topic}": topic for topic in topics} | {f'"{topic}"': topic for topic in topics}
                hits = [[names[c] for c in mode.trigger if c in names] for mode in held]
                true.append(len({topic for hit in hits for topic in hit}))
                precision += [float(bool(hit)) for hit in hits]
        found_by[policy] = np.array(found[300])
        cells = [f"{of_8(found[b])} ({np.mean(rates[b]):.2f})" for b in found]
        rows.append((policy, repeats, *cells, "7.1 at 300" if policy == "bridge" else ""))
        if true:
            after.append((policy, fewer, of_8(true), len(precision), share(precision), "0.95"))
    ahead = [
        (f"bridge less {p}", repeats, difference(found_by["bridge"] - found_by[p])) for p in found_by if p != "bridge"
    ]
    nothing = []
    for name, good in (("flawless", 0.0), ("noise alone, .1", 0.1)):
        say(name)
        none = []
        for seed in range(fewer):
            none.append(float(not confirmed(*planted_run("bridge", seed, defects=0, good=good))))
        nothing.append((name, fewer, share(none), "0.95"))
    return "\n\n".join((
        "## Planted worlds",
        f"40 regions, 8 with a defect. A region is found with {FOUND} failures or more; error rate in brackets.",
        table(("policy", "n", "found of 8, T=100", "T=300", "aim"), rows),
        "The same worlds, found at T=300:",
        table(("difference", "n", "regions"), ahead),
        "After `find_modes` and `confirm_modes`. A mode is true if its trigger names a defective region.",
        table(("policy", "n", "true regions of 8 confirmed", "modes confirmed", "true among them", "aim"), after),
        "Worlds without defects, policy bridge:",
        table(("world", "n", "runs with no mode confirmed", "aim"), nothing),
    ))  # fmt: skip


def replay() -> str:
    if not MMLU_PRO.is_file():
        return "## Replay\n\nSkipped: the recorded answers are not there."
    from edgewise.models.embedder import TfIdf
    from edgewise.probing import POLICIES, Pool, Replay, read_questions
    from edgewise.probing.probe import probe

    questions = read_questions(MMLU_PRO, recorded=True)
    vectors = TfIdf(64).embed([case.question for case in questions.cases])
    target = Replay("llama-3.1-8b-instruct", questions.answers)
    repeats = 2 if QUICK else 20
    rows = []
    for policy, settings in POLICIES.items():
        say("replay", policy)
        rate, modes, held = [], [], []
        for seed in range(repeats):
            pool = Pool(questions.cases, vectors, np.random.default_rng(seed))
            found = asyncio.run(probe(pool, target, settings, TfIdf(), calls=300))
            searched = [step for step in found.trail.steps if step.phase != "holdout"]
            failed = {step.case.case_id for step in searched if step.outcome.stable}
            rate.append(len(failed) / sum(step.outcome.calls for step in searched))
            modes.append(len(found.confirmed))
            if found.modes:
                held.append(len(found.confirmed) / len(found.modes))
        rows.append((policy, repeats, share(rate), interval(modes), len(held), share(held)))
    columns = (
        "policy",
        "n",
        "distinct failures per call of the search",
        "confirmed modes",
        "n with modes",
        "confirmed share",
    )
    text = "Llama-3.1-8B-Instruct on MMLU-Pro, 300 calls a probe, three tenths of them for confirming."
    return f"## Replay\n\n{text}\n\n{table(columns, rows)}"


class Stamped:
    """Answers at once, and notes when it was asked."""

    name, repeats = "stamped", False

    def __init__(self, target: Any, pause: float = 0.0, seed: int = 0) -> None:
        self._target, self._pause, self._rng = target, pause, np.random.default_rng(seed)
        self.times: list[float] = []

    async def ask(self, case: Any, trial: int = 0) -> Any:
        self.times.append(time.perf_counter())
        if self._pause:
            await asyncio.sleep(self._pause * self._rng.uniform(0.5, 1.5))
        return await self._target.ask(case, trial)


def consolidate(n: int) -> dict[str, float]:
    """Seconds and peak memory of ``find_modes`` of so many failures of MMLU-Pro, and as many passes."""
    from edgewise.models.embedder import TfIdf
    from edgewise.probing import Replay, Step, Trail, find_modes, read_questions

    questions = read_questions(MMLU_PRO, recorded=True)
    target = Replay("llama", questions.answers)

    async def answers() -> list[Any]:
        return [(case, await target.ask(case)) for case in questions.cases]

    judged = [each for each in asyncio.run(answers()) if each[1].verdict != "invalid"]
    trail = Trail()
    for kind in (True, False):
        chosen = [each for each in judged if each[1].stable == kind]
        for i in range(n):
            case, outcome = chosen[i % len(chosen)]
            lap = i // len(chosen)
            if lap:
                text = f"{case.question} (Version {lap + 1}.)"
                case = case.model_copy(update={"case_id": f"{case.case_id}-{lap}", "question": text})
            trail.steps.append(Step(len(trail.steps), "macro", None, case, outcome))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.perf_counter()
    modes = find_modes(trail, TfIdf())
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "peak": peak, "before": before, "modes": len(modes)}


def speed() -> str:
    from edgewise.probing import POLICIES, Planted, PlantedTarget, explore

    sizes = (1000, 3000) if QUICK else (1000, 3000, 10_000, 30_000)
    laps = 1 if QUICK else 3
    cost: dict[int, list[float]] = {size: [] for size in sizes}
    for seed in range(laps):
        say("search", seed)
        world = Planted(np.random.default_rng(seed))
        target = Stamped(PlantedTarget(world))
        trail = asyncio.run(explore(world, target, POLICIES["bridge"], budget=int(0.95 * sizes[-1]), again=0))
        grown = [2 if s.phase == "seed" else 1 + (s.phase == "macro" and s.outcome.stable) for s in trail.steps]
        nodes = 2 + np.cumsum(grown)
        for size in sizes:
            middle = min(int(np.searchsorted(nodes, size)), len(nodes) - 251)
            cost[size].append(1000 * (target.times[middle + 250] - target.times[middle - 250]) / 500)
    first = float(np.mean(cost[sizes[0]])) / math.log(sizes[0])
    rows = [(f"{n:,}", laps, interval(x, 3), f"{first * math.log(n):.3f}") for n, x in cost.items()]
    merged = []
    for n in (1000,) if QUICK else (5000, 10_000, 20_000):
        if not MMLU_PRO.is_file():
            break
        say("consolidate", n)
        command = [sys.executable, __file__, "consolidate", str(n)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        got = json.loads(done.stdout.splitlines()[-1])
        aim = "60 s, 2,000 MiB" if n == 20_000 else ""
        merged.append((f"{n:,}", 1, f"{got['seconds']:.1f}", f"{got['peak']:.0f}", f"{got['before']:.0f}", aim))
    pace, quality = [], {}
    repeats, timed = (2, 1) if QUICK else (60, 3)
    for jobs in (1, 64):
        say("in flight", jobs)
        found, rate = [], []
        for seed in range(repeats):
            world = Planted(np.random.default_rng(seed))
            # One at a time, the pause changes nothing but the time: it is left out where only modes are counted.
            slow = jobs > 1 or seed < timed
            target = Stamped(PlantedTarget(world), 0.02 if slow else 0.0, seed)
            start = time.perf_counter()
            trail = asyncio.run(explore(world, target, POLICIES["bridge"], budget=300, again=0, jobs=jobs))
            if slow:
                rate.append(len(trail.steps) / (time.perf_counter() - start))
            found.append(regions_found(world, trail.steps))
        quality[jobs] = np.array(found)
        pace.append((jobs, len(rate), interval(rate, 1), repeats, of_8(found)))
    return "\n\n".join((
        "## Speed",
        "Search with policy bridge, one at a time, no model: milliseconds a step over the 500 steps around a size.",
        table(("nodes", "n", "ms a step", "if it grew as log n"), rows),
        "`find_modes` of failures of MMLU-Pro (the same again are made distinct), with as many passes beside them. "
        "Memory is the process's peak, and what that was before.",
        table(("failures", "n", "seconds", "peak, MiB", "before, MiB", "aim"), merged) if merged else "Skipped.",
        "Several in flight, answers after 10 to 30 ms, 300 questions:",
        table(("in flight", "n timed", "questions a second", "n", "regions found of 8"), pace),
        f"64 in flight less one at a time, the same worlds: {difference(quality[64] - quality[1])} regions.",
    ))  # fmt: skip


_RIVALS = ("faultmap, HDBSCAN", "faultmap, agglomerative", "domino, its start", "domino, k-means start")


def rivals() -> str:
    from edgewise.models.embedder import TfIdf

    repeats, wanted = (2, 150) if QUICK else (20, 300)
    names = ["edgewise"]
    for given in ("topics", "topics and conditions"):
        names += [f"{method}; {given}" for method in ("edgewise, clusters alone", *_RIVALS)]
    found: dict[str, list[tuple[float, float, float]] | None] = {name: [] for name in names}
    for seed in range(repeats):
        say("rivals", seed)
        trail, failures, truth = planted_failures(seed, wanted)
        vectors = TfIdf().embed([step.case.question for step in failures])
        got = [edgewise_labels(trail, failures)]
        for given in (vectors, np.hstack([vectors, conditions_of(trail, failures)])):
            got += [
                cluster_labels(given),
                faultmap_labels(given, "hdbscan"),
                faultmap_labels(given, "agglomerative"),
                domino_labels(given, "confusion", seed),
                domino_labels(given, "kmeans", seed),
            ]
        for name, labels in zip(names, got, strict=True):
            rows_of = found[name]
            if labels is None:
                found[name] = None
            elif rows_of is not None:
                rows_of.append(scores(labels, truth))
    ours = np.array(found["edgewise"])[:, 0]
    rows = []
    for name, each in found.items():
        if each is None:
            rows.append((name, 0, *["not installed"] * 4))
            continue
        information, *others = zip(*each, strict=True)
        ahead = interval(ours - np.array(information), 3, (-1, 1)) if name != "edgewise" else ""
        rows.append((name, repeats, share(information), ahead, *map(share, others)))
    return "\n\n".join((
        "## Rivals on the same failures",
        f"{wanted} failures of a planted model with six rules and noise of a tenth, questions of all short families. "
        "faultmap 0.5.0 and domino 0.1.5 get the failures' embeddings (TF-IDF of the questions); their clustering is "
        "called directly, with its own defaults (faultmap: `cluster_embeddings`; domino: `DominoMixture`, with what "
        "newer scikit-learn lacks supplied and the label the same for all). edgewise sees the questions that were "
        "passed as well, and **the rules are in its own terms** (kind, difficulty, size), so its figure is the best "
        "it can do, not what to expect. For the rest of the advantage, every other method, and edgewise's clustering "
        "step alone, is run twice: on the topics' embeddings, and with every condition appended as a column of 0 and "
        "1, divided by the root of their number.",
        table(
            ("method; what it sees", "n", "adjusted mutual information", "edgewise less it", "purity", "coverage"),
            rows,
        ),
    ))  # fmt: skip


SECTIONS = {"planted": planted, "replay": replay, "speed": speed, "rivals": rivals}


def main() -> None:
    chosen = [name for name in sys.argv[1:] if name in SECTIONS] or list(SECTIONS)
    for name in chosen:
        start = time.perf_counter()
        title, body = SECTIONS[name]().split("\n\n", 1)
        say(name, f"{time.perf_counter() - start:.0f} s")
        print(f"{title}\n\n{body}\n", flush=True)
        if not QUICK:
            write_section("probing", "Probing", title.removeprefix("## "), body, f"bench_probing.py {name}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["consolidate"]:
        print(json.dumps(consolidate(int(sys.argv[2]))))
    else:
        main()
