"""The report's section on a training run, or on a sweep of them, from the run's folder alone."""

from __future__ import annotations

from typing import Any

from edgewise.core.errors import RunError
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


def build_front_section(run: Run) -> Section:
    """Held-out losses of each run of a sweep, which of them are on the front, and the hypervolume.

    Raises:
        RunError: The run has not ended.
    """
    ended = list(run.read_events("summary"))
    if not ended:
        raise RunError("the run has not ended", where=str(run.path), fix=f"edgewise resume {run.path}")
    summary = ended[-1].data
    names, points = list(summary["reference"]), summary["points"]
    volume = summary["hypervolume"]
    whose = f"of {summary['dimension']}" if summary["dimension"] else "of all dimensions"
    front = ", ".join(name for name, point in points.items() if point["on_front"])
    lead = (
        f"{summary['model']} trained once for each tolerance {whose}. No other run dominates those at {front}. "
        f"Hypervolume below log 2 nats in each of {len(names)} dimensions: {_shown(volume)}, {volume['method']}."
    )
    rows = [
        (name, "yes" if point["on_front"] else "no", point["on_front_share"],
         *(f"{_shown(point['losses'][d])}, {point['certificates'][d]['verdict']}" for d in names))
        for name, point in points.items()
    ]  # fmt: skip
    columns = ("tolerance", "on the front", "in resamples", *(f"loss of {name}, certificate" for name in names))
    note = (
        "Losses are means over held-out pairs in nats, intervals at 95 % by record. Certificates are at 95 % for the "
        "dimensions of one run, not for all runs: whoever picks a run by these figures examines it on new pairs."
    )
    blocks = (_front_figure(names, points), Table(title="Runs", columns=columns, rows=tuple(rows)), Text(text=note))
    return Section(title="Achievable front", lead=lead, blocks=(*map(_text, summary["notes"]), *blocks))


def _front_figure(names: list[str], points: dict[str, Any]) -> Figure:
    """Two dimensions against each other with their intervals, or a line for each run across more."""

    def column(name: str, key: str) -> list[float | None]:
        return [_rounded(point["losses"][name][key]) for point in points.values()]

    def spread(name: str) -> dict[str, Any]:
        places = list(zip(*(column(name, key) for key in ("low", "value", "high")), strict=True))
        up, down = ([0.0 if None in p else abs(p[k] - p[1]) for p in places] for k in (2, 0))
        return {"type": "data", "symmetric": False, "array": up, "arrayminus": down}

    height: dict[str, Any] = {"height": 380, "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"}}
    summary = "; ".join(
        f"tolerance {name}: " + ", ".join(f"{d} {_shown(point['losses'][d])}" for d in names)
        for name, point in points.items()
    )
    if len(names) == 2:
        symbols = ["circle" if point["on_front"] else "circle-open" for point in points.values()]
        scatter = {
            "type": "scatter", "mode": "markers+text", "text": list(points), "textposition": "top right",
            "marker": {"size": 10, "symbol": symbols}, "x": column(names[0], "value"), "y": column(names[1], "value"),
            "error_x": spread(names[0]), "error_y": spread(names[1]),
        }  # fmt: skip
        axes = {"xaxis": {"title": {"text": names[0]}}, "yaxis": {"title": {"text": names[1]}}}
        return Figure(title="Held-out loss, nats", summary=summary, data=(scatter,), layout=height | axes)
    lines = tuple(
        {
            "type": "scatter", "mode": "lines+markers", "name": name, "x": names,
            "y": [_rounded(point["losses"][d]["value"]) for d in names],
            "line": {"dash": "solid" if point["on_front"] else "dot"},
        }
        for name, point in points.items()
    )  # fmt: skip
    return Figure(title="Held-out loss, nats", summary=summary, data=lines, layout=height)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def _text(note: str) -> Text:
    return Text(text=note)


def _shown(data: dict[str, Any]) -> str:
    if data["value"] is None:
        return "not measured"
    return f"{data['value']:.3f} [{data['low']:.3f}, {data['high']:.3f}]"


def _held_out(summary: dict[str, Any]) -> Table:
    rows = []
    for name, found in summary["dimensions"].items():
        base, result = found["base"], found["result"]
        rows.append(
            (name, _shown(base["margin"]), _shown(result["margin"]), _shown(base["accuracy"]),
             _shown(result["accuracy"]), _shown(result["loss"]), found["limit"], summary["multipliers"].get(name),
             found["verdict"], result["loss"]["n"])
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
