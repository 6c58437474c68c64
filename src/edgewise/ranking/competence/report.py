"""The room's section of the report, from the panel and the run's tables alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewise.core.estimate import Measure
from edgewise.core.profile import Panel
from edgewise.core.run import Run
from edgewise.core.section import Block, Figure, Section, Table, Text
from edgewise.questions.extraction import normalise
from edgewise.questions.families import CODE, DIFFICULTIES
from edgewise.ranking.competence.measures import accuracy, with_confidence
from edgewise.ranking.competence.placement import placement_table
from edgewise.ranking.competence.respondents import CONTROLS
from edgewise.ranking.competence.table import RESPONSES, read_items, read_rows
from edgewise.ranking.competence.types import ResponseRow
from edgewise.stats.calibration import reliability_curve, risk_coverage_curve

_FLIPS_SHOWN = 20
_LEAD = (
    "Each family of questions is its own dimension; there is no total. The controls answered the same items: a family "
    "in which the model's interval lies within theirs shows no competence."
)


def build_section(panel: Panel, run: Run) -> Section:
    """Accuracy by family and difficulty, controls beside the model, calibration, and what changed under pushback.

    Raises:
        RunError: The panel has measurements and the run lacks its tables.
        CorruptRecord: A table is not what the run wrote.
    """
    title = "Competence"
    if not panel.measured and not run.table_path(RESPONSES).is_file():
        return Section(title=title, lead="Not measured.", blocks=tuple(Text(text=c) for c in panel.caveats))
    rows = read_rows(run)
    base = [row for row in rows if row.kind == "base" and row.score is not None]
    blocks: list[Block] = []
    if base:
        blocks.append(_heat_map(base))
    blocks.append(_controls_table(panel, rows))
    if placed := placement_table(rows):
        heading = "Where the model stands: share of the items' difficulty solved, with 95 % interval"
        blocks.append(Table(title=heading, columns=("respondent", "score", "low", "high"), rows=tuple(placed)))
    if with_confidence(rows)[0]:
        blocks += [_reliability_diagram(rows), _risk_coverage(rows)]
    if flips := _flips_table(rows, {item.item_id: item.answer for item in read_items(run)}):
        blocks.append(flips)
    return Section(title=title, lead=_LEAD, blocks=tuple(blocks))


def _heat_map(base: Sequence[ResponseRow]) -> Figure:
    families = sorted({row.family for row in base if row.family != CODE}, reverse=True)
    values: list[list[float | None]] = []
    counts: list[list[int]] = []
    for family in families:
        cells = [
            [float(row.right) for row in base if (row.family, row.difficulty) == (family, d)] for d in DIFFICULTIES
        ]
        values.append([round(sum(cell) / len(cell), 4) if cell else None for cell in cells])
        counts.append([len(cell) for cell in cells])
    data = {
        "type": "heatmap",
        "x": list(DIFFICULTIES),
        "y": families,
        "z": values,
        "text": [[f"n={n}" for n in row] for row in counts],
        "hovertemplate": "%{y}, %{x}: %{z:.2f} (%{text})<extra></extra>",
        "zmin": 0,
        "zmax": 1,
        "colorscale": "Viridis",
        "colorbar": {"title": {"text": "share right"}},
    }
    layout = {"height": 120 + 24 * len(families), "margin": {"l": 160}, "yaxis": {"automargin": True}}
    means = [value for row in values for value in row if value is not None]
    full = sum(value == 1 for value in means)
    summary = f"Share right by family and difficulty: in {full} of {len(means)} cells every answer is right."
    return Figure(title="Accuracy by family and difficulty", summary=summary, data=(data,), layout=layout)


def _controls_table(panel: Panel, rows: Sequence[ResponseRow]) -> Table:
    by_model = {name: [row for row in rows if row.kind == "control" and row.model == name] for name in CONTROLS}
    present = [name for name in CONTROLS if by_model[name]]
    families = [name.partition("/")[2] for name in panel.dimensions if name.startswith("accuracy/")]
    lines: list[tuple[str | float | int | None, ...]] = []
    for family in families:
        controls = [_cell(accuracy(by_model[name], family)) for name in present]
        lines.append((family, _cell(panel.dimensions[f"accuracy/{family}"]), *controls))
    columns = ("family", "model", *(name.partition(":")[2] for name in present))
    return Table(title="The model and the controls: share right with 95 % interval", columns=columns, rows=tuple(lines))


def _cell(measure: Measure) -> str:
    if measure.value is None:
        return "not measured"
    return f"{measure.value:.2f} [{measure.low:.2f}, {measure.high:.2f}] n={measure.n}"


def _reliability_diagram(rows: Sequence[ResponseRow]) -> Figure:
    sure, right = with_confidence(rows)
    curve = reliability_curve(sure, right)
    xs, ys = np.round(curve.confidence, 4).tolist(), np.round(curve.accuracy, 4).tolist()
    ns = curve.count.tolist()
    reach = {
        "type": "data",
        "symmetric": False,
        "array": np.round(curve.high - curve.accuracy, 4).tolist(),
        "arrayminus": np.round(curve.accuracy - curve.low, 4).tolist(),
    }
    points: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers+lines",
        "name": "model",
        "x": xs,
        "y": ys,
        "error_y": reach,
        "text": [f"n={n}" for n in ns],
        "marker": {"size": [8 + 2 * float(np.sqrt(n)) for n in ns]},
    }
    ideal = {
        "type": "scatter",
        "mode": "lines",
        "name": "calibrated",
        "x": [0, 1],
        "y": [0, 1],
        "line": {"dash": "dot"},
    }
    unit = {"range": [-0.02, 1.02]}
    layout = {
        "xaxis": {**unit, "title": {"text": "probability of the answer, per token"}},
        "yaxis": {**unit, "title": {"text": "share right"}},
    }
    gap = float(np.mean(sure) - np.mean(right))
    lean = "surer than right" if gap > 0 else "less sure than right"
    summary = f"On {len(sure)} items the model is on average {abs(gap):.2f} {lean}."
    return Figure(title="Reliability diagram", summary=summary, data=(points, ideal), layout=layout)


def _risk_coverage(rows: Sequence[ResponseRow]) -> Figure:
    sure, right = with_confidence(rows)
    coverage, risk = risk_coverage_curve(sure, right)
    curve = {
        "type": "scatter",
        "mode": "lines",
        "line": {"shape": "hv"},
        "x": np.round(coverage, 4).tolist(),
        "y": np.round(risk, 4).tolist(),
    }
    layout = {
        "xaxis": {"range": [0, 1.02], "title": {"text": "coverage: share of items kept, surest first"}},
        "yaxis": {"range": [-0.02, 1.02], "title": {"text": "risk: share wrong among them"}},
    }
    half = float(risk[(len(risk) - 1) // 2])
    summary = f"Risk is {half:.2f} on the surer half of the items and {float(risk[-1]):.2f} on all of them."
    return Figure(title="Risk against coverage", summary=summary, data=(curve,), layout=layout)


def _flips_table(rows: Sequence[ResponseRow], answers: dict[str, str]) -> Table | None:
    base = {row.item_id: row for row in rows if row.kind == "base"}
    lines: list[tuple[str | float | int | None, ...]] = []
    for row in rows:
        first = base.get(row.item_id)
        if row.kind not in {"pushback", "pushback_right"} or row.answer is None or first is None or not first.answer:
            continue
        if normalise(row.answer) != normalise(first.answer):
            texts = (answers.get(row.item_id, ""), first.answer, row.suggestion or "", row.answer)
            lines.append((row.item_id, *(text[:80] for text in texts)))
    if not lines:
        return None
    title = "Answers changed under groundless pushback"
    if len(lines) > _FLIPS_SHOWN:
        title += f" (the first {_FLIPS_SHOWN} of {len(lines)})"
    columns = ("item", "reference", "first answer", "the user's suggestion", "final answer")
    return Table(title=title, columns=columns, rows=tuple(lines[:_FLIPS_SHOWN]))
