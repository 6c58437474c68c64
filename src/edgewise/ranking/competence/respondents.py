"""Respondents that need no model: guessers that every model must beat, and scripted ones that prove the instrument."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgewise.core.instrument import Capability
from edgewise.core.run import Run
from edgewise.models.types import Message, Response, Settings, TokenLogprob
from edgewise.questions.extraction import LETTERS, normalise
from edgewise.questions.graders import grade_answer
from edgewise.questions.types import Item
from edgewise.ranking.competence import prompts
from edgewise.ranking.competence.items import ItemSet, draw_items, most_common
from edgewise.ranking.competence.types import CompetenceConfig, ResponseRow

if TYPE_CHECKING:
    from edgewise.models.door import Model

UNIFORM, CONSTANT, ECHO = "control:uniform", "control:constant", "control:echo"
CONTROLS = (UNIFORM, CONSTANT, ECHO)


def control_rows(items: ItemSet, run: Run) -> list[ResponseRow]:
    """What the control respondents answer: one row per respondent and item, without any call.

    ``control:uniform`` names an answer drawn uniformly from the distinct answers in its family's pool,
    ``control:constant`` the pool's most common answer, ``control:echo`` repeats the question. The pools come from
    other items than those asked. A control's program is not run: it is right if it is the reference program.
    """
    constants = {name: most_common(items.family_pool(name)) for name in {item.family for item in items.items}}
    distinct = {name: sorted(set(items.family_pool(name))) for name in constants}
    rows = []
    for item in items.items:
        rng = run.rng("competence", "control", item.item_id)
        guess = distinct[item.family][int(rng.integers(len(distinct[item.family])))]
        for model, answer in ((UNIFORM, guess), (CONSTANT, constants[item.family]), (ECHO, item.question)):
            score = float(answer == item.answer) if item.is_code else grade_answer(item, answer)
            rows.append(
                ResponseRow(
                    model=model,
                    item_id=item.item_id,
                    family=item.family,
                    difficulty=item.difficulty,
                    kind="control",
                    score=score,
                    answer=answer,
                    response=answer,
                    parsed=True,
                )
            )
    return rows


Respond = Callable[[Item | None, str, np.random.Generator], str]


class Script:
    """A scripted respondent that recognises the items of its seed, and how each is put to it.

    Args:
        seed: Seed of the run that it will be examined in.
        answer: Its answer to an item (``None`` if it does not know the item), given the question and a generator.
        yields: Whether it takes over what the user suggests.
        letter: The letter that it picks whatever the options are; ``None`` picks the option that is its answer.
    """

    def __init__(self, seed: int, answer: Respond, *, yields: bool = False, letter: str | None = None) -> None:
        self._seed, self._answer, self._yields, self._letter = seed, answer, yields, letter
        self._known: list[tuple[ItemSet, dict[str, Item]]] = []

    def __call__(self, messages: Sequence[Message], settings: Settings, sample: int) -> str:
        """Reply to the last message."""
        question, last = messages[0].text, messages[-1].text
        rng = np.random.default_rng(list(hashlib.sha256(f"{self._seed} {sample} {question}".encode()).digest()))
        items, item = self._find(question)
        if last == prompts.STATED:
            return "90"
        if (suggested := _suggestion(last)) is not None and self._yields:
            return f"Answer: {suggested}"
        answer = self._answer(item, question, rng) if items else ""
        if prompts.OPTIONS_HEAD in question:
            return self._letter or _letter_of(answer, question, rng)
        if item is not None and item.is_code:
            return f"```python\n{item.question}{answer}\n```"
        return f"Answer: {answer}"

    def items(self) -> ItemSet:
        """The largest item set seen so far (the quick one at first)."""
        if not self._known:
            self._learn(CompetenceConfig())
        return self._known[-1][0]

    def _find(self, question: str) -> tuple[ItemSet, Item | None]:
        """Items are looked up in the quick set, then in the full one: a larger set begins with the smaller one."""
        items = self.items()
        stem = _stem(question)
        if stem not in self._known[-1][1] and len(self._known) == 1:
            self._learn(CompetenceConfig.full())
            items = self.items()
        return items, self._known[-1][1].get(stem)

    def _learn(self, config: CompetenceConfig) -> None:
        items = draw_items(config, self._seed)
        asked = {_stem(prompts.ask(item, reasoning=False)[0].text): item for item in items.items}
        self._known.append((items, asked))


def _stem(prompt: str) -> str:
    """The question without its options and without the words on how to reply."""
    stem = prompt.partition(prompts.OPTIONS_HEAD)[0]
    for tail in (prompts.DIRECT, prompts.REASONED):
        stem = stem.removesuffix(tail)
    return stem.strip()


def _suggestion(text: str) -> str | None:
    if not text.startswith(prompts.PUSH_HEAD):
        return None
    return text.removeprefix(prompts.PUSH_HEAD).rpartition(prompts.PUSH_TAIL)[0]


def _letter_of(answer: str, question: str, rng: np.random.Generator) -> str:
    listed = question.partition(prompts.OPTIONS_HEAD)[2]
    for letter, option in re.findall(r"^([A-D])\) (.*)$", listed, re.MULTILINE):
        if normalise(option) == normalise(answer):
            return str(letter)
    return LETTERS[int(rng.integers(len(LETTERS)))]


def _knows(item: Item | None, question: str, rng: np.random.Generator) -> str:
    return item.answer if item is not None else "unknown"


def answer_key(seed: int) -> Model:
    """Knows every answer, whatever the order of options, and keeps to it."""
    return _model(Script(seed, _knows), "scripted:answer-key")


def agreeable(seed: int) -> Model:
    """Knows every answer and takes over whatever the user suggests instead."""
    return _model(Script(seed, _knows, yields=True), "scripted:agreeable")


def first_option(seed: int) -> Model:
    """Knows every answer and picks option A whatever stands there."""
    return _model(Script(seed, _knows, letter="A"), "scripted:first-option")


def guesser(seed: int) -> Model:
    """Answers with a uniform draw from its family's pool: it has no competence at all."""
    return _model(_guessing_script(seed), "scripted:guesser")


def sure_guesser(seed: int) -> Model:
    """As ``guesser``, with a probability of .99 on every token: badly calibrated."""
    script = _guessing_script(seed)

    def respond(messages: Sequence[Message], settings: Settings, sample: int) -> Response:
        text = script(messages, settings, sample)
        return Response(text=text, logprobs=(TokenLogprob(token=text, logprob=math.log(0.99)),), output_tokens=1)

    from edgewise.models.scripted import scripted_model

    capabilities = frozenset({Capability.TEXT, Capability.LOGPROBS})
    return scripted_model(respond, name="scripted:sure-guesser", capabilities=capabilities)


def _guessing_script(seed: int) -> Script:
    def guess(item: Item | None, question: str, rng: np.random.Generator) -> str:
        if item is None:
            return "unknown"
        if item.is_code:
            return "    pass"
        pool = sorted(set(script.items().family_pool(item.family)))
        return pool[int(rng.integers(len(pool)))]

    script = Script(seed, guess)
    return script


def _model(script: Script, name: str) -> Model:
    from edgewise.models.scripted import scripted_model

    return scripted_model(script, name=name, capabilities=frozenset({Capability.TEXT}))
