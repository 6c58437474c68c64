"""The report's pages on a group: a scenario that was played, and the matrix of mitigations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from edgewise.core.profile import Turn
from edgewise.core.run import Run
from edgewise.core.section import Block, Figure, Section, Table, Text, Transcript
from edgewise.society.scenario import Scenario
from edgewise.society.scenarios import find_scenario

_LINES, _TALKS, _SAID = 8, 4, 60  # seats in a time line, transcripts, turns of a transcript
_SIGNS = {
    "fail": "The risk is there",
    "pass": "The risk is not there",
    "inconclusive": "Whether the risk is there is not clear",
    "not_measured": "The risk was not measured",
}


def build_section(run: Run) -> Section:
    """The page of ``edgewise society run``.

    Raises:
        RunError: The run has not come far enough, or a table is missing.
    """
    summary = _summary(run)
    scenario = find_scenario(summary["scenario"], **run.manifest.config.get("options", {}))
    rows = run.read_table("turns").to_pylist()
    played = [row for row in rows if row["population"] == "agents"]
    return section_of(scenario, summary, played)


def section_of(scenario: Scenario, summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Section:
    """Verdict, indicators beside the null population's, time lines, payoffs, influence, evidence, what was said."""
    under = f" under the mitigation {summary['mitigation']}" if summary.get("mitigation") else ""
    lead = (
        f"{scenario.name} (risk {scenario.risk}), played by {summary['agents']}{under}, {summary['n']} trials. "
        f"{scenario.about} {_verdict(summary)}"
    )
    blocks: list[Block] = [_indicators(summary), *figures_of(scenario, rows), _evidence(summary)]
    if scenario.reported:
        columns = ("who", "what", "figure")
        blocks.append(Table(title="Reported elsewhere, for other agents", columns=columns, rows=scenario.reported))
    blocks += _talks(scenario, rows)
    return Section(title=f"Society: {scenario.title.lower()}", lead=lead, blocks=tuple(blocks))


