"""Whether an answer names the feeling that was stated, and what it comes from."""

from __future__ import annotations

import re
from functools import lru_cache

from edgewise.character.checkers.text import sentences
from edgewise.character.checkers.types import Facts

_ADVICE = re.compile(
    r"\byou (?:should|could|need to|ought to|may want to|might want to)\b|\bhave you (?:tried|considered)\b|"
    r"\btry (?:a|to)\b|\bmy (?:tip|advice)\b|\bmake a list\b|\bi (?:suggest|recommend)\b|\bkeep busy\b|"
    r"\blook on the bright side\b"
)
_PITY = re.compile(
    r"\b(?:i(?:'m| am) (?:so |very |really )?sorry (?:to hear|that you|about|for your)|"
    r"(?:that|it|this) must be|no wonder|a lot to carry|no small thing|"
    r"weighs on you|(?:that|this|it)(?:'s| is) (?:so |very |really )?(?:hard|heavy|tough|painful)|i hear (?:you|how)|"
    r"i can (?:hear|imagine|see why))\b"
)


@lru_cache(maxsize=4096)
def _words(words: tuple[str, ...], ending: str) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + "|".join(map(re.escape, words)) + ")" + ending)


def names_feeling(text: str, facts: Facts) -> bool:
    """Whether a word for the stated feeling is there."""
    return bool(facts.feeling) and bool(_words(facts.feeling, "").search(text.lower()))


def names_cause(text: str, facts: Facts) -> bool:
    """Whether what the feeling comes from is there."""
    return bool(facts.cause) and bool(_words(facts.cause, r"(?:s|'s|es|ed|ing)?\b").search(text.lower()))


def advises(answer: str) -> bool:
    """Whether an answer gives advice."""
    return bool(_ADVICE.search(answer.lower()))


def sympathises(text: str) -> bool:
    """Whether words show pity or understanding: a fault where no feeling was stated."""
    return bool(_PITY.search(text.lower().replace("’", "'")))


def acknowledgement(answer: str, facts: Facts) -> float | None:
    """1 where an answer names the feeling, and its cause in the same breath or with sympathy; .5 where it does one.

    A word for the cause alone is no acknowledgement, since an answer to the matter has it anyway. Advice to somebody
    who asked for none halves a full score. ``None`` where no feeling was stated.
    """
    if not facts.feeling:
        return None
    feeling = cause = False
    for sentence in sentences(answer):
        felt = names_feeling(sentence, facts)
        feeling = feeling or felt
        cause = cause or ((felt or sympathises(sentence)) and names_cause(sentence, facts))
    score = 0.5 * feeling + 0.5 * cause
    return score / 2 if score == 1 and facts.listen and advises(answer) else score
