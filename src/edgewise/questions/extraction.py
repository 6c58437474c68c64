"""Finding the final answer in what a model wrote. The text is untrusted and may be of any length."""

from __future__ import annotations

import re
from collections.abc import Sequence

LETTERS = "ABCD"
_TAIL = 20_000  # characters at the end in which the final answer is looked for
_LONGEST = 1_000  # characters of an answer; what is longer is no final answer
_LINE = 300  # a lone line up to this length is taken as the answer

_MARKED = re.compile(r"\banswer\b[*_`]*[ \t]*(?:is\b)?[ \t]*[:=][*_`]*[ \t]*\n?[ \t]*([^\n]+)", re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\{([^{}\n]*)\}")
_SAID = re.compile(r"\banswer\b[^\n.:=]{0,60}?[ \t](?:is|are|should be|would be)[ \t]+([^\n]+)", re.IGNORECASE)
_GROUNDS = re.compile(r",?[ \t]+(?:which|because|since)\b.*$", re.IGNORECASE)
_VERDICT = re.compile(r"(yes|no|true|false)[,.;:!]", re.IGNORECASE)
_LAST = re.compile(r"(?:[=≈]|\b(?:is|are))[ \t]*\$?(-?[0-9][0-9.,]*|[A-Za-z][\w-]*)[ \t]*[.$°]*$")
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?![\w.]*\w)")
_WRAPPERS = ("**", "__", "`", "$", '"', "*", "_", "'")
_PAIRS = (("\\(", "\\)"), ("\\[", "\\]"), ("<", ">"), ("“", "”"))
_WORDS = {word.lower(): word for word in ("Yes", "No", "True", "False")}

_CHOICE = re.compile(r"[\W_]{0,4}(?:option\s+)?([A-Da-d])(?P<rest>$|[).:*,\s].*)", re.DOTALL | re.IGNORECASE)
_LISTING = re.compile(r"[),\s]*(?:or\s+|and\s+)?[A-D]\b")
_SURE = re.compile(
    r"(?:^\W*|\b(?:sure|confiden(?:t|ce)|certain(?:ty)?|probability)\W+(?:is\W+|of\W+|at\W+)?)"
    r"(?<![\d.,-])(\d{1,3})(\.\d+)?(?![\d.,]*\d)\s*(%?)"
    r"|(?<![\d.,-])(\d{1,3})(\.\d+)?\s*(%|per ?cent\b|/ ?100\b|out of 100\b)",
    re.IGNORECASE,
)


def extract_answer(text: str) -> str | None:
    r"""The final answer in a response, or ``None`` where there is none to be found.

    In this order: what follows the last ``Answer:``; the last ``\boxed{...}``; what follows the last ``answer ... is``;
    and if the response is one line only, ``_of_one_line``. Reasoning between ``<think>`` marks is passed over.
    """
    text = text.rpartition("</think>")[2]
    if (marked := _marked(text)) is not None:
        return marked if len(marked) <= _LONGEST else None
    lines = [line.strip() for line in text[:_TAIL].splitlines() if line.strip()]
    if len(text) > _TAIL or len(lines) != 1 or len(lines[0]) > _LINE:
        return None
    answer = clean(_of_one_line(lines[0]))
    return None if not answer or answer.endswith(":") else answer


def _marked(text: str) -> str | None:
    """What the text itself calls the answer."""
    for pattern in (_MARKED, _BOXED, _SAID):
        for found in reversed(pattern.findall(text[-_TAIL:])):
            if answer := clean(_GROUNDS.sub("", found) if pattern is _SAID else found):
                return answer
    return None


def _of_one_line(line: str) -> str:
    """The answer in a sentence: a yes or no that it begins with, the number or word after its last ``=`` or ``is``,
    its only number, or else the line itself.
    """
    if verdict := _VERDICT.match(line):
        return verdict.group(1)
    if last := _LAST.search(line):
        return last.group(1)
    numbers = _NUMBER.findall(line)
    return numbers[0] if len(numbers) == 1 else line


def clean(answer: str) -> str:
    """An answer without the marks around it (emphasis, quotes, dollar signs, brackets, a full stop or degree sign at
    the end) and without the decimals of a whole number; empty where nothing but marks is left.
    """
    answer = answer.strip()
    before = None
    while answer != before:
        before = answer
        answer = answer.removesuffix(".").removesuffix("°").strip()
        if boxed := _BOXED.fullmatch(answer):
            answer = boxed.group(1).strip()
        for mark in _WRAPPERS:
            if len(answer) > 2 * len(mark) and answer.startswith(mark) and answer.endswith(mark):
                answer = answer[len(mark) : -len(mark)].strip()
        for left, right in _PAIRS:
            if len(answer) > len(left) + len(right) and answer.startswith(left) and answer.endswith(right):
                answer = answer[len(left) : -len(right)].strip()
        answer = answer.removesuffix("**").strip()
    if not re.search(r"\w", answer):
        return ""
    if re.fullmatch(r"[+-]?[\d,]+\.0+", answer):
        answer = answer.partition(".")[0]
    return _WORDS.get(answer.lower(), answer)


def normalise(answer: str) -> str:
    """The form in which two answers are compared: case, spacing and thousands separators do not matter."""
    squeezed = " ".join(answer.split()).casefold()
    bare = squeezed.replace(",", "") if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", squeezed) else squeezed
    return re.sub(r"\s*,\s*", ", ", bare)


def extract_choice(text: str, options: Sequence[str]) -> str | None:
    """The letter that a response chose among ``options`` (in the order shown), or ``None``.

    A letter counts if it stands alone, or before a bracket, a stop, ``is`` or its own option's text, and no other
    letter follows at once. A response that repeats the text of exactly one option counts as that option.
    """
    text = text.rpartition("</think>")[2]
    first = next((line.strip() for line in text[:_TAIL].splitlines() if line.strip()), None)
    candidates = [c for c in (_marked(text), first, extract_answer(text)) if c is not None]
    wanted = [normalise(option) for option in options]
    for candidate in candidates:
        if normalise(candidate) in wanted:
            return LETTERS[wanted.index(normalise(candidate))]
        match = _CHOICE.match(candidate)
        if match is None or LETTERS.index(match.group(1).upper()) >= len(options) or _LISTING.match(match["rest"]):
            continue
        letter, rest = match.group(1).upper(), match["rest"].strip()
        own = wanted[LETTERS.index(letter)]
        if not rest or rest[0] in ").:*," or re.match(r"is\b", rest) or normalise(clean(rest)) == own:
            return letter
    return None


def extract_confidence(text: str) -> float | None:
    """The stated confidence in [0, 1]: a number from 0 to 100 that the reply begins with, or says it is sure by.

    A fraction such as ``0.9`` could mean 0.9 or 90 per cent, so it counts as unparsable, as does a number above 100. A
    number elsewhere (the answer said again) is no confidence.
    """
    match = _SURE.search(text[:_TAIL].strip())
    if match is None:
        return None
    whole, decimals, sign = match.group(1, 2, 3) if match.group(1) else match.group(4, 5, 6)
    value = float(whole + (decimals or ""))
    if value > 100 or (decimals and value <= 1 and not sign):
        return None
    return value / 100
