"""Overlap of two texts by words: ROUGE (Lin 2004) as F1, quick enough for a reward. The code is ours."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_WORD = re.compile(r"[^\W_]+")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")


def split_words(text: str) -> list[str]:
    """Words in lower case, letters and digits only; 1,240 is one word."""
    return _WORD.findall(_THOUSANDS.sub("", text).casefold())


def longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Its length, by bits: each word of ``first`` updates all positions of ``second`` at once (after Hyyrö 2004)."""
    places: dict[str, int] = {}
    for i, word in enumerate(second):
        places[word] = places.get(word, 0) | (1 << i)
    whole = (1 << len(second)) - 1
    row = whole  # a zero bit is a place where the subsequence grows
    for word in first:
        match = row & places.get(word, 0)
        row = ((row + match) | (row - match)) & whole
    return len(second) - row.bit_count()


def rouge_n(first: Sequence[str], second: Sequence[str], n: int) -> float:
    """F1 of the passages of n words that two texts share, each counted as often as both have it."""
    a, b = (Counter(zip(*(words[i:] for i in range(n)), strict=False)) for words in (first, second))
    total = a.total() + b.total()
    return 2 * (a & b).total() / total if total else 0.0


def rouge_l(first: Sequence[str], second: Sequence[str]) -> float:
    """F1 of the longest common subsequence; of k words of a text of n in order it is 2k / (n + k)."""
    total = len(first) + len(second)
    return 2 * longest_common_subsequence(first, second) / total if total else 0.0
