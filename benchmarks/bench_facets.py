"""Many-facet Rasch: coverage, bias of joint estimation, power of bias tests, real judges, speed beside numpyro.

python benchmarks/bench_facets.py              # all sections, into benchmarks/results/facets.md
python benchmarks/bench_facets.py coverage     # that section alone; also: partial, judges, speed
python benchmarks/bench_facets.py --quick      # a trial with few repeats; writes nothing

numpyro lives in an environment of its own, named by EDGEWISE_PEER_NUMPYRO, or in the folder for temporary files:
peers-venv (`pip install numpyro jax jaxlib`). What runs there is ``facets_peer.py``.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _table import interval, ratio, run_sections, table

from edgewise.character.facets import draw_ratings
from edgewise.character.facets.bias import bias_tests
from edgewise.character.facets.design import Design
from edgewise.character.facets.measure import fit
from edgewise.stats.intervals import proportion

QUICK = "--quick" in sys.argv
REPEATS = 40 if QUICK else 500
PEER = os.environ.get("EDGEWISE_PEER_NUMPYRO", f"{tempfile.gettempdir()}/peers-venv") + "/bin/python"
RATINGS = Path(__file__).parents[2] / "shared" / "data" / "ratings" / "alpaca_eval_judges.parquet"
# Name, and how ratings are drawn.
DESIGNS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("8 models, 100 items, 2 of 5 judges, two categories", {}),
    ("8 models, 100 items, 2 of 5 judges, five categories", {"top": 4}),
    ("4 models, 60 items, 1 of 3 judges, two categories", {"models": 4, "items": 60, "judges": 3, "each": 1}),
    ("30 models, 50 items, 2 of 10 judges, three categories", {"models": 30, "items": 50, "judges": 10, "top": 2}),
)


def _design(ratings: Any) -> Design:
    return Design.of(ratings, np.arange(len(ratings)), "scale")


def _share(hits: int, n: int) -> str:
    found = proportion(hits, n)
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def coverage() -> tuple[str, str]:
    rows, slopes = [], []
    for name, options in DESIGNS:
        print(name, file=sys.stderr, flush=True)
        inside: dict[str, list[float]] = {key: [] for key in ("abilities", "severities", "difficulties", "thresholds")}
        stretch: dict[str, list[float]] = {"marginal": [], "joint": []}
        for seed in range(REPEATS):
            ratings, truth = draw_ratings(np.random.default_rng(seed), **options)
            found = fit(_design(ratings))
            ability, severity, steps, _ = found.design.split(found.estimates.parameters)
            errors = found.design.split(found.errors)
            parts = {
                "abilities": (ability - truth.ability, errors[0]),
                "severities": (severity - truth.severity, errors[1]),
                "difficulties": (
                    found.estimates.difficulty - truth.difficulty,
                    np.sqrt(found.estimates.difficulty_variance),
                ),
            }
            if found.design.top > 1:
                parts["thresholds"] = (steps[0] - truth.thresholds, errors[2][0])
            for key, (off, error) in parts.items():
                inside[key].append(float((np.abs(off) <= 1.96 * error).mean()))
            stretch["marginal"].append(_stretch(truth.ability, ability))
            if options.get("each") != 1:  # else judges share no items, and the joint method refuses
                stretch["joint"].append(_stretch(truth.ability, _joint(found.design)))
        cells = [interval(inside[key], 3) if inside[key] else "–" for key in inside]
        rows.append((name, REPEATS, *cells))
        slopes.append((name, REPEATS, *(interval(v, 3) if v else "refused" for v in stretch.values())))
    note = (
        "Share of 95 % intervals of `marginal` that hold the truth, mean over replications; all is drawn anew in each. "
        "Intervals of the shares are Student's over replications, as parameters of one replication go together."
    )
    second = (
        "Slope of estimated abilities on true ones: 1 without bias. With n ratings of an item (models x its judges) "
        "joint estimation is too wide by about n / (n - 1), a little less where extreme items are moved inwards."
    )
    columns = ("design", "n", "abilities", "severities", "difficulties", "thresholds")
    parts_ = (note, table(columns, rows), second, table(("design", "n", "marginal", "joint"), slopes))
    return "Coverage, and the bias of joint estimation", "\n\n".join(parts_)


def _joint(design: Design) -> Any:
    from edgewise.character.facets import joint

    return design.split(joint.estimate(design).parameters)[0]


def _stretch(truth: Any, found: Any) -> float:
    true, mine = truth - truth.mean(), found - found.mean()
    return float(true @ mine / (true @ true))


def partial() -> tuple[str, str]:
    """Judge 0 favours model 0 by one logit; the judge gives about 200 ratings, those of model 0 among them."""
    rows = []
    for top in (1, 4):
        for models in (2, 4):
            items = 200 * 2 // models  # each judge of four rates half of the items, every model's answer
            hits = alarms = tests = 0
            for seed in range(REPEATS):
                options = {"models": models, "items": items, "judges": 4, "top": top}
                ratings, _ = draw_ratings(np.random.default_rng(seed), bias=1.0, **options)
                (test,) = bias_tests(fit(_design(ratings)))
                hits += bool(test.p[(test.judge == 0) & (test.other == 0)][0] < 0.05)
                null, _ = draw_ratings(np.random.default_rng(10**6 + seed), **options)
                (test,) = bias_tests(fit(_design(null)))
                alarms += int((test.p < 0.05).sum())
                tests += len(test.p)
            rows.append((top + 1, models, 200 // models, REPEATS, _share(hits, REPEATS), _share(alarms, tests)))
        rows.append(_severe(top))
    note = (
        "Four judges with about 200 ratings each. Planted: judge 0 rates model 0 one logit too high; last row of each "
        "scale: judge 0 is one logit more severe than the rest. Tests at p < .05, without adjustment; aims: power .9, "
        "false alarms at most .06."
    )
    columns = ("categories", "models", "ratings in the cell", "n", "found", "false alarms")
    return "Partial judges", f"{note}\n\n{table(columns, rows)}"


def _severe(top: int) -> tuple[Any, ...]:
    """Judge 0 a logit more severe than the mean of the others, and no difference, by Wald's test."""
    from dataclasses import replace

    found = []
    for shift in (1.0, 0.0):
        hits = 0
        for seed in range(REPEATS):
            rng = np.random.default_rng(seed)
            ratings, truth = draw_ratings(rng, models=4, items=100, judges=4, top=top)
            severity = np.array([0.75, -0.25, -0.25, -0.25]) * shift
            eta = truth.ability[ratings.model] - truth.difficulty[ratings.item] - severity[ratings.judge]
            logits = eta[:, None] * np.arange(top + 1) - np.concatenate([[0], truth.thresholds.cumsum()])
            p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
            again = replace(ratings, score=(p.cumsum(1) < rng.random(len(eta))[:, None]).sum(1))
            fitted = fit(_design(again))
            contrast = np.zeros(len(fitted.errors))
            contrast[4:8] = [1, -1 / 3, -1 / 3, -1 / 3]
            error = np.sqrt(contrast @ fitted.estimates.covariance @ contrast)
            hits += bool(abs(contrast @ fitted.estimates.parameters) > 1.96 * error)
        found.append(_share(hits, REPEATS))
    return (top + 1, "severity, 4", 200, REPEATS, *found)


