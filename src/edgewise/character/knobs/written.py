"""Answers and prompts written by a model, held to the same checks as composed ones."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgewise.character.checkers import Facts
from edgewise.character.checkers.acknowledgement import names_cause, names_feeling
from edgewise.character.dimensions import Dimension
from edgewise.character.knobs.compose import check_answer, realises
from edgewise.character.knobs.pairs import choose
from edgewise.character.knobs.types import KnobRecord, KnobResponse
from edgewise.models.door import Model
from edgewise.models.types import Message, Settings

_LONGEST = 1.5  # ratio of lengths from which two answers are no pair: length would tell
_WRITER = (
    "You write example answers of a chat assistant for research on its character. Write one answer to the user, of "
    "two to four sentences, exactly as described. Write the answer alone."
)
_PARAPHRASE = (
    "Say the user's message in other words. Keep every claim, feeling, reason and question in it, and the names of "
    "things. Write the message alone."
)


async def write_answers(
    record: KnobRecord,
    model: Model,
    dimensions: Mapping[str, Dimension],
    *,
    levels: int,
    attempts: int,
    rng: np.random.Generator,
    per_dimension: int,
    chains: int,
) -> KnobRecord | None:
    """The record with answers by a model, one for each setting, asked again until the checkers see its levels.

    ``None`` where too few come out to make a pair. Pairs whose lengths differ by half and more are left out.
    """
    prompt = "\n".join(f"{message['role']}: {message['content']}" for message in record.messages)

    async def one(response: KnobResponse) -> KnobResponse | None:
        wanted = "\n".join(_wanted(dimensions[name], level, levels) for name, level in response.k.items())
        messages = [Message.system(_WRITER), Message.user(f"{prompt}\n\nDescription of the answer:\n{wanted}")]
        for attempt in range(attempts):
            answer = await model.generate(messages, Settings(max_tokens=160, temperature=0.9), sample=attempt)
            text = answer.text.strip()
            checks = check_answer(dimensions, response.k, text, record.facts)
            if text and realises(checks, response.k, levels):
                return KnobResponse(response.k, text, model.name, checks)
        return None

    written = [found for found in await asyncio.gather(*(one(r) for r in record.responses)) if found is not None]
    pairs, incomparable = choose(written, rng, per_dimension, chains)
    pairs = tuple(pair for pair in pairs if _alike(written[pair.chosen].text, written[pair.rejected].text))
    if not pairs:
        return None
    return replace(record, responses=tuple(written), pairs=pairs, incomparable=incomparable)


def _alike(first: str, second: str) -> bool:
    return 1 / _LONGEST < len(first) / len(second) < _LONGEST


def _wanted(dimension: Dimension, level: int, levels: int) -> str:
    place = round(level / levels * (len(dimension.rubric) - 1))
    return f"- {dimension.title}: {dimension.rubric[place]}"


async def paraphrase(record: KnobRecord, model: Model) -> KnobRecord:
    """The record with its last message in a model's words, if all that the checkers go by is still in it."""
    said = record.messages[-1]["content"]
    answer = await model.generate(
        [Message.system(_PARAPHRASE), Message.user(said)], Settings(max_tokens=120, temperature=0.9)
    )
    text = " ".join(answer.text.split())
    if not _keeps(said, text, record.facts):
        return record
    messages = (*record.messages[:-1], {"role": "user", "content": text})
    return replace(record, messages=messages, provenance={**record.provenance, "paraphrase": model.name})


def _keeps(before: str, after: str, facts: Facts) -> bool:
    """Whether a paraphrase has what the original has: planted words, feeling, cause, question; at a like length."""
    words = [word for word in (*facts.truth, *facts.claim) if word in before.lower()]
    return (
        after != before
        and 0.6 <= len(after) / len(before) <= 1.6
        and all(word in after.lower() for word in words)
        and names_feeling(before, facts) <= names_feeling(after, facts)
        and names_cause(before, facts) <= names_cause(after, facts)
        and ("?" in before) <= ("?" in after)
    )
