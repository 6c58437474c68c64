"""A logged training run looked at again, as a run of its own with a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from edgewise.core.estimate import Measure
from edgewise.core.records import Record
from edgewise.core.run import Run
from edgewise.loopholes.monitor.logged import BASELINE, Watch, read_rows, replay
from edgewise.loopholes.monitor.monitor import Check, MonitorConfig
from edgewise.loopholes.types import FIGURES
from edgewise.stats.intervals import proportion

KIND = "loopholes-monitor"


class WatchConfig(Record):
    """Which log is looked at, and how.

    Attributes:
        source: Run folder or table.
        monitor: Settings of the test.
        baseline: Units that make a baseline where none is marked.
    """

    SCHEMA: ClassVar[str] = "loopholes-monitor/1"
    source: str
    monitor: MonitorConfig = MonitorConfig()
    baseline: int = Field(default=BASELINE, ge=16)


def look(config: WatchConfig, folder: Path | None = None) -> dict[str, Any]:
    """Whether and when the monitor would have given an alarm.

    Args:
        config: What and how.
        folder: For a run with what was found, as an event ``summary``; none is made unless given.

    Returns:
        What ``--json`` prints: for each seed its baseline, its alarm (step, since when, evidence in nats, which parts
        explain it) or null, and its checks.

    Raises:
        BadInput: The log cannot be used; names file, row and field.
        RunError: The folder is no run, or logged nothing that can be watched.
    """
    watches = replay(read_rows(config.source), config.monitor, baseline=config.baseline)
    with_alarm = sum(watch.monitor.alarm is not None for watch in watches)
    summary: dict[str, Any] = {
        "source": config.source,
        "alpha": config.monitor.alpha,
        "margin": config.monitor.margin,
        "threshold": watches[0].monitor.threshold,
        "alarms": _plain(proportion(with_alarm, len(watches))),
        "runs": [_run(watch) for watch in watches],
    }
    if folder is not None:
        with Run.create(folder, KIND, config.model_dump(mode="json"), seed=0) as run:
            summary |= {"run": str(run.path), "status": "complete"}
            run.events.append("summary", summary)
            run.finish("complete")
    return summary


def _run(watch: Watch) -> dict[str, Any]:
    alarm = watch.monitor.alarm
    return {
        "seed": watch.seed,
        "baseline": {"last_step": watch.baseline[0], "units": watch.baseline[1]},
        "alarm": None if alarm is None else alarm.model_dump(mode="json"),
        "checks": [_check(check) for check in watch.monitor.checks],
    }


def _check(check: Check) -> dict[str, Any]:
    figures = (*FIGURES, "proxy_gain", "trusted_gain")
    return {
        "step": check.step, "n": check.n, "faults": check.faults, "evidence": check.evidence, "alarm": check.alarm,
        **{name: _plain(getattr(check, name)) for name in figures},
        "parts": {name: _plain(measure) for name, measure in check.parts.items()},
    }  # fmt: skip


def _plain(measure: Measure) -> dict[str, Any]:
    return {name: getattr(measure, name) for name in ("value", "low", "high", "n")}
