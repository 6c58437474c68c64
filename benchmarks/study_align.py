"""Lag-DPO against its baselines on PersonaKnob with the embedded model: five seeds, equal steps.

python benchmarks/study_align.py            # 80 minutes on two cores; goes on where it was stopped
python benchmarks/study_align.py --all      # all five methods: 200 minutes
python benchmarks/study_align.py --quick    # two steps, one seed; writes nothing

Three conditions: all dimensions in plenty; creativity in 5 % of the training pairs; empathy and anti-sycophancy in
conflict, since half of each one's pairs set a warm lie against a cold truth and prefer opposite ones.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _table import RESULTS, run_sections, table

from edgewise.character.knobs import KnobsConfig, generate, load_records
from edgewise.character.knobs.types import KnobRecord
from edgewise.core.estimate import Estimate
from edgewise.stats.intervals import clustered_mean, mean_estimate
from edgewise.training.job import AlignConfig, align
from edgewise.training.lagrangian import Controller

QUICK = "--quick" in sys.argv
STEPS, BATCH, HELD_OUT, SEEDS = (2, 4, 2, 1) if QUICK else (16, 4, 10, 5)
LR, LAYERS = 1e-3, 10
WORK = Path(tempfile.gettempdir()) / ("edgewise-study-quick" if QUICK else "edgewise-study")
SHORT = ("false_premise", "pushback", "fresh_idea", "listening", "vivid_source", "harmless_question")
SHARES = {"plenty": {}, "rare": {"creativity": 0.05}}
MAIN = ("lagdpo", "dpo")
METHODS = (*MAIN, "weighted", "groupdro", "sft") if "--all" in sys.argv else MAIN
CONDITIONS = ("rare", "conflict", "plenty")
SLACK = 0.5  # nats of loss of each dimension; training begins at log 2 = .693
CONTROLLER = Controller(rate=2.0, average=0.5, warmup=2)  # so short a run needs fast multipliers


def data(condition: str) -> Path:
    """The condition's pairs; made once."""
    folder = WORK / f"data-{condition}"
    if not (folder / "test.jsonl").is_file():
        if condition == "conflict":
            generate(KnobsConfig(n=400, families=("comforting_lie",)), folder, seed=1)
            for split in ("train", "test"):
                _conflicting(folder, split)
        else:
            generate(KnobsConfig(n=600, families=SHORT, shares=SHARES[condition]), folder, seed=1)
    return folder


def _conflicting(folder: Path, split: str) -> None:
    """Half of empathy's and of anti-sycophancy's pairs become the same two answers with opposite preferences."""
    lines = []
    for i, record in enumerate(r for r in load_records(folder) if r.split == split):
        rows = [row for row in record.rows() if row["dimension"]]
        if i % 2:
            rows = [row for row in rows if row["dimension"] == "trustworthiness"]
            warm, cold = _tension(record)
            for name, chosen, rejected in (("empathy", warm, cold), ("anti_sycophancy", cold, warm)):
                rows += [
                    {"id": f"{record.id}-{name}-{k}", "record": record.id, "prompt": list(record.messages),
                     "chosen": chosen, "rejected": rejected, "dimension": name} for k in range(2)
                ]  # fmt: skip
        lines += [json.dumps(row) for row in rows]
    (folder / f"{split}.jsonl").write_text("\n".join(lines))


def _tension(record: KnobRecord) -> tuple[str, str]:
    def find(**k: int) -> str:
        return next(r.text for r in record.responses if all(r.k[name] == level for name, level in k.items()))

    return (
        find(empathy=1, anti_sycophancy=0, trustworthiness=1),
        find(empathy=0, anti_sycophancy=1, trustworthiness=1),
    )


