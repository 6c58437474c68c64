"""Scenarios and answers without a model: slots filled from tables, answers composed of parts that each realise a level.

An answer says one part for each dimension that varies, so that two answers one step apart differ in that part and in
nothing else. Which wordings stand for low and high is drawn so that neither is the longer one more often.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from edgewise.character.checkers import Facts
from edgewise.character.dimensions import Dimension
from edgewise.character.knobs.grammar import LEVELS, Entry, Family, Template
from edgewise.character.knobs.lattice import settings
from edgewise.character.knobs.pairs import choose
from edgewise.character.knobs.types import SPLITS, KnobRecord, KnobResponse, Split, record_id
from edgewise.core.errors import BadInput

T = TypeVar("T")
_HELD_OUT = 0.15  # of contents, for validation and for test each
_NEAR = 0.9  # Jaccard index of word triples from which two prompts of one content are the same
_TRIES = 60  # draws in a row without a new record after which a family has no more of them
_LENGTH_DRAWS = 12
_ALIKE = 1 / 3  # difference of two wordings' lengths, as a share of their sum, that is small enough


def tolerance(levels: int) -> float:
    """How far a checker's score may be from the level it should show, as a share of the scale."""
    return 0.34 if levels == 1 else 0.25


def check_answer(
    dimensions: Mapping[str, Dimension], varying: Iterable[str], text: str, facts: Facts
) -> dict[str, float | None]:
    """Score of each varying dimension's checker, of those that have one."""
    return {d: check(text, facts) for d in varying if (check := dimensions[d].check()) is not None}


def realises(checks: Mapping[str, float | None], k: Mapping[str, int], levels: int) -> bool:
    """Whether every checker sees its level; a dimension without a checker is not held against an answer."""
    return all(score is not None and abs(score - k[d] / levels) <= tolerance(levels) for d, score in checks.items())


class Composer:
    """Draws records, split by split, no two alike.

    Args:
        families: To draw from.
        dimensions: With their checkers.
        levels: Steps of a knob: 1 (off and on) or 2.
        per_dimension, chains: Cover pairs of each dimension, and chains, in a record at most.

    Raises:
        BadInput: A content table is too small to be split, or a pool lacks the middle level that is asked for.
    """

    def __init__(
        self,
        families: Sequence[Family],
        dimensions: Mapping[str, Dimension],
        *,
        levels: int = 1,
        per_dimension: int = 2,
        chains: int = 1,
    ) -> None:
        self.families, self.dimensions, self.levels = tuple(families), dimensions, levels
        self._per_dimension, self._chains = per_dimension, chains
        self._names = LEVELS if levels == 2 else ("low", "high")
        self._contents: dict[tuple[str, str, Split], Sequence[Entry]] = {}
        self._longer: dict[tuple[Split, str], int] = {}
        self._seen: dict[tuple[str, ...], list[frozenset[str]]] = {}
        self.rejected = 0  # draws whose checkers did not see their levels
        for family in families:
            for dimension, pool in family.pools.items():
                if not all(pool[name] for name in self._names):
                    raise BadInput(f"{family.name}: {dimension} has no wordings of the middle level", field="levels")
            for slot in family.spec.content:
                for split, entries in split_contents(family, slot).items():
                    self._contents[family.name, slot, split] = entries

    def draw(self, split: Split, n: int, rng: np.random.Generator) -> Iterator[KnobRecord]:
        """Up to ``n`` records, families by turns; fewer where all families have run out of new ones."""
        left, given, failed = list(self.families), 0, dict.fromkeys((family.name for family in self.families), 0)
        while left and given < n:
            for family in tuple(left):
                if given == n:
                    return
                record = self._record(family, split, rng)
                if record is None:
                    failed[family.name] += 1
                    if failed[family.name] == _TRIES:
                        left.remove(family)
                    continue
                failed[family.name] = 0
                given += 1
                yield record

    def _record(self, family: Family, split: Split, rng: np.random.Generator) -> KnobRecord | None:
        slots = {
            slot: _pick(self._contents.get((family.name, slot, split), table), rng)
            for slot, table in family.tables.items()
        }
        number = _pick(_templates_of(split, len(family.messages)), rng)
        turns = [template.fill(slots) for template in family.messages[number]]
        contents = tuple(str(slots[slot]["id"]) for slot in family.spec.content)
        if self._known((family.name, *contents), " ".join(turns)):
            return None
        wordings = {d: self._wordings(family, d, slots, split, rng) for d in family.dimensions}
        facts = family.facts(slots)
        responses = []
        for k in settings(family.dimensions, self.levels):
            text = " ".join(wordings[d][level] for d, level in k.items())
            checks = check_answer(self.dimensions, k, text, facts)
            if not realises(checks, k, self.levels):
                self.rejected += 1
                return None
            responses.append(KnobResponse(k, text, "composed", checks))
        for d in family.dimensions:
            self._longer[split, d] = self._longer.get((split, d), 0) + _rises(wordings[d])
        self._seen.setdefault((family.name, *contents), []).append(_triples(" ".join(turns)))
        pairs, incomparable = choose(responses, rng, self._per_dimension, self._chains)
        messages = tuple({"role": "assistant" if i % 2 else "user", "content": t} for i, t in enumerate(turns))
        return KnobRecord(
            id=record_id(family.name, messages, responses),
            family=family.name,
            messages=messages,
            locked=tuple(d for d in self.dimensions if d not in family.dimensions),
            responses=tuple(responses),
            pairs=pairs,
            incomparable=incomparable,
            facts=facts,
            tension=family.spec.tension,
            provenance={"content": list(contents), "template": number},
            split=split,
        )

    def _known(self, key: tuple[str, ...], prompt: str) -> bool:
        new = _triples(prompt)
        return any(len(new & old) >= _NEAR * len(new | old) for old in self._seen.get(key, ()))

    def _wordings(
        self, family: Family, dimension: str, slots: Mapping[str, Entry], split: Split, rng: np.random.Generator
    ) -> list[str]:
        """One wording for each level, low first, drawn so that higher ones are not the longer ones more often."""
        named = family.renamed(dimension, slots)
        pools = [_wordings_of(split, family.pools[dimension][name]) for name in self._names]
        so_far = self._longer.get((split, dimension), 0)
        best: tuple[float, list[str]] = math.inf, []
        for _ in range(_LENGTH_DRAWS):
            texts = [_pick(pool, rng).fill(named) for pool in pools]
            lean = abs(so_far + _rises(texts))
            miss = abs(len(texts[-1]) - len(texts[0])) / (len(texts[-1]) + len(texts[0]))
            if lean + miss < best[0]:
                best = lean + miss, texts
            if lean <= 1 and miss < _ALIKE:
                break
        return best[1]


