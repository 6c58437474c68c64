"""Calls a reward function that nobody vouches for, and says of every answer what came of it.

Only the standard library: this file is also the program that runs in the sandbox, beside the user's own. There it reads
a request as JSON from standard input and writes the reply as JSON to standard output.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import io
import json
import math
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

MUTATES = "mutates its input"  # a fault whose reward can still be read
_MOST_TIMEOUTS = 3  # answers that time out in one call before the rest of it is given up

Outcome = tuple[Any, str]  # what the function returned for an answer, and the fault if it returned nothing usable
Mapping = dict[str, Any]


class Late(Exception):
    """The time of a call is over."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt what runs inside; where no signal can be set (another thread), only what returns is measured."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def late(*_: object) -> None:
        raise Late

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def contained(
    function: Callable[[list[Any]], Any], rows: Sequence[Any], seconds: float
) -> tuple[list[Outcome], int, float]:
    """Call ``function`` on all rows at once; where that fails, on each by itself.

    Args:
        function: Takes rows, returns as many results.
        rows: What it is called with; it gets copies.
        seconds: Time that one row may take. All at once may take ten times that, and a hundredth for each.

    Returns:
        For each row the result or ``(None, fault)``; rows that the function was called with, in all; longest time that
        a row took, in seconds.
    """
    if not rows:
        return [], 0, 0.0
    started = time.monotonic()
    found = _try(function, rows, seconds if len(rows) == 1 else 10 * seconds + len(rows) * seconds / 100)
    took = (time.monotonic() - started) / len(rows)
    if not isinstance(found, str):
        return found, len(rows), took
    if len(rows) == 1:
        return [(None, found)], 1, took
    results: list[Outcome] = []
    longest, calls, late = 0.0, len(rows), 0
    for row in rows:
        if late >= _MOST_TIMEOUTS:
            results.append((None, "not asked: too many answers before it took too long"))
            continue
        started = time.monotonic()
        one = _try(function, [row], seconds)
        longest, calls = max(longest, time.monotonic() - started), calls + 1
        if isinstance(one, str):
            late += one.startswith("too slow")
            results.append((None, one))
        else:
            results.append(one[0])
    return results, calls, longest


def _try(function: Callable[[list[Any]], Any], rows: Sequence[Any], seconds: float) -> list[Outcome] | str:
    """Outcomes, or the fault of the whole call."""
    given = copy.deepcopy(list(rows))
    before = copy.deepcopy(given)
    try:
        with time_limit(seconds):
            found = function(given)
            found = list(found) if not isinstance(found, (str, bytes)) else found
    except Late:
        return f"too slow: no reward after {seconds:.3g} s"
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:  # an exit, too, is a fault of the grader
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"raises: {type(error).__name__}: {str(error)[:200]} (line {place.lineno} of {place.name})"
    if isinstance(found, (str, bytes)):
        return f"not a list: {type(found).__name__}"
    if len(found) != len(rows):
        return f"wrong length: {len(found)} rewards for {len(rows)} answers"
    return [(value, "" if given == before else MUTATES) for value in found]


def number(value: Any) -> Outcome:
    """A reward as a finite float, or the fault that it is."""
    if isinstance(value, bool) or hasattr(value, "item"):
        with contextlib.suppress(Exception):
            value = value.item() if hasattr(value, "item") else float(value)
            value = float(value) if isinstance(value, bool) else value
    if not isinstance(value, (int, float)):
        return None, f"not a number: {type(value).__name__}"
    if math.isnan(value):
        return None, "not a number: NaN"
    if math.isinf(value):
        return None, "infinite"
    return float(value), ""


def checked(value: Any, fault: str) -> Outcome:
    """An outcome whose value is a finite float, or none."""
    if fault and fault != MUTATES:
        return None, fault
    found, wrong = number(value)
    return found, wrong or fault


def accepted(function: Callable[..., Any], columns: Mapping) -> Mapping:
    """The columns that a function takes, by its signature."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return columns
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return columns
    names = {p.name for p in parameters}
    return {name: value for name, value in columns.items() if name in names}


def call_reward(function: Callable[..., Any], rows: list[Mapping]) -> Any:
    """A reward function in the form of TRL: prompts, completions, and the data set's columns as lists."""
    names = dict.fromkeys(name for row in rows for name in row["columns"])
    columns = accepted(function, {name: [row["columns"].get(name) for row in rows] for name in names})
    given = {"prompts": [r["prompt"] for r in rows], "completions": [r["completion"] for r in rows], **columns}
    before = copy.deepcopy(given)
    found = function(**given)
    if given != before:
        rows[0]["prompt"] = None  # what was done to the lists is seen by whoever compares the rows
    return found


