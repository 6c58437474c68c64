"""Makers of questions: every edit keeps or knows its answer; what a model writes counts only if something vouches."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise.core.errors import BadInput
from edgewise.models import Message, Settings, scripted_model
from edgewise.probing import Case, Mode
from edgewise.probing.grading import is_right
from edgewise.probing.tools.corpus import Corpus, Provider, Reading
from edgewise.probing.tools.edits import EDITS, edited, in_words
from edgewise.probing.tools.python import compute
from edgewise.probing.tools.written import Writer, sound

RNG = np.random.default_rng(0)
TEXT = Case(case_id="t", question="John has 12 apples and walks 5 km. How many apples has John?", answer="12")
CHOICE = Case(case_id="c", question="Which is a colour?", answer="B", options=("cat", "red", "ten"))
CLOSED = Case(case_id="y", question="Is every cat an animal?", answer="Yes")


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_differs_from_its_parent_and_knows_its_answer(name: str) -> None:
    made = [each for case in (TEXT, CHOICE, CLOSED) if (each := edited(case, name, RNG)) is not None]
    assert made
    for case in made:
        parent = {"t": TEXT, "c": CHOICE, "y": CLOSED}[str(case.parent)]
        assert (case.question, case.options) != (parent.question, parent.options)
        assert case.truth == "inherited" and case.edit == name and is_right(case, case.answer)
        if name == "negation":
            assert (case.answer, case.metadata) == ("No", "{}")
        elif case.options:
            assert case.options["ABC".index(case.answer)] == "red"
        else:
            assert case.answer == parent.answer


def test_numbers_in_words() -> None:
    assert [in_words(n) for n in (0, 13, 20, 42, 99)] == ["zero", "thirteen", "twenty", "forty-two", "ninety-nine"]
    changed = edited(TEXT.model_copy(update={"question": "He has 12 of 3.5 and 7% and x2 and 1,200."}), "numbers", RNG)
    assert changed is not None and changed.question == "He has twelve of 3.5 and 7% and x2 and 1,200."


@pytest.mark.parametrize(
    ("program", "answer"),
    [
        ("print(6 * 7)", "42"),
        ("print('working'); print(2 ** 10)", "1024"),
        ("1 / 0", None),
        ("", None),
        ("print()", None),
        ("print('x' * 500)", None),
        ("while True: pass", None),
        ("import socket; socket.create_connection(('127.0.0.1', 9)); print(1)", None),
        ("print(open('/etc/passwd').read())", None),
        ("import os; os.kill(os.getppid(), 9); print(1)", None),
        (f"open({str(Path(__file__).with_name('escaped'))!r}, 'w'); print(1)", None),
        (f"print(open({__file__!r}).readline())", None),
        ("import os\nwhile True: os.fork()", None),
        ("x = bytearray(4 << 30); print(len(x))", None),
        ("print('SECRET_OF_THE_TESTS' in __import__('os').environ)", "False"),
        ("import ctypes; print(ctypes.string_at(0))", None),
    ],
)
def test_programs_run_in_the_sandbox(program: str, answer: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_TESTS", "1")
    assert asyncio.run(compute(program)) == answer
    assert not Path(__file__).with_name("escaped").exists()


def writer(replies: dict[str, Any], *, independent: bool = True) -> Writer:
    """A generator that answers by what it is asked for."""

    def script(messages: Sequence[Message], settings: Settings, sample: int) -> str:
        asked = messages[-1].text
        for key, reply in replies.items():
            if key in asked:
                return reply if isinstance(reply, str) else json.dumps(reply)
        return "I would rather not."

    return Writer(scripted_model(script, name="generator"), independent=independent)


WRITTEN = {"topic": "sums", "question": "What is 6 times 7?", "answer": "41", "program": "print(6*7)"}


def make(tool: Writer, anchor: Case | None = None, regime: str = "macro") -> Case | None:
    async def made() -> Case | None:
        return await tool.propose(anchor, regime, np.random.default_rng(1))  # type: ignore[arg-type]

    return asyncio.run(made())


def test_two_programs_make_a_truth() -> None:
    case = make(writer({"Write a question": WRITTEN, "Write a Python program": {"program": "print(42.0)"}}))
    assert case is not None and (case.answer, case.truth, case.group) == ("42", "executed", "sums")
    assert "print(6*7)" in case.evidence
    disagreeing = {"Write a question": WRITTEN, "Write a Python program": {"program": "print(43)"}}
    assert make(writer(disagreeing)) is None
    assert make(writer(disagreeing | {"What is 6 times 7?": "Answer: 42"})) is None  # the proposed answer was 41


def test_votes_make_a_truth_unless_the_writer_is_the_target() -> None:
    free = WRITTEN | {"program": "", "answer": "42"}
    replies = {"Write a question": free, "What is 6 times 7?": "Answer: 42"}
    case = make(writer(replies))
    assert case is not None and (case.answer, case.truth) == ("42", "consensus")
    assert make(writer(replies, independent=False)) is None


def test_an_edit_that_changes_the_answer_by_mistake_is_thrown_away() -> None:
    def edits(asked: str, answer: str) -> list[Case | None]:
        replies = {"Edit the question": {"question": asked}, "pears": f"Answer: {answer}", "apples": "Answer: 12"}
        tool = writer(replies)

        async def made(seed: int) -> Case | None:
            return await tool.propose(TEXT, "micro", np.random.default_rng(seed))

        return [asyncio.run(made(seed)) for seed in range(12)]

    kept = [case for case in edits("Tell me, how many apples?", "") if case is not None]
    assert kept and {(case.truth, case.answer) for case in kept} == {("inherited", "12")}
    assert edits("Tell me, how many pears?", "3") == [None] * 12


EMPTY = {"topic": "", "question": "", "answer": "", "program": ""}


@pytest.mark.parametrize("reply", ["", "no JSON", "{", '{"question": 3}', json.dumps(EMPTY)])
def test_nonsense_makes_no_question(reply: str) -> None:
    tool = writer({"Write a question": reply, "Edit": reply, "Make": reply})
    assert make(tool) is None and make(tool, TEXT, "micro") is None
    mode = Mode(mode_id="m1", name="n", description="d", trigger=("negation",), members=())
    assert asyncio.run(tool.from_description(mode, 2)) == []


def test_a_question_that_says_its_answer_is_no_question() -> None:
    assert sound("What is 6 times 7?", "42") and not sound("The answer is 42. What is it?", "42")
    assert not sound("x" * 5000, "1") and not sound("?", "") and not sound("In the passage above, who?", "Ann")


FACTS = (
    "The lighthouse at Skerry Point was finished in 1872 after nine winters of work by Hannah Whitlock and her crew. "
    "It stands on a reef that ships had feared for two centuries, and its lamp can be seen from Marrow Island."
)


def test_questions_from_texts_quote_their_truth(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(f"# Title\n\n{FACTS}\n\nshort\n")
    (tmp_path / "b.txt").write_text("Bread needs flour, water, salt and time. " * 5)
    corpus = Corpus(tmp_path)
    assert [passage.source for passage in corpus.passages] == ["a.md, paragraph 2", "b.txt, paragraph 1"]
    assert corpus.search("lighthouse on a reef", 2)[0].source == "a.md, paragraph 2"
    tool = Reading(corpus, corpus.passages)
    made = [tool.propose(None, "macro", RNG) for _ in range(8)]
    cases = [case for case in made if case is not None]
    assert {case.answer for case in cases} == {"1872", "Hannah Whitlock", "Marrow Island", "Skerry Point"}
    for case in cases:
        assert case.truth == "sourced" and case.answer in case.evidence and "____" in case.question
    near = Reading(corpus).propose(TEXT.model_copy(update={"question": "Who built the lighthouse?"}), "micro", RNG)
    assert near is not None and near.evidence.startswith("a.md")


def test_a_configured_search_is_asked(tmp_path: Path) -> None:
    asked: list[str] = []

    def search(query: str, count: int) -> list[tuple[str, str]]:
        asked.append(query)
        return [("too short", "x"), (FACTS, "https://example.org/lighthouse")]

    case = Reading(Provider(search)).propose(TEXT, "micro", RNG)
    assert case is not None and "example.org" in case.evidence and asked == [TEXT.question]


def test_faulty_corpora_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        Corpus(tmp_path / "none")
    with pytest.raises(BadInput, match="no paragraph"):
        Corpus(tmp_path)
    (tmp_path / "bad.txt").write_bytes(b"abc \xff")
    with pytest.raises(BadInput, match="offset 4 is not UTF-8"):
        Corpus(tmp_path)