def figures_of(scenario: Scenario, rows: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Time lines, payoffs, who goes with whom; nothing of no rows."""
    if not rows:
        return []
    influence = _influence(scenario, rows)
    return [_time_lines(scenario, rows), _payoffs(scenario, rows), *([] if influence is None else [influence])]


def matrix_section(run: Run) -> Section:
    """The page of ``edgewise society matrix``."""
    rows = _summary(run)["rows"]
    names = list(dict.fromkeys(row["scenario"] for row in rows))
    mitigations = list(dict.fromkeys(row["mitigation"] for row in rows))
    effects = {(row["mitigation"], row["scenario"]): row["effect"] for row in rows if row["effect"]}
    grid = [[_value(effects.get((m, n))) for n in names] for m in mitigations]
    lead = (
        "What each mitigation does to the risk it is meant for, and to everything else that is measured, with the "
        "default population of each scenario and on the same seeds. Less is better; an interval that holds 0 is "
        "unclear."
    )
    figure = Figure(
        title="Change of the risk",
        summary=f"Change of the primary indicator of {len(names)} scenarios under {len(mitigations)} mitigations.",
        data=(
            {
                "type": "heatmap",
                "x": names,
                "y": mitigations,
                "z": grid,
                "zmid": 0,
                "colorscale": [[0, "#2f6f4f"], [0.5, "#f3f1ea"], [1, "#b3402f"]],
                "hovertemplate": "%{y}, %{x}: %{z:.2f}<extra></extra>",
            },
        ),
        layout={"height": 140 + 26 * len(mitigations), "xaxis": {"tickangle": -40}, "margin": {"l": 130, "b": 110}},
    )
    table = Table(
        title="The same, with intervals and what shifts",
        columns=("scenario", "mitigation", "before", "after", "change", "verdict", "surely shifted besides"),
        rows=tuple(
            (
                row["scenario"],
                row["mitigation"],
                interval(row["before"]),
                interval(row["after"]),
                interval(row["effect"]),
                f"{row['verdict_before']} → {row['verdict_after']}",
                _shifts(row["shift"]),
            )
            for row in rows
        ),
    )
    return Section(title="Mitigations and risks", lead=lead, blocks=(figure, table))


def _summary(run: Run) -> dict[str, Any]:
    from edgewise.core.errors import RunError

    found = [event.data for event in run.read_events("summary")]
    if not found:
        raise RunError("nothing was measured yet", where=str(run.path), fix=f"edgewise resume {run.path}")
    return found[-1]


def interval(data: Mapping[str, Any] | None) -> str | None:
    """An estimate in a cell."""
    if not data or data.get("value") is None:
        return None
    return f"{data['value']:.2f} [{data['low']:.2f}, {data['high']:.2f}]"


def _value(data: Mapping[str, Any] | None) -> float | None:
    return None if not data else data.get("value")


def _shifts(shift: Mapping[str, Any]) -> str:
    sure = [
        f"{name} {data['value']:+.2f}"
        for name, data in shift.items()
        if data.get("value") is not None and (data["low"] > 0 or data["high"] < 0)
    ]
    return ", ".join(sure) or "nothing"


def _verdict(summary: Mapping[str, Any]) -> str:
    why = summary["why"]
    words = _SIGNS[summary["verdict"]]
    if "difference" not in why:
        return f"{words}: {why.get('reason') or 'no trial came to a decision'}."
    return (
        f"{words}: {summary['primary'].replace('_', ' ')} less that of the null population is "
        f"{interval(why['difference'])}; below {why['margin']:g} it counts as absent. As many trials show a difference "
        f"of {why['detectable']:.2g} with a probability of .8."
    )


def _indicators(summary: Mapping[str, Any]) -> Table:
    rows = tuple(
        (
            name + (" (primary)" if name == summary["primary"] else ""),
            interval(data) or data.get("reason"),
            data.get("n") or 0,
            interval(summary["null"].get(name)),
        )
        for name, data in summary["indicators"].items()
    )
    return Table(title="Indicators", columns=("indicator", summary["agents"], "n", "null population"), rows=rows)


def _first_condition(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["condition"] == rows[0]["condition"]]


def _time_lines(scenario: Scenario, rows: Sequence[Mapping[str, Any]]) -> Figure:
    chosen = _first_condition(rows)
    data = []
    for seat, place in enumerate(scenario.seats[:_LINES]):
        options = scenario.choices(seat)[0].options
        at: dict[int, list[float]] = {}
        for row in chosen:
            if row["seat"] == seat and row["action"] is not None:
                at.setdefault(row["round"], []).append(_number(options, row["action"][0]))
        rounds = sorted(at)
        line = {"x": [r + 1 for r in rounds], "y": [round(float(np.mean(at[r])), 4) for r in rounds]}
        data.append({"type": "scatter", "mode": "lines+markers", "name": place.name, **line})
    what = scenario.choices(0)[0].name
    return Figure(
        title="Time lines",
        summary=f"Mean {what} by round and seat, over all trials.",
        data=tuple(data),
        layout={"height": 320, "xaxis": {"title": {"text": "round"}}, "yaxis": {"title": {"text": what}}},
    )


def _number(options: Sequence[str], place: int) -> float:
    """The option as a number if it is one, else its place."""
    try:
        return float(options[place])
    except ValueError:
        return float(place)


def _payoffs(scenario: Scenario, rows: Sequence[Mapping[str, Any]]) -> Figure:
    sums: dict[tuple[int, int], float] = {}
    for row in _first_condition(rows):
        key = row["seed"], row["seat"]
        sums[key] = sums.get(key, 0.0) + row["reward"]
    data = [
        {
            "type": "box",
            "name": seat.name,
            "y": [round(v, 4) for (_, s), v in sums.items() if s == i],
            "boxpoints": "all",
        }
        for i, seat in enumerate(scenario.seats)
    ]
    return Figure(
        title="Payoffs",
        summary="Payoff of each seat, a point for each trial.",
        data=tuple(data[: 4 * _LINES]),
        layout={"height": 320, "showlegend": False, "yaxis": {"title": {"text": "payoff of an episode"}}},
    )


def _influence(scenario: Scenario, rows: Sequence[Mapping[str, Any]]) -> Figure | None:
    """How far a seat's action goes with what another did last; an association, not an effect."""
    count = scenario.seat_count
    if count > 12:
        return None
    pairs: dict[tuple[int, int], list[tuple[float, float]]] = {}
    order = sorted(_first_condition(rows), key=lambda row: (row["seed"], row["step"]))
    last: dict[int, float] = {}
    trial = None
    for (seed, _), together in groupby(order, key=lambda row: (row["seed"], row["step"])):
        last, trial = (last, trial) if seed == trial else ({}, seed)
        now = {row["seat"]: float(row["action"][0]) for row in together if row["action"] is not None}
        for seat, value in now.items():
            for other, earlier in last.items():
                if other != seat:
                    pairs.setdefault((other, seat), []).append((earlier, value))
        last = last | now
    grid: list[list[float | None]] = [[None] * count for _ in range(count)]
    for (sender, hearer), values in pairs.items():
        x, y = np.array(values).T
        if len(x) > 5 and x.std() > 0 and y.std() > 0:
            grid[sender][hearer] = round(float(np.corrcoef(x, y)[0, 1]), 3)
    if not any(value is not None for row in grid for value in row):
        return None
    names = [seat.name for seat in scenario.seats]
    return Figure(
        title="Who goes with whom",
        summary="Correlation of each seat's action with the last action of every other; not proof of influence.",
        data=(
            {
                "type": "heatmap",
                "x": [f"then {name}" for name in names],
                "y": names,
                "z": grid,
                "zmin": -1,
                "zmax": 1,
                "colorscale": [[0, "#b3402f"], [0.5, "#f3f1ea"], [1, "#2f5f8f"]],
            },
        ),
        layout={"height": 160 + 30 * count, "margin": {"l": 130, "b": 90}},
    )


def _evidence(summary: Mapping[str, Any]) -> Table:
    rows = tuple(
        (str(piece["what"]), "; ".join([_plain(piece["found"]), *map(str, piece.get("reached", ()))]))
        for piece in summary["evidence"]
    )
    more = (
        ("turns", str(summary["turns"])),
        ("turns without a decision", _plain(summary["no_decision"]) if summary["no_decision"] else "none"),
        ("messages with a flag", _plain(summary["flags"]) if summary["flags"] else "none"),
        ("moves out of turn, not played", str(summary["out_of_turn"])),
    )
    return Table(title="Evidence", columns=("what", "found"), rows=(*rows, *more))


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        if {"value", "low", "high"} <= value.keys():
            return interval(value) or "not measured"
        return ", ".join(f"{key}: {_plain(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value[:30]) + (" …" if len(value) > 30 else "")
    if isinstance(value, float):
        return f"{value:.3g}"
    return "–" if value is None else str(value)


def _talks(scenario: Scenario, rows: Sequence[Mapping[str, Any]]) -> list[Block]:
    """The first trials in which something was said; else the first trial's moves."""
    talking = list(dict.fromkeys((r["seed"], r["condition"]) for r in rows if r["message"] or r["agent"] == "chat"))
    chosen = talking[:_TALKS] or list(dict.fromkeys((r["seed"], r["condition"]) for r in rows))[:1]
    blocks: list[Block] = []
    for seed, condition in chosen:
        turns = [row for row in rows if (row["seed"], row["condition"]) == (seed, condition)]
        shown = tuple(turn_of(scenario, row) for row in turns[:_SAID])
        if shown:
            blocks.append(Transcript(title=f"Trial {seed}, {condition}", turns=shown))
    if not blocks:
        blocks.append(Text(text="No trial was played to its end."))
    return blocks


def turn_of(scenario: Scenario, row: Mapping[str, Any]) -> Turn:
    """A turn of the table, in words."""
    choices = scenario.choices(row["seat"])
    if row["action"] is None:
        did = f"(no decision: {row['status']})"
    else:
        did = ", ".join(f"{c.name}: {c.options[a]}" for c, a in zip(choices, row["action"], strict=True))
    flags = "".join(f" [{flag}]" for flag in row["flags"])
    said = f" — {row['message']}{flags}" if row["message"] else ""
    return Turn(role=f"round {row['round'] + 1}, {scenario.seats[row['seat']].name}", text=f"{did}{said}")
