"""What a report shows, read from a run's folder; no layout here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgewise.character.facets.report import build_section as facets_section
from edgewise.character.knobs.report import build_section as knobs_section
from edgewise.core.errors import EdgewiseError
from edgewise.core.estimate import Estimate, Measure
from edgewise.core.instrument import load_instrument
from edgewise.core.profile import Evidence, Panel, Profile
from edgewise.core.run import Manifest, Run
from edgewise.core.section import Section, Text
from edgewise.embodied.report import build_section as embodied_section
from edgewise.loopholes.audit.report import build_section as loopholes_audit_section
from edgewise.loopholes.monitor.report import build_section as loopholes_monitor_section
from edgewise.loopholes.study.report import build_section as loopholes_section
from edgewise.loopholes.trl.report import build_section as loopholes_trl_section
from edgewise.probing.report import build_section as probing_section
from edgewise.ranking.report import build_section as ranking_section
from edgewise.report.commands import reproduce
from edgewise.society.report import build_section as society_section
from edgewise.society.report import matrix_section
from edgewise.society.scanning import scan_section
from edgewise.training.report import build_front_section
from edgewise.training.report import build_section as align_section

# Kinds of runs that have no profile, and what their one section is made by.
SECTIONS: dict[str, Callable[[Run], Section]] = {
    "align": align_section,
    "embodied": embodied_section,
    "facets": facets_section,
    "knobs": knobs_section,
    "front": build_front_section,
    "loopholes": loopholes_section,
    "loopholes-audit": loopholes_audit_section,
    "loopholes-monitor": loopholes_monitor_section,
    "loopholes-trl": loopholes_trl_section,
    "probe": probing_section,
    "rank": ranking_section,
    "society": society_section,
    "society-matrix": matrix_section,
    "society-scan": scan_section,
}
_PER_DIMENSION = 3  # transcripts shown behind one dimension


@dataclass(frozen=True)
class Row:
    """One dimension of a panel, placed on its group's scale.

    Attributes:
        name: Full name.
        label: Name without its group.
        measure: The estimate, or why there is none.
        lower_is_better: Which way is good.
        low: Left end of the interval, in per cent of the scale; so are ``value`` and ``high``.
        evidence: Transcripts behind it.
    """

    name: str
    label: str
    measure: Measure
    lower_is_better: bool
    low: float
    value: float
    high: float
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class Group:
    """Dimensions with a common prefix, on one scale."""

    name: str
    scale: tuple[float, float]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class PanelView:
    """One instrument's panel with its section."""

    name: str
    panel: Panel
    groups: tuple[Group, ...]
    section: Section


@dataclass(frozen=True)
class ReportView:
    """Everything a report shows.

    Attributes:
        outcome: Facts of the run's last end: usage, faults, notes, seconds; empty while it runs.
    """

    manifest: Manifest
    profile: Profile
    status: str
    panels: tuple[PanelView, ...]
    outcome: dict[str, Any]
    command: str


def build_view(run: Run) -> ReportView:
    """Read a run's folder.

    Raises:
        RunError: It has no profile yet.
        CorruptRecord: What it holds is damaged.
    """
    profile = run.read_profile()
    ends = [event.data for event in run.read_events("finished")]
    return ReportView(
        manifest=run.manifest,
        profile=profile,
        status=run.status(),
        panels=tuple(_panel_view(name, panel, run) for name, panel in profile.panels.items()),
        outcome=ends[-1] if ends else {},
        command=reproduce(run.manifest),
    )


def _panel_view(name: str, panel: Panel, run: Run) -> PanelView:
    try:
        section = load_instrument(name).section(panel, run)
    except EdgewiseError as error:
        section = Section(title=name.title(), lead="", blocks=(Text(text=f"Details cannot be shown: {error}"),))
    except Exception as error:  # a defect in one room must not cost the reader the report
        note = f"Details cannot be shown ({type(error).__name__}: {error}); the figures above stand."
        section = Section(title=name.title(), lead="", blocks=(Text(text=note),))
    return PanelView(name, panel, group_rows(panel), section)


def group_rows(panel: Panel) -> tuple[Group, ...]:
    """Dimensions by prefix, in the panel's order; each group's scale holds 0, 1 and all its intervals."""
    members: dict[str, list[str]] = {}
    for name in panel.dimensions:
        members.setdefault(name.rpartition("/")[0], []).append(name)
    evidence: dict[str, list[Evidence]] = {}
    for item in panel.evidence:
        evidence.setdefault(item.dimension, []).append(item)
    groups = []
    for group, names in members.items():
        known = [m for name in names if isinstance(m := panel.dimensions[name], Estimate)]
        low = min([0.0, *(m.low for m in known)])
        high = max([1.0, *(m.high for m in known)])
        rows = []
        for name in names:
            measure = panel.dimensions[name]
            places = (0.0, 0.0, 0.0)
            if isinstance(measure, Estimate):
                places = tuple(
                    round(100 * (x - low) / (high - low), 2) for x in (measure.low, measure.value, measure.high)
                )  # type: ignore[assignment]
            shown = tuple(evidence.get(name, ())[:_PER_DIMENSION])
            label = name.rpartition("/")[2].replace("_", " ")
            rows.append(Row(name, label, measure, name in panel.lower_is_better, *places, evidence=shown))
        groups.append(Group(group.replace("_", " "), (low, high), tuple(rows)))
    return tuple(groups)
