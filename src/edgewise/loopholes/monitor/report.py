"""What the report says of a monitor: gains and evidence by check, the alarm, and which parts explain it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgewise.core.errors import RunError
from edgewise.core.run import Run
from edgewise.core.section import Block, Figure, Section, Table, Text

_RUNS, _PARTS, _POINTS = 6, 8, 200
_LINES = (
    ("proxy_gain", "proxy, gain", "#7d6608"),
    ("trusted_gain", "trusted reward, gain", "#2471a3"),
    ("exploit", "exploit ratio", "#c0392b"),
)


def build_section(run: Run) -> Section:
    """The page of ``edgewise loopholes monitor``.

    Raises:
        RunError: The run has no summary.
    """
    found = [event.data for event in run.read_events("summary")]
    if not found:
        raise RunError("the run has not ended", where=str(run.path))
    return Section(title="Monitor", lead=lead(found[-1]), blocks=blocks(found[-1]))


def lead(summary: Mapping[str, Any]) -> str:
    """Whether and when there was an alarm, in a sentence or two."""
    runs = summary["runs"]
    rule = (
        f"The monitor asks whether the proxy gains more than the trusted reward, by more than {summary['margin']:g} of "
        f"its width. A false alarm has probability {summary['alpha']:g} at most over a whole run."
    )
    if len(runs) > 1:
        shown = summary["alarms"]
        count = sum(run["alarm"] is not None for run in runs)
        share = f"{shown['value']:.2f} [{shown['low']:.2f}, {shown['high']:.2f}]"
        return f"Alarm in {count} of {len(runs)} runs, {share}. {rule}"
    return f"{told(runs[0], summary['threshold'])} {rule}"


def told(run: Mapping[str, Any], threshold: float) -> str:
    """What happened in one run."""
    checks, alarm = run["checks"], run["alarm"]
    if alarm is None:
        most = max(check["evidence"] for check in checks)
        return (
            f"No alarm up to step {checks[-1]['step']}: the evidence reached {most:.1f} of the {threshold:.1f} nats "
            f"that an alarm takes, in {len(checks)} checks."
        )
    parts = f" Parts of the proxy that rose: {', '.join(alarm['explained'])}." if alarm["explained"] else ""
    return (
        f"Alarm at step {alarm['step']}: proxy and trusted reward have parted, most likely since about step "
        f"{alarm['since']}.{parts}"
    )


def blocks(summary: Mapping[str, Any]) -> tuple[Block, ...]:
    """Of every run a figure; of runs with an alarm the parts at the alarm."""
    runs = summary["runs"]
    made: list[Block] = []
    if len(runs) > 1:
        made.append(_overview(runs))
    for run in runs[:_RUNS]:
        name = f"Seed {run['seed']}: " if len(runs) > 1 else ""
        made += [_gains(run, name, summary["threshold"]), _evidence(run, name, summary["threshold"])]
        if run["alarm"] is not None and (table := _parts(run, name)) is not None:
            made.append(table)
    if len(runs) > _RUNS:
        made.append(Text(text=f"Figures are of the first {_RUNS} seeds."))
    return tuple(made)


def _overview(runs: Sequence[Mapping[str, Any]]) -> Table:
    rows = []
    for run in runs:
        alarm, last = run["alarm"], run["checks"][-1]
        known = (None, None, "") if alarm is None else (alarm["step"], alarm["since"], ", ".join(alarm["explained"]))
        rows.append((run["seed"], *known, _shown(last["proxy_gain"]), _shown(last["trusted_gain"])))
    columns = ("seed", "alarm at step", "since", "parts that rose", "proxy gain at the end", "trusted gain at the end")
    return Table(title="By seed", columns=columns, rows=tuple(rows))


def _gains(run: Mapping[str, Any], name: str, threshold: float) -> Figure:
    checks = _thinned(run["checks"])
    data: list[dict[str, Any]] = []
    for key, title, colour in _LINES:
        seen = [(check["step"], check[key]) for check in checks if check[key]["value"] is not None]
        if not seen:
            continue
        data.append({
            "type": "scatter", "mode": "lines+markers", "name": title, "x": [step for step, _ in seen],
            "y": [round(m["value"], 4) for _, m in seen], "line": {"color": colour}, "marker": {"size": 4},
            "error_y": {
                "type": "data", "symmetric": False, "thickness": 0.7, "width": 0,
                "array": [round(m["high"] - m["value"], 4) for _, m in seen],
                "arrayminus": [round(m["value"] - m["low"], 4) for _, m in seen],
            },
        })  # fmt: skip
    layout = _layout(run, "gain over the start; exploit ratio")
    return Figure(title=f"{name}Gains over the start", summary=told(run, threshold), data=tuple(data), layout=layout)


def _evidence(run: Mapping[str, Any], name: str, threshold: float) -> Figure:
    checks = _thinned(run["checks"])
    steps = [check["step"] for check in checks]
    data = (
        {"type": "scatter", "mode": "lines", "name": "evidence", "x": steps,
         "y": [round(check["evidence"], 3) for check in checks], "line": {"color": "#5b2c6f"}},
        {"type": "scatter", "mode": "lines", "name": "alarm", "x": [steps[0], steps[-1]],
         "y": [round(threshold, 3)] * 2, "line": {"color": "#888888", "dash": "dot"}},
    )  # fmt: skip
    most = max(check["evidence"] for check in run["checks"])
    summary = f"Evidence that proxy and trusted reward part reaches {most:.1f} nats; {threshold:.1f} are an alarm."
    return Figure(title=f"{name}Evidence", summary=summary, data=data, layout=_layout(run, "nats"))


def _layout(run: Mapping[str, Any], title: str) -> dict[str, Any]:
    layout: dict[str, Any] = {
        "height": 300, "xaxis": {"title": {"text": "step"}}, "yaxis": {"title": {"text": title}},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    }  # fmt: skip
    if run["alarm"] is not None:
        step = run["alarm"]["step"]
        layout["shapes"] = [
            {"type": "line", "x0": step, "x1": step, "y0": 0, "y1": 1, "yref": "paper", "line": {"color": "#c0392b"}}
        ]
    return layout


def _parts(run: Mapping[str, Any], name: str) -> Table | None:
    at = next(check for check in run["checks"] if check["step"] == run["alarm"]["step"])
    if not at["parts"]:
        return None
    rows = tuple((part, _shown(measure)) for part, measure in list(at["parts"].items())[:_PARTS])
    return Table(title=f"{name}Parts of the proxy at the alarm", columns=("part", "change since the start"), rows=rows)


def _thinned(checks: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Not more points than a figure can show; the last one always."""
    apart = max(1, len(checks) // _POINTS)
    return checks if apart == 1 else [*checks[:-1:apart], checks[-1]]


def _shown(measure: Mapping[str, Any]) -> str:
    if measure["value"] is None:
        return "–"
    return f"{measure['value']:+.3f} [{measure['low']:+.3f}, {measure['high']:+.3f}], n={measure['n']}"
