"""Episodes as plain data and as tables, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgewise.core.estimate import Measure, NotMeasured
from edgewise.society.types import Episode, Trial, Turn

if TYPE_CHECKING:
    import pyarrow as pa

# In the order of ``Turn``'s fields; what has its usual value is left out from the right.
_FIELDS = ("step", "round", "seat", "action", "reward", "message", "status", "attempts", "weights", "flags")
_USUAL: tuple[Any, ...] = (None, None, None, None, None, "", "ok", 1, None, ())


def pack_trial(trial: Trial) -> dict[str, Any]:
    """A trial as JSON data."""
    return {
        condition: {
            "scenario": e.scenario,
            "seed": e.seed,
            "kinds": list(e.kinds),
            "payoffs": list(e.payoffs),
            "facts": e.facts,
            "stray": e.stray,
            "turns": [_pack_turn(turn) for turn in e.turns],
        }
        for condition, e in trial.items()
    }


def unpack_trial(data: Mapping[str, Any]) -> dict[str, Episode]:
    """What ``pack_trial`` made."""
    return {
        condition: Episode(
            scenario=e["scenario"],
            seed=e["seed"],
            condition=condition,
            kinds=tuple(e["kinds"]),
            turns=[_unpack_turn(values) for values in e["turns"]],
            payoffs=tuple(e["payoffs"]),
            facts=e["facts"],
            stray=e["stray"],
        )
        for condition, e in data.items()
    }


def _pack_turn(turn: Turn) -> list[Any]:
    values = [getattr(turn, name) for name in _FIELDS]
    while len(values) > 5 and values[-1] == _USUAL[len(values) - 1]:
        values.pop()
    return values


def _unpack_turn(values: Sequence[Any]) -> Turn:
    whole = [*values, *_USUAL[len(values) :]]
    for place in (3, 8, 9):  # action, weights, flags: lists in JSON
        whole[place] = None if whole[place] is None else tuple(whole[place])
    return Turn(*whole)


def turns_table(populations: Mapping[str, Sequence[Trial]]) -> pa.Table:
    """One row a turn."""
    import pyarrow as pa

    rows = [
        (population, e.seed, condition, e.kinds[t.seat] if e.kinds else "", t)
        for population, trials in populations.items()
        for trial in trials
        for condition, e in trial.items()
        for t in e.turns
    ]
    turns = [row[4] for row in rows]
    return pa.table(
        {
            "population": pa.array([row[0] for row in rows], pa.string()),
            "seed": pa.array([row[1] for row in rows], pa.int64()),
            "condition": pa.array([row[2] for row in rows], pa.string()),
            "agent": pa.array([row[3] for row in rows], pa.string()),
            "step": pa.array([t.step for t in turns], pa.int32()),
            "round": pa.array([t.round for t in turns], pa.int32()),
            "seat": pa.array([t.seat for t in turns], pa.int32()),
            "action": pa.array([None if t.action is None else list(t.action) for t in turns], pa.list_(pa.int32())),
            "reward": pa.array([t.reward for t in turns], pa.float64()),
            "message": pa.array([t.message.encode("utf-8", "replace").decode() for t in turns], pa.string()),
            "status": pa.array([t.status for t in turns], pa.string()),
            "attempts": pa.array([t.attempts for t in turns], pa.int32()),
            "weights": pa.array(
                [None if t.weights is None else list(t.weights) for t in turns], pa.list_(pa.float64())
            ),
            "flags": pa.array([list(t.flags) for t in turns], pa.list_(pa.string())),
        }
    )


def short(measure: Measure | None) -> dict[str, Any] | None:
    """An estimate as ``--json`` prints it; where there is none, why."""
    if measure is None:
        return None
    data: dict[str, Any] = {key: getattr(measure, key) for key in ("value", "low", "high", "n")}
    return data | {"reason": measure.reason} if isinstance(measure, NotMeasured) else data


def shorts(measures: Mapping[str, Measure] | Mapping[str, Measure | None]) -> dict[str, dict[str, Any] | None]:
    """All of them."""
    return {name: short(measure) for name, measure in measures.items()}
