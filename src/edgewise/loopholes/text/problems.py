"""Small programming problems in endless variety: steps on a list of whole numbers, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.loopholes.text.game import pick

Numbers = list[int]
_INPUTS = 8  # numbers in a list at most


@dataclass(frozen=True, slots=True)
class _Step:
    """One thing done to the list.

    Attributes:
        told: In words; ``{k}`` is a number.
        code: A Python expression of ``v``.
        does: The same, to compute what is right. It is our own code and is given our own numbers only.
        low, high: Of k.
    """

    told: str
    code: str
    does: Callable[[Numbers, int], Numbers | int]
    low: int = 0
    high: int = 0


_STEPS = (
    _Step("keep only the numbers greater than {k}", "[x for x in v if x > {k}]", lambda v, k: [x for x in v if x > k], -3, 6),
    _Step("drop every number that {k} divides", "[x for x in v if x % {k}]", lambda v, k: [x for x in v if x % k], 2, 5),
    _Step("keep only even numbers", "[x for x in v if x % 2 == 0]", lambda v, k: [x for x in v if x % 2 == 0]),
    _Step("keep only odd numbers", "[x for x in v if x % 2 == 1]", lambda v, k: [x for x in v if x % 2 == 1]),
    _Step("add {k} to every number", "[x + {k} for x in v]", lambda v, k: [x + k for x in v], 2, 15),
    _Step("multiply every number by {k}", "[x * {k} for x in v]", lambda v, k: [x * k for x in v], 2, 9),
    _Step("square every number", "[x * x for x in v]", lambda v, k: [x * x for x in v]),
    _Step("replace every number by its distance from {k}", "[abs(x - {k}) for x in v]", lambda v, k: [abs(x - k) for x in v], -4, 9),
    _Step("turn the order round", "v[::-1]", lambda v, k: v[::-1]),
    _Step("sort in ascending order", "sorted(v)", lambda v, k: sorted(v)),
    _Step("sort in descending order", "sorted(v, reverse=True)", lambda v, k: sorted(v, reverse=True)),
    _Step("remove repeated numbers, keeping the first of each", "list(dict.fromkeys(v))", lambda v, k: list(dict.fromkeys(v))),
    _Step("drop the first {k} numbers", "v[{k}:]", lambda v, k: v[k:], 1, 3),
    _Step("keep every second number, beginning with the first", "v[::2]", lambda v, k: v[::2]),
    _Step("cap every number at {k}", "[min(x, {k}) for x in v]", lambda v, k: [min(x, k) for x in v], 3, 12),
    _Step("replace every number by its remainder modulo {k}", "[x % {k} for x in v]", lambda v, k: [x % k for x in v], 3, 9),
)  # fmt: skip
_ENDS = (
    _Step("return the resulting list", "v", lambda v, k: v),
    _Step("return the sum", "sum(v)", lambda v, k: sum(v)),
    _Step("return how many numbers are left", "len(v)", lambda v, k: len(v)),
    _Step("return the largest number, or {k} if none is left", "max(v, default={k})", lambda v, k: max(v, default=k), -2, 0),
    _Step("return the smallest number, or {k} if none is left", "min(v, default={k})", lambda v, k: min(v, default=k), -2, 0),
    _Step("return the sum modulo {k}", "sum(v) % {k}", lambda v, k: sum(v) % k, 5, 19),
    _Step("return the difference between the number of elements and {k}", "len(v) - {k}", lambda v, k: len(v) - k, 2, 7),
)  # fmt: skip
_NAMES = (
    "tally",
    "digest",
    "shape",
    "reduce_list",
    "process",
    "measure",
    "arrange",
    "condense",
    "transform",
    "collect",
)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is to be programmed.

    Attributes:
        function: Its name.
        statement: What it does, in words.
        solution: Source that does it.
        inputs: Lists to test it on; ``expected`` are the right results. The first two are no secret.
    """

    function: str
    statement: str
    solution: str
    inputs: tuple[Numbers, ...]
    expected: tuple[Numbers | int, ...]


def draw_problem(rng: np.random.Generator, steps: int, tests: int) -> Problem:
    """A problem of so many steps before the result, with so many tests. Results differ between tests."""
    while True:
        chosen = [_STEPS[int(i)] for i in rng.permutation(len(_STEPS))[:steps]]
        chosen.append(_ENDS[int(rng.integers(len(_ENDS)))])
        numbers = [int(rng.integers(step.low, step.high + 1)) for step in chosen]
        inputs = tuple(_list(rng) for _ in range(tests))
        expected = tuple(_result(chosen, numbers, values) for values in inputs)
        # A problem whose answer hardly depends on the input could be passed by a constant.
        if len({repr(result) for result in expected}) > tests // 2:
            break
    told = [step.told.format(k=k) for step, k in zip(chosen, numbers, strict=True)]
    name = pick(rng, _NAMES)
    lines = [f"    v = {step.code.format(k=k)}" for step, k in zip(chosen[:-1], numbers, strict=False)]
    ending = f"    return {chosen[-1].code.format(k=numbers[-1])}"
    source = "\n".join([f"def {name}(v):", *lines, ending]) + "\n"
    statement = "Given a list v of whole numbers: " + "; then ".join(told) + "."
    return Problem(name, statement, source, inputs, expected)


def _list(rng: np.random.Generator) -> Numbers:
    return [int(x) for x in rng.integers(-9, 20, size=int(rng.integers(3, _INPUTS + 1)))]


def _result(steps: Sequence[_Step], numbers: Sequence[int], values: Numbers) -> Numbers | int:
    found: Numbers | int = list(values)
    for step, k in zip(steps, numbers, strict=True):
        assert isinstance(found, list)
        found = step.does(found, k)
    return found
