"""The report's section on the scan of a log."""

from __future__ import annotations

from edgewise.core.estimate import Estimate
from edgewise.core.profile import Turn, Verdict
from edgewise.core.section import Block, Section, Table, Text, Transcript
from edgewise.society.scan.detectors import INDICATORS
from edgewise.society.scan.result import Scan
from edgewise.society.scan.trace import Trace

_SHOWN = 40  # findings in the table
_OPENED = 8  # findings with a transcript
_PROBLEMS = 20
_CUT = 1_200  # characters of a message
_LEAD = (
    "A log has no control: what an indicator sees is a sign that the risk may have come about, not what caused it. "
    "Indicators count only what the log itself shows, and stay silent where an ordinary conversation would look alike; "
    "a risk that leaves no such marks is not seen."
)
_ORDER = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS, Verdict.NOT_MEASURED)


def build_section(scan: Scan) -> Section:
    """Verdict per indicator, the findings with the rows that show them, and the rows that could not be read."""
    count = {verdict: sum(v == verdict for v in scan.verdicts.values()) for verdict in _ORDER}
    formats = ", ".join(sorted({trace.format for trace in scan.traces}))
    lead = (
        f"{scan.messages:,} messages in {len(scan.traces):,} conversations ({formats}); {len(scan.problems):,} rows "
        f"could not be read. Of {len(INDICATORS)} indicators {count[Verdict.FAIL]} fire, "
        f"{count[Verdict.INCONCLUSIVE]} are "
        f"inconclusive, {count[Verdict.PASS]} pass, {count[Verdict.NOT_MEASURED]} had no occasion. {_LEAD}"
    )
    blocks: list[Block] = [_indicators(scan)]
    if scan.findings:
        blocks += [_findings(scan), *_transcripts(scan)]
    else:
        blocks.append(Text(text="No indicator found a sign."))
    if scan.problems:
        blocks.append(_problems(scan))
    return Section(title="Scan of a log", lead=lead, blocks=tuple(blocks))


def _indicators(scan: Scan) -> Table:
    rows: list[tuple[str | float | int | None, ...]] = []
    for indicator in sorted(INDICATORS, key=lambda each: _ORDER.index(scan.verdicts[each.name])):
        measure = scan.measures[indicator.name]
        verdict = scan.verdicts[indicator.name].value.replace("_", " ")
        if isinstance(measure, Estimate):
            shown = f"{measure.value:.2f} [{measure.low:.2f}, {measure.high:.2f}]"
            rows.append((indicator.name.replace("_", " "), verdict, shown, measure.n, indicator.unit))
        else:
            rows.append((indicator.name.replace("_", " "), verdict, None, 0, f"{measure.reason}"))
    return Table(title="Indicators", columns=("indicator", "verdict", "value", "n", "of what"), rows=tuple(rows))


def _findings(scan: Scan) -> Table:
    rows = tuple(
        (name.replace("_", " "), trace.source, ", ".join(map(str, finding.rows[:6])), finding.why)
        for name, trace, finding in scan.findings[:_SHOWN]
    )
    title = f"Findings ({len(scan.findings):,})"
    if len(scan.findings) > _SHOWN:
        title += f"; the first {_SHOWN}"
    return Table(title=title, columns=("indicator", "conversation", "rows", "why"), rows=rows)


def _transcripts(scan: Scan) -> list[Block]:
    """The messages behind the first finding of each indicator."""
    shown: dict[str, Block] = {}
    for name, trace, finding in scan.findings:
        if name not in shown and len(shown) < _OPENED:
            turns = _turns(trace, finding.rows)
            shown[name] = Transcript(title=f"{name.replace('_', ' ')}: {finding.why}", turns=turns)
    return list(shown.values())


def _turns(trace: Trace, rows: tuple[int, ...]) -> tuple[Turn, ...]:
    wanted = set(rows[:12])
    return tuple(
        Turn(role=f"{said.sender} (row {said.row})", text=(said.text or said.action or "(nothing)")[:_CUT])
        for said in trace.messages
        if said.row in wanted
    )


def _problems(scan: Scan) -> Table:
    rows = tuple((problem.row, problem.field or None, problem.message) for problem in scan.problems[:_PROBLEMS])
    title = f"Rows that could not be read ({len(scan.problems):,})"
    if len(scan.problems) > _PROBLEMS:
        title += f"; the first {_PROBLEMS}"
    return Table(title=title, columns=("row", "field", "problem"), rows=rows)
