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
                             ("dimension", "of", "category", "threshold", "se")))  # fmt: skip
    if tables["plan"]:
        blocks.append(_plain("What to rate next", tables["plan"],
                             ("dimension", "judge", "item", "mean_se_before", "mean_se_after")))  # fmt: skip
    lead = f"{end['n']:,} ratings. {_LEAD}" if tables["items"] else f"{end['n']:,} pairwise judgments, in logits."
    return Section(title="Facets", lead=lead, blocks=tuple(blocks))


def _map(dimension: str, tables: dict[str, list[dict[str, Any]]]) -> Figure:
    """Wright's map, lying: models, judges and items on one horizontal axis."""
    models = [row for row in tables["models"] if row["dimension"] == dimension]
    items = [row for row in tables["items"] if row["dimension"] == dimension]
    step = max(1, -(-len(items) // _ITEMS))
    shown = items[::step]
    bars = [("models", row["model"], row["logit"], row, "#5b8def") for row in models[:_ROWS]]
    bars += [("judges", row["judge"], row["severity"], row, "#d98a3d") for row in tables["judges"][:_ROWS]]
    data: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "items",
            "x": [round(row["difficulty"], 4) for row in shown],
            "y": [round(1.2 * ((n * 0.618) % 1 - 0.5), 3) for n in range(len(shown))],
            "text": [row["item"] for row in shown],
            "hovertemplate": "%{text}: %{x:.2f}<extra></extra>",
            "marker": {"size": 4, "color": "#7a7f87", "opacity": 0.4},
        }
    ]
    places = {id(bar): len(bars) - n for n, bar in enumerate(bars)}
    for facet in ("models", "judges"):
        own = [bar for bar in bars if bar[0] == facet]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": {"models": "models, able to the right", "judges": "judges, severe to the right"}[facet],
                "x": [round(value, 4) for _, _, value, _, _ in own],
                "y": [places[id(bar)] for bar in own],
                "text": [name for _, name, *_ in own],
                "hovertemplate": "%{text}: %{x:.2f}<extra></extra>",
                "marker": {"size": 9, "color": own[0][4]} if own else {},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [row["high"] - value for _, _, value, row, _ in own],
                    "arrayminus": [value - row["low"] for _, _, value, row, _ in own],
                    "thickness": 1.5,
                },
            }
        )
    # What is extreme lies somewhere far out; it must not press the rest together.
    ends = [x for _, _, _, row, _ in bars if not row["extreme"] for x in (row["low"], row["high"])]
    ends += [row["difficulty"] for row in shown]
    margin = 0.05 * (max(ends) - min(ends)) + 0.1
    layout = {
        "height": 170 + 22 * len(bars),
        "yaxis": {
            "tickvals": [0, *(places[id(bar)] for bar in bars)],
            "ticktext": ["items", *(bar[1] for bar in bars)],
            "automargin": True,
            "zeroline": False,
        },
        "xaxis": {"title": {"text": "logits"}, "range": [min(ends) - margin, max(ends) + margin]},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    }
    best = models[0]
    summary = (
        f"{len(models)} models, {len(tables['judges'])} judges and {len(items):,} items on one axis. {best['model']} "
        f"is highest, {best['logit']:+.2f} [{best['low']:+.2f}, {best['high']:+.2f}]."
    )
    if step > 1:
        summary += f" One item in {step} is shown."
    if any(row["extreme"] for _, _, _, row, _ in bars):
        summary += " Extreme ones may lie outside; the table has them."
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
