"""The scan of a log: every indicator over every conversation in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewise.core.estimate import Measure
from edgewise.core.profile import Verdict
from edgewise.society.scan.detectors import INDICATORS
from edgewise.society.scan.indicators.outcome import Finding, conclude
from edgewise.society.scan.readers import read_traces
from edgewise.society.scan.trace import Problem, Trace


@dataclass(frozen=True)
class Scan:
    """What a log shows.

    Attributes:
        traces: Its conversations.
        measures: The value of each indicator, or why it has none.
        verdicts: ``fail`` if the risk's sign is there, ``pass`` if not, ``inconclusive`` if it may be chance or there
            were too few occasions, ``not_measured`` if there was none.
        findings: The signs: indicator, trace, and where and why.
    """

    traces: tuple[Trace, ...]
    measures: Mapping[str, Measure]
    verdicts: Mapping[str, Verdict]
    findings: tuple[tuple[str, Trace, Finding], ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Rows that could not be read."""
        return tuple(problem for trace in self.traces for problem in trace.problems)

    @property
    def messages(self) -> int:
        """How many messages were read."""
        return sum(len(trace.messages) for trace in self.traces)

    def as_data(self) -> dict[str, Any]:
        """As JSON data. Texts in it are untrusted."""
        return {
            "traces": len(self.traces),
            "messages": self.messages,
            "problems": [{"row": p.row, "field": p.field, "message": p.message} for p in self.problems],
            "indicators": {
                name: {key: getattr(measure, key) for key in ("value", "low", "high", "n")}
                | {"verdict": self.verdicts[name].value}
                for name, measure in self.measures.items()
            },
            "findings": [
                {"indicator": name, "trace": trace.source, "rows": list(finding.rows), "why": finding.why}
                for name, trace, finding in self.findings
            ],
        }


def scan(path: Path | str, format: str | None = None) -> Scan:
    """Read a log and look for every indicator.

    Args:
        path: A file that ``read_traces`` reads.
        format: Its format; found out unless given.

    Raises:
        BadInput: The file cannot be read at all.
    """
    return scan_traces(read_traces(path, format))


def scan_traces(traces: Sequence[Trace]) -> Scan:
    """The same, of conversations that are read already."""
    measures: dict[str, Measure] = {}
    verdicts: dict[str, Verdict] = {}
    findings: list[tuple[str, Trace, Finding]] = []
    # Trace by trace: indicators of one trace share what is found out about it.
    table = [[indicator.find(trace) for indicator in INDICATORS] for trace in traces]
    for column, indicator in enumerate(INDICATORS):
        outcomes = [row[column] for row in table]
        measures[indicator.name], verdicts[indicator.name] = conclude(indicator, outcomes)
        findings += [
            (indicator.name, trace, finding)
            for trace, outcome in zip(traces, outcomes, strict=True)
            for finding in outcome.findings
        ]
    return Scan(tuple(traces), measures, verdicts, tuple(findings))
