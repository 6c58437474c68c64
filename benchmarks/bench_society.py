"""Society: speed of the learners, of the engine and of the networks.

python benchmarks/bench_society.py            # writes benchmarks/results/society.md, section by section
python benchmarks/bench_society.py network    # that section alone; also: learners, engine
python benchmarks/bench_society.py --quick    # a trial with few repeats; writes nothing
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from _table import interval, peak_of, ratio, table, write_section

QUICK = "--quick" in sys.argv


def say(*what: object) -> None:
    print(*what, file=sys.stderr, flush=True)


# -- learners in repeated games


def learners_loop(payoffs: Any, steps: int, seed: int, decay: float) -> float:
    """One market as one would write it in plain Python, with lists; returns its seconds."""
    rate, discount, size = 0.15, 0.95, payoffs.shape[1]
    reward = [payoffs[seat].ravel().tolist() for seat in (0, 1)]
    rng = random.Random(seed)
    start = time.perf_counter()
    q = [[[sum(r) / len(r) / (1 - discount)] * size for _ in range(size * size)] for r in reward]
    state = rng.randrange(size * size)
    for t in range(steps):
        chance = math.exp(-decay * t)
        actions = []
        for seat in (0, 1):
            row = q[seat][state]
            actions.append(rng.randrange(size) if rng.random() < chance else row.index(max(row)))
        after = actions[0] * size + actions[1]
        for seat in (0, 1):
            row, action = q[seat][state], actions[seat]
            row[action] += rate * (reward[seat][after] + discount * max(q[seat][after]) - row[action])
        state = after
    return time.perf_counter() - start


def profit_gain(game: Any, payoffs: Any, learned: Any) -> float:
    """Mean over markets of Calvano's Delta in the 500 greedy rounds that follow practice."""
    import numpy as np

    size, states, earned = payoffs.shape[1], learned.last.copy(), []
    markets, flat = np.arange(len(states)), payoffs.reshape(2, -1)
    for _ in range(500):
        actions = learned.policies[markets, :, states]
        states = actions[:, 0] * size + actions[:, 1]
        earned.append(flat[:, states].mean(0))
    low, high = (game.profits([price, price])[0] for price in game.benchmarks)
    return float((np.mean(earned) - low) / (high - low))


def peak_memory() -> float:
    """Peak of the process, MiB."""
    return int(re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[0]) / 1024


def learn_once(engine: str, seeds: int, first: int, steps: int, settled: int, decay: float) -> dict[str, float]:
    """Seconds, rounds and memory (MiB) of one training of the logit duopoly; compilation is not counted."""
    from edgewise.society.repeated import Learning, learn, learn_reference
    from edgewise.society.scenarios import find_scenario

    game = find_scenario("logit_duopoly")
    payoffs = game.stage_game().payoffs
    learning = Learning(steps=steps, settled=settled, decay=decay)
    train = learn if engine == "compiled" else learn_reference
    start = time.perf_counter()
    train(payoffs, Learning(steps=10), range(2))
    loading = time.perf_counter() - start
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is the compiler's: forget it
    before = peak_memory()
    start = time.perf_counter()
    if engine == "loop":
        seconds = sum(learners_loop(payoffs, steps, first + i, decay) for i in range(seeds))
        return {"seconds": seconds, "played": 2 * seeds * steps}
    learned = train(payoffs, learning, range(first, first + seeds))
    seconds = time.perf_counter() - start
    peak = peak_memory()
    return {
        "seconds": seconds, "loading": loading, "played": 2 * int(learned.rounds.sum()),
        "rounds": float(learned.rounds.mean()), "converged": float(learned.converged.mean()),
        "gain": profit_gain(game, payoffs, learned), "memory": peak - before,
    }  # fmt: skip


