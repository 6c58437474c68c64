"""Running submitted code against tests, in the sandbox. Only inputs go in; what is right stays outside.

So code that reads the test program, prints results of its own or ends the process early gains nothing by it: it would
have to print the right results, which are not there to be found.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson

from edgewise.sandbox import Limits, run_python_sync

_LONGEST = 20_000  # characters of a source that is run
_LINE = 10_000  # characters of a result that is read
_LIMITS = Limits(wall_seconds=4, cpu_seconds=2, memory_mb=256, file_mb=1, processes=4, output_kb=256)
# Each result is a line of its own, so that what ran before an endless loop counts.
_HARNESS = """\
import json, os
with open("request.json") as file:
    request = json.load(file)
space = {"__name__": "submission"}
with open("submission.txt", encoding="utf-8", errors="replace") as file:
    source = file.read()
out = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
try:
    exec(compile(source, "submission", "exec"), space)
except BaseException:
    space = {}
for number, value in enumerate(request["inputs"]):
    try:
        line = json.dumps([number, space[request["function"]](value)])
    except BaseException:
        continue
    out.write(line + chr(10))
    out.flush()
"""


def pass_rate(source: str, function: str, inputs: Sequence[Any], expected: Sequence[Any]) -> float:
    """Share of tests that a program passes, in [0, 1]: one run in the sandbox for all of them (about 40 ms).

    A result must be the same JSON as the expected one: ``True`` is not 1, and 2.0 is not 2.

    Raises:
        Unsupported: This machine gives no isolation; nothing was run.
    """
    if not source.strip() or len(source) > _LONGEST:
        return 0.0
    request = {"function": function, "inputs": list(inputs)}
    files = {"request.json": orjson.dumps(request), "submission.txt": source.encode("utf-8", "replace")}
    result = run_python_sync(_HARNESS, files=files, limits=_LIMITS)
    found: dict[int, str] = {}
    for line in result.stdout.splitlines():
        if len(line) > _LINE:
            continue
        try:
            number, value = json.loads(line)
        except (ValueError, TypeError, RecursionError):
            continue
        if isinstance(number, int) and not isinstance(number, bool):
            found.setdefault(number, json.dumps(value))
    passed = [found.get(number) == json.dumps(right) for number, right in enumerate(expected)]
    return sum(passed) / len(passed)


def pass_rates(jobs: Sequence[tuple[str, str, Sequence[Any], Sequence[Any]]]) -> list[float]:
    """``pass_rate`` of several programs, some at a time; alike ones run once."""
    keys = [json.dumps(job) for job in jobs]
    distinct = dict(zip(keys, jobs, strict=True))
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="edgewise-tests") as pool:
        rates = dict(zip(distinct, pool.map(lambda job: pass_rate(*job), distinct.values()), strict=True))
    return [rates[key] for key in keys]
