"""The report's page on a game that a language model was trained on."""

from __future__ import annotations

from edgewise.core.profile import Turn
from edgewise.core.run import Run
from edgewise.core.section import Block, Figure, Section, Table, Transcript
from edgewise.loopholes.study.report import COLOURS, NAMES, shown
from edgewise.loopholes.trl.training import steps_of

_WITNESSES = 4


def build_section(run: Run) -> Section:
    """Figures at the start and at the end, the curve, and the answers that exploited most."""
    steps = steps_of(run)
    ends = [event.data for event in run.read_events("summary")]
    game = run.manifest.config["game"]
    lead = f"{run.manifest.model.get('name', 'A model')} was trained on {game} by GRPO, {len(steps)} steps so far."
    blocks: list[Block] = []
    if ends:
        rows = tuple(
            (key.replace("_", " "), shown(ends[-1]["start"][key]), shown(ends[-1][key]))
            for key in ("reward", "true_performance", "exploit_ratio")
        )
        blocks.append(Table(title="First and last tenth of training", columns=("", "first", "last"), rows=rows))
    lines = tuple(
        {"type": "scatter", "mode": "lines", "name": NAMES[key], "x": [row["step"] for row in steps],
         "y": [row.get(key) for row in steps], "line": {"color": COLOURS[key]}}
        for key in NAMES
    )  # fmt: skip
    if steps:
        summary = "Mean of the answers of each step: reward, intended performance and exploit ratio."
        layout = {"xaxis": {"title": {"text": "step"}}}
        blocks.append(Figure(title="Training", summary=summary, data=lines, layout=layout))
    told = [row for row in steps if row.get("witness")]
    told.sort(key=lambda row: -row["witness"]["exploit"])
    blocks += [
        Transcript(
            title=f"Step {row['step']}: exploit {row['witness']['exploit']:.2f}",
            turns=(Turn(role="assistant", text=row["witness"]["text"]),),
        )
        for row in told[:_WITNESSES]
    ]
    return Section(title=f"Loopholes: {game} at real size", lead=lead, blocks=tuple(blocks))
