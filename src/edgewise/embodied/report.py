"""The section of a run of embodied tasks, made from its summary and tables alone."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from edgewise.core.errors import RunError
from edgewise.core.run import Run
from edgewise.core.section import Block, Figure, Section, Table, Text

_MOST = 12  # rows of a table of reasons
_FIGURES = {
    "permanence": "Hidden objects that were located, over frames",
    "unknown": "Hidden objects of which it was said that they cannot be told from another",
    "error": "Distance of hidden objects from where they were believed to be, metres",
    "precision": "Events told that happened",
    "recall": "Events that happened and could be seen that were told",
    "cause": "Events put down to the right source",
    "switches": "Identities exchanged without a word, an episode",
}


def build_section(run: Run) -> Section:
    """Success by task, why episodes failed, and the memory against the truth; with several arms, the arms side by side.

    Raises:
        RunError: The run has not come far enough, or a table is missing.
    """
    summaries = [event.data for event in run.read_events("summary")]
    if not summaries:
        raise RunError("the run has no result yet", where=str(run.path), fix=f"edgewise resume {run.path}")
    summary, rows = summaries[-1], run.read_table("episodes").to_pylist()
    if "arms" in summary:
        return _ladder(run, summary, rows)
    return _suite(run, summary, rows)


def _suite(run: Run, summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Section:
    lead = (
        f"{len(rows)} episodes, planner {summary['planner']} with memory {summary['memory']}, "
        f"{_conditions(summary)}. Success {shown(summary['mean'])}: every step was reached in order and the end held "
        "one second after the gripper had let go, by the simulator's truth."
    )
    names = list(summary["tasks"])
    by_task = [
        (
            _words(name),
            shown(summary["tasks"][name]["success"]),
            _reached([row for row in rows if row["task"] == name]),
            *(shown(summary["tasks"][name]["memory"][figure]) for figure in ("permanence", "precision", "recall")),
        )
        for name in names
    ]
    columns = ("task", "success", "steps reached", "hidden located", "event precision", "event recall")
    blocks: list[Block] = [
        Table(title="By task", columns=columns, rows=tuple(by_task)),
        _success_figure({"success": [summary["tasks"][name]["success"] for name in names]}, [_words(n) for n in names]),
        *_failures(run, rows),
        *_memory(summary["scores"]),
    ]
    return Section(title="Embodied tasks", lead=lead, blocks=tuple(blocks))


def _ladder(run: Run, summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Section:
    arms = summary["arms"]
    first = next(iter(arms))
    tasks = list(next(iter(arms.values()))["tasks"])
    lead = (
        f"{len(rows)} episodes: {len(arms)} arms on the same {len(tasks)} tasks and seeds, each told at most "
        f"{summary['budget']} tokens of facts, {_conditions(summary)}. A difference is {called(first, arms)} less "
        "the other arm, on the same episodes."
    )
    table = []
    for name, arm in arms.items():
        difference = summary["differences"].get(name)
        told = "" if difference is None else f"{shown(difference)}, p={difference.get('p', 1):.2g}"
        figures = (shown(arm["scores"][figure]) for figure in ("permanence", "precision", "recall"))
        table.append((called(name, arms), shown(arm["mean"]), told, *figures))
    columns = ("arm", "success", "difference, exact McNemar test", "hidden located", "event precision", "event recall")
    cells = [
        (_words(task), *(shown(arm["tasks"][task]["success"]) if task in arm["tasks"] else "" for arm in arms.values()))
        for task in tasks
    ]
    labels = [called(name, arms) for name in arms]
    blocks: list[Block] = [
        Table(title="Arms side by side", columns=columns, rows=tuple(table)),
        _success_figure({"all tasks": [arm["mean"] for arm in arms.values()]}, labels),
        Table(title="Success by task", columns=("task", *labels), rows=tuple(cells)),
        *_failures(run, rows),
        Text(text=f"The memory of {called(first, arms)} against the truth:"),
        *_memory(arms[first]["scores"]),
    ]
    return Section(title="Embodied tasks: arms compared", lead=lead, blocks=tuple(blocks))


def _conditions(summary: Mapping[str, Any]) -> str:
    noise = summary["noise"]
    noisy = {0.0: "without noise", 1.0: "at default noise"}.get(noise, f"at {noise:g} times the default noise")
    seen = {"masks": "the simulator's masks"}.get(summary["perception"], f"{summary['perception']} perception")
    return f"{seen} {noisy}"


def called(arm: str, arms: Mapping[str, Any]) -> str:
    """An arm's name without what all arms share."""
    planners = {name.rpartition("+")[0] for name in arms}
    memories = {name.rpartition("+")[2] for name in arms}
    planner, _, memory = arm.rpartition("+")
    if len(planners) == 1:
        return _words(memory)
    return _words(planner) if len(memories) == 1 else f"{_words(planner)}, {_words(memory)}"


