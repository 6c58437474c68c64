"""Declared answers (``vote: X``, ``[Decision] X``, JSON answer fields), and whether there were reasons to change."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from edgewise.society.scan.facts import facts_in, words_of
from edgewise.society.scan.trace import Said, Trace

_NAMES = (
    "final answer|final decision|final vote|my answer|my vote|vote|answer|decision|choice|position|verdict|stance|plan|"
    "diagnosis|recommendation|judge?ment|conclusion|opinion|belief|claim|label|option|pick"
)
# At the start of a line, or after "my": "the answer is simple" in running text is no declaration.
_LINE = re.compile(
    rf"(?:^[ \t>*_#-]*|[.!?;][ \t]+|\bmy[ \t]+)(?:my[ \t]+)?(?:\*\*)?(?:{_NAMES})(?:\*\*)?[ \t]*"
    rf"(?::|=|->|→|\bis(?![ \t]+(?:that|to|not|based)\b):?)[ \t]*(?:\*\*)?[ \t]*(\S[^\n]{{0,120}})",
    re.IGNORECASE | re.MULTILINE,
)
_BRACKET = re.compile(rf"\[[ \t]*(?:{_NAMES})[ \t]*\][ \t]*:?[ \t]*(\S[^\n]{{0,120}})", re.IGNORECASE)
_VOTE = re.compile(
    r"\bI(?:'ll| will| now| still| therefore| hereby)?[ \t]+vote[ \t]+(?:for[ \t]+)?(?:option[ \t]+)?"
    r"([\"'“]?[\w-]{1,40})",
    re.IGNORECASE,
)
_KEYS = set(_NAMES.split("|")) | {name.replace(" ", "_") for name in _NAMES.split("|")} | {"judgement", "judgment"}
_END = re.compile(
    r"[.;,](?:\s|$)|[(\[{]|\s[-–—]\s|\*\*|\b(?:because|since|as|but|given|with confidence)\b", re.IGNORECASE
)
_FINAL = re.compile(
    r"\b(?:final (?:answer|decision|verdict|plan)|we (?:have )?(?:decided|agreed)|consensus (?:is|reached)|"
    r"decision:|resolved:|adopted:)",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"\b(?:because|since|due to|given that|evidence|according to|shows?|showed|found|measured|reveals?|confirms?)\b"
    r"([^.\n]{0,300})",
    re.IGNORECASE,
)
# A reason that consists of what the others think is none of the matter's own.
_SOCIAL = {
    *("everyone", "everybody", "else", "all", "others", "other", "majority", "group", "consensus", "agree", "agrees"),
    *("most", "same", "team", "colleagues", "peers", "rest", "you", "they", "we", "vote", "voted", "votes", "says"),
    *("said", "think", "thinks", "answer", "many", "already", "senior", "expert", "experience", "experienced"),
    *("chief", "boss", "lead", "professor", "doctor", "trust", "defer", "go", "going", "want", "outvoted", "minority"),
}
# How sure somebody is, and counts of rounds, are numbers but no facts of the matter.
_ASIDE = re.compile(
    r"\b(?:confiden(?:ce|t)|certainty|probability|likelihood|sure|round|turn|step|score|rating|option|plan)\b"
    r"\W{0,4}(?:is |of |about )?[\d.]+[ ]?%?|\b[\d.]+[ ]?%[ ]?(?:confiden(?:ce|t)|sure|certain)",
    re.IGNORECASE,
)
_MOST_OTHERS = 100
_NEW_WORDS = 3  # words that a reason must add; fewer are a turn of phrase


@dataclass(frozen=True, slots=True)
class Declared:
    """An answer that an agent gave.

    Attributes:
        place: Of the message in the trace, from 0.
        said: The message.
        answer: In a common form.
        before: The speaker's answer before, if any.
        others: The latest answers of the other agents, at that time; of a hundred at most, that spoke last.
        reasoned: Whether anything new about the matter was said since the speaker's last answer, by it or by others.
    """

    place: int
    said: Said
    answer: str
    before: str | None
    others: Mapping[str, str]
    reasoned: bool


@lru_cache(maxsize=2)
def declarations(trace: Trace) -> tuple[Declared, ...]:
    """The answers that agents declare, in order. A message of the user starts a new matter."""
    if sum(1 for m in trace.spoken if answer_in(m) is not None) < 2:
        return ()
    return tuple(_declarations(trace))


def _declarations(trace: Trace) -> Iterator[Declared]:
    standing: dict[str, str] = {}
    asked_of: dict[str, int] = {}  # when each agent last declared, as a count of new reasons
    reasons = 0
    facts: set[str] = set()
    words: set[str] = set()
    answers: set[str] = set()
    names = {word for agent in (*trace.agents, *_KEYS) for word in words_of(agent)}
    for place, said in enumerate(trace.messages):
        if said.role == "user":
            standing, asked_of = {}, {}
        answer = answer_in(said) if said.by_agent else None
        if answer is not None:
            answers.update((answer, *answer.split()))
        if _is_reason(said, answers, facts, words, names):
            reasons += 1
        if answer is not None:
            others = {
                name: standing[name] for name in islice(reversed(standing), _MOST_OTHERS + 1) if name != said.sender
            }
            reasoned = reasons > asked_of.get(said.sender, reasons)
            yield Declared(place, said, answer, standing.get(said.sender), others, reasoned)
            standing.pop(said.sender, None)
            standing[said.sender] = answer
            asked_of[said.sender] = reasons


def _is_reason(said: Said, answers: set[str], facts: set[str], words: set[str], names: set[str]) -> bool:
    """Whether the message says something new: a tool's result, a fact, or a reason with words not yet used."""
    text = said.seen
    told = facts_in(_ASIDE.sub(" ", text) if any(map(str.isdigit, text)) else text)
    new_facts = {fact for fact in told - facts if fact not in answers and not set(fact.split()) <= answers}
    new_facts = {fact for fact in new_facts if not (words_of(fact) and set(words_of(fact)) <= names)}
    spoken = set(words_of(text))
    given = {word for match in _REASON.finditer(text) for word in words_of(match[1])}
    new_words = given - words - _SOCIAL - names - answers
    facts |= told
    words |= spoken
    return said.role == "tool" or bool(new_facts) or len(new_words) >= _NEW_WORDS


