"""Who is examined: a model through the door, recorded answers, or a planted world's own failures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

from edgewise.core.errors import ModelFault
from edgewise.probing.types import Case, Outcome, Verdict
from edgewise.probing.worlds import Planted
from edgewise.questions.extraction import extract_answer, normalise
from edgewise.questions.graders import grade_answer
from edgewise.questions.types import RIGHT, Item

if TYPE_CHECKING:
    from edgewise.models.door import Model

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_AGAIN = 0.7  # temperature of the second and later askings
_TAIL = 'End with one line: "Answer:" followed by the answer alone.'
_SHOWN = 80


class Target(Protocol):
    """Who answers."""

    name: str
    repeats: bool  # whether asking again could give another answer

    async def ask(self, case: Case, trial: int = 0) -> Outcome:
        """The outcome of asking once."""


class Replay:
    """Recorded answers.

    Args:
        name: Of who gave them.
        answers: By case id, the answer (``None`` if nothing was parsed) and all that was written.
    """

    repeats = False

    def __init__(self, name: str, answers: dict[str, tuple[str | None, str | None]]) -> None:
        self.name, self._answers = name, answers

    async def ask(self, case: Case, trial: int = 0) -> Outcome:
        """See ``Target``."""
        answer, response = self._answers[case.case_id]
        if answer is None:
            return Outcome(verdict="invalid", response=response, error="nothing could be parsed")
        right = normalise(answer) == normalise(case.answer)
        return judged(case, answer, response, right=right)


class PlantedTarget:
    """The failures of a planted world."""

    name = "planted"
    repeats = True

    def __init__(self, world: Planted) -> None:
        self._world = world

    async def ask(self, case: Case, trial: int = 0) -> Outcome:
        """See ``Target``."""
        wrong = self._world.fails(case)
        return judged(case, "no" if wrong else "yes", None, right=not wrong)


class ModelTarget:
    """A model through the door: greedily at first, at temperature 0.7 when asked again.

    Args:
        model: The model.
        max_tokens: Of an answer.
    """

    repeats = True

    def __init__(self, model: Model, *, max_tokens: int = 256) -> None:
        self.name, self._model, self._max_tokens = model.name, model, max_tokens

    async def ask(self, case: Case, trial: int = 0) -> Outcome:
        """See ``Target``. A fault or a response without an answer is invalid.

        Raises:
            BudgetExhausted: The call could overrun the budget.
        """
        from edgewise.models.types import Message, Settings

        settings = Settings(max_tokens=self._max_tokens, temperature=_AGAIN if trial else 0.0)
        try:
            response = await self._model.generate((Message.user(prompt(case)),), settings, sample=trial)
        except ModelFault as fault:
            return Outcome(verdict="invalid", error=f"no answer: {fault.kind}")
        answer = extract_answer(response.text)
        if answer is None:
            return Outcome(verdict="invalid", response=response.text, error="nothing could be parsed")
        return judged(case, answer, response.text, right=is_right(case, answer))


def prompt(case: Case) -> str:
    """How a case is put. The wording is part of the measurement."""
    listed = "".join(f"\n{letter}) {option}" for letter, option in zip(_LETTERS, case.options, strict=False))
    return f"{case.question.strip()}{listed}\n\n{_TAIL}"


def is_right(case: Case, answer: str) -> bool:
    """Grade an answer by rule: a family's own scorer, a choice by letter or text, a number, or the same text."""
    about = json.loads(case.metadata)
    if "family" in about:
        item = Item(
            item_id=case.case_id,
            family=about["family"],
            difficulty=about["difficulty"],
            question=about["question"],
            answer=case.answer,
            metadata=about["metadata"],
        )
        return grade_answer(item, answer) >= RIGHT
    if case.options:
        letter = answer.strip().strip("().:").upper()
        chosen = case.options[_LETTERS.index(letter)] if letter in _LETTERS[: len(case.options)] and letter else answer
        gold = case.answer.strip().upper()
        meant = case.options[_LETTERS.index(gold)] if gold in _LETTERS[: len(case.options)] and gold else case.answer
        return normalise(chosen) == normalise(meant)
    try:
        return abs(float(answer.replace(",", "")) - float(case.answer.replace(",", ""))) <= 1e-4 * max(
            1.0, abs(float(case.answer.replace(",", "")))
        )
    except ValueError:
        return normalise(answer) == normalise(case.answer)


def judged(case: Case, answer: str, response: str | None, *, right: bool) -> Outcome:
    """The outcome of an answer; of a wrong one, how it is wrong."""
    verdict: Verdict = "pass" if right else "fail"
    return Outcome(
        verdict=verdict,
        answer=answer,
        response=response,
        error="" if right else _what_is_wrong(case, answer),
        failed=int(not right),
    )


def _what_is_wrong(case: Case, answer: str) -> str:
    """A description without a model: of what kind the answer is, beside the right one."""
    try:
        gold, given = float(case.answer.replace(",", "")), float(answer.replace(",", ""))
    except ValueError:
        kind = "another text"
    else:
        if gold == -given:
            kind = "wrong sign"
        elif gold and given / gold in (10, 100, 0.1, 0.01):
            kind = "wrong power of ten"
        elif abs(given - gold) <= 2:
            kind = "off by a little"
        else:
            kind = "too large" if given > gold else "too small"
    return f"{kind}: {answer[:_SHOWN]} for {case.answer[:_SHOWN]}"
