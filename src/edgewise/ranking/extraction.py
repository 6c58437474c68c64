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
_SAID = re.compile(r"\banswer[ \t]+(?:is|are|should be|would be)[ \t]+([^\n]+)", re.IGNORECASE)
_NUMBER_LAST = re.compile(r"(?:=|≈|\bis|\bare)[ \t]*\$?(-?[0-9][0-9.,]*)[ \t]*[.$]*$")
_WRAPPERS = ("**", "__", "`", "$", '"', "*", "_", "'")
_PAIRS = (("\\(", "\\)"), ("\\[", "\\]"), ("<", ">"), ("“", "”"))
_WORDS = {word.lower(): word for word in ("Yes", "No", "True", "False")}


def extract_answer(text: str) -> str | None:
    r"""The final answer in a response, or ``None`` where there is none to be found.

    In this order: what follows the last ``Answer:``; the last ``\boxed{...}``; what follows the last ``answer is``; and
    if the response is one line only, the number after its last ``=`` or ``is``, or else the line itself. Reasoning
    between ``<think>`` marks is passed over. Emphasis, quotes and a closing full stop are taken off.
    """
    text = text.rpartition("</think>")[2]
    whole = len(text) <= _TAIL
    text = text[-_TAIL:]
    for pattern in (_MARKED, _BOXED, _SAID):
        for found in reversed(pattern.findall(text)):
            if answer := clean(found):
                return answer if len(answer) <= _LONGEST else None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not whole or len(lines) != 1 or len(lines[0]) > _LINE:
        return None
    number = _NUMBER_LAST.search(lines[0])
    return clean(number.group(1) if number else lines[0]) or None


def clean(answer: str) -> str:
    """An answer without the marks around it: emphasis, quotes, dollar signs, brackets, a full stop at the end."""
    answer = answer.strip()
    before = None
    while answer != before:
        before = answer
        answer = answer.removesuffix(".").strip()
        if boxed := _BOXED.fullmatch(answer):
            answer = boxed.group(1).strip()
        for mark in _WRAPPERS:
            if len(answer) > 2 * len(mark) and answer.startswith(mark) and answer.endswith(mark):
                answer = answer[len(mark) : -len(mark)].strip()
        for left, right in _PAIRS:
            if len(answer) > len(left) + len(right) and answer.startswith(left) and answer.endswith(right):
                answer = answer[len(left) : -len(right)].strip()
        answer = answer.removesuffix("**").strip()
    return _WORDS.get(answer.lower(), answer)


def normalise(answer: str) -> str:
    """The form in which two answers are compared: case, spacing and thousands separators do not matter."""
    squeezed = " ".join(answer.split()).casefold()
    bare = squeezed.replace(",", "") if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", squeezed) else squeezed
    return re.sub(r"\s*,\s*", ", ", bare)


def extract_choice(text: str, options: Sequence[str]) -> str | None:
    """The letter that a response chose among ``options`` (in the order shown), or ``None``.

    A letter counts if it stands alone, or before a bracket, a stop or its own option's text. A response that repeats
    the text of exactly one option counts as that option.
    """
    answer = extract_answer(text)
    candidates = [answer] if answer is not None else []
    candidates += [line.strip() for line in text[:_TAIL].splitlines() if line.strip()][:1]
    wanted = [normalise(option) for option in options]
    for candidate in candidates:
        if normalise(candidate) in wanted:
            return LETTERS[wanted.index(normalise(candidate))]
        match = re.match(r"[\W_]{0,4}(?:option\s+)?([A-Da-d])(?P<rest>$|[).:*,\s].*)", candidate, re.DOTALL)
        if match is None or LETTERS.index(match.group(1).upper()) >= len(options):
            continue
        letter, rest = match.group(1).upper(), match.group("rest").strip()
        if not rest or rest[0] in ").:*," or normalise(clean(rest)) == wanted[LETTERS.index(letter)]:
            return letter
    return None


def extract_confidence(text: str) -> float | None:
    """The stated confidence in [0, 1]: the first number of the reply, from 0 to 100, as per cent.

    A fraction such as ``0.9`` could mean 0.9 or 90 per cent, so it counts as unparsable, as does a number above 100.
    """
    match = re.search(r"(?<![\d.,-])(\d{1,3})(\.\d+)?(?![\d.,]*\d)\s*(%?)", text[:_TAIL])
    if match is None:
        return None
    value = float(match.group(1) + (match.group(2) or ""))
    if value > 100 or (match.group(2) and value <= 1 and not match.group(3)):
        return None
    return value / 100