def learn_apart(*job: object, threads: int | None = None) -> dict[str, float]:
    """``learn_once`` in a process of its own, so that its memory and threads are its own."""
    limit = {} if threads is None else {"NUMBA_NUM_THREADS": str(threads)}
    command = [sys.executable, __file__, "learn", json.dumps(job)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ | limit)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def learners() -> str:
    never, steps, decay = 2**40, 10_000 if QUICK else 100_000, 1e-4
    engines = {"compiled": (32, 2 if QUICK else 10), "numpy": (32, 1 if QUICK else 5), "loop": (2, 1 if QUICK else 5)}
    rate: dict[str, list[float]] = {}
    took: dict[str, list[float]] = {}
    for name, (seeds, repeats) in engines.items():
        say("learners", name)
        found = [learn_apart(name, seeds, 100 * i, steps, never, decay) for i in range(repeats)]
        rate[name] = [each["played"] / each["seconds"] / 1e6 for each in found]
        took[name] = [2 * 32 * steps / r / 1e6 for r in rate[name]]
    labels = {
        "compiled": "`learn`, compiled",
        "numpy": "`learn_reference`, numpy",
        "loop": "plain Python, one market at a time",
    }
    rows = []
    for name, label in labels.items():
        ahead = "" if name == "compiled" else ratio(rate["compiled"], rate[name])
        aim = {"compiled": "5 million/s on 2 cores; 0.68 s", "numpy": "3.4 s in the specification"}.get(name, "")
        rows.append((label, len(rate[name]), interval(rate[name], 3), interval(took[name], 3), ahead, aim))
    longer = steps if QUICK else 10 * steps
    threads = []
    pace: dict[int, list[float]] = {1: [], 2: []}
    for i in range(2 if QUICK else 8):
        for count, into in pace.items():
            job = ("compiled", 64, 1000 * i, longer, never, decay)
            each = learn_apart(*job, threads=count)
            into.append(each["played"] / each["seconds"] / 1e6)
    for count, into in pace.items():
        gain = ratio(into, pace[1], 2) if count > 1 else ""
        threads.append((count, len(into), interval(into, 1), gain))
    growth = []
    for seeds, repeats in ((8, 1), (32, 1)) if QUICK else ((8, 5), (32, 5), (128, 5), (1000, 3)):
        say("until they settle", seeds)
        cap, calm = (200_000, 20_000) if QUICK else (3_000_000, 100_000)
        got = [learn_apart("compiled", seeds, 10_000 * i, cap, calm, 4e-6) for i in range(repeats)]
        growth.append((
            f"{seeds:,}", repeats, interval([x["seconds"] for x in got], 1),
            interval([x["seconds"] / seeds for x in got], 3),
            interval([x["played"] / x["seconds"] / 1e6 for x in got], 1),
            interval([x["rounds"] / 1e6 for x in got]), interval([x["converged"] for x in got], 3),
            interval([x["gain"] for x in got], 3), interval([x["memory"] for x in got], 0),
            "120 s" if seeds == 1000 else "",
        ))  # fmt: skip
        loading = [x["loading"] for x in got]
    return "\n\n".join((
        "## Speed: learners",
        f"Two Q-learners in the logit duopoly, 15 prices, memory of one round, {steps:,} rounds, exploration "
        f"exp(-{decay:g} t); millions of agent-steps a second. Seconds are for 32 markets; the plain loop plays two "
        "and is scaled up. Every run is a process of its own; compilation is not counted.",
        table(
            ("engine", "n", "million agent-steps/s", "seconds, 32 markets", "compiled ahead by", "aim or peer"), rows
        ),
        f"Threads of the compiled engine, 64 markets of {longer:,} rounds:",
        table(("threads", "n", "million agent-steps/s", "times one thread"), threads),
        "At the parameters of Calvano et al. (2020) until every market has settled (100,000 rounds without a change of "
        "any greedy action; 3 million at most), other seeds each time. Profit gain is that of the 500 greedy rounds "
        f"after. Memory is the growth of the process's peak. Loading the compiled code took {max(loading):.1f} s.",
        table(
            (
                "markets", "n", "seconds", "seconds a market", "million agent-steps/s", "million rounds a market",
                "settled", "profit gain", "memory, MiB", "aim",
            ), growth,
        ),
    ))  # fmt: skip