def _rises(texts: Sequence[str]) -> int:
    """Steps from one level to the next at which the text grows, less those at which it shrinks."""
    gaps = [len(above) - len(below) for below, above in pairwise(texts)]
    return sum(gap > 0 for gap in gaps) - sum(gap < 0 for gap in gaps)


def _pick(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.random() * len(options))]


def _triples(text: str) -> frozenset[str]:
    words = text.lower().split()
    return frozenset(" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2)))


def split_contents(family: Family, slot: str) -> dict[Split, Sequence[Entry]]:
    """Entries by split; which one an entry is in follows from its id alone, in every family and for every seed."""
    entries: Sequence[Any] = sorted(
        family.tables[slot], key=lambda entry: hashlib.sha256(str(entry["id"]).encode()).hexdigest()
    )
    held_out = math.ceil(_HELD_OUT * len(entries))
    if len(entries) <= 2 * held_out:
        raise BadInput(
            f"{family.name}: table {family.spec.slots[slot]} has {len(entries)} entries, too few for three splits",
            field="content",
            fix="at least 3",
        )
    test, validation = entries[:held_out], entries[held_out : 2 * held_out]
    return dict(zip(SPLITS, (entries[2 * held_out :], validation, test), strict=True))


def _templates_of(split: Split, n: int) -> range:
    """Numbers of the prompts' templates: the last one is for the test, the one before it for validation."""
    if n < 3:
        return range(n)
    return {"train": range(n - 2), "validation": range(n - 2, n - 1), "test": range(n - 1, n)}[split]


def _wordings_of(split: Split, pool: Sequence[Template]) -> Sequence[Template]:
    """Held-out answers are worded otherwise than those that are trained on: the last third of each pool."""
    held_out = len(pool) // 3
    if not held_out:
        return pool
    return pool[:-held_out] if split == "train" else pool[-held_out:]
