"""Who covered what: redundancy, gaps and role violations from the matrix of workers and sections, or from texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

from edgewise.society.types import Episode

# For each worker that had a part: the sections of its part, and the sections that it covered.
Rows = Sequence[tuple[Sequence[int], Sequence[int]]]


def rows_of(episode: Episode) -> Rows | None:
    """From the facts ``parts`` and ``written`` of an episode; ``None`` if somebody came to no decision."""
    if any(turn.action is None for turn in episode.turns):
        return None
    pairs = zip(episode.facts["parts"], episode.facts["written"], strict=True)
    return [(part, done) for part, done in pairs if part is not None and done is not None]


def redundancy(rows: Rows) -> float | None:
    """Share of what is written that repeats: (sum K - sections covered) / sum K; ``None`` if nothing is written."""
    written = [section for _, done in rows for section in done]
    return (len(written) - len(set(written))) / len(written) if written else None


def gap(rows: Rows, required: int) -> float:
    """Share of the sections 0 to ``required`` - 1 that nobody covers."""
    return 1 - len({section for _, done in rows for section in done if section < required}) / required


def worth_covered(rows: Rows, worth: Sequence[float]) -> float:
    """Share of the sections' worth that somebody covers."""
    return sum(worth[section] for section in {s for _, done in rows for s in done}) / sum(worth)


def violation(rows: Rows) -> float | None:
    """Share of what is written outside the writer's own part; ``None`` if nothing is written."""
    outside = [section not in part for part, done in rows for section in done]
    return sum(outside) / len(outside) if outside else None


def overlap(rows: Rows) -> float:
    """Mean cosine of the sections covered, over pairs of those who wrote; 0 without a pair."""
    sets = [set(done) for _, done in rows if done]
    shared = [len(a & b) / math.sqrt(len(a) * len(b)) for a, b in combinations(sets, 2)]
    return sum(shared) / len(shared) if shared else 0.0


def text_overlap(texts: Sequence[str]) -> float | None:
    """Mean cosine of TF-IDF vectors over pairs of texts that say something; ``None`` without a pair."""
    said = [text for text in texts if text.strip()]
    if len(said) < 2:
        return None
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        vectors = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit_transform(said)
    except ValueError:  # no word that is not a stop word
        return None
    cosines = (vectors @ vectors.T).toarray()
    pairs = list(combinations(range(len(said)), 2))
    return float(sum(cosines[i, j] for i, j in pairs) / len(pairs))