def trained(condition: str, method: str, seed: int) -> dict[str, Any]:
    """One training run's summary and curve, from where it was stopped."""
    name = f"{condition}-{method}-{seed}"
    kept = WORK / f"{name}.json"
    if kept.is_file():
        found: dict[str, Any] = json.loads(kept.read_text())
        return found
    config = AlignConfig(
        model="embedded", data=str(data(condition)), out=str(WORK / name), method=method, steps=STEPS, batch=BATCH,
        lr=LR, slack=SLACK, controller=CONTROLLER, held_out=HELD_OUT,
        layers=LAYERS, max_length=256, reference_cache=str(WORK / "reference"),
    )  # fmt: skip
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        done = align(config, Path(folder) / "run", seed=seed)
        from edgewise.core.run import Run

        curve = Run.open(done.run).read_table("curve").to_pylist()
    found = {"dimensions": done.summary["dimensions"], "multipliers": done.summary["multipliers"], "curve": curve}
    kept.write_text(json.dumps(found))
    print(name, {k: round(gain(v), 2) for k, v in found["dimensions"].items()}, flush=True)
    return found


def gain(found: dict[str, Any]) -> float:
    """By how many nats the held-out margin of a dimension grew."""
    return float(found["result"]["margin"]["value"] - found["base"]["margin"]["value"])


def mean(values: Sequence[float], digits: int = 2) -> str:
    """Mean with the 95 % interval of Student's t over seeds."""
    from scipy.stats import t

    x = np.array(values, dtype=float)
    if len(x) < 2:
        return f"{x.mean():.{digits}f}"
    half = float(t.ppf(0.975, len(x) - 1)) * x.std(ddof=1) / len(x) ** 0.5
    return f"{x.mean():.{digits}f} [{x.mean() - half:.{digits}f}, {x.mean() + half:.{digits}f}]"


def _condition(condition: str) -> str:
    runs = {m: [trained(condition, m, s) for s in range(SEEDS)] for m in METHODS}
    names = sorted(runs["lagdpo"][0]["dimensions"])
    worst = {m: [min(gain(run["dimensions"][d]) for d in names) for run in found] for m, found in runs.items()}
    limits = {d: runs["lagdpo"][0]["dimensions"][d]["limit"] for d in names}
    rows = []
    for m, found in runs.items():
        within = [all(run["dimensions"][d]["result"]["loss"]["value"] <= limits[d] for d in names) for run in found]
        against = "" if m == "lagdpo" else mean([a - b for a, b in zip(worst["lagdpo"], worst[m], strict=True)])
        cells = [mean([gain(run["dimensions"][d]) for run in found], 1) for d in names]
        kept = "–" if m == "sft" else f"{sum(within)} of {len(within)}"
        rows.append((m, *cells, mean(worst[m], 1), against, kept))
    columns = ("method", *names, "worst dimension", "Lag-DPO less this, worst dimension", "seeds within all tolerances")
    pressed = table(
        ("dimension", "steps with averaged loss above tolerance", "multiplier, mean over steps", "multiplier, last"),
        [_pressure(runs["lagdpo"], d, limits[d]) for d in names],
    )
    return f"{table(columns, rows)}\n\nMultipliers of Lag-DPO:\n\n{pressed}"


def _pressure(runs: list[dict[str, Any]], name: str, limit: float) -> tuple[str, ...]:
    """How long a dimension's averaged training loss was above its tolerance, and what its multiplier came to."""
    share, value, last = [], [], []
    for run in runs:
        losses = [r["value"] for r in run["curve"] if r["what"] == "loss" and r["dimension"] == name]
        lambdas = [r["value"] for r in run["curve"] if r["what"] == "lambda" and r["dimension"] == name]
        average, over = losses[0], []
        for loss in losses:
            average = CONTROLLER.average * average + (1 - CONTROLLER.average) * loss
            over.append(average > limit)
        share.append(float(np.mean(over)))
        value.append(float(np.mean(lambdas)))
        last.append(lambdas[-1])
    return name, mean(share), mean(value), mean(last)


def plenty() -> tuple[str, str]:
    return "Four dimensions in plenty", _about() + _condition("plenty")


def rare() -> tuple[str, str]:
    return "Creativity in 5 % of the pairs", _about() + _condition("rare")


def conflict() -> tuple[str, str]:
    return "Empathy against anti-sycophancy", _about() + _condition("conflict")


def _about() -> str:
    return (
        "Growth of the held-out margin log p(chosen) - log p(rejected) in nats, mean over "
        f"{SEEDS} seeds with Student's t interval. {STEPS} steps of {BATCH} pairs, LoRA of rank 16 in the last "
        f"{LAYERS} of 30 layers, learning rate {LR:g}; held-out pairs share no content, prompt or wording with the "
        f"trained ones, {HELD_OUT} a dimension. Tolerance {SLACK:g} nats for each. SFT has no reference and is not "
        "held to them.\n\n"
    )


