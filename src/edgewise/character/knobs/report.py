"""The report's section on a data set, from the run's folder alone."""

from __future__ import annotations

from typing import Any

from edgewise.character.knobs.dataset import load_records
from edgewise.character.knobs.types import KnobRecord
from edgewise.core.profile import Turn
from edgewise.core.run import Run
from edgewise.core.section import Block, Section, Table, Text, Transcript


def build_section(run: Run) -> Section:
    """Counts, the length check, and one record of each family with all its answers.

    Raises:
        RunError: The run has not ended.
        BadInput: The records are missing or damaged.
    """
    found = list(run.read_events("summary"))[-1].data
    records = load_records(run.path)
    blocks: list[Block] = [Text(text=note) for note in found["notes"]]
    blocks.append(_pairs(found))
    blocks.append(_families(found))
    shown: dict[str, KnobRecord] = {}
    for record in records:
        shown.setdefault(record.family, record)
    blocks += [_example(record) for record in shown.values()]
    lead = (
        f"{found['records']:,} scenarios. Pairs are there only where one answer is at least as good in every dimension "
        "and better in one; answers that are each better in something are kept as incomparable and never trained on. "
        f"{found['redrawn']:,} scenarios were drawn again since an answer did not show its setting."
    )
    return Section(title="PersonaKnob", lead=lead, blocks=tuple(blocks))


def _pairs(found: dict[str, Any]) -> Table:
    rows = []
    for split, data in found["splits"].items():
        for name, count in data["pairs"].items():
            pairs = found["train_pairs"].get("" if name == "chain" else name, 0) if split == "train" else count
            auc = data["length_auc"].get(name)
            shown = None if auc is None else f"{auc['value']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}]"
            rows.append((split, name, pairs, shown, None if auc is None else auc["n"]))
    columns = ("split", "dimension", "pairs", "chosen is longer (.5: length says nothing)", "records")
    return Table(title="Pairs", columns=columns, rows=tuple(rows))


def _families(found: dict[str, Any]) -> Table:
    splits = found["splits"]
    names = sorted({name for data in splits.values() for name in data["families"]})
    rows = tuple(
        (name, found["about"][name], *(data["families"].get(name, 0) for data in splits.values())) for name in names
    )
    return Table(title="Scenarios by family", columns=("family", "what it is", *splits), rows=rows)


def _example(record: KnobRecord) -> Transcript:
    turns = [Turn(role=message["role"], text=message["content"]) for message in record.messages]
    for response in record.responses:
        setting = ", ".join(f"{name} {level}" for name, level in response.k.items())
        turns.append(Turn(role=f"assistant ({setting})", text=response.text))
    tension = "; ".join(" against ".join(pair) for pair in record.tension)
    return Transcript(title=record.family + (f" (tension: {tension})" if tension else ""), turns=tuple(turns))
