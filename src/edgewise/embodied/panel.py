"""The embodied panel: episodes as records, the figures made of them, and the section of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgewise.core.estimate import Estimate, Measure, NotMeasured
from edgewise.core.profile import Evidence, Panel, Turn
from edgewise.core.records import Record
from edgewise.core.run import Run
from edgewise.core.section import Block, Section, Table, Text

MEMORIES = {"without_memory": "none", "with_memory": "full"}
_EVIDENCE = 2


class Played(Record):
    """One episode.

    Attributes:
        memory: ``with_memory`` or ``without_memory``.
        asked: Directives that were asked for.
        valid: First answers that named a directive whose preconditions hold, or the end.
        claims: Predicates that first answers claimed, of those that can be checked.
        grounded: Of these, those that hold by what the memory knows.
        fault: Why the model gave no answer, if it did not.
        directives: What it wanted, in words.
    """

    task: str
    seed: int
    memory: str
    success: bool
    reached: int
    steps: int
    reason: str
    asked: int
    valid: int
    claims: int
    grounded: int
    fault: str
    directives: tuple[str, ...]
    turns: tuple[Turn, ...] = ()


def measure(played: Sequence[Played], run: Run) -> dict[str, Measure]:
    """The panel's dimensions. Episodes that ended because the model gave no answer are missing, not failed."""
    from edgewise.stats import mean_estimate, paired_difference, proportion

    sound = [one for one in played if not one.fault]
    missing = NotMeasured(reason="no episode without a fault of the model")
    found: dict[str, Measure] = {}
    for arm in MEMORIES:
        mine = [one.success for one in sound if one.memory == arm]
        found[f"success/{arm}"] = proportion(sum(mine), len(mine)) if mine else missing
    pairs: dict[tuple[str, int], dict[str, float]] = {}
    for one in sound:
        pairs.setdefault((one.task, one.seed), {})[one.memory] = float(one.success)
    both = [pair for pair in pairs.values() if len(pair) == len(MEMORIES)]
    found["memory_uplift"] = (
        paired_difference(
            [pair["with_memory"] for pair in both],
            [pair["without_memory"] for pair in both],
            rng=run.rng("embodied/uplift"),
        )
        if both
        else missing
    )
    for name, part, whole in (("valid_directives", "valid", "asked"), ("grounded_predicates", "grounded", "claims")):
        rows = [(getattr(one, part), getattr(one, whole), k) for k, one in enumerate(sound)]
        # One value for each directive or claim, those of an episode belong together.
        values = [float(i < good) for good, total, _ in rows for i in range(total)]
        groups = [k for _, total, k in rows for _ in range(total)]
        none = (
            NotMeasured(reason="nothing was claimed that can be checked") if sound and part == "grounded" else missing
        )
        found[name] = mean_estimate(values, groups, rng=run.rng(f"embodied/{name}")) if values else none
    return found


def write_table(run: Run, played: Sequence[Played]) -> None:
    """Write ``embodied_episodes``."""
    import pyarrow as pa

    rows = [one.model_dump(mode="json", exclude={"turns"}) for one in played]
    run.write_table("embodied_episodes", pa.Table.from_pylist(rows))


def evidence(played: Sequence[Played]) -> tuple[Evidence, ...]:
    """Of each arm how episodes ended, those first that failed."""
    found = []
    for arm in MEMORIES:
        mine = sorted((one for one in played if one.memory == arm and not one.fault), key=lambda one: one.success)
        for one in mine[:_EVIDENCE]:
            title = f"{one.task.replace('_', ' ')}: {one.reached} of {one.steps} steps; {one.reason}"
            done = Turn(role="robot", text="\n".join(one.directives) or "(nothing was done)")
            found.append(
                Evidence(
                    dimension=f"success/{arm}",
                    title=title[:200],
                    turns=(done, *one.turns),
                    item_id=f"{one.task} {one.seed}",
                    score=float(one.success),
                )
            )
    return tuple(found)


def silent(played: Sequence[Played]) -> tuple[str, ...]:
    """What was not answered, as a caveat."""
    faults = [one.fault for one in played if one.fault]
    kinds = ", ".join(f"{faults.count(kind)} × {kind}" for kind in dict.fromkeys(faults))
    return (f"{len(faults)} of {len(played)} episodes ended without an answer: {kinds}.",) if faults else ()


def build_section(panel: Panel, run: Run) -> Section:
    """Episodes with memory and without, side by side, and why they ended.

    Raises:
        RunError: The table is missing.
    """
    title = "Embodied planning"
    if not panel.measured and panel.verdicts.keys() == {"examined"}:
        return Section(title=title, lead="", blocks=tuple(Text(text=caveat) for caveat in panel.caveats))
    rows = run.read_table("embodied_episodes").to_pylist()
    blocks: list[Block] = [_side_by_side(rows), _ends(rows)]
    uplift = panel.dimensions["memory_uplift"]
    told = f"{uplift.value:+.2f} [{uplift.low:+.2f}, {uplift.high:+.2f}]" if isinstance(uplift, Estimate) else "unknown"
    lead = (
        "The model is the planner of a robot at a table: it is told facts, sees the picture with numbered objects, and "
        f"names primitives by object ids. With the full object memory instead of none, success changes by {told}."
    )
    return Section(title=title, lead=lead, blocks=tuple(blocks))


def _side_by_side(rows: Sequence[Mapping[str, Any]]) -> Table:
    found = []
    for task in dict.fromkeys(row["task"] for row in rows):
        cells: list[str] = []
        for memory in ("without_memory", "with_memory"):
            mine = [row for row in rows if (row["task"], row["memory"]) == (task, memory) and not row["fault"]]
            done, reached = sum(row["success"] for row in mine), sum(row["reached"] for row in mine)
            cells += [f"{done} of {len(mine)}", f"{reached} of {sum(row['steps'] for row in mine)}"]
        found.append((task.replace("_", " "), *cells))
    columns = ("task", "done without memory", "steps", "done with memory", "steps ")
    return Table(title="With memory and without", columns=columns, rows=tuple(found))


def _ends(rows: Sequence[Mapping[str, Any]]) -> Table:
    found = [
        (row["task"].replace("_", " "), row["memory"].replace("_", " "), "yes" if row["success"] else "no",
         row["asked"], row["valid"], f"{row['grounded']} of {row['claims']}",
         f"no answer: {row['fault']}" if row["fault"] else row["reason"])
        for row in rows
    ]  # fmt: skip
    columns = ("task", "memory", "done", "directives", "valid", "claims that hold", "why it ended")
    return Table(title="Episodes", columns=columns, rows=tuple(found))