def behaviour() -> tuple[str, str]:
    """Answers before and after, by the checkers: does the model say other things, not only prefer other pairs?"""
    import asyncio

    rows, examples = [], []
    specs = {"base": "embedded"}
    for method in ("dpo", "lagdpo"):
        trained("plenty", method, 0)
        specs[method] = f"adapter:{WORK / f'plenty-{method}-0'}"
    prompts = _prompts(4 if QUICK else 48)
    answers = {name: asyncio.run(_answers(spec, prompts)) for name, spec in specs.items()}
    for measure, (wanted, score) in MEASURES.items():
        for name, given in answers.items():
            values = [
                float(value) for record, answer in zip(prompts, given, strict=True)
                if record.family in wanted and (value := score(answer, record.facts)) is not None
            ]  # fmt: skip
            rows.append((measure, name, len(values), _estimated(values)))
    for i in (0, 1, len(prompts) // 2):
        said = prompts[i].messages[-1]["content"]
        examples.append(f"> {said}\n>\n" + "\n>\n".join(f"> **{n}:** {_line(answers[n][i])}" for n in answers))
    note = (
        f"Greedy answers of 60 tokens at most to {len(prompts)} prompts of the test split, before training and after "
        f"{STEPS} steps (seed 0), read by the checkers; n counts answers that a checker could read.\n\n"
    )
    body = table(("measure", "model", "n", "mean"), rows) + "\n\n" + "\n\n".join(examples)
    return "Behaviour before and after", note + body


def _estimated(values: Sequence[float]) -> str:
    """Mean with its interval: of shares within 0 and 1, of counts by Student's t."""
    found = mean_estimate(values) if max(values, default=0) <= 1 else clustered_mean(values, list(range(len(values))))
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]" if isinstance(found, Estimate) else "–"


def _line(text: str) -> str:
    return " ".join(text.split())


def _prompts(n: int) -> list[KnobRecord]:
    records = [r for r in load_records(data("plenty")) if r.split == "test"]
    by = {family: [r for r in records if r.family == family] for family in SHORT}
    return [r for family in SHORT for r in by[family][: n // 3]]


async def _answers(spec: str, prompts: Sequence[KnobRecord]) -> list[str]:
    import asyncio

    from edgewise.models import Message, Settings, open_model

    model = open_model(spec)
    try:
        asked = [[Message(role=m["role"], text=m["content"]) for m in record.messages] for record in prompts]
        done = await asyncio.gather(*(model.generate(messages, Settings(max_tokens=60)) for messages in asked))
    finally:
        model.close()
    return [answer.text for answer in done]


def _measures() -> dict[str, Any]:
    from edgewise.character.checkers.acknowledgement import acknowledgement
    from edgewise.character.checkers.candour import disclaimers, unsupported
    from edgewise.character.checkers.novelty import novelty
    from edgewise.character.checkers.stance import stance

    def goes_along(answer: str, facts: Any) -> float | None:
        score = stance(answer, facts)
        return None if score is None else 1 - score

    return {
        "goes along with a false premise": (("false_premise",), goes_along),
        "gives way under pushback": (("pushback",), goes_along),
        "disclaimers in an answer": (SHORT, lambda answer, facts: float(disclaimers(answer))),
        "invented sources in an answer": (("false_premise", "vivid_source"), lambda a, f: float(unsupported(a, f))),
        "names feeling and cause": (("listening",), acknowledgement),
        "novelty of ideas": (("fresh_idea", "vivid_source"), novelty),
    }


MEASURES = _measures()

if __name__ == "__main__":
    WORK.mkdir(exist_ok=True)
    RESULTS.mkdir(exist_ok=True)
    for each in CONDITIONS:
        for seed in range(SEEDS):
            for method in METHODS:
                trained(each, method, seed)
    run_sections(
        {"rare": rare, "conflict": conflict, "plenty": plenty, "behaviour": behaviour}, "align_study",
        "Lag-DPO and its baselines on PersonaKnob",
    )  # fmt: skip
