"""Facts of a text: numbers with their units, dates, names, addresses; in a form in which a retelling keeps them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_WORD_NUMBERS = dict(
    zip(
        ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"],
        map(str, range(2, 13)),
        strict=True,
    )
)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?"
_DATE = re.compile(
    r"\b(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})\b"
    rf"|\b(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?[ ](?:of[ ])?(?P<m2>{_MONTH})(?:,?[ ](?P<y2>\d{{4}}))?"
    rf"|\b(?P<m3>{_MONTH})[ ](?P<d3>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?[ ](?P<y3>\d{{4}}))?"
)
_DIGIT = re.compile("[0-9]")
_LINK = re.compile(r"https?://[^\s<>\")\]]{1,200}|\b[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{2,60}")
_NUMBER = re.compile(
    r"(?<![\w.,])(?P<sign>[-−]?)(?P<currency>[$€£]?)[ ]?(?P<value>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,15}(?:\.\d{1,9})?)"
    r"(?P<percent>[ ]?%)?(?:[ -]?(?P<unit>[A-Za-zµ°]{1,20}))?"
)
_SPELLED = re.compile(rf"\b({'|'.join(_WORD_NUMBERS)})[ -]([A-Za-z]{{2,20}})", re.IGNORECASE)
_NAME = re.compile(r"(?!\A)(?<![.!?:\n] )(?<![\n.!?\"“(])\b[A-Z][a-z]{2,30}(?:[ -][A-Z][a-z]{2,30}){0,3}\b")
_FULL_NAME = re.compile(r"\b[A-Z][a-z]{2,30}(?:[ ][A-Z][a-z]{2,30}){1,3}\b")
_CODE = re.compile(r"\b(?=[A-Z0-9-]{3,20}\b)(?=[A-Z0-9-]*[A-Z])(?=[A-Z0-9-]*\d)[A-Z0-9]+(?:-[A-Z0-9]+)*\b")
_WORD = re.compile(r"[^\W\d_][\w'’-]*")
_UNITS = {
    **dict.fromkeys(("dollar", "dollars", "usd"), "$"),
    **dict.fromkeys(("euro", "euros", "eur"), "€"),
    **dict.fromkeys(("pound", "pounds", "gbp"), "£"),
    **dict.fromkeys(("percent", "pct"), "%"),
    **dict.fromkeys(("hour", "hours", "hr", "hrs"), "h"),
    **dict.fromkeys(("minute", "minutes", "mins"), "min"),
    **dict.fromkeys(("second", "seconds", "sec", "secs"), "s"),
    **dict.fromkeys(("kilogram", "kilograms", "kgs"), "kg"),
    **dict.fromkeys(("milligram", "milligrams"), "mg"),
    **dict.fromkeys(("kilometre", "kilometres", "kilometer", "kilometers"), "km"),
}
_NO_UNIT = {
    *("and", "or", "in", "on", "at", "to", "of", "for", "is", "are", "was", "were", "the", "a", "an", "per", "by"),
    *("with", "from", "but", "if", "as", "than", "then", "more", "less", "other", "others", "new", "will", "has"),
    *("have", "should", "would", "can", "must", "that", "which", "who", "it", "we", "they", "i", "so", "not", "times"),
}
_MONTH_NAMES = {
    *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October"),
    *("November", "December", "The", "This", "That", "And", "But", "Please", "However", "Also", "Yes", "Thanks"),
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact.

    Attributes:
        kind: ``number``, ``date``, ``name`` or ``link``.
        key: What it is the value of: a number's unit; empty otherwise.
        value: In a common form.
    """

    kind: str
    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.value} {self.key}".strip() if self.kind == "number" else self.value


def facts_in(text: str) -> set[str]:
    """The facts of a text, as lower-case strings."""
    return {str(fact).casefold() for fact in find_facts(text)}


@lru_cache(maxsize=4_096)
def find_facts(text: str) -> tuple[Fact, ...]:
    """The facts of a text, each once, in order of kind."""
    found: dict[Fact, None] = {}
    for match in _LINK.finditer(text) if "@" in text or "://" in text else ():
        found[Fact("link", "", match[0].rstrip(".,;").casefold())] = None
    rest = _LINK.sub(" ", text) if found else text
    if _DIGIT.search(rest):
        for match in _DATE.finditer(rest):
            found[Fact("date", "", _date(match))] = None
        rest = _DATE.sub(" ", rest)
        for match in _CODE.finditer(rest):
            found[Fact("name", "", match[0].casefold())] = None
        rest = _CODE.sub(" ", rest)
        for match in _NUMBER.finditer(rest):
            found[_number(match)] = None
    for match in _SPELLED.finditer(rest):
        if match[2].lower() not in _NO_UNIT:
            found[Fact("number", _unit(match[2]), _WORD_NUMBERS[match[1].lower()])] = None
    for pattern in (_NAME, _FULL_NAME):
        for match in pattern.finditer(rest):
            if match[0] not in _MONTH_NAMES and not match[0].split()[0].endswith("ly"):
                found[Fact("name", "", " ".join(w for w in match[0].split() if w not in _MONTH_NAMES).casefold())] = (
                    None
                )
    return tuple(found)


def _date(match: re.Match[str]) -> str:
    day = match["d"] or match["d2"] or match["d3"]
    month = match["m"] or str(_MONTHS.index((match["m2"] or match["m3"])[:3].lower()) + 1)
    return f"{int(month):02d}-{int(day):02d}"


def _number(match: re.Match[str]) -> Fact:
    unit = match["currency"] or ("%" if match["percent"] else _unit(match["unit"] or ""))
    value = match["value"].replace(",", "")
    if "." in value:
        value = value.rstrip("0").rstrip(".")
    return Fact("number", unit, ("-" if match["sign"] else "") + (value.lstrip("0") or "0"))


def _unit(word: str) -> str:
    word = word.casefold()
    if word in _NO_UNIT:
        return ""
    word = _UNITS.get(word, word)
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


@lru_cache(maxsize=4_096)
def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, in lower case."""
    return tuple(_WORD.findall(text.casefold()))