def grade_rows(bundle: Mapping, rows: Sequence[Mapping], seconds: float, seed: int) -> Mapping:
    """Grades of rows by all functions of a bundle. Draws of the ``random`` module follow ``seed``.

    Returns:
        ``rewards``: for each function as many ``[value, fault]`` as rows; ``true`` likewise or None; ``calls`` of the
        costliest function; ``seconds`` of the slowest row.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        return _grade_rows(bundle, rows, seconds)
    finally:
        random.setstate(state)


def _grade_rows(bundle: Mapping, rows: Sequence[Mapping], seconds: float) -> Mapping:
    calls, slowest, rewards = 0, 0.0, []
    functions = list(bundle["reward"])
    with_true = [*functions, bundle["true"]] if bundle.get("true") else functions
    for function in with_true:

        def one(some: list[Mapping], function: Callable[..., Any] = function) -> Any:
            return call_reward(function, some)

        found, asked, took = contained(one, rows, seconds)
        rewards.append([checked(value, fault) for value, fault in found])
        calls, slowest = max(calls, asked), max(slowest, took)
    true = rewards.pop() if bundle.get("true") else None
    return {"rewards": rewards, "true": true, "calls": calls, "seconds": slowest}


def read_bundle(found: Any) -> Mapping:
    """Prompts, rewards and the rest of a module, class, object or dictionary.

    Raises:
        ValueError: Something is missing or is of the wrong kind; the words are for the user.
    """
    found = found() if inspect.isclass(found) else found

    def get(name: str) -> Any:
        return found.get(name) if isinstance(found, dict) else getattr(found, name, None)

    rewards = get("reward")
    rewards = rewards if isinstance(rewards, (list, tuple)) else [rewards]
    if not rewards or not all(callable(function) for function in rewards):
        raise ValueError("'reward' is missing: a function reward(prompts, completions, **columns), or a list of them")
    weights = get("weights")
    weights = [1.0] * len(rewards) if weights is None else [float(w) for w in weights]
    if len(weights) != len(rewards):
        raise ValueError(f"'weights' has {len(weights)} numbers for {len(rewards)} reward functions")
    prompts = get("prompts")
    prompts = prompts() if callable(prompts) else prompts
    if prompts is None or isinstance(prompts, (str, bytes, dict)) or not list(prompts):
        raise ValueError("'prompts' is missing: a list of texts or of rows with a 'prompt', or a function of one")
    rows = []
    for i, prompt in enumerate(prompts, 1):
        row = dict(prompt) if isinstance(prompt, dict) else {"prompt": prompt}
        if not isinstance(row.get("prompt"), str):
            raise ValueError(f"prompt {i} is no text (a conversation is given as the text that the model sees)")
        rows.append({"prompt": row.pop("prompt"), "columns": row})
    named = [getattr(function, "__name__", "reward") for function in rewards]
    names = [name if named.count(name) == 1 else f"{name}_{i}" for i, name in enumerate(named, 1)]
    true, examples, fallback = get("true"), get("examples"), get("fallback")
    if true is not None and not callable(true):
        raise ValueError("'true' is no function true(prompts, completions, **columns)")
    if examples is not None and not callable(examples):
        examples = list(examples)
        if not all(isinstance(text, str) for text in examples):
            raise ValueError("'examples' has something that is no text")
    if callable(examples):
        every = dict.fromkeys(name for row in rows for name in row["columns"])
        columns = {name: [row["columns"].get(name) for row in rows] for name in every}
        examples = [str(e) for e in examples(prompts=[r["prompt"] for r in rows], **accepted(examples, columns))]
    if examples is not None and len(examples) != len(rows):
        raise ValueError(f"'examples' has {len(examples)} texts for {len(rows)} prompts")
    return {
        "reward": rewards, "weights": weights, "rows": rows, "true": true, "examples": examples,
        "fallback": None if fallback is None else float(fallback),
        "names": names,
    }  # fmt: skip


def load_source(path: str, name: str) -> Any:
    """The module in a file, or what is called ``name`` in it.

    Raises:
        ValueError: There is nothing of that name.
    """
    import importlib.util

    spec = importlib.util.spec_from_file_location("edgewise_subject", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["edgewise_subject"] = module
    spec.loader.exec_module(module)
    if not name:
        return module
    if not hasattr(module, name):
        raise ValueError(f"there is nothing called {name!r} in the file")
    return getattr(module, name)


def serve(request: Mapping) -> Mapping:
    """Answer one request: ``describe`` the bundle, or ``grade`` rows by it."""
    try:
        bundle = read_bundle(load_source(request["path"], request["name"]))
    except BaseException as error:
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith(request["path"])]
        line = lines[-1] if lines else getattr(error, "lineno", None)
        return {"error": type(error).__name__, "message": str(error)[:300], "line": line}
    if request["do"] == "describe":
        kept = {key: bundle[key] for key in ("weights", "rows", "examples", "fallback", "names")}
        return kept | {"has_true": bundle["true"] is not None}
    return grade_rows(bundle, request["rows"], request["seconds"], request["seed"])


if __name__ == "__main__":
    out = sys.stdout
    sys.stdout = io.StringIO()  # what the user's code prints is not the reply
    reply = serve(json.load(sys.stdin))
    out.write(json.dumps(reply))
