"""The report as one HTML file that needs nothing else: no network, no other file, no server."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Any

import orjson
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from edgewise.core.estimate import Estimate
from edgewise.core.files import write_atomically
from edgewise.core.profile import Comparison, Profile
from edgewise.core.run import Run
from edgewise.core.section import Figure
from edgewise.report.commands import reproduce
from edgewise.report.text import shown, visible
from edgewise.report.view import SECTIONS, ReportView, build_view

VERDICTS = {
    "pass": ("✓", "holds"),
    "fail": ("✗", "does not hold"),
    "inconclusive": ("?", "inconclusive"),
    "not_measured": ("–", "not measured"),
}
OUTCOMES = {
    "better": ("✓", "better"),
    "worse": ("✗", "worse"),
    "unclear": ("?", "unclear"),
    "not_measured": ("–", "not measured"),
}


def write_report(run: Run) -> Path:
    """Write ``report.html`` into the run's folder; the same run gives the same bytes.

    Raises:
        RunError: The run has no profile yet, or the file cannot be written.
    """
    path = run.path / "report.html"
    write_atomically(path, render_run(run).encode())
    return path


def render_run(run: Run) -> str:
    """The page of any run: a check-up's profile, or the one section of a run that made no profile.

    Raises:
        RunError: The run has not come far enough, or a table is missing.
        CorruptRecord: What it holds is damaged.
    """
    if run.manifest.kind not in SECTIONS:
        return render_report(build_view(run))
    section = SECTIONS[run.manifest.kind](run)
    figures = any(isinstance(block, Figure) for block in section.blocks)
    about: dict[str, Any] = {"manifest": run.manifest, "status": run.status(), "command": reproduce(run.manifest)}
    return _render("section.html.j2", figures=figures, section=section, **about)


def render_report(view: ReportView) -> str:
    """The report's page."""
    figures = [b for p in view.panels for b in p.section.blocks if isinstance(b, Figure)]
    return _render("report.html.j2", figures=bool(figures), view=view)


def render_comparison(comparison: Comparison, first: Profile, second: Profile) -> str:
    """The page that shows two profiles side by side, dimension by dimension."""
    a, b = first.measures(), second.measures()
    rows = [(c, a.get((c.panel, c.dimension)), b.get((c.panel, c.dimension))) for c in comparison.changes]
    return _render("comparison.html.j2", figures=False, comparison=comparison, rows=rows)


def render_episode(data: Mapping[str, Any], pictures: Sequence[str]) -> str:
    """The page on which an episode can be played.

    Args:
        data: As ``edgewise.embodied.watching.timeline.timeline`` makes it.
        pictures: JPEG in base 64, one for each of its moments.
    """
    own = {"script": asset("episode.js"), "style": asset("report.css") + asset("episode.css")}
    return _render("episode.html.j2", figures=False, data=data, pictures=pictures, **own)


def _render(template: str, *, figures: bool, script: str = "", style: str = "", **context: Any) -> str:
    script, style = script or asset("report.js"), style or asset("report.css")
    plotly = _plotly() if figures else None
    # Only these very scripts may run. Inline styles stay allowed because the figures set them; all text is escaped.
    allowed = " ".join(_hash(code) for code in ([script, plotly.code] if plotly else [script]))
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        _environment()
        .get_template(template)
        .render(
            script=Markup(script),  # noqa: S704 - our own file
            style=Markup(style),  # noqa: S704 - our own file
            plotly=plotly.packed if plotly else None,
            policy=policy,
            numbers=count(1),
            **context,
        )
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(asset), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"shown": shown, "visible": visible, "number": _number, "json": _json, "cell": _cell}
    environment.globals |= {"VERDICTS": VERDICTS, "OUTCOMES": OUTCOMES, "table_of": _table_of}
    environment.tests["estimate"] = lambda measure: isinstance(measure, Estimate)
    return environment


def asset(name: str) -> str:
    """A file of the templates folder."""
    return (files("edgewise.report") / "templates" / name).read_text(encoding="utf-8")


class _Plotly:
    def __init__(self, code: str) -> None:
        self.code = code
        # Level and time are fixed, so that the bytes are.
        self.packed = base64.b64encode(gzip.compress(code.encode(), 9, mtime=0)).decode()


@lru_cache(maxsize=1)
def _plotly() -> _Plotly:
    """Plotly's library as the installed package carries it."""
    from plotly.offline import get_plotlyjs

    return _Plotly(get_plotlyjs())


def _hash(code: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


def _number(value: float) -> str:
    """Three decimals, or four digits where a value is large."""
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.4g}"


def _cell(value: str | float | int | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return _number(value)
    return f"{value:,}" if isinstance(value, int) else shown(value)


def _json(value: Any) -> Markup:
    """JSON for a script element: no character in it can end the element or open a comment."""
    text = orjson.dumps(_visible_strings(value)).decode()
    safe = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return Markup(safe.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))  # noqa: S704 - escaped above


def _visible_strings(value: Any) -> Any:
    """Plotly reads a little HTML in its texts; a model's words are not to be read as HTML."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {key: _visible_strings(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_visible_strings(item) for item in value]
    return value


def _table_of(figure: Figure) -> list[tuple[str, list[str], list[list[Any]]]]:
    """A figure's numbers as tables (title, columns, rows), for readers without scripts or eyes."""
    tables = []
    for trace in figure.data:
        name = str(trace.get("name") or trace.get("type", "data"))
        x, y, z = (trace.get(axis) for axis in "xyz")
        if z is not None:
            rows = [[label, *values] for label, values in zip(y or range(len(z)), z, strict=False)]
            tables.append((name, ["", *map(str, x or range(len(z[0]) if z else 0))], rows))
        elif x is not None and y is not None:
            tables.append((name, ["x", "y"], [list(pair) for pair in zip(x, y, strict=False)]))
    return tables
