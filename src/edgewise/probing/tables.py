"""A probe's tables: every question that was asked, and every mode. What later commands read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgewise.core.errors import CorruptRecord
from edgewise.core.run import Run
from edgewise.probing.features import meets
from edgewise.probing.search.runner import Step, Trail
from edgewise.probing.types import Case, Mode, Outcome

if TYPE_CHECKING:
    import pyarrow as pa


def write_tables(run: Run, trail: Trail, modes: Sequence[Mode]) -> None:
    """Write ``nodes`` (a row for each question, in order) and ``modes``."""
    run.write_table("nodes", nodes_table(trail, modes))
    run.write_table("modes", modes_table(modes))


def nodes_table(trail: Trail, modes: Sequence[Mode]) -> pa.Table:
    """Questions with their outcomes; ``modes`` are those whose trigger a question meets."""
    import pyarrow as pa

    text, whole, texts = pa.string(), pa.int64(), pa.list_(pa.string())
    schema = pa.schema(
        [
            ("number", whole), ("phase", text), ("parent", whole), ("about", text), ("case_id", text),
            ("question", text), ("answer", text), ("options", texts), ("group", text), ("knobs", text),
            ("truth", text), ("evidence", text), ("made_from", text), ("edit", text), ("metadata", text),
            ("verdict", text), ("given", text), ("response", text), ("error", text), ("trials", whole),
            ("failed", whole), ("calls", whole), ("grader", text), ("stable", pa.bool_()), ("modes", texts),
        ]
    )  # fmt: skip
    rows: list[dict[str, Any]] = []
    for step in trail.steps:
        case, outcome = step.case, step.outcome
        rows.append(
            {
                "number": step.number,
                "phase": step.phase,
                "parent": step.parent,
                "about": step.about,
                **case.model_dump(exclude={"knobs", "parent"}),
                "knobs": json.dumps(case.knobs, sort_keys=True),
                "made_from": case.parent,
                **outcome.model_dump(exclude={"answer"}),
                "given": outcome.answer,
                "stable": outcome.stable,
                "modes": [mode.mode_id for mode in modes if meets(case, mode.trigger)],
            }
        )
    return pa.Table.from_pylist(rows, schema=schema)


def modes_table(modes: Sequence[Mode]) -> pa.Table:
    """Modes; rates as value, low, high and n."""
    import pyarrow as pa

    text, texts = pa.string(), pa.list_(pa.string())
    fields = [
        ("mode_id", text), ("name", text), ("description", text), ("status", text), ("trigger", texts),
        ("counter", texts), ("members", texts), ("central", texts), ("boundary", pa.list_(texts)), ("truths", text),
        ("p_value", pa.float64()), ("q_value", pa.float64()),
    ]  # fmt: skip
    for name in ("share", "rate", "other_rate"):
        fields.append((name, pa.struct([(k, pa.float64()) for k in ("value", "low", "high")] + [("n", pa.int64())])))
    rows = []
    for mode in modes:
        row = mode.model_dump(mode="json")
        row["truths"] = json.dumps(mode.truths, sort_keys=True)
        for name in ("share", "rate", "other_rate"):
            row[name] = short(row[name])
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


def short(estimate: dict[str, Any] | None) -> dict[str, Any] | None:
    """What an interval says, without how it was made."""
    return None if estimate is None else {key: estimate[key] for key in ("value", "low", "high", "n")}


def read_trail(run: Run) -> Trail:
    """The questions of a run, as they were asked.

    Raises:
        RunError: The table is missing.
        CorruptRecord: It is not what the run wrote.
    """
    trail = Trail()
    for row in run.read_table("nodes").to_pylist():
        try:
            case = Case(
                **{name: row[name] for name in Case.model_fields if name in row and name not in ("knobs", "parent")},
                knobs=json.loads(row["knobs"]),
                parent=row["made_from"],
            )
            kept = {name: row[name] for name in Outcome.model_fields if name in row and name != "answer"}
            outcome = Outcome(**kept, answer=row["given"])
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptRecord(f"a row is no question: {error}", where=str(run.table_path("nodes"))) from None
        trail.steps.append(Step(row["number"], row["phase"], row["parent"], case, outcome, row["about"]))
    trail.simulations = sum(s.phase in ("macro", "micro") and s.outcome.verdict != "invalid" for s in trail.steps)
    return trail


def read_modes(run: Run) -> list[Mode]:
    """The modes of a run.

    Raises:
        RunError: The table is missing.
        CorruptRecord: It is not what the run wrote.
    """
    from edgewise.core.estimate import Estimate

    modes = []
    for row in run.read_table("modes").to_pylist():
        try:
            for name in ("share", "rate", "other_rate"):
                row[name] = row[name] and Estimate(**row[name], method="Wilson")
            modes.append(Mode(**row | {"truths": json.loads(row["truths"])}))
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptRecord(f"a row is no mode: {error}", where=str(run.table_path("modes"))) from None
    return modes