def _success_figure(series: Mapping[str, Sequence[Mapping[str, Any]]], names: Sequence[str]) -> Figure:
    data = []
    for title, measures in series.items():
        known = [(name, m) for name, m in zip(names, measures, strict=True) if m["value"] is not None]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": title,
                "x": [round(m["value"], 3) for _, m in known],
                "y": [name for name, _ in known],
                "marker": {"size": 10},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [round(m["high"] - m["value"], 3) for _, m in known],
                    "arrayminus": [round(m["value"] - m["low"], 3) for _, m in known],
                },
            }
        )
    told = "; ".join(f"{name} {shown(m)}" for name, m in zip(names, next(iter(series.values())), strict=True))
    layout = {
        "height": max(340, 120 + 28 * len(names)),
        "xaxis": {"range": [-0.02, 1.02], "title": {"text": "success"}},
        "yaxis": {"autorange": "reversed"},
        "showlegend": False,
    }
    return Figure(title="Success, with 95 % intervals", summary=f"{told}.", data=tuple(data), layout=layout)


def _failures(run: Run, rows: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Why episodes ended without success, and which actions did not come off."""
    failed = [row for row in rows if not row["success"]]
    names = {row["arm"]: row["arm"] for row in rows}
    arms = len(names) > 1
    blocks: list[Block] = []
    if failed:
        kinds = Counter((row["arm"], row["task"], general(row["reason"])) for row in failed)
        found = []
        for (arm, task, reason), count in kinds.most_common(_MOST):
            same = (row for row in failed if (row["arm"], row["task"], general(row["reason"])) == (arm, task, reason))
            one = next(same)
            where = f"step {one['reached'] + 1} of {one['steps']}" if one["reached"] < one["steps"] else "the end"
            found.append((*([called(arm, names)] if arms else []), _words(task), count, reason, where, one["seed"]))
        columns = (*(["arm"] if arms else []), "task", "episodes", "the agent stopped because", "stuck at", "e.g. seed")
        blocks.append(
            Table(title=f"Why {len(failed)} of {len(rows)} episodes failed", columns=columns, rows=tuple(found))
        )
        one = failed[0]
        words = ["edgewise", "embodied", "watch", str(run.path), "--task", one["task"], "--seed", str(one["seed"])]
        blocks.append(Text(text="To see one: " + shlex.join([*words, *(["--arm", one["arm"]] if arms else [])])))
    actions = run.read_table("actions").to_pylist()
    if actions:
        blocks.append(_actions(actions))
    return blocks


def _actions(actions: Sequence[Mapping[str, Any]]) -> Table:
    rows = []
    for name, total in Counter(action["name"] for action in actions).most_common():
        mine = [action for action in actions if action["name"] == name]
        outcomes = Counter(action["outcome"] for action in mine)
        reasons = Counter(general(action["reason"]) for action in mine if action["outcome"] not in ("ok", "partial"))
        why = reasons.most_common(1)[0][0] if reasons else ""
        rows.append((name, total, *(outcomes.get(kind, 0) for kind in ("ok", "partial", "failed", "refused")), why))
    columns = ("primitive", "tried", "ok", "partial", "failed", "refused", "mostly because")
    return Table(title="Primitives", columns=columns, rows=tuple(rows))


def _memory(figures: Mapping[str, Mapping[str, Any]]) -> list[Block]:
    """The memory scored against the truth, as a whole and by kind of event."""
    whole = [(about, shown(figures[name], ".3f")) for name, about in _FIGURES.items() if name in figures]
    kinds = [name.partition("/")[2] for name in figures if name.startswith("precision/")]
    by_kind = [
        (kind, *(shown(figures[f"{share}/{kind}"]) for share in ("precision", "recall")))
        for kind in kinds
        if f"recall/{kind}" in figures
    ]
    tables = (
        Table(title="The memory against the truth", columns=("figure", "value"), rows=tuple(whole)),
        Table(title="Events by kind", columns=("kind", "precision", "recall"), rows=tuple(by_kind)),
    )
    return [table for table in tables if table.rows]


def _reached(rows: Sequence[Mapping[str, Any]]) -> str:
    """Share of steps that were reached, as a mean over episodes."""
    shares = [row["reached"] / row["steps"] for row in rows if row["steps"]]
    return f"{sum(shares) / len(shares):.2f}" if shares else ""


def general(reason: str) -> str:
    """A reason without ids, places and measures, so that alike reasons are counted together."""
    if reason == "done":
        return "it held the task for done"
    plain = re.sub(r"\([-\d., ]+\)|\[?\b\d+(\.\d+)?\b\]?( cm)?", "…", reason)
    return re.sub(r"…( …)+", "…", plain)


def _words(name: str) -> str:
    return name.replace("_", " ")


def shown(data: Mapping[str, Any], form: str = ".2f") -> str:
    """An estimate in a cell of a table."""
    if data["value"] is None:
        return f"not measured: {data['reason']}"
    value, low, high = (f"{data[key]:z{form}}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}] n={data['n']}"