def judges() -> tuple[str, str]:
    from edgewise.character.facets.measure import measure
    from edgewise.character.facets.ratings import read_ratings
    from edgewise.character.facets.results import tabulate

    if not RATINGS.is_file():
        return "Real judges", "Skipped: the ratings are not there."
    plain = read_ratings([RATINGS], categories=2)
    length = read_ratings([RATINGS], categories=2, covariates=["length"])
    first, second = (tabulate(r, measure(r)) for r in (plain, length))
    with_length = {row["model"]: row for row in second["models"]}
    rows = [
        (row["model"], row["rank_by_mean"], f"{row['mean_score']:.3f}", row["rank"], _located(row),
         with_length[row["model"]]["rank"], _located(with_length[row["model"]]))
        for row in first["models"]
    ]  # fmt: skip
    (effect,) = second["effects"]
    bench = [(r["judge"], f"{r['severity']:+.2f} [{r['low']:+.2f}, {r['high']:+.2f}]", r["n"]) for r in first["judges"]]
    tests = [
        (r["judge"], f"{r['logit']:+.2f} ± {1.96 * r['se']:.2f}", f"{r['p_adjusted']:.1g}")
        for r in second["bias"]
        if r["kind"] == "judge x length"
    ]
    note = (
        f"AlpacaEval answers of 8 models to 805 instructions, {first['n']:,} verdicts of 3 automatic judges, cut at "
        "one half. Order by mean score, with judges and items taken into account, and with length besides. "
        f"The effect of length is {_located(effect)} logits for a standard deviation of log length."
    )
    columns = ("model", "rank by mean", "mean", "rank", "logit", "rank, length too", "logit, length too")
    parts = (
        note, table(columns, rows), table(("judge", "severity", "n"), bench),
        "What length counts more with a judge than with all:",
        table(("judge", "logit per standard deviation", "adjusted p"), tests),
    )  # fmt: skip
    return "Real judges", "\n\n".join(parts)


