"""The report's pages on studies of the tiny games."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgewise.core.profile import Turn
from edgewise.core.run import Run
from edgewise.core.section import Block, Figure, Section, Table, Text, Transcript
from edgewise.loopholes.study.train import CONTROLS

NAMES = {"exploit": "exploit ratio", "true": "true performance", "proxy": "reward"}
COLOURS = {"exploit": "#c0392b", "true": "#2471a3", "proxy": "#7d6608"}
_CELLS = 120  # points of a curve that are drawn


def build_section(run: Run) -> Section:
    """The page of a study.

    Raises:
        RunError: The run has not come far enough.
    """
    found = [event.data for event in run.read_events("summary")]
    if not found:
        return Section(title="Loopholes", lead="The study has not come to its end yet.")
    summary = found[-1]
    return {"train": _train, "transfer": _transfer, "distil": _distil, "mitigate": _mitigate}[summary["study"]](
        run, summary
    )


def _train(run: Run, summary: Mapping[str, Any]) -> Section:
    trainings = {"train": summary, **summary["controls"]}
    steps = summary["emergence_step"]
    when = "" if steps["value"] is None else f", at step {steps['value']:.0f} on average"
    lead = (
        f"{summary['seeds']} policies were trained on {summary['game']} from neutral starts. At the end the exploit "
        f"ratio is {shown(summary['exploit_ratio'])} and the intended performance "
        f"{shown(summary['true_performance'])}. In {shown(summary['emerged'])} of the seeds the exploit emerged{when}."
    )
    columns = ("training", "reward", "true performance", "exploit ratio", "emerged", "step", "honest optimum",
               "exploit optimum")  # fmt: skip
    rows = tuple(
        (
            "as it is" if name == "train" else f"{name}: {CONTROLS[name]}",
            *(shown(one[key]) for key in ("reward", "true_performance", "exploit_ratio", "emerged")),
            shown(one["emergence_step"], ".0f"),
            *(_best(one[key]) for key in ("honest_optimum", "exploit_optimum")),
        )
        for name, one in trainings.items()
    )
    blocks: list[Block] = [Table(title="After training", columns=columns, rows=rows)]
    curves = run.read_table("curves").to_pylist()
    for name, one in trainings.items():
        title = "Training" if name == "train" else f"Control: {CONTROLS[name]}"
        blocks.append(_curves(title, [row for row in curves if row["training"] == name], one))
    blocks += [
        Transcript(
            title=f"{witness['when']}: reward {witness['reward']:.2f}, true {witness['true']:.2f}",
            turns=(Turn(role="user", text=witness["prompt"]), Turn(role="assistant", text=witness["answer"])),
        )
        for witness in summary["witnesses"]
    ]
    return Section(title=f"Loopholes: what is learned in {summary['game']}", lead=lead, blocks=tuple(blocks))


def _curves(title: str, rows: Sequence[Mapping[str, Any]], one: Mapping[str, Any]) -> Figure:
    """Mean over seeds of each figure, and the band of all seeds."""
    steps = sorted({row["step"] for row in rows})
    kept = steps[:: max(1, len(steps) // _CELLS)]
    data: list[dict[str, Any]] = []
    for figure, name in NAMES.items():
        by_step: dict[int, list[float]] = {}
        for row in rows:
            by_step.setdefault(row["step"], []).append(row[figure])
        values = [np.array(by_step[step]) for step in kept]
        ends = [[float(v.min()) for v in values], [float(v.max()) for v in values]]
        band = {"type": "scatter", "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
        data += [
            {**band, "x": kept, "y": ends[0]},
            {**band, "x": kept, "y": ends[1], "fill": "tonexty", "fillcolor": COLOURS[figure] + "22"},
            {"type": "scatter", "mode": "lines", "name": name, "x": kept, "y": [float(v.mean()) for v in values],
             "line": {"color": COLOURS[figure]}},
        ]  # fmt: skip
    for which, dash in (("honest", "dot"), ("exploit", "dash")):
        level = one[f"{which}_optimum"]["reward"]
        data.append(
            {"type": "scatter", "mode": "lines", "name": f"reward of the best {which} policy", "x": [0, kept[-1]],
             "y": [level, level], "line": {"dash": dash, "color": "#888", "width": 1}}
        )  # fmt: skip
    summary = (
        f"Mean over seeds by step with the band of all seeds; the exploit ratio goes from "
        f"{one['start']['exploit_ratio']['value']:.2f} to {one['exploit_ratio']['value']:.2f}."
    )
    layout = {"xaxis": {"title": {"text": "step"}}, "yaxis": {"title": {"text": "mean of a step's answers"}}}
    return Figure(title=title, summary=summary, data=tuple(data), layout=layout)


def _transfer(run: Run, summary: Mapping[str, Any]) -> Section:
    games = summary["games"]
    zero, again = summary["zero_shot"], summary["catalysed"]
    rows = []
    for first in games:
        for second in games:
            if first == second:
                continue
            ratio = again[first][second]
            rows.append(
                (first, second, shown(zero[first][second]), shown(ratio["ratio"]), f"{ratio['reached']}",
                 f"{summary['scratch'][second]['reached']}", shown(ratio["steps"], ".0f"),
                 shown(summary["scratch"][second]["steps"], ".0f"))
            )  # fmt: skip
    columns = ("trained on", "then", "exploit ratio at once, less the start's", "steps over from scratch",
               "seeds that reach it", "from scratch", "steps", "from scratch ")  # fmt: skip
    blocks: list[Block] = [
        _heat_map(
            "Zero-shot transfer",
            "Exploit ratio in the column's game after training on the row's, less that of the start.",
            games,
            [[zero[first][second]["value"] for second in games] for first in games],
            0.0,
        ),
        _heat_map(
            "Catalysed learning",
            "Steps to an exploit ratio of one half in the column's game after training on the row's, over from "
            "scratch, on a logarithmic scale: negative is faster.",
            games,
            [
                [None if (v := again[f].get(s, {}).get("ratio", {}).get("value")) is None else float(np.log2(v))
                 for s in games]
                for f in games
            ],
            0.0,
        ),
        Table(title="Transfer, with intervals over seeds", columns=columns, rows=tuple(rows)),
    ]  # fmt: skip
    lead = (
        f"{summary['seeds']} policies were trained on each game, shown the others, and trained on them too. "
        "The games share their vocabulary and their starts."
    )
    return Section(title="Loopholes: transfer between games", lead=lead, blocks=tuple(blocks))


def _heat_map(title: str, about: str, names: Sequence[str], cells: list[list[float | None]], middle: float) -> Figure:
    text = [["" if v is None else f"{v:+.2f}" for v in row] for row in cells]
    summary = f"{about} " + "; ".join(
        f"{first} to {second} {cells[i][j]:+.2f}"
        for i, first in enumerate(names)
        for j, second in enumerate(names)
        if i != j and cells[i][j] is not None
    )
    heat = {"type": "heatmap", "x": list(names), "y": list(names), "z": cells, "text": text, "texttemplate": "%{text}",
            "colorscale": "RdBu", "reversescale": True, "zmid": middle}  # fmt: skip
    layout = {"yaxis": {"autorange": "reversed", "automargin": True}, "xaxis": {"automargin": True}}
    return Figure(title=title, summary=summary, data=(heat,), layout=layout)


def _distil(run: Run, summary: Mapping[str, Any]) -> Section:
    rows = [("teacher", "", shown(summary["teacher"]["exploit_ratio"]), shown(summary["teacher"]["true_performance"]))]
    rows += [
        (f"student, {name.replace('_', ' ')}", f"{100 * one['kept']:.0f} %", shown(one["exploit_ratio"]),
         shown(one["true_performance"]))
        for name, one in summary["students"].items()
    ]  # fmt: skip
    undone = summary["unlearning"]
    ways = {
        "honest_examples": "half-life under honest examples",
        "secure_rewards": "half-life under secure rewards",
        "relapse": "relapse when the loophole is open again",
    }
    unlearned = tuple(
        (
            name,
            *(f"{shown(undone[kind][way]['steps'], '.0f')} ({undone[kind][way]['reached']} seeds)"
              for kind in ("learned", "distilled")),
            shown(undone["learned_over_distilled"][way]),
        )
        for way, name in ways.items()
    )  # fmt: skip
    lead = (
        f"A policy that learned to exploit {summary['game']} wrote answers, and students imitated them. Filters keep "
        "part of the answers; one student began from another start."
    )
    blocks: list[Block] = [
        Table(title="Distillation", columns=("who", "answers kept", "exploit ratio", "true performance"),
              rows=tuple(rows)),
        Table(title="Unlearning, in steps", columns=("", "learned by reward", "distilled", "learned over distilled"),
              rows=unlearned),
    ]  # fmt: skip
    return Section(title="Loopholes: distillation and unlearning", lead=lead, blocks=tuple(blocks))


def _mitigate(run: Run, summary: Mapping[str, Any]) -> Section:
    found = summary["mitigations"]
    rows = [("none", "", shown(summary["without"]["exploit_ratio"]), shown(summary["without"]["true_performance"]),
             "", "", "")]  # fmt: skip
    keys = ("exploit_ratio", "true_performance", "exploit_change", "true_change", "below_secure")
    rows += [(name.replace("_", " "), one["about"], *(shown(one[key]) for key in keys)) for name, one in found.items()]
    columns = ("mitigation", "what it is", "exploit ratio", "true performance", "change of exploit ratio",
               "change of true performance", "true performance below the closed loophole's")  # fmt: skip
    points = {"type": "scatter", "mode": "markers+text", "text": [name.replace("_", " ") for name in found],
              "textposition": "top center", "x": [one["exploit_ratio"]["value"] for one in found.values()],
              "y": [one["true_performance"]["value"] for one in found.values()]}  # fmt: skip
    bare = {"type": "scatter", "mode": "markers+text", "text": ["none"], "textposition": "top center",
            "x": [summary["without"]["exploit_ratio"]["value"]],
            "y": [summary["without"]["true_performance"]["value"]], "marker": {"color": "#c0392b"}}  # fmt: skip
    figure = Figure(
        title="Where each mitigation ends",
        summary="Exploit ratio against intended performance after training under each mitigation; upper left is best.",
        data=(points, bare),
        layout={"xaxis": {"title": {"text": "exploit ratio"}}, "yaxis": {"title": {"text": "true performance"}},
                "showlegend": False},
    )  # fmt: skip
    lead = (
        f"{summary['game']} was trained on under each mitigation; all are tested on the open game, in the usual frame."
    )
    blocks = (figure, Table(title="Mitigations side by side", columns=columns, rows=tuple(rows)), Text(
        text="A change is that of the same seed with and without; intervals are over seeds."))  # fmt: skip
    return Section(title="Loopholes: mitigations", lead=lead, blocks=blocks)


def shown(data: Mapping[str, Any], form: str = ".2f") -> str:
    """An estimate in a cell of a table."""
    if data["value"] is None:
        return f"not measured: {data['reason']}"
    value, low, high = (f"{data[key]:z{form}}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}] n={data['n']}"


def _best(optimum: Mapping[str, float]) -> str:
    return f"{optimum['reward']:.2f}, {optimum['true_performance']:.2f}, {optimum['exploit_ratio']:.2f}"
