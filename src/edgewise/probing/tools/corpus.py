"""Questions from texts: local files searched by BM25, or a search provider that the user configured."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.probing.search.tree import Regime
from edgewise.probing.types import Case

_SUFFIXES = (".txt", ".md", ".rst")
_SHORTEST, _LONGEST = 120, 1_500  # characters of a passage
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
# What a gap may be made of: a number, or a name inside a sentence.
_FACT = re.compile(r"(?<=[a-z,;] )(?:\d[\d,]*(?:\.\d+)?|[A-Z][a-z]+(?: [A-Z][a-z]+)*)(?=[\s,.;)])")
_AROUND = 8  # passages that a search looks at


@dataclass(frozen=True)
class Passage:
    """A piece of text and where it is from."""

    text: str
    source: str


class Searcher(Protocol):
    """Finds passages."""

    def search(self, query: str, count: int) -> Sequence[Passage]:
        """The best ones first."""
        ...


class Corpus:
    """Text files of a folder, by paragraph.

    Args:
        folder: Of ``.txt``, ``.md`` and ``.rst`` files, at any depth.

    Raises:
        BadInput: There is no such folder, a file is not UTF-8, or there is no paragraph that could be asked about.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise BadInput("there is no such folder", file=folder, field="corpus")
        self.passages: list[Passage] = []
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file()):
            try:
                text = path.read_text(encoding="utf-8-sig")
            except UnicodeDecodeError as error:
                raise BadInput(f"the byte at offset {error.start:,} is not UTF-8", file=path) from None
            for number, paragraph in enumerate(re.split(r"\n\s*\n", text), 1):
                squeezed = " ".join(paragraph.split())
                if _SHORTEST <= len(squeezed) <= _LONGEST:
                    self.passages.append(Passage(squeezed, f"{path.relative_to(folder)}, paragraph {number}"))
        if not self.passages:
            wanted = f"{_SHORTEST} to {_LONGEST:,} characters"
            raise BadInput(f"there is no paragraph of {wanted} in {', '.join(_SUFFIXES)} files", file=folder)
        self._index: Any = None

    def search(self, query: str, count: int) -> list[Passage]:
        """The passages that share most with the query, by BM25."""
        import bm25s

        if self._index is None:
            self._index = bm25s.BM25()
            self._index.index(_tokens([p.text for p in self.passages]), show_progress=False)
        places, scores = self._index.retrieve(_tokens([query]), k=min(count, len(self.passages)), show_progress=False)
        return [self.passages[int(i)] for i, score in zip(places[0], scores[0], strict=True) if score > 0]


def _tokens(texts: Sequence[str]) -> list[list[str]]:
    return [re.findall(r"\w{2,}", text.lower()) or ["∅"] for text in texts]


class Provider:
    """A search engine that the user configured: a function from a query to ``(text, source)`` pairs.

    Args:
        function: Called with the query and how many results are wanted.
    """

    def __init__(self, function: Callable[[str, int], Sequence[tuple[str, str]]]) -> None:
        self._function = function

    def search(self, query: str, count: int) -> list[Passage]:
        """What the function returns, without what is too short or too long."""
        pairs = self._function(query, count)
        found = [Passage(" ".join(str(text).split())[:_LONGEST], str(source)) for text, source in pairs]
        return [passage for passage in found if len(passage.text) >= _SHORTEST]


class Reading:
    """A tool: a passage, and a sentence of it with a gap. The truth is a quotation.

    Args:
        searcher: Where passages are found, close to what the target fails on.
        passages: From which new ones are drawn; none if the searcher has to be asked for everything.
    """

    name = "reading"
    regimes: frozenset[Regime] = frozenset({"macro", "micro"})

    def __init__(self, searcher: Searcher, passages: Sequence[Passage] = ()) -> None:
        self._searcher, self._passages = searcher, passages
        self._used: set[str] = set()

    def propose(self, anchor: Case | None, regime: Regime, rng: np.random.Generator) -> Case | None:
        """See ``Tool``."""
        if (regime == "macro" or anchor is None) and self._passages:
            candidates = [self._passages[i] for i in rng.permutation(len(self._passages))[:_AROUND].tolist()]
        elif anchor is not None:
            candidates = list(self._searcher.search(anchor.question[:1000], _AROUND))
        else:
            return None
        for passage in candidates:
            case = self._ask_about(passage, rng)
            if case is not None:
                return case
        return None

    def _ask_about(self, passage: Passage, rng: np.random.Generator) -> Case | None:
        sentences = _SENTENCE.split(passage.text)
        facts = [(s, m) for s in sentences for m in _FACT.finditer(s) if s.count(m[0]) == 1]
        for place in rng.permutation(len(facts)).tolist():
            sentence, fact = facts[place]
            gap = sentence[: fact.start()] + "____" + sentence[fact.end() :]
            digest = hashlib.sha256(f"{passage.text}\x00{gap}".encode()).hexdigest()[:10]
            if digest in self._used:
                continue
            self._used.add(digest)
            kind = "number" if fact[0][0].isdigit() else "name"
            return Case(
                case_id=f"reading:{digest}",
                question=f'Text: {passage.text}\n\nAs the text has it, what stands in the gap? "{gap}"',
                answer=fact[0],
                group=f"reading, {kind}",
                truth="sourced",
                evidence=f'{passage.source}: "{sentence}"',
            )
        return None
