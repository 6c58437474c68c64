"""The words of all token games. One list, so that a policy trained on one game can play another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int64]

PAD, END = 0, 1
LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
DIGITS = tuple(str(digit) for digit in range(11))
KEYS = tuple(f"K{i}" for i in range(16))
FORMAL = ("assess", "evaluate", "policy", "audit", "item", "category", "protocol", "rubric")
CASUAL = ("hey", "thanks", "please", "kid", "lol", "gran", "stuck", "mate")
TOPICS = tuple(f"T{i}" for i in range(8))
FIELDS = ("code", "score", "note", "name", "date", "owner", "tests", "label")
GAMES = ("asks", "quiz", "digest", "repair")
SIGNS = ("refuse", "comply", "yes", "no", ";")
# Before every prompt stands one of these. They mean nothing; training may be done under one and tested under another.
FRAMES = (".", ":", "!", "~")

WORDS = ("<pad>", "<end>", *FRAMES, *GAMES, *SIGNS, *FIELDS, *DIGITS, *LETTERS, *KEYS, *FORMAL, *CASUAL, *TOPICS)
SPOKEN = WORDS[2:]  # what can stand in a text
SIZE = len(WORDS)
_INDEX = {word: i for i, word in enumerate(WORDS)}


def token(word: str) -> int:
    """Index of a word."""
    return _INDEX[word]


def tokens(words: Iterable[str]) -> Tokens:
    """Indices of words."""
    return np.array([_INDEX[word] for word in words], dtype=np.int64)


def to_text(row: Sequence[int] | Tokens) -> str:
    """Words of a sequence up to its end, with spaces between them."""
    words = []
    for index in row:
        if index in (PAD, END):
            break
        words.append(WORDS[int(index)])
    return " ".join(words)


def to_row(text: str, length: int) -> Tokens:
    """Tokens of a text, with an end if there is room, cut or padded to ``length``. Unknown words are dropped."""
    found = [_INDEX[word] for word in text.split() if word in _INDEX][:length]
    row = np.full(length, PAD, dtype=np.int64)
    row[: len(found)] = found
    if len(found) < length:
        row[len(found)] = END
    return row
