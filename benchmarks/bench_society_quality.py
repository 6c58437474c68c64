"""Society: the published market, how well risks are told from none, figures reported elsewhere beside ours.

python benchmarks/bench_society_quality.py             # all sections, into benchmarks/results/society.md
python benchmarks/bench_society_quality.py collusion   # that section alone; also: detectors, reported, mitigations
python benchmarks/bench_society_quality.py embedded    # the embedded model, 200 trials a cell; takes the longest
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _table import table, write_section

from edgewise.core.estimate import Estimate, Measure
from edgewise.core.profile import Verdict
from edgewise.society.engine import play
from edgewise.society.measure import judge
from edgewise.society.scenario import Scenario
from edgewise.society.scenarios import SCENARIOS, find_scenario
from edgewise.society.types import Trial

QUICK = "--quick" in sys.argv
MARKETS = 40 if QUICK else 300
POOL = 30 if QUICK else 120  # trials that are played of each population, and drawn from
REPEATS = 40 if QUICK else 200
STRENGTHS, SIZES = (0.0, 0.25, 0.5, 1.0), (10, 40)


def shown(measure: Measure | None, digits: int = 2) -> str:
    if not isinstance(measure, Estimate):
        return "none"
    return f"{measure.value:.{digits}f} [{measure.low:.{digits}f}, {measure.high:.{digits}f}]"


def trials_of(scenario: Scenario, kind: str, seeds: range) -> list[Trial]:
    teams = scenario.teams(kind, seeds)
    return [
        {name: play(scenario, team, seed, name) for name in scenario.conditions}
        for seed, team in zip(seeds, teams, strict=True)
    ]


def collusion() -> tuple[str, str]:
    market = find_scenario("logit_duopoly")
    rows = []
    for kind, aim in (("learning", ".7 to .9; at least .90"), ("null", "near .26")):
        found = market.indicators(trials_of(market, kind, range(MARKETS)))
        names = ("profit_gain", "retaliation", "return", "deviation_unprofitable")
        rows.append((kind, MARKETS, *(shown(found[name]) for name in names), aim))
    columns = ("learners", "n", "profit gain", "retaliation", "prices return", "deviation does not pay", "aim")
    note = "Logit duopoly at the parameters of Calvano et al. (2020), to convergence; `null` learners have no memory."
    return "Collusion of learners", f"{note}\n\n{table(columns, rows)}"


def detectors() -> tuple[str, str]:
    rows = []
    for name in SCENARIOS:
        print(name, file=sys.stderr, flush=True)
        scenario = find_scenario(name)
        risky = trials_of(scenario, scenario.default, range(POOL))
        null = trials_of(scenario, "null", range(100_000, 100_000 + POOL))
        cells: list[str] = []
        for n in SIZES:
            for strength in STRENGTHS:
                rng = np.random.default_rng([n, int(100 * strength)])
                seen = sum(_seen(scenario, risky, null, strength, n, rng) for _ in range(REPEATS))
                cells.append(f"{seen / REPEATS:.3f}")
        rows.append((name, scenario.primary, *cells))
    columns = ("scenario", "primary", *(f"{100 * s:.0f} %, {n} trials" for n in SIZES for s in STRENGTHS))
    note = (
        "How often the verdict is `fail` if a share of the trials is played by the default population and the rest by "
        f"the null population, beside as many other trials of the null population; trials drawn from {POOL} of each, "
        f"{REPEATS} repeats. At 0 % it is a false alarm: nominally at most .025. Standard error at most "
        f"{0.5 / REPEATS**0.5:.3f}; at .025 it is {(0.025 * 0.975 / REPEATS) ** 0.5:.3f}."
    )
    return "Detectors", f"{note}\n\n{table(columns, rows)}"


def _seen(
    scenario: Scenario, risky: list[Trial], null: list[Trial], strength: float, n: int, rng: np.random.Generator
) -> bool:
    def drawn(pool: list[Trial], count: int) -> list[Trial]:
        return [pool[i] for i in rng.integers(len(pool), size=count)]

    count = int(rng.binomial(n, strength))
    half = len(null) // 2  # the two arms share no trial
    arms = drawn(risky, count) + drawn(null[:half], n - count), drawn(null[half:], n)
    found = [scenario.indicators(arm)[scenario.primary] for arm in arms]
    return judge(found[0], found[1], scenario.margin)[0] is Verdict.FAIL


def reported() -> tuple[str, str]:
    rows = []
    for name in SCENARIOS:
        scenario = find_scenario(name)
        found = scenario.indicators(trials_of(scenario, scenario.default, range(40)))
        kept = {key: m for key, m in found.items() if key == scenario.primary or key.startswith("paper_")}
        ours = "; ".join(f"{key.replace('_', ' ')} {shown(m)}" for key, m in kept.items())
        for who, what, figure in scenario.reported or (("", "", ""),):
            rows.append((scenario.risk, name, who, what, figure, scenario.default, ours))
            ours = "as above"
    columns = ("risk", "scenario", "reported for", "what", "figure", "played here by", "ours, n = 40")
    note = (
        "Figures of arXiv 2603.27771 are for chat models; ours are for the agents named, which is not the same thing."
    )
    return "Reported elsewhere, and here", f"{note}\n\n{table(columns, rows)}"


def mitigations() -> tuple[str, str]:
    from edgewise.society.matrix import MatrixConfig, run_matrix

    with tempfile.TemporaryDirectory() as folder:
        config = MatrixConfig(seeds=10 if QUICK else 40)
        found = asyncio.run(run_matrix(config, Path(folder) / "run")).summary["rows"]
    rows = [
        (r["scenario"], r["mitigation"], _cell(r["before"]), _cell(r["after"]), r["outcome"], _shift(r["shift"]))
        for r in found
    ]
    columns = ("scenario", "mitigation", "primary before", "after", "risk", "surely shifted besides")
    note = f"Default populations, {config.seeds} trials a cell, learners learn anew."
    return "Mitigations", f"{note}\n\n{table(columns, rows)}"


def _cell(data: Any) -> str:
    return (
        "none" if not data or data["value"] is None else f"{data['value']:.2f} [{data['low']:.2f}, {data['high']:.2f}]"
    )


def _shift(shift: dict[str, Any]) -> str:
    sure = [f"{k} {d['value']:+.2f}" for k, d in shift.items() if d["value"] is not None and d["low"] * d["high"] > 0]
    return ", ".join(sure) or "nothing"


def embedded() -> tuple[str, str]:
    from edgewise.models.open import open_model
    from edgewise.society.agents.chat import ChatAgent
    from edgewise.society.engine import play_trials

    model = open_model("embedded")
    n, rows = 4 if QUICK else 200, []
    for name, options in (("authority_cue", {"cases": 1}), ("majority_vote", {"questions": 4}), ("handoff_chain", {})):
        scenario = find_scenario(name, **options)
        teams = [[ChatAgent(model, memory=1) for _ in scenario.seats] for _ in range(n)]
        trials, _ = asyncio.run(play_trials(scenario, teams, range(n), jobs=8))
        for key, measure in scenario.indicators(trials).items():
            rows.append((name, key + (" (primary)" if key == scenario.primary else ""), n, shown(measure)))
        for piece in scenario.evidence("chat", trials, range(n)):
            rows.append((name, piece["what"], n, str(piece["found"])[:400]))
    model.close()
    note = "SmolLM2-135M-Instruct in every seat, answers by the probabilities of the options' letters."
    return "Embedded model", f"{note}\n\n{table(('scenario', 'what', 'trials', 'found'), rows)}"


SECTIONS = {f.__name__: f for f in (collusion, detectors, reported, mitigations, embedded)}


def main() -> None:
    chosen = [name for name in sys.argv[1:] if name in SECTIONS] or list(SECTIONS)
    for name in chosen:
        title, body = SECTIONS[name]()
        print(f"## {title}\n\n{body}\n", flush=True)
        if not QUICK:
            write_section("society", "Society", title, body, f"bench_society_quality.py {name}")


if __name__ == "__main__":
    main()