# -- the scenario engine


def engine() -> str:
    from edgewise.society.engine import play
    from edgewise.society.scenarios import find_scenario

    rows = []
    repeats = 2 if QUICK else 10
    for seats in (5, 12):
        capacity = 4 * seats
        for rounds in (10, 100, 1000) if QUICK else (10, 100, 1000, 10_000):
            say("engine", seats, rounds)
            scenario = find_scenario("compute_commons", services=seats, rounds=rounds, capacity=capacity)
            episodes = max(1, 2000 // rounds)
            cost: dict[str, list[float]] = {"null": [], "scripted": []}
            for i in range(repeats):
                for kind, into in cost.items():
                    team = scenario.teams(kind, [i])[0]
                    start = time.perf_counter()
                    for episode in range(episodes):
                        play(scenario, team, 100 * i + episode)
                    into.append(1e6 * (time.perf_counter() - start) / (episodes * rounds * seats))
            team = scenario.teams("null", [0])[0]
            memory = peak_of(lambda s=scenario, t=team: play(s, t, 0))  # type: ignore[misc]
            kept = f"{1e6 * memory / (rounds * seats):.0f}"
            rows.append((seats, f"{rounds:,}", repeats, *(interval(x) for x in cost.values()), kept, "20 µs"))
    return "\n\n".join((
        "## Speed: engine",
        "`play` of the compute commons, start of the episode and full record included; microseconds per agent action. "
        "Fair sharers answer with a constant, so that nearly all is the engine and the game; scripted agents "
        "look at what the others did.",
        table(
            ("seats", "rounds", "n", "fair sharers, µs", "scripted, µs", "peak bytes per action", "aim"),
            rows,
        ),
    ))  # fmt: skip


# -- networks


def network() -> str:
    try:
        import numpy as np

        from edgewise.society.network import logit_voter, random_graph
    except ImportError as error:
        return f"## Network\n\nSkipped: {error}."
    rows = []
    sizes = ((1000, 100), (10_000, 100)) if QUICK else ((1000, 1000), (10_000, 1000), (100_000, 100))
    for agents, rounds in sizes:
        for degree in (4, 20):
            say("network", agents, degree)
            took = []
            for i in range(2 if QUICK else 5):
                rng = np.random.default_rng(i)
                graph, private = random_graph(agents, degree, rng), rng.normal(size=agents)
                start = time.perf_counter()
                logit_voter(graph, private, 1.0, rounds, rng)
                took.append(time.perf_counter() - start)
            each = [1e9 * x / (agents * rounds) for x in took]
            aim = "10 s" if agents == 10_000 and rounds == 1000 else ""
            rows.append((f"{agents:,}", degree, f"{rounds:,}", len(took), interval(took), interval(each, 1), aim))
    return "\n\n".join((
        "## Network",
        "Logit voters (`edgewise.society.network.logit_voter`), all revising in every round, on random graphs.",
        table(("agents", "listen to", "rounds", "n", "seconds", "ns per vote", "aim"), rows),
    ))  # fmt: skip


SECTIONS = {"learners": learners, "engine": engine, "network": network}


def main() -> None:
    chosen = [name for name in sys.argv[1:] if name in SECTIONS] or list(SECTIONS)
    for name in chosen:
        start = time.perf_counter()
        title, body = SECTIONS[name]().split("\n\n", 1)
        say(name, f"{time.perf_counter() - start:.0f} s")
        print(f"{title}\n\n{body}\n", flush=True)
        if not QUICK:
            write_section("society", "Society", title.removeprefix("## "), body, f"bench_society.py {name}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["learn"]:
        print(json.dumps(learn_once(*json.loads(sys.argv[2]))))
    else:
        main()
