"""How far an answer is from what most people would say."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgewise.character.checkers.types import Facts

_WORD = re.compile(r"[a-z][a-z'-]{3,}")


def lexical_novelty(answer: str, others: Sequence[str]) -> float:
    """Share of an answer's distinct words of four letters and more that none of the other texts has; 0 without any."""
    words = set(_WORD.findall(answer.lower()))
    known = {word for text in others for word in _WORD.findall(text.lower())}
    return len(words - known) / len(words) if words else 0.0


def novelty(answer: str, facts: Facts) -> float | None:
    """0 for one of the common answers, .5 for a common one with an uncommon turn, otherwise its lexical novelty.

    ``None`` where no common answers are known. Whether the idea does what was asked is for a judge to say.
    """
    if not facts.common:
        return None
    text = answer.lower()
    common = any(phrase in text for phrase in facts.common)
    uncommon = any(phrase in text for phrase in facts.uncommon)
    if common:
        return 0.5 if uncommon else 0.0
    return 1.0 if uncommon else lexical_novelty(text, facts.common)
