"""Grading: the families' own scorers, made safe against any answer, and programs by running them."""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
import textwrap
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from edgewise.core.errors import BadInput
from edgewise.core.records import Record
from edgewise.core.run import Run
from edgewise.questions.types import Item

_LONGEST = 1_000  # characters of an answer that a scorer sees
# Some scorers compute the number that an answer names: 1e999999999 would take all memory.
_HUGE = re.compile(r"[eE][+-]?\d{4,}")
_FENCE = re.compile(r"```[ \t]*([A-Za-z0-9_+-]*)[ \t]*\n(.*?)(?:\n[ \t]*```|\Z)", re.DOTALL)
_STOP = re.compile(r"\n(?=(?:class|def|print|if|assert|#|@|```)\b|```|#|@)")
_LONGEST_PROGRAM = 100_000


def grade_answer(item: Item, answer: str) -> float:
    """Score of an answer to a reasoning item, in [0, 1], by its family's own scorer. Needs nothing but the item.

    Never raises for an answer, whatever it is: what the scorer cannot grade is wrong.

    Raises:
        BadInput: The item is a program; programs are graded by running them.
    """
    if item.is_code:
        raise BadInput("this item is graded by running a program", field=item.item_id)
    if len(answer) > _LONGEST or _HUGE.search(answer) or answer.strip(" +-().ij").casefold() in {"nan", "inf"}:
        return 0.0
    entry = {"question": item.question, "answer": item.answer, "metadata": json.loads(item.metadata)}
    try:
        value = float(_scorer(item.family)(answer, entry))
    except Exception:  # third-party scorers raise many kinds on junk
        return 0.0
    return min(1.0, max(0.0, value)) if math.isfinite(value) else 0.0


@lru_cache(maxsize=64)
def _scorer(family: str) -> Callable[[str, dict[str, Any]], float]:
    scorer: Callable[[str, dict[str, Any]], float] = (
        load_reasoning_gym().create_dataset(family, seed=0, size=1).score_answer
    )
    return scorer


def load_reasoning_gym() -> Any:
    """The package. Importing it draws from the global random generator, whose state is put back."""
    state = random.getstate()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a dependency has invalid escapes in its docstrings
            import reasoning_gym
    finally:
        random.setstate(state)
    return reasoning_gym


def extract_program(item: Item, text: str) -> str | None:
    """The program that a response to a code item means, or ``None`` where there is no code in it.

    A fenced block that defines the function counts before other blocks. A definition of the function is run after
    the problem's own start (its imports and helpers), which it replaces; anything else is read as the continuation of
    that start, cut where the function ends.
    """
    text = text.rpartition("</think>")[2][:_LONGEST_PROGRAM].replace("\x00", "")
    blocks = [body for _, body in _FENCE.findall(text)]
    defines = re.compile(rf"^[ \t]*(?:async[ \t]+)?def[ \t]+{re.escape(item.entry_point)}[ \t]*\(", re.MULTILINE)
    for candidate in (*blocks, text):
        if found := defines.search(candidate):
            code = candidate if blocks else candidate[_first_statement(candidate, found.start()) :]
            return f"{_prelude(item)}\n{textwrap.dedent(code)}\n"
    body = blocks[0] if blocks else text
    if not body.strip():
        return None
    body = _STOP.split(body.strip("\n"), maxsplit=1)[0]
    if not body[:1].isspace():
        body = textwrap.indent(body, "    ")
    return f"{item.question.rstrip()}\n{body}\n"


def _first_statement(text: str, definition: int) -> int:
    """Where the program starts in unfenced text: at the imports right before the definition, or at the definition."""
    imports = re.search(r"^(?:from|import)[ \t]+\w", text[:definition], re.MULTILINE)
    return imports.start() if imports else definition


def _prelude(item: Item) -> str:
    """What stands before the function in the problem: imports and helper functions."""
    return item.question[: item.question.rindex(f"def {item.entry_point}")]


class Graded(Record):
    """How a program fared: whether it passed all checks, and how it ended (the sandbox's word for it)."""

    passed: bool
    status: str


async def grade_program(item: Item, program: str) -> Graded:
    """Run a program with its problem's checks in the sandbox.

    It passes only if it prints, at the very end, a word that the code under test was not given: leaving early with
    exit code 0 is no pass.

    Raises:
        Unsupported: This machine gives no isolation; nothing was run.
    """
    from edgewise.sandbox import Limits, run_python

    word = hashlib.sha256(f"{item.item_id}\x00{program}".encode("utf-8", "replace")).hexdigest()
    source = f"{program}\n{item.test}\ncheck({item.entry_point})\nprint()\nprint({word!r})\n"
    limits = Limits(wall_seconds=10, cpu_seconds=5, memory_mb=512)
    result = await run_python(source.encode("utf-8", "replace").decode(), limits=limits)
    passed = result.status == "ok" and result.exit_code == 0 and result.stdout.rstrip().endswith(word)
    return Graded(passed=passed, status=result.status)


async def grade_program_once(item: Item, program: str, run: Run) -> Graded:
    """As ``grade_program``, once in the life of the run: a resumed run reads the first verdict again.

    Raises:
        Unsupported: This machine gives no isolation; nothing was run, and nothing is remembered.
    """
    digest = hashlib.sha256(program.encode("utf-8", "replace")).hexdigest()[:16]

    async def compute() -> dict[str, object]:
        return (await grade_program(item, program)).model_dump(mode="json")

    return Graded.model_validate(await run.once(f"competence/code/{item.item_id}/{digest}", compute))
