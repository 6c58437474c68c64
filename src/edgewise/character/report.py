"""The character panel's tables, and its section of the report, made from them alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgewise.character.battery import Battery
from edgewise.character.types import Answer, JudgedAnswer, Preferred, Shift
from edgewise.core.estimate import Estimate
from edgewise.core.profile import Panel
from edgewise.core.records import Record
from edgewise.core.run import Run
from edgewise.core.section import Block, Figure, Section, Table, Text

# A rate, and the control that it is read beside.
_BESIDE = (
    ("anti_sycophancy/leaves_standing", "anti_sycophancy/contradicts_the_right"),
    ("anti_sycophancy/flatters_the_author", "anti_sycophancy/flatters_a_stranger"),
    ("anti_sycophancy/shift", "anti_sycophancy/shift_when_right"),
    ("trustworthiness/refuses_harmless", "trustworthiness/answers_unsafe"),
    ("empathy/acknowledgement", "empathy/unasked_pity"),
    ("creativity/novelty", "creativity/on_topic"),
)


def write_tables(
    run: Run,
    battery: Battery,
    answers: Sequence[Answer],
    shifts: Sequence[Shift] | None,
    preferred: Sequence[Preferred] | None,
    judged: Sequence[JudgedAnswer] | None,
) -> None:
    """Write ``character_answers``, and ``character_shifts``, ``_preferences`` and ``_ratings`` that have rows."""
    import pyarrow as pa

    rows = [
        answer.model_dump(mode="json") | {"id": item.id, "prompt": item.prompt}
        for answer in answers
        for item in [battery.items[answer.item]]
    ]
    run.write_table("character_answers", pa.Table.from_pylist(rows))
    others: dict[str, Sequence[Record] | None] = {
        "character_shifts": shifts,
        "character_preferences": preferred,
        "character_ratings": judged,
    }
    for name, records in others.items():
        if records:
            run.write_table(name, pa.Table.from_pylist([record.model_dump(mode="json") for record in records]))


def build_section(panel: Panel, run: Run) -> Section:
    """Rates beside their controls, shifts under pushback, and what judges said.

    Raises:
        RunError: A table is missing.
    """
    if not panel.measured:
        return Section(title="Character", lead="", blocks=tuple(Text(text=caveat) for caveat in panel.caveats))
    blocks: list[Block] = []
    rows = [(left, _shown(panel, left), right, _shown(panel, right)) for left, right in _BESIDE]
    blocks.append(Table(title="Beside its control", columns=("dimension", "", "control", " "), rows=tuple(rows)))
    if isinstance(panel.dimensions.get("anti_sycophancy/shift"), Estimate):
        blocks.append(_shifts(run.read_table("character_shifts").to_pylist()))
    if isinstance(panel.dimensions.get("preference/empathy"), Estimate):
        blocks.append(_preferences(run.read_table("character_preferences").to_pylist()))
    if any(name.startswith("judged/") for name in panel.measured):
        blocks.append(_judges(run.read_table("character_ratings").to_pylist()))
    lead = "Four persona dimensions, by what the model says to held-out scenarios and by what it finds likely."
    return Section(title="Character", lead=lead, blocks=tuple(blocks))


def _shown(panel: Panel, name: str) -> str:
    found = panel.dimensions[name]
    if not isinstance(found, Estimate):
        return f"not measured: {found.reason}"
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}], n={found.n}"


def _shifts(rows: list[dict[str, Any]]) -> Figure:
    data = []
    for right, name in ((False, "the user is wrong"), (True, "the user is right")):
        own = [row for row in rows if row["user_right"] is right]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [round(row["before"], 3) for row in own],
                "y": [round(row["after"], 3) for row in own],
                "text": [row["content"] for row in own],
            }
        )
    ends = [value for row in rows for value in (row["before"], row["after"])]
    span = [min(ends), max(ends)]
    data.append({"type": "scatter", "mode": "lines", "name": "unmoved", "x": span, "y": span})
    means = [
        sum(row["after"] - row["before"] for row in rows if row["user_right"] is right)
        / max(1, sum(row["user_right"] is right for row in rows))
        for right in (False, True)
    ]
    return Figure(
        title="Log-odds of yes before and after pushback, nats",
        summary=f"Pushback moves yes by {means[0]:+.2f} nats where the user is wrong, {means[1]:+.2f} where right.",
        data=tuple(data),
        layout={"height": 380, "xaxis": {"title": {"text": "before"}}, "yaxis": {"title": {"text": "after"}}},
    )


def _preferences(rows: list[dict[str, Any]]) -> Table:
    found = []
    for name in sorted({row["dimension"] for row in rows}):
        own = [row["chosen"] - row["rejected"] for row in rows if row["dimension"] == name]
        found.append((name, round(sum(own) / len(own), 3), sum(gap > 0 for gap in own), len(own)))
    columns = ("dimension", "mean margin, nats a token", "better answer is likelier", "pairs")
    return Table(title="Pairs that differ in one dimension", columns=columns, rows=tuple(found))


def _judges(rows: list[dict[str, Any]]) -> Table:
    found = []
    for judge, dimension in sorted({(row["judge"], row["dimension"]) for row in rows}):
        means: list[str] = []
        for source in ("low", "model", "high"):
            own = [
                row["score"] for row in rows
                if (row["judge"], row["dimension"], row["source"]) == (judge, dimension, source)
                and row["score"] is not None
            ]  # fmt: skip
            means.append(f"{sum(own) / len(own):.2f} (n={len(own)})" if own else "–")
        found.append((judge, dimension, *means))
    columns = ("judge", "dimension", "lowest setting", "model", "highest setting")
    return Table(title="Mean ratings, before severity is taken out", columns=columns, rows=tuple(found))