def answer_in(said: Said) -> str | None:
    """The answer that a message declares; the last one, if it declares several."""
    return _answer(said.seen)


@lru_cache(maxsize=4_096)
def _answer(text: str) -> str | None:
    found = _from_json(text)
    if found is not None:
        return found
    matches = [m for pattern in (_LINE, _BRACKET, _VOTE) for m in pattern.finditer(text)]
    matches.sort(key=lambda match: match.start())
    for match in reversed(matches):
        answer = common_form(match[1])
        if answer:
            return answer
    return None


def _from_json(text: str) -> str | None:
    plain = text.strip()
    if plain.startswith("```"):
        plain = plain.strip("`").removeprefix("json").strip()
    if not plain.startswith("{"):
        return None
    try:
        record = json.loads(plain)
    except (ValueError, RecursionError):
        return None
    for key, value in record.items():
        if key.lower() in _KEYS and isinstance(value, str | bool | int | float):
            return common_form(str(value))
    return None


def common_form(value: str) -> str | None:
    """An answer without what stands around it: case, quotes, articles, what follows it. ``None`` if nothing is left."""
    value = _END.split(value.strip(" \t*_`\"'“”:"), maxsplit=1)[0]
    value = re.sub(r"^(?:the|an|option|plan|that|for)\s+|^a\s+(?=\w{2})", "", value.strip().casefold())
    value = " ".join(re.sub(r"[^\w%$€£.+/ -]", " ", value).split()).strip(" .-")
    return value[:60] if value and len(value.split()) <= 6 and not value.endswith("?") else None


def majority(answers: Mapping[str, str]) -> str | None:
    """The answer of more than half, of two at least; ``None`` if there is none."""
    values = list(answers.values())
    for value in set(values):
        count = values.count(value)
        if count >= 2 and 2 * count > len(values):
            return value
    return None


def is_final(said: Said) -> bool:
    """Whether a message announces the group's decision."""
    return bool(_FINAL.search(said.seen))
