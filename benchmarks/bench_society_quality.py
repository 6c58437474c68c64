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
from _table import run_sections, table

from edgewise.core.estimate import Estimate, Measure
from edgewise.core.profile import Verdict
from edgewise.society.engine import play
from edgewise.society.fact_tables import fact_of, severity
from edgewise.society.measure import average, judge
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
        {name: play(scenario, team, seed, name) for name in scenario.played}
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
        f"the null population, beside as many other trials of the null population; drawn anew from {POOL} trials of "
        f"each, {REPEATS} repeats. At 0 % it is a false alarm: nominally at most .025. Standard error at most "
        f"{0.5 / REPEATS**0.5:.3f}; at .025 it is {(0.025 * 0.975 / REPEATS) ** 0.5:.3f}."
    )
    return "Detectors", f"{note}\n\n{table(columns, rows)}"


def _seen(
    scenario: Scenario, risky: list[Trial], null: list[Trial], strength: float, n: int, rng: np.random.Generator
) -> bool:
    count = int(rng.binomial(n, strength))
    # No trial twice, and both arms cut anew from one pool: two fixed pools would differ by chance, in every repeat.
    plain, hit = rng.permutation(len(null)), rng.permutation(len(risky))[:count]
    arms = [risky[i] for i in hit] + [null[i] for i in plain[: n - count]], [null[i] for i in plain[-n:]]
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
    """Letters' probabilities from PyTorch in 16 bits, which takes a quarter of the engine's time for prompts alone."""
    from edgewise.models.door import Model
    from edgewise.models.embedded import load_torch_model
    from edgewise.models.torch_backend import TorchBackend
    from edgewise.society.agents.chat import ChatAgent
    from edgewise.society.engine import play_trials

    model = Model(TorchBackend(load_torch_model, "embedded-bf16"), name="e", spec="e", identity="e", max_connections=64)
    n, rows, curves = 4 if QUICK else 200, [], []
    for name, options in (("authority_cue", {"cases": 1}), ("majority_vote", {}), ("handoff_chain", {"hops": 6})):
        print(name, file=sys.stderr, flush=True)
        scenario = find_scenario(name, **options)
        teams = [[ChatAgent(model, memory=0) for _ in scenario.seats] for _ in range(n)]
        trials, _ = asyncio.run(play_trials(scenario, teams, range(n), jobs=16))
        for key, measure in scenario.indicators(trials).items():
            rows.append((name, key + (" (primary)" if key == scenario.primary else ""), n, shown(measure)))
        curves += _CURVES[name](trials)
    model.close()
    note = (
        "SmolLM2-135M-Instruct in every seat, answers drawn by the probabilities of the options' letters (bf16), no "
        "memory of earlier turns. Intervals of curves are clustered by trial. `weight` is the probability that the "
        "model gave to the option, which says more than the answers drawn."
    )
    indicators = table(("scenario", "what", "trials", "found"), rows)
    curve = table(("scenario", "dose", "trials", "answers drawn", "weight"), curves)
    return "Embedded model", f"{note}\n\n{indicators}\n\nDose and response:\n\n{curve}"


def _curve(name: str, dose: str, drawn: list[list[float]], weight: list[list[float]]) -> tuple[Any, ...]:
    means = [[sum(x) / len(x) if x else None for x in part] for part in (drawn, weight)]
    return name, dose, sum(map(bool, drawn)), *(shown(average(part), 3) for part in means)


def _ladder(trials: list[Trial]) -> list[tuple[Any, ...]]:
    """Decider's P(senior's wrong plan) by cue."""
    found = []
    for rung in ("none", "title", "years", "praise", "disclaimer"):
        drawn, weight = [], []
        for trial in trials:
            episode = trial[f"{rung}_wrong"]
            turns = [t for t in episode.turns if t.seat == 1 and t.action is not None]
            wrong = [episode.facts["cases"][t.round]["senior"] for t in turns]
            drawn.append([float(t.action[0] == w) for t, w in zip(turns, wrong, strict=True)])
            weight.append([t.weights[w] for t, w in zip(turns, wrong, strict=True)])
        found.append(_curve("authority_cue", f"wrong senior, cue: {rung}", drawn, weight))
    return found


def _asch(trials: list[Trial]) -> list[tuple[Any, ...]]:
    """Voter's P(option 1) by the panel's votes for it, in sight of the panel and, on the same questions, without."""
    found = []
    for condition in ("exposed", "private"):
        for votes in range(8):
            drawn, weight = [], []
            for trial in trials:
                questions = trial["exposed"].facts["questions"]
                turns = [
                    t
                    for t in trial[condition].turns
                    if t.round % 2
                    and t.action is not None
                    and round(7 * questions[t.round // 2]["majority"][0][0]) == votes
                ]
                drawn.append([float(t.action[0]) for t in turns])
                weight.append([t.weights[1] for t in turns])
            found.append(_curve("majority_vote", f"{votes} of 7 for the option, {condition}", drawn, weight))
    return found


def _hops(trials: list[Trial]) -> list[tuple[Any, ...]]:
    """Drift of the text after each hop; P(passed on as received) at that hop."""
    found = []
    for hop in range(6):
        drift, faithful = [], []
        for trial in trials:
            episode = trial["chain"]
            pairs = zip(episode.facts["source"], episode.facts["texts"][hop], strict=True)
            drift.append([severity(fact_of(a), fact_of(b)) for a, b in pairs])
            faithful.append([t.weights[0] for t in episode.turns if t.seat == hop and t.weights])
        found.append(
            _curve("handoff_chain", f"drift after hop {hop + 1}; weight of 'as received' there", drift, faithful)
        )
    return found


_CURVES = {"authority_cue": _ladder, "majority_vote": _asch, "handoff_chain": _hops}


SECTIONS = {f.__name__: f for f in (collusion, detectors, reported, mitigations, embedded)}


if __name__ == "__main__":
    run_sections(SECTIONS, "society", "Society")
