"""A profile and a comparison in the terminal, at any width, in colour only where there is a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from edgewise.core.estimate import Estimate
from edgewise.core.profile import Comparison, Profile
from edgewise.report.text import visible
from edgewise.report.view import group_rows

if TYPE_CHECKING:
    from rich.console import Console

_MARKS = {"pass": ("✓", "green"), "fail": ("✗", "red"), "inconclusive": ("?", "yellow"), "not_measured": ("–", "dim")}
_OUTCOMES = {"better": ("✓", "green"), "worse": ("✗", "red"), "unclear": ("?", "yellow"), "not_measured": ("–", "dim")}


def print_profile(profile: Profile, *, console: Console) -> None:
    """Every dimension with its interval drawn as a bar, then the verdicts."""
    console.print(Text(visible(profile.model), style="bold"))
    for name, panel in profile.panels.items():
        groups = group_rows(panel)
        widest = max((len(row.label) + 2 * row.lower_is_better for group in groups for row in group.rows), default=0)
        label = min(widest, max(8, console.width // 3))
        bar = max(0, min(30, console.width - label - 32))
        for group in groups:
            console.print()
            console.print(Text(visible(group.name or name), style="bold"))
            for row in group.rows:
                title = visible(row.label)[: label - 2 * row.lower_is_better] + (" ↓" if row.lower_is_better else "")
                line = Text(f"{title:<{label}}  ")
                if isinstance(row.measure, Estimate):
                    if bar >= 8:
                        line.append(_bar(row.low, row.value, row.high, bar) + "  ", style="cyan")
                    line.append(f"{row.measure.value:.2f} ")
                    line.append(f"[{row.measure.low:.2f}, {row.measure.high:.2f}] n={row.measure.n}", style="dim")
                else:
                    line.append(visible(str(row.measure)), style="dim")
                console.print(line)
        console.print()
        for claim, verdict in panel.verdicts.items():
            mark, style = _MARKS[verdict]
            words = f"{visible(claim.replace('_', ' '))}: {verdict.replace('_', ' ')}"
            console.print(Text.assemble((f"{mark} ", style), words))
        for caveat in panel.caveats:
            console.print(Text(f"  {visible(caveat)}", style="dim"))


def _bar(low: float, value: float, high: float, width: int) -> str:
    """``··├──●──┤··``, from places in per cent."""
    left, dot, right = (min(width - 1, round(place / 100 * (width - 1))) for place in (low, value, high))
    cells = ["·"] * width
    for i in range(left, right + 1):
        cells[i] = "─"
    cells[left], cells[right] = "├", "┤"
    cells[dot] = "●"
    return "".join(cells)


def print_comparison(comparison: Comparison, *, console: Console) -> None:
    """Every dimension with the interval of its difference."""
    console.print(Text(f"{visible(comparison.first)}  against  {visible(comparison.second)}", style="bold"))
    for change in comparison.changes:
        mark, style = _OUTCOMES[change.outcome]
        line = Text.assemble((f"{mark} ", style), visible(f"{change.panel}.{change.dimension}"), "  ")
        if change.difference is not None:
            d = change.difference
            line.append(f"{d.value:+.2f} ")
            line.append(f"[{d.low:+.2f}, {d.high:+.2f}] ", style="dim")
        line.append(change.outcome.replace("_", " "), style=style)
        console.print(line)
    counts = ", ".join(f"{comparison.count(o)} {o.replace('_', ' ')}" for o in _OUTCOMES)
    console.print(Text(f"The first is: {counts}. There is no total.", style="dim"))
