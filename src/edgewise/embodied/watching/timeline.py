"""What a page or a film of an episode shows: at every picture what was believed, done and known, as plain data."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.embodied.watching.recording import Decision, Episode, read_episode
from edgewise.scene.graph import Graph, Log, read_log
from edgewise.scene.types import Camera, Event, Kind, ObjectFact, Point, Visibility

_SEEN = (Visibility.VISIBLE, Visibility.PARTIAL, Visibility.HELD)
State = tuple[dict[int, ObjectFact], frozenset[tuple[str, int, int]]]


def timeline(folder: Path) -> dict[str, Any]:
    """Everything that ``episode.html.j2`` shows of an episode, ready for JSON but for its pictures.

    Raises:
        RunError: There is no episode.
        CorruptRecord: It is damaged.
    """
    episode = read_episode(folder)
    cameras = [view.camera() for view in episode.views]
    moments: list[dict[str, Any]] = []
    before: State = ({}, frozenset())
    for (time, view), state in zip(episode.frames, states(folder, episode), strict=True):
        moments.append(_moment(time, state, before, cameras[view]))
        before = state
    return {
        "task": episode.task,
        "seed": episode.seed,
        "about": episode.about,
        "goal": episode.goal.text,
        "success": episode.success,
        "ended": ending(episode),
        "size": [episode.views[0].width, episode.views[0].height] if episode.views else [320, 240],
        "steps": _steps(episode),
        "moments": moments,
        "events": [_event(event) for event in episode.events],
        "actions": _actions(episode),
    }


def pictures(folder: Path) -> list[str]:
    """The pictures (JPEG) of an episode in base 64, in order."""
    return [base64.b64encode(path.read_bytes()).decode() for path in sorted((folder / "frames").glob("*.jpg"))]


def states(folder: Path, episode: Episode) -> Iterable[State]:
    """What was believed at each picture: by the memory's log, or where it has none by what the planner was told last.

    Raises:
        CorruptRecord: The log is damaged.
    """
    path = folder / "scene.jsonl"
    if path.is_file():
        return _logged(read_log(path)[0], episode)
    return _told(episode.decisions, episode)


def _logged(log: Log, episode: Episode) -> Iterable[State]:
    graph, place = Graph(), 0
    for time, _ in episode.frames:
        while place < len(log.changes) and log.changes[place].time <= time + 1e-3:
            graph.apply(log.changes[place])
            place += 1
        yield {i: node.fact(time) for i, node in graph.nodes.items()}, frozenset(graph.relations)


def _told(decisions: tuple[Decision, ...], episode: Episode) -> Iterable[State]:
    place = 0
    state: State = ({}, frozenset())
    for time, _ in episode.frames:
        while place < len(decisions) and decisions[place].time <= time + 1e-3:
            told = decisions[place]
            state = {fact.id: fact for fact in told.objects}, frozenset((r.name, r.a, r.b) for r in told.relations)
            place += 1
        yield state


def _moment(time: float, state: State, before: State, camera: Camera) -> dict[str, Any]:
    """What is new since the picture before, and where in the picture each object is believed to be."""
    objects, relations = state
    changed = {str(i): _fact(fact) for i, fact in objects.items() if _fact(fact) != _fact(before[0].get(i))}
    changed |= {str(i): None for i in before[0] if i not in objects}
    moment: dict[str, Any] = {
        "time": time,
        "marks": [mark for fact in objects.values() for mark in _mark(fact, camera)],
    }
    if changed:
        moment["objects"] = changed
    if relations != before[1]:
        moment["relations"] = sorted(relations)
    return moment


def _fact(fact: ObjectFact | None) -> dict[str, Any] | None:
    if fact is None:
        return None
    seen = fact.provenance == "measured"
    return {
        "label": fact.label,
        "visibility": fact.visibility.value,
        "provenance": fact.provenance.value,
        "low": fact.low,
        "high": fact.high,
        # What is measured is measured now: it would change with every picture.
        "last": None if seen else round(fact.time, 2),
        "confused": fact.confused_with,
    }


def _mark(fact: ObjectFact, camera: Camera) -> Iterable[list[float | int]]:
    """Id, whether it is seen, and the rectangle (pixels) that its believed box fills in the picture."""
    box = rectangle(fact.low, fact.high, camera)
    if box is not None:
        yield [fact.id, int(fact.visibility in _SEEN), *(round(value, 1) for value in box)]


def rectangle(low: Point | None, high: Point | None, camera: Camera) -> tuple[float, float, float, float] | None:
    """Least x and y and greatest x and y, in pixels, of a box; None if it is unknown or out of the picture."""
    if low is None or high is None:
        return None
    corners, depth = camera.project(np.array(list(product(*zip(low, high, strict=True)))))
    if (depth <= 0).any():
        return None
    (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
    if x1 < 0 or y1 < 0 or x0 > camera.width or y0 > camera.height:
        return None
    return float(x0), float(y0), float(x1), float(y1)


def _steps(episode: Episode) -> list[dict[str, Any]]:
    """The goal's steps: when each was reached by the truth, and when the agent's memory was told so."""
    told = {event.other: event.time for event in episode.events if event.kind == Kind.COMPLETE}
    times = dict(enumerate(episode.times))
    return [
        {"text": step.text, "reached": times.get(k), "believed": told.get(k)}
        for k, step in enumerate(episode.goal.steps)
    ]


def _event(event: Event) -> dict[str, Any]:
    fields = ("sequence", "time", "object", "other", "action", "cause", "text")
    return {name: getattr(event, name) for name in fields} | {"kind": event.kind.value, "source": event.source.value}


def _actions(episode: Episode) -> list[dict[str, Any]]:
    """Directives in order, each with what became of it; it lasts until the planner was asked again."""
    done = list(episode.actions)
    end = episode.frames[-1][0] if episode.frames else 0.0
    ends = [*(decision.time for decision in episode.decisions[1:]), end]
    found = []
    for decision, until in zip(episode.decisions, ends, strict=True):
        directive = decision.directive
        entry: dict[str, Any] = {
            "start": decision.time,
            "end": until,
            "thought": directive.thought,
            "feedback": decision.feedback,
            "outcome": "",
            "reason": "",
        }
        if directive.action is not None and done:
            action, outcome, reason = done.pop(0)
            entry |= {"what": str(action), "why": action.why, "outcome": outcome.value, "reason": reason}
        elif directive.done:
            entry |= {"what": "holds the task for done", "why": ""}
        else:
            entry |= {"what": "gives up", "why": directive.give_up or "it named no action", "outcome": "failed"}
        found.append(entry)
    return found


def ending(episode: Episode) -> list[str]:
    """Why it succeeded or failed, by the truth, in sentences."""
    steps = episode.goal.steps
    if episode.success:
        return ["Every step was reached, and the end held after the gripper had let go."]
    if episode.reached < len(steps):
        where = f"Step {episode.reached + 1} of {len(steps)} was never reached: {steps[episode.reached].text}"
    else:
        unmet = ", ".join(episode.unmet) or "something was still held"
        where = f"Every step was reached, but the end did not hold: {unmet}."
    told = [event.other for event in episode.events if event.kind == Kind.COMPLETE and event.other is not None]
    found = [where]
    if max(told, default=-1) >= episode.reached:
        found.append(f"The agent held step {max(told) + 1} for reached, which it was not.")
    failed = [(str(a), o, reason) for a, o, reason in episode.actions if o in ("failed", "refused")]
    if failed:
        action, outcome, reason = failed[-1]
        told_of = f"{len(failed)} of {len(episode.actions)} actions failed or were refused"
        found.append(f"{told_of}; the last, {action}: {reason or outcome}.")
    done = episode.reason == "done"
    return [*found, "The agent held the task for done." if done else f"The agent stopped because: {episode.reason}."]
