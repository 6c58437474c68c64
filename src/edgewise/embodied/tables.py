"""Episodes as tables: one row an episode, an action, an event, a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

Episodes = Mapping[str, Sequence[dict[str, Any]]]  # by arm, as ``play.pack`` makes them
_KEY = ("arm", "task", "seed")


def episodes_table(episodes: Episodes) -> pa.Table:
    """One row an episode."""
    columns = ("success", "reached", "steps", "reason", "frames", "seconds")
    rows = [(arm, e["task"], e["seed"], *(e[c] for c in columns), len(e["actions"])) for arm, e in _all(episodes)]
    types = ("bool_", "int32", "int32", "string", "int32", "float64", "int32")
    return _table((*_KEY, *columns, "actions"), ("string", "string", "int64", *types), rows)


def actions_table(episodes: Episodes) -> pa.Table:
    """One row an action: what was wanted, what it came to, and why."""
    names = ("action", "name", "target", "reference", "second", "position", "why", "outcome", "reason")
    types = ("int32", "string", "int32", "int32", "int32", "list", "string", "string", "string")
    rows = [
        (arm, e["task"], e["seed"], a["index"], a["name"], a["target"], a["reference"], a["second"], a["position"],
         a["why"], outcome, reason)
        for arm, e in _all(episodes)
        for a, outcome, reason in e["actions"]
    ]  # fmt: skip
    return _table((*_KEY, *names), ("string", "string", "int64", *types), rows)


def events_table(episodes: Episodes) -> pa.Table:
    """One row an event of a memory's log."""
    names = ("sequence", "time", "kind", "object", "other", "start", "end", "source", "action", "cause", "confidence",
             "text")  # fmt: skip
    types = ("int32", "float64", "string", "int32", "int32", "list", "list", "string", "int32", "int32", "float64",
             "string")  # fmt: skip
    rows = [
        (arm, e["task"], e["seed"], *(event[name] for name in names))
        for arm, e in _all(episodes)
        for event in e["events"]
    ]
    return _table((*_KEY, *names), ("string", "string", "int64", *types), rows)


def scores_table(episodes: Episodes) -> pa.Table:
    """One row a figure of an episode's memory; see ``scoring`` for what they count."""
    rows = [
        (arm, e["task"], e["seed"], name, value) for arm, e in _all(episodes) for name, value in e["scores"].items()
    ]
    return _table((*_KEY, "name", "value"), ("string", "string", "int64", "string", "float64"), rows)


def _all(episodes: Episodes) -> list[tuple[str, dict[str, Any]]]:
    return [(arm, episode) for arm, played in episodes.items() for episode in played]


def _table(names: Sequence[str], types: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    import pyarrow as pa

    columns = {}
    for k, (name, kind) in enumerate(zip(names, types, strict=True)):
        of = pa.list_(pa.float64()) if kind == "list" else getattr(pa, kind)()
        columns[name] = pa.array([row[k] for row in rows], of)
    return pa.table(columns)
