"""Our own episodes: ``society.types.Episode`` as JSON, one to an object, and ``mas_risk.run/1`` records."""

from __future__ import annotations

from typing import Any

from edgewise.society.scan.fields import Gather, action_of, clean, text_of
from edgewise.society.scan.load import Loaded
from edgewise.society.scan.trace import Said, Trace


def fits(record: Any) -> bool:
    """Whether a record is an episode, or an object with a list of them."""
    if not isinstance(record, dict):
        return False
    if isinstance(record.get("turns"), list) and "scenario" in record:
        return True
    listed = record.get("episodes")
    return isinstance(listed, list) and any(fits(each) for each in listed[:5])


def read(file: Loaded) -> list[Trace]:
    """Read every episode as a trace. Rows are its turns, from 1; rounds are counted as the episode does."""
    found = Gather(file, "episode")
    records = [(row, record) for row, record in file.rows]
    whole = file.whole
    if whole is not None and isinstance(whole.get("episodes"), list):
        records = list(enumerate(whole["episodes"], 1))
    for row, record in records:
        if not isinstance(record, dict) or not isinstance(record.get("turns"), list):
            found.problem(row, "turns", "this is no episode: it has no list of turns")
            continue
        talk = _name(record, row) if len(records) > 1 else ""
        for place, turn in enumerate(record["turns"], 1):
            _turn(found, place, turn, talk)
    return found.traces()


def _name(record: dict[str, Any], row: int) -> str:
    scenario = record["scenario"].get("id") if isinstance(record.get("scenario"), dict) else record.get("scenario")
    return clean(f"{row}: {scenario} seed {record.get('seed', '?')} {record.get('condition', '')}".strip())[:200]


def _turn(found: Gather, place: int, turn: Any, talk: str) -> None:
    if not isinstance(turn, dict):
        found.problem(place, "", f"need a turn, not {str(turn)[:40]!r}", talk)
        return
    seat, agent = turn.get("seat"), turn.get("agent")
    if isinstance(seat, int) and not isinstance(seat, bool):
        sender = f"seat {seat}"
    elif isinstance(agent, str) and agent:
        sender = clean(agent)
    else:
        found.problem(place, "seat", "no seat is named", talk)
        return
    number = turn.get("round")
    if number is not None and (not isinstance(number, int) or isinstance(number, bool)):
        found.problem(place, "round", f"need a whole number, not {str(number)[:40]!r}", talk)
        return
    message = turn.get("message")
    if message is not None and not isinstance(message, str):
        found.problem(place, "message", f"need a text, not {str(message)[:40]!r}", talk)
        return
    found.say(Said(place, sender, text_of(message), "assistant", None, action_of(turn.get("action")), number), talk)
