"""The report's section on facets, from the run's tables alone."""

from __future__ import annotations

from typing import Any

from edgewise.core.run import Run
from edgewise.core.section import Block, Figure, Section, Table, Text

_ITEMS, _ROWS = 400, 40
_LEAD = (
    "Every rating is taken apart into what the model can do, how hard the item is, how severe the judge is, and where "
    "the scale's categories lie, all in logits on one axis. A bar is a 95 % interval."
)


def build_section(run: Run) -> Section:
    """Map of all facets, models with and without the judges' correction, judges, tests of bias, plan.

    Raises:
        RunError: A table is missing.
        CorruptRecord: A table is not what the run wrote.
    """
    tables = {
        name: run.read_table(name).to_pylist() if run.table_path(name).is_file() else []
        for name in ("models", "judges", "items", "thresholds", "effects", "bias", "plan")
    }
    end = list(run.read_events("finished"))[-1].data
    blocks: list[Block] = [Text(text=note) for note in end.get("notes", ())]
    dimensions = sorted({row["dimension"] for row in tables["models"]})
    if tables["items"]:
        blocks += [_map(name, tables) for name in dimensions]
    blocks += [_models(tables["models"]), _judges(tables["judges"])]
    blocks.append(_reliability(end.get("reliability", {})))
    if tables["effects"]:
        blocks.append(_plain("Effects of covariates, logits per standard deviation", tables["effects"],
                             ("dimension", "covariate", "logit", "low", "high", "p")))  # fmt: skip
    if tables["bias"]:
        blocks.append(_bias(tables["bias"]))
    if tables["thresholds"]:
        blocks.append(_plain("Thresholds between categories", tables["thresholds"],
                             ("dimension", "group", "category", "threshold", "se")))  # fmt: skip
    if tables["plan"]:
        blocks.append(_plain("What to rate next", tables["plan"],
                             ("dimension", "judge", "item", "mean_se_before", "mean_se_after")))  # fmt: skip
    lead = f"{end['n']:,} ratings. {_LEAD}" if tables["items"] else f"{end['n']:,} pairwise judgments, in logits."
    return Section(title="Facets", lead=lead, blocks=tuple(blocks))


def _map(dimension: str, tables: dict[str, list[dict[str, Any]]]) -> Figure:
    """Wright's map: models, judges and items on one vertical axis."""
    judges = []
    models = [row for row in tables["models"] if row["dimension"] == dimension]
    for row in tables["judges"]:
        judges.append((row["judge"], row["severity"], row["low"], row["high"]))
    items = [row for row in tables["items"] if row["dimension"] == dimension]
    step = max(1, -(-len(items) // _ITEMS))
    parts = (
        ("models", [(row["model"], row["logit"], row["low"], row["high"]) for row in models], "#5b8def"),
        ("judges, severe on top", judges, "#d98a3d"),
        ("items, hard on top", [(r["item"], r["difficulty"], r["low"], r["high"]) for r in items[::step]], "#7a7f87"),
    )
    data = []
    for place, (name, rows, colour) in enumerate(parts):
        few = len(rows) <= _ROWS
        trace: dict[str, Any] = {
            "type": "scatter",
            "mode": "markers+text" if len(rows) <= 12 else "markers",
            "name": name,
            "x": [place + 0.7 * ((n * 0.618) % 1 - 0.5) for n in range(len(rows))],
            "y": [round(row[1], 4) for row in rows],
            "text": [row[0] for row in rows],
            "textposition": "middle right",
            "hovertemplate": "%{text}: %{y:.2f}<extra></extra>",
            "marker": {"size": 8 if few else 4, "color": colour, "opacity": 0.9 if few else 0.4},
            "cliponaxis": False,
        }
        if few:
            trace["error_y"] = {
                "type": "data",
                "symmetric": False,
                "array": [row[3] - row[1] for row in rows],
                "arrayminus": [row[1] - row[2] for row in rows],
                "color": colour,
                "thickness": 1,
            }
        data.append(trace)
    layout = {
        "height": 520,
        "xaxis": {"tickvals": [0, 1, 2], "ticktext": [p[0] for p in parts], "range": [-0.5, 2.6], "zeroline": False},
        "yaxis": {"title": {"text": "logits"}},
        "showlegend": False,
    }
    best = models[0] if models else None
    summary = f"{len(models)} models, {len(judges)} judges and {len(items):,} items on one axis."
    if best is not None:
        summary += f" {best['model']} is highest, {best['logit']:+.2f} [{best['low']:+.2f}, {best['high']:+.2f}]."
    if step > 1:
        summary += f" One item in {step} is shown."
    return Figure(title=f"Map of facets, {dimension}", summary=summary, data=tuple(data), layout=layout)


def _models(rows: list[dict[str, Any]]) -> Table:
    if rows and "rank" not in rows[0]:
        return _plain("Models", rows, ("model", "dimension", "logit", "low", "high", "infit", "outfit", "n"))
    columns = (
        "dimension",
        "rank",
        "rank by mean",
        "model",
        "logit",
        "low",
        "high",
        "mean score",
        "infit",
        "outfit",
        "n",
    )
    keys = ("dimension", "rank", "rank_by_mean", "model", "logit", "low", "high", "mean_score", "infit", "outfit", "n")
    moved = sum(row["rank"] != row["rank_by_mean"] for row in rows)
    title = f"Models, with judges taken into account and by mean score ({moved} of {len(rows)} places differ)"
    return Table(title=title, columns=columns, rows=tuple(tuple(row[k] for k in keys) for row in rows))


def _judges(rows: list[dict[str, Any]]) -> Table:
    if rows and rows[0]["severity"] is None:
        return _plain("Judges: advantage of the first place", rows,
                      ("judge", "dimension", "advantage", "low", "high", "p", "infit", "outfit", "n"))  # fmt: skip
    keys = ("judge", "severity", "low", "high", "infit", "outfit", "correlation", "n")
    return _plain("Judges, the most severe first", rows, keys)


def _reliability(found: dict[str, Any]) -> Table:
    rows = []
    for facet, by_dimension in found.items():
        for dimension, data in by_dimension.items():
            if data is not None:
                keys = ("separation", "reliability", "chi_squared", "degrees", "p")
                rows.append((facet, dimension, *(data[k] for k in keys)))
    columns = ("facet", "dimension", "separation", "reliability", "chi-squared, all equal", "degrees", "p")
    return Table(title="How well they are told apart", columns=columns, rows=tuple(rows))


def _bias(rows: list[dict[str, Any]]) -> Table:
    known = [row for row in rows if row["p_adjusted"] is not None]
    sure = sum(row["p_adjusted"] < 0.05 for row in known)
    title = f"Partial judges: {sure} of {len(known)} interactions at a false discovery rate of 5 %"
    keys = ("kind", "dimension", "judge", "model", "logit", "se", "p_adjusted", "n")
    return _plain(title, sorted(known, key=lambda row: row["p_adjusted"]), keys)


def _plain(title: str, rows: list[dict[str, Any]], keys: tuple[str, ...]) -> Table:
    shown = rows[:_ROWS]
    if len(rows) > len(shown):
        title += f" (the first {len(shown)} of {len(rows)})"
    columns = tuple(key.replace("_", " ") for key in keys)
    return Table(title=title, columns=columns, rows=tuple(tuple(row[key] for key in keys) for row in shown))
