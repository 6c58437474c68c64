"""The report's section on a training run, from the run's folder alone."""

from __future__ import annotations

from typing import Any

from edgewise.core.run import Run
from edgewise.core.section import Block, Figure, Section, Table, Text

_TITLES = {
    "loss": "Loss in training, nats",
    "margin": "Reward margin in training",
    "lambda": "Multipliers",
    "share": "Weights of dimensions",
}


def build_section(run: Run) -> Section:
    """Held-out figures of base and result, and curves of losses, margins and multipliers.

    Raises:
        RunError: The run has not ended, or a table is missing.
        CorruptRecord: A table is not what the run wrote.
    """
    summary = list(run.read_events("summary"))[-1].data
    rows = run.read_table("curve").to_pylist()
    blocks: list[Block] = [Text(text=note) for note in summary["notes"]]
    blocks.append(_held_out(summary))
    blocks.extend(_certificates(summary))
    for what, title in _TITLES.items():
        own = [row for row in rows if row["what"] == what and row["dimension"]]
        if own:
            blocks.append(_lines(title, own))
    kept = sum(found["verdict"] == "pass" for found in summary["dimensions"].values())
    lead = (
        f"{summary['model']} trained by {summary['method']}, {summary['steps']} steps. On held-out pairs "
        f"{kept} of {len(summary['dimensions'])} dimensions are surely within their tolerance."
    )
    return Section(title="Alignment", lead=lead, blocks=tuple(blocks))


def _held_out(summary: dict[str, Any]) -> Table:
    def shown(data: dict[str, Any]) -> str:
        if data["value"] is None:
            return "not measured"
        return f"{data['value']:.3f} [{data['low']:.3f}, {data['high']:.3f}]"

    rows = []
    for name, found in summary["dimensions"].items():
        base, result = found["base"], found["result"]
        rows.append(
            (name, shown(base["margin"]), shown(result["margin"]), shown(base["accuracy"]), shown(result["accuracy"]),
             shown(result["loss"]), found["limit"], summary["multipliers"].get(name), found["verdict"],
             result["loss"]["n"])
        )  # fmt: skip
    columns = ("dimension", "margin, base", "margin, result", "accuracy, base", "accuracy, result", "loss, result",
               "limit", "multiplier", "within", "records")  # fmt: skip
    return Table(title="Held-out pairs", columns=columns, rows=tuple(rows))


def _certificates(summary: dict[str, Any]) -> list[Block]:
    certified = {name: found["certificate"] for name, found in summary["dimensions"].items() if "certificate" in found}
    if not certified:  # a run of before there were any
        return []
    rows = [
        (name, c["verdict"], c["bound"], c["lower"], c["limit"], c["n"], c["decided_at"], c["ceiling"], c["clipped"])
        for name, c in certified.items()
    ]
    columns = ("dimension", "verdict", "upper bound", "lower bound", "limit", "records", "decided at", "ceiling",
               "clipped")  # fmt: skip
    note = (
        "Certificates bound the mean loss of records in nats, losses clipped at the ceiling, for all dimensions "
        "together at 95 %, and stay valid if more records are added until there is an answer."
    )
    return [Table(title="Certificates", columns=columns, rows=tuple(rows)), Text(text=note)]


def _lines(title: str, rows: list[dict[str, Any]]) -> Figure:
    names = sorted({row["dimension"] for row in rows})
    data = []
    for name in names:
        own = [row for row in rows if row["dimension"] == name]
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": [row["step"] for row in own],
                "y": [round(row["value"], 5) for row in own],
            }
        )
    last = ", ".join(f"{trace['name']} {trace['y'][-1]:.3g}" for trace in data)
    layout = {
        "height": 320,
        "xaxis": {"title": {"text": "step"}},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    }
    return Figure(title=title, summary=f"At the last step: {last}.", data=tuple(data), layout=layout)
