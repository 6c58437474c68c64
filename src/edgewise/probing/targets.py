"""Who is examined: a model through the door, recorded answers, or something with known defects."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from pydantic import Field, ValidationError

from edgewise.core.errors import BadInput, ModelFault
from edgewise.core.files import read_yaml
from edgewise.core.instrument import Capability
from edgewise.core.records import Record
from edgewise.probing.features import meets
from edgewise.probing.grading import LETTERS, judged, number
from edgewise.probing.types import Case, Outcome
from edgewise.probing.worlds.planted import Planted
from edgewise.questions.extraction import extract_answer

if TYPE_CHECKING:
    from edgewise.models.door import Model
    from edgewise.models.judge import Judge

_AGAIN = 0.7  # temperature of the second and later askings
_PLANTED = "planted:"
_TAIL = 'End with one line: "Answer:" followed by the answer alone.'


class Target(Protocol):
    """Who answers."""

    name: str
    repeats: bool  # whether asking again could give another answer

    async def ask(self, case: Case, trial: int = 0) -> Outcome:
        """The outcome of asking once."""
        ...


class Replay:
    """Recorded answers.

    Args:
        name: Of who gave them.
        answers: By case id, the answer (``None`` if nothing was parsed) and all that was written.
    """

    repeats = False

    def __init__(self, name: str, answers: Mapping[str, tuple[str | None, str | None]]) -> None:
        self.name, self._answers = name, answers

    async def ask(self, case: Case, trial: int = 0) -> Outcome:
        """See ``Target``."""
        answer, response = self._answers[case.case_id]
        if answer is None:
            return Outcome(verdict="invalid", response=response, error="nothing could be parsed")
        return await judged(case, answer, response)


class PlantedTarget:
    """The failures of a planted world."""

    name = "planted"
    repeats = True

    def __init__(self, world: Planted) -> None:
        self._world = world

    async def ask(self, case: Case, trial: int = 0) -> Outcome:
        """See ``Target``."""
        return await judged(case, "no" if self._world.fails(case) else "yes", None)


class Rule(Record):
    """A planted defect.

    Attributes:
        when: Conditions, all of which hold where it shows; names of ``features``.
        rate: Share of such questions that it spoils.
    """

    SCHEMA: ClassVar[str] = "rule/1"
    when: tuple[str, ...] = Field(min_length=1)
    rate: float = Field(default=1.0, ge=0, le=1)


class PlantedModel:
    """Knows every answer, but for its defects and for noise. A defect spoils a question for good, noise an answer.

    Args:
        rules: The defects.
        noise: Share of answers that are wrong for no reason.
        seed: Of both.
    """

    name = "planted"
    repeats = True
    capabilities = frozenset({Capability.TEXT})

    def __init__(self, rules: Sequence[Rule], *, noise: float = 0.0, seed: int = 0) -> None:
        self.rules, self._noise, self._seed = tuple(rules), noise, seed

    def defective(self, case: Case) -> bool:
        """Whether a defect spoils the question."""
        return any(
            meets(case, rule.when) and self._draw(case.case_id, f"rule {i}") < rule.rate
            for i, rule in enumerate(self.rules)
        )

    async def ask(self, case: Case, trial: int = 0) -> Outcome:
        """See ``Target``."""
        wrong = self.defective(case) or self._draw(case.case_id, f"trial {trial}") < self._noise
        return await judged(case, _wrong(case) if wrong else case.answer, None)

    def unmet(self, cases: Iterable[Case]) -> list[Rule]:
        """Rules that none of the cases meets."""
        asked = list(cases)
        return [rule for rule in self.rules if not any(meets(case, rule.when) for case in asked)]

    def _draw(self, *what: str) -> float:
        digest = hashlib.sha256("\x00".join((str(self._seed), *what)).encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64


def _wrong(case: Case) -> str:
    if case.options:
        listed = LETTERS[: len(case.options)]
        gold = case.answer.upper()
        place = listed.index(gold) if gold in listed else case.options.index(case.answer)
        return listed[(place + 1) % len(listed)]
    gold_number = number(case.answer)
    return "something else" if gold_number is None else f"{gold_number + 3:g}"


class _Planted(Record):
    """The file of a planted model."""

    rules: tuple[Rule, ...]
    noise: float = Field(default=0.0, ge=0, le=1)
    seed: int = 0


def is_planted(spec: str) -> bool:
    """Whether a specification is that of a planted model: ``planted:FILE``."""
    return spec.startswith(_PLANTED)


def read_planted(spec: str) -> PlantedModel:
    """A model with known defects, from YAML: ``rules`` (``when``: conditions, ``rate``), ``noise`` and ``seed``.

    Raises:
        BadInput: There is no such file, or it does not hold rules.
    """
    path = Path(spec.removeprefix(_PLANTED))
    try:
        found = _Planted.model_validate(read_yaml(path))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "rules"
        said = problem["msg"].replace("tuple", "list")  # as YAML calls it
        raise BadInput(f"these are no rules: {said}", file=path, field=where) from None
    return PlantedModel(found.rules, noise=found.noise, seed=found.seed)


class ModelTarget:
    """A model through the door: greedily at first, at temperature 0.7 when asked again.

    Args:
        model: The model.
        max_tokens: Of an answer.
        judge: Asked where no rule can tell whether an answer is right.
    """

    repeats = True

    def __init__(self, model: Model, *, max_tokens: int = 256, judge: Judge | None = None) -> None:
        self.name, self._model, self._max_tokens, self._judge = model.name, model, max_tokens, judge

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
        return await judged(case, answer, response.text, self._judge)


def prompt(case: Case) -> str:
    """How a case is put. The wording is part of the measurement."""
    listed = "".join(f"\n{letter}) {option}" for letter, option in zip(LETTERS, case.options, strict=False))
    return f"{case.question.strip()}{listed}\n\n{_TAIL}"
