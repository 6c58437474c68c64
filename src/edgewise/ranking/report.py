"""The report's section on a ranking, from the run's tables alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewise.core.run import Run
from edgewise.core.section import Block, Figure, Section, Table, Text

_MODELS, _CURVES, _POINTS, _SUSPICIOUS, _PAIRS = 60, 6, 4000, 30, 15
_LEAD = (
    "Models and items were ranked together, so that solving what defeats able models counts for more. A bar is a 95 % "
    "interval; where two overlap, the order of the two may be chance."
)
_FLAGS = {
    "negative_discrimination": "better models do worse",
    "suspected_key": "the key may be wrong",
    "misfit": "surprising answers",
    "all_right": "solved by all",
    "all_wrong": "solved by none",
    "unanswered": "never answered",
}


def build_section(run: Run) -> Section:
    """Rank plot, item map, model curves, agreement of methods, suspicious items.

    Raises:
        RunError: A table is missing.
        CorruptRecord: A table is not what the run wrote.
    """
    models = run.read_table("models").to_pylist()
    items = run.read_table("items").to_pylist()
    method = str(run.manifest.config.get("method", ""))
    blocks: list[Block] = [Text(text=note) for note in _notes(run)]
    blocks += [
        _rank_plot(models),
        _models_table(models),
        _item_map(items),
        _curves(run.read_table("curves").to_pylist(), models),
    ]
    if run.table_path("methods").is_file():
        blocks.append(_agreement(run))
    blocks += [_flag_counts(items), _suspicious(items)]
    if pairs := run.read_table("pairs").to_pylist():
        blocks.append(_pairs(pairs))
    lead = f"{len(models)} models, {len(items):,} items, method {method}. {_LEAD}"
    return Section(title="Ranking", lead=lead, blocks=tuple(blocks))


def _notes(run: Run) -> list[str]:
    ends = [event.data for event in run.read_events("finished")]
    return list(ends[-1].get("notes", ())) if ends else []


def _rank_plot(models: list[dict[str, Any]]) -> Figure:
    shown = [row for row in models[:_MODELS] if row["score"] is not None][::-1]
    data: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "x": [row["score"] for row in shown],
        "y": [row["model"] for row in shown],
        "marker": {"size": 9},
        "hovertemplate": "%{y}: %{x:.4g}<extra></extra>",
    }
    if shown and shown[0]["low"] is not None:
        data["error_x"] = {
            "type": "data",
            "symmetric": False,
            "array": [row["high"] - row["score"] for row in shown],
            "arrayminus": [row["score"] - row["low"] for row in shown],
        }
    layout = {
        "height": 110 + 22 * len(shown),
        "yaxis": {"automargin": True, "type": "category"},
        "xaxis": {"title": {"text": "score"}},
        "showlegend": False,
    }
    best = shown[-1] if shown else None
    summary = "No model has a score."
    if best is not None:
        sure = best["rank_high"] == 1
        summary = f"{best['model']} is first" + (
            ", whatever items of this kind are drawn."
            if sure
            else f"; its rank is between {best['rank_low']} and {best['rank_high']}."
            if best["rank_high"]
            else "."
        )
    if len(models) > len(shown):
        summary += f" The first {len(shown)} of {len(models)} models are shown."
    return Figure(title="Models by score", summary=summary, data=(data,), layout=layout)


def _models_table(models: list[dict[str, Any]]) -> Table:
    rows = []
    for row in models:
        ranks = f"{row['rank_low']} to {row['rank_high']}" if row["rank_low"] is not None else None
        rows.append(
            (row["rank"], ranks, row["model"], row["score"], row["low"], row["high"], row["accuracy"], row["n_items"])
        )
    columns = ("rank", "rank, 95 %", "model", "score", "low", "high", "accuracy", "items")
    return Table(title="Models", columns=columns, rows=tuple(rows))


def _item_map(items: list[dict[str, Any]]) -> Figure:
    placed = [row for row in items if row["difficulty"] is not None and row["discrimination"] is not None]
    flagged = [row for row in placed if row["flags"]]
    plain = [row for row in placed if not row["flags"]]
    step = max(1, -(-len(plain) // _POINTS))
    data = []
    for name, rows, colour in (("no flag", plain[::step], "#5b8def"), ("flagged", flagged[:_POINTS], "#d9534f")):
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [round(row["difficulty"], 6) for row in rows],
                "y": [round(row["discrimination"], 4) for row in rows],
                "text": [row["item_id"] for row in rows],
                "hovertemplate": "%{text}<br>difficulty %{x:.3g}, discrimination %{y:.2f}<extra></extra>",
                "marker": {"size": 5, "opacity": 0.5, "color": colour},
            }
        )
    layout = {
        "height": 420,
        "xaxis": {"title": {"text": "difficulty"}},
        "yaxis": {"title": {"text": "discrimination"}, "zeroline": True},
        "legend": {"orientation": "h"},
    }
    below = sum(row["discrimination"] < 0 for row in placed)
    summary = (
        f"Each point is an item: {len(placed):,} of {len(items):,} tell models apart; on {below:,} of them better "
        "models do no better, by chance or because something is wrong with the item."
    )
    if step > 1:
        summary += f" Of those without a flag, one in {step} is shown."
    return Figure(title="Items by difficulty and discrimination", summary=summary, data=tuple(data), layout=layout)


def _curves(curves: list[dict[str, Any]], models: list[dict[str, Any]]) -> Figure:
    names = [row["model"] for row in models if row["score"] is not None]
    picked = [names[i] for i in sorted({round(x) for x in np.linspace(0, len(names) - 1, min(_CURVES, len(names)))})]
    data = []
    for name in picked:
        rows = sorted((row for row in curves if row["model"] == name), key=lambda row: row["band"])
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": [10 * row["band"] + 5 for row in rows],
                "y": [round(row["mean"], 4) for row in rows],
                "text": [f"n={row['n']}" for row in rows],
                "hovertemplate": "%{y:.2f} (%{text})<extra>%{fullData.name}</extra>",
            }
        )
    layout = {
        "height": 420,
        "xaxis": {"title": {"text": "difficulty of the items, percentile"}, "range": [0, 100]},
        "yaxis": {"title": {"text": "mean score"}, "range": [0, 1.03]},
        "legend": {"orientation": "h", "y": -0.25},
    }
    summary = f"Mean score by tenth of difficulty, for {len(picked)} of {len(names)} models from the first to the last."
    return Figure(title="Models against difficulty", summary=summary, data=tuple(data), layout=layout)


def _agreement(run: Run) -> Table:
    from edgewise.ranking.ranker import known, tau

    table = run.read_table("methods")
    names = [name for name in table.column_names if name != "model"]
    scores = {name: np.array([np.nan if x is None else x for x in table[name].to_pylist()]) for name in names}
    rows = []
    for a in names:
        rows.append((a, *(None if a == b else known(round(tau(scores[a], scores[b]), 3)) for b in names)))
    return Table(
        title="How far the methods agree on the order of models (Kendall's tau-b)",
        columns=("", *names),
        rows=tuple(rows),
    )


def _pairs(pairs: list[dict[str, Any]]) -> Table:
    rows = tuple((row["item"], row["other"], row["correlation"], row["p_value"]) for row in pairs[:_PAIRS])
    title = "Items that depend on each other: the same models surprise on both, as on copies or parts of one question"
    return Table(title=title, columns=("item", "other", "correlation of residuals", "p, adjusted"), rows=rows)


def _flag_counts(items: list[dict[str, Any]]) -> Table:
    rows = []
    for flag, words in _FLAGS.items():
        count = sum(flag in row["flags"] for row in items)
        rows.append((flag.replace("_", " "), words, count, count / len(items)))
    return Table(title="Flags on items", columns=("flag", "what it means", "items", "share"), rows=tuple(rows))


def _suspicious(items: list[dict[str, Any]]) -> Table:
    """Those that are flagged for more than being dead first, then those on which better models do worst."""
    alive = [row for row in items if row["discrimination"] is not None]
    weight = {"suspected_key": 2, "negative_discrimination": 1}
    alive.sort(
        key=lambda row: (
            -max((weight.get(f, 0) for f in row["flags"]), default=0),
            row["discrimination"],
            row["item_id"],
        )
    )
    rows = []
    for row in alive[:_SUSPICIOUS]:
        if row["discrimination"] >= 0:
            break
        flags = ", ".join(flag.replace("_", " ") for flag in row["flags"])
        rows.append((row["item_id"], row["difficulty"], row["error_rate"], row["discrimination"], row["outfit"], flags))
    columns = ("item", "difficulty", "error rate", "discrimination", "outfit", "flags")
    return Table(title="Items to look at first: better models do worse on them", columns=columns, rows=tuple(rows))