def _located(row: dict[str, Any]) -> str:
    return f"{row['logit']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}]"


def speed() -> tuple[str, str]:
    """Ours and numpyro's stochastic variational inference on the same ratings, in turns, processes of their own."""
    sizes = ((20, 100, 5), (50, 500, 10)) if QUICK else ((20, 100, 5), (50, 500, 10), (100, 1000, 10))
    rows = []
    for models, items, seats in sizes:
        for top in (1, 4):
            if top > 1 and models < 100:
                continue
            mine: list[float] = []
            theirs: list[float] = []
            memory, quality = [], []
            for seed in range(1 if QUICK else 3):
                print(models, items, seats, top, seed, file=sys.stderr, flush=True)
                job = {"models": models, "items": items, "judges": seats, "top": top, "seed": seed}
                own = _apart([sys.executable, __file__, "once"], job)
                mine.append(own["seconds"])
                memory.append(own["peak"])
                if top == 1 and Path(PEER).is_file():
                    peer = _apart([PEER, str(Path(__file__).with_name("facets_peer.py"))], job)
                    theirs.append(peer["seconds"])
                    quality.append((own["error"], peer["error"]))
            errors = [f"{np.mean(q):.4f}" for q in zip(*quality, strict=True)] or ["", ""]
            n = models * items * seats
            aim = "10 s; 20 times" if n == 10**6 else ""
            beside = (interval(theirs), ratio(theirs, mine)) if theirs else ("–", "–")
            took = (len(mine), interval(mine), f"{np.mean(memory):.0f}")
            rows.append((f"{n:,}", top + 1, *took, *beside, *errors, aim))
    note = (
        "Every judge rates every answer. Ours: marginal maximum likelihood with standard errors of all parameters. "
        "Peer: numpyro's SVI with an AutoNormal guide on the same model (normal priors, Adam at .02, 1,000 steps on "
        "all ratings), without compilation; it is given two categories only. Error: root mean square of abilities and "
        "severities about the truth, all centred. Peak: memory of our process, MiB, data included."
    )
    columns = (
        "ratings",
        "categories",
        "n",
        "edgewise, s",
        "peak",
        "numpyro, s",
        "ahead by",
        "our error",
        "its error",
        "aim",
    )
    return "Speed", f"{note}\n\n{table(columns, rows)}"


def _apart(command: list[str], job: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run([*command, json.dumps(job)], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def once(job: dict[str, Any]) -> dict[str, float]:
    rng = np.random.default_rng(job["seed"])
    ratings, truth = draw_ratings(
        rng, models=job["models"], items=job["items"], judges=job["judges"], each=job["judges"], top=job["top"]
    )
    start = time.perf_counter()
    found = fit(_design(ratings))
    seconds = time.perf_counter() - start
    ability, severity, _, _ = found.design.split(found.estimates.parameters)
    off = np.concatenate([ability - ability.mean() - (truth.ability - truth.ability.mean()), severity - truth.severity])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "error": float(np.sqrt((off**2).mean())), "peak": peak}


SECTIONS = {f.__name__: f for f in (coverage, partial, judges, speed)}


if __name__ == "__main__":
    if sys.argv[1:2] == ["once"]:
        print(json.dumps(once(json.loads(sys.argv[2]))))
    else:
        run_sections(SECTIONS, "facets", "Many-facet Rasch")
