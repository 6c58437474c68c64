"""Grading: as reasoning-gym grades, safe against any answer; programs run in the sandbox."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.core.errors import BadInput, Unsupported
from edgewise.core.run import Run
from edgewise.questions.draw import human_eval
from edgewise.questions.families import FAMILIES, find_family
from edgewise.questions.graders import (
    extract_program,
    grade_answer,
    grade_program,
    grade_program_once,
    load_reasoning_gym,
)
from edgewise.questions.types import Item
from edgewise.ranking.competence.items import draw_items
from edgewise.ranking.competence.types import CompetenceConfig
from edgewise.sandbox import sandbox_available

ITEMS = draw_items(CompetenceConfig(families=tuple(FAMILIES), code_items=0), 2).items
PROBLEM = next(problem for problem in human_eval() if problem.entry_point == "add")
needs_sandbox = pytest.mark.skipif(not sandbox_available().available, reason="no isolation on this machine")


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_of_reasoning_gym(family: str) -> None:
    """The generator's own entry, its own scorer: our items, which went through JSON, give the same scores."""
    dataset = load_reasoning_gym().create_dataset(family, seed=4, size=12, **find_family(family).parameters("medium"))
    entries = list(dataset)
    for entry in entries:
        item = Item(
            item_id="rg:x",
            family=family,
            difficulty="medium",
            question=entry["question"],
            answer=str(entry["answer"]),
            metadata=as_json(entry["metadata"]),
        )
        for answer in [str(other["answer"]) for other in entries] + [
            entry["question"][:200],
            "",
            f" {entry['answer']}",
        ]:
            expected = dataset.score_answer(answer, entry)
            assert grade_answer(item, answer) == pytest.approx(min(1, max(0, expected)))


def as_json(metadata: dict[str, object]) -> str:
    import json

    return json.dumps(metadata)


@given(
    st.text(max_size=40) | st.sampled_from(["1e999999999", "inf", "-nan", "(1+2j)", "9" * 5000, "1_000", "٣", "\x00"])
)
def test_no_answer_breaks_a_scorer(answer: str) -> None:
    start = time.perf_counter()
    for item in ITEMS[::3]:
        assert 0 <= grade_answer(item, answer) <= 1
    assert time.perf_counter() - start < 1


def test_programs_are_not_graded_as_answers() -> None:
    with pytest.raises(BadInput, match="running a program"):
        grade_answer(PROBLEM, "return x + y")


@pytest.mark.parametrize(
    "text",
    [
        "```python\ndef add(x: int, y: int):\n    return x + y\n```",
        "Here it is:\n```python\ndef add(x, y):\n    return x + y\n```\nIt adds.",
        "```\ndef add(x, y):\n    return x + y\n```\n```python\nprint('an example')\n```",
        "```python\nprint('an example')\n```\n```python\ndef add(x, y):\n    return x + y\n```",
        "def add(x, y):\n    return x + y",
        "import math\ndef add(x, y):\n    return math.fsum([x, y])",
        "    return x + y",
        "return x + y",
        "```python\n    return x + y\n```",
        "    return x + y\n\nprint(add(1, 2))\nassert False",
        "    ```python\n    def add(x, y):\n        return x + y\n    ```",
        "<think>def add(x, y): pass</think>```python\ndef add(x, y):\n    return x + y",
        "def add(x, y):\n    # \x00\n    return x + y",
    ],
    ids=range(13),
)
@needs_sandbox
def test_right_programs_pass_however_they_are_written(text: str) -> None:
    program = extract_program(PROBLEM, text)
    assert program is not None and asyncio.run(grade_program(PROBLEM, program)).passed


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("def add(x, y):\n    return x - y", "error"),
        ("def add(x, y):\n    raise SystemExit(0)", "ok"),
        ("import os\ndef add(x, y):\n    os._exit(0)", "ok"),
        ("import sys\nsys.exit(0)\ndef add(x, y):\n    return x + y", "ok"),
        ("def add(x, y):\n    return x +", "error"),
        ("def add(x, y):\n    while True: pass", "cpu"),
        ("def add(x, y):\n    return 'x' * 10**10", "memory"),
        ("I cannot do that.", "error"),
        ("\ud800", "error"),
    ],
)
@needs_sandbox
def test_wrong_programs_fail(text: str, status: str) -> None:
    program = extract_program(PROBLEM, text)
    assert program is not None
    graded = asyncio.run(grade_program(PROBLEM, program))
    assert not graded.passed and graded.status == status


def test_no_code_is_no_program() -> None:
    assert extract_program(PROBLEM, "") is None
    assert extract_program(PROBLEM, "   \n ") is None
    assert extract_program(PROBLEM, "```python\n\n```") is None


@needs_sandbox
def test_some_reference_programs_pass_and_a_stub_fails() -> None:
    asyncio.run(check_references(human_eval()[::20]))


@pytest.mark.slow
@needs_sandbox
def test_all_reference_programs_pass_and_a_stub_fails() -> None:
    problems = human_eval()
    assert len(problems) == 164
    asyncio.run(check_references(problems))


async def check_references(problems: tuple[Item, ...]) -> None:
    gate = asyncio.Semaphore(2)

    async def passes(problem: Item, body: str) -> bool:
        program = extract_program(problem, f"```python\n{problem.question}{body}\n```")
        assert program is not None
        async with gate:
            return (await grade_program(problem, program)).passed

    references = await asyncio.gather(*(passes(problem, problem.answer) for problem in problems))
    assert [p.item_id for p, passed in zip(problems, references, strict=True) if not passed] == []
    stubs = await asyncio.gather(*(passes(problem, "    return None\n") for problem in problems))
    assert not any(stubs)


@needs_sandbox
def test_a_program_is_run_once_in_the_life_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = extract_program(PROBLEM, "return x + y")
    assert program is not None
    with Run.create(tmp_path / "run", "test", {}, seed=0) as run:
        first = asyncio.run(grade_program_once(PROBLEM, program, run))

    async def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the program was run again")

    monkeypatch.setattr("edgewise.sandbox.run_python", refuse)
    with Run.open(tmp_path / "run", writable=True) as run:
        assert asyncio.run(grade_program_once(PROBLEM, program, run)) == first
    assert first.passed


def test_without_isolation_nothing_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise Unsupported("no isolation here")

    monkeypatch.setattr("edgewise.sandbox.run_python", refuse)
    with Run.create(tmp_path / "run", "test", {}, seed=0) as run:
        with pytest.raises(Unsupported):
            asyncio.run(grade_program_once(PROBLEM, "pass", run))
        assert not list(run.events.read("unit"))
