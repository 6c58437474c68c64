"""Administers the items to a model: each measurement is a batch of calls and yields response rows."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgewise.core.errors import BudgetExhausted, ModelFault, Unsupported
from edgewise.core.instrument import Capability
from edgewise.core.run import Run
from edgewise.models.types import Message, Response, Settings
from edgewise.questions.extraction import (
    LETTERS,
    extract_answer,
    extract_choice,
    extract_confidence,
    normalise,
)
from edgewise.questions.families import find_family
from edgewise.questions.graders import extract_program, grade_answer, grade_program_once
from edgewise.questions.types import Item
from edgewise.ranking.competence import prompts
from edgewise.ranking.competence.items import ItemSet
from edgewise.ranking.competence.types import CompetenceConfig, Kind, ResponseRow

if TYPE_CHECKING:
    from edgewise.models.door import Model

TEMPERATURE = 0.8
_SHORT = 8  # tokens for a letter or a number, where no reasoning is asked for
_PROGRAMS_AT_ONCE = 2

Outcome = Response | ModelFault | BudgetExhausted


@dataclass(frozen=True)
class _Ask:
    """One call to make, and what its row will say besides the response."""

    item: Item
    messages: tuple[Message, ...]
    settings: Settings
    kind: Kind
    sample: int = 0
    suggestion: str | None = None
    options: tuple[str, ...] = ()


class Administration:
    """One administration of an item set to one model, within one run.

    Attributes:
        rows: Response rows so far.
        asked: What was asked for each row, by (kind, item, sample).
        ungraded: Why programs were not run, if they were not.
    """

    def __init__(self, model: Model, config: CompetenceConfig, run: Run, items: ItemSet, *, total: int) -> None:
        self.model, self.config, self.run, self.items = model, config, run, items
        self.rows: list[ResponseRow] = []
        self.asked: dict[tuple[Kind, str, int], tuple[Message, ...]] = {}
        self.ungraded: str | None = None
        self._done, self._total = 0, total
        with_logprobs = Capability.LOGPROBS in model.capabilities
        self._settings = Settings(max_tokens=config.max_tokens, top_logprobs=0 if with_logprobs else None)
        self._plain = Settings(max_tokens=config.max_tokens)
        self._short = Settings(max_tokens=config.max_tokens if config.reasoning else _SHORT)
        self._order = [
            items.items[i]
            for i in run.rng("competence", "order").permutation(len(items.items))
            if not items.items[i].is_code
        ]

    async def administer(self) -> list[ResponseRow]:
        """Ask everything. A fault or an exhausted budget leaves a row without a response."""
        await self._base()
        await self._stated()
        await self._pushback()
        await self._options()
        await self._samples()
        self._report(self._total)  # what was planned and not needed is done as well
        return self.rows

    async def _base(self) -> None:
        code = self._settings.model_copy(update={"max_tokens": self.config.code_max_tokens})
        asks = [
            _Ask(item, self._first(item), code if item.is_code else self._settings, "base") for item in self.items.items
        ]
        await self._ask_all([ask for ask in asks if not ask.item.is_code])
        await self._ask_all([ask for ask in asks if ask.item.is_code])

    async def _stated(self) -> None:
        """After its answer, the model is asked how sure it is."""
        answered = [(item, row) for item, row in self._answered() if row.parsed][: self.config.stated_items]
        asks = []
        for item, row in answered:
            messages = prompts.ask_confidence(item, row.response or "", reasoning=self.config.reasoning)
            asks.append(_Ask(item, messages, Settings(max_tokens=_SHORT), "stated"))
        await self._ask_all(asks)

    async def _pushback(self) -> None:
        """The user suggests a wrong answer, whatever the model's own; then, where that is wrong, the right one."""
        config = self.config
        pushes: list[_Ask] = []
        corrections: list[_Ask] = []
        plain = extra = 0
        for item, row in self._answered():
            if row.answer is None:
                continue
            suggestion = self._wrong_suggestion(item, row.answer)
            if suggestion is not None and plain < config.pushback_items:
                pushes.append(self._push(item, row, suggestion, "pushback"))
                plain += 1
            elif suggestion is not None and row.right and extra < config.pushback_right_items:
                pushes.append(self._push(item, row, suggestion, "pushback_right"))
                extra += 1
            if not row.right and len(corrections) < config.correction_items:
                corrections.append(self._push(item, row, item.answer, "correction"))
        await self._ask_all(pushes)
        await self._ask_all(corrections)

    def _wrong_suggestion(self, item: Item, answer: str) -> str | None:
        if not find_family(item.family).transferable:
            return None
        rng = self.run.rng("competence", "suggestion", item.item_id)
        wrong = self.items.wrong_answers(item, rng, 1, unlike=answer)
        return wrong[0] if wrong else None

    def _push(self, item: Item, row: ResponseRow, suggestion: str, kind: Kind) -> _Ask:
        messages = prompts.push_back(item, row.response or "", suggestion, reasoning=self.config.reasoning)
        return _Ask(item, messages, self._plain, kind, suggestion=suggestion)

    async def _options(self) -> None:
        """Four options per item, asked under rotations of their order."""
        asks: list[_Ask] = []
        used = 0
        for item in self._order:
            if used == self.config.option_items or not find_family(item.family).transferable:
                continue
            rng = self.run.rng("competence", "options", item.item_id)
            wrong = self.items.wrong_answers(item, rng, len(LETTERS) - 1)
            if len(wrong) < len(LETTERS) - 1:
                continue
            used += 1
            listed = (item.answer, *wrong)
            listed = tuple(listed[i] for i in rng.permutation(len(listed)))
            for order in range(self.config.option_orders):
                options = listed[order:] + listed[:order]
                messages = prompts.ask_options(item, options, reasoning=self.config.reasoning)
                asks.append(_Ask(item, messages, self._short, "options", sample=order, options=options))
        await self._ask_all(asks)

    async def _samples(self) -> None:
        """The same question several times at temperature .8."""
        asks = []
        for item in self._order[: self.config.consistency_items]:
            for sample in range(1, self.config.consistency_samples + 1):
                seed = int(self.run.rng("competence", "sample", item.item_id, sample).integers(2**31))
                settings = self._plain.model_copy(update={"temperature": TEMPERATURE, "seed": seed})
                asks.append(_Ask(item, self._first(item), settings, "sample", sample=sample))
        await self._ask_all(asks)

    def _first(self, item: Item) -> tuple[Message, ...]:
        return prompts.ask(item, reasoning=self.config.reasoning)

    def _answered(self) -> list[tuple[Item, ResponseRow]]:
        """Reasoning items with a response, in the run's random order."""
        base = {row.item_id: row for row in self.rows if row.kind == "base" and row.response is not None}
        return [(item, base[item.item_id]) for item in self._order if item.item_id in base]

    async def _ask_all(self, asks: Sequence[_Ask]) -> None:
        from edgewise.models.gather import gather_calls

        self.asked |= {(ask.kind, ask.item.item_id, ask.sample): ask.messages for ask in asks}
        jobs = [self._call(ask) for ask in asks]
        before = self._done
        outcomes: list[Outcome] = await gather_calls(
            jobs, limit=self.config.concurrency, progress=lambda done, _: self._report(before + done)
        )
        gate = asyncio.Semaphore(_PROGRAMS_AT_ONCE)
        paired = zip(asks, outcomes, strict=True)
        self.rows.extend(await asyncio.gather(*(self._row(ask, outcome, gate) for ask, outcome in paired)))

    def _report(self, done: int) -> None:
        self._done = done
        self.run.progress("competence", done, self._total)

    def _call(self, ask: _Ask) -> Callable[[], Awaitable[Response]]:
        async def call() -> Response:
            return await self.model.generate(ask.messages, ask.settings, sample=ask.sample)

        return call

    async def _row(self, ask: _Ask, outcome: Outcome, gate: asyncio.Semaphore) -> ResponseRow:
        item = ask.item
        about: dict[str, Any] = {
            "model": self.model.name,
            "item_id": item.item_id,
            "family": item.family,
            "difficulty": item.difficulty,
            "kind": ask.kind,
            "sample": ask.sample,
            "suggestion": ask.suggestion,
        }
        if isinstance(outcome, BudgetExhausted):
            return ResponseRow(**about, fault="budget")
        if isinstance(outcome, ModelFault):
            return ResponseRow(**about, fault=outcome.kind)
        text = outcome.text
        about |= {"response": text, "logprob": _finite(outcome.logprob), "tokens": outcome.output_tokens}
        if ask.kind == "stated":
            stated = extract_confidence(text)
            return ResponseRow(**about, parsed=stated is not None, stated_confidence=stated)
        if ask.kind == "options":
            return ResponseRow(**about, **self._read_choice(ask, text))
        if item.is_code:
            async with gate:
                return ResponseRow(**about, **await self._run_program(item, text))
        answer = extract_answer(text)
        score = 0.0 if answer is None else grade_answer(item, answer)
        sure = None if answer is None else answer_confidence(outcome, answer)
        return ResponseRow(**about, score=score, answer=answer, parsed=answer is not None, confidence=sure)

    def _read_choice(self, ask: _Ask, text: str) -> dict[str, Any]:
        letter = extract_choice(text, ask.options)
        if letter is None:
            return {"score": 0.0, "parsed": False}
        content = ask.options[LETTERS.index(letter)]
        right = normalise(content) == normalise(ask.item.answer)
        return {"score": float(right), "answer": content, "choice": letter, "parsed": True}

    async def _run_program(self, item: Item, text: str) -> dict[str, Any]:
        program = extract_program(item, text)
        if program is None:
            return {"score": 0.0, "parsed": False}
        try:
            graded = await grade_program_once(item, program, self.run)
        except Unsupported as error:
            self.ungraded = error.message
            return {"answer": program, "parsed": True}
        return {"score": float(graded.passed), "answer": program, "parsed": True}


def answer_confidence(response: Response, answer: str) -> float | None:
    """Length-normalised probability of the answer (its last occurrence): the geometric mean over its tokens, in [0, 1].

    ``None`` where the response has no log-probabilities. Where the answer cannot be found among the tokens (it was
    cleaned up, or a token is part of a character), all tokens of the response count.
    """
    if not response.logprobs:
        return None
    text = "".join(token.token for token in response.logprobs)
    start = text.rfind(answer)
    end = start + len(answer)
    logprobs: list[float] = []
    position = 0
    for token in response.logprobs:
        after = position + len(token.token)
        if start < 0 or (position < end and after > start):
            logprobs.append(min(0.0, token.logprob))
        position = after
    mean = sum(logprobs) / len(logprobs) if logprobs else math.nan
    return None if math.isnan(mean) else math.exp(mean)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
