"""The seeded item set: the same seed gives the same items, byte for byte, on any machine."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.questions.draw import human_eval, open_sequence, sound_items
from edgewise.questions.extraction import normalise
from edgewise.questions.families import CODE, DIFFICULTIES, Difficulty, Family, find_family
from edgewise.questions.graders import grade_answer
from edgewise.questions.types import Item
from edgewise.ranking.competence.types import CompetenceConfig

POOL = 24  # answers drawn per cell for the pools, from other items than those asked
_POOL_START = 1_000_000  # index in the generator's sequence from which the pools are drawn
_TRIES = 50  # draws per wanted item before a cell counts as too small


@dataclass(frozen=True)
class ItemSet:
    """Items, and pools of answers that other items of the same family have.

    Attributes:
        items: Sorted by family, difficulty and order of drawing; code last.
        pools: Answers per (family, difficulty), with repeats, drawn independently of ``items``.
    """

    items: tuple[Item, ...]
    pools: dict[tuple[str, Difficulty], tuple[str, ...]]

    def family_pool(self, family: str) -> tuple[str, ...]:
        """All pooled answers of a family, with repeats."""
        return tuple(answer for (name, _), pool in self.pools.items() if name == family for answer in pool)

    def wrong_answers(
        self, item: Item, rng: np.random.Generator, count: int, *, unlike: str | None = None
    ) -> tuple[str, ...]:
        """Up to ``count`` distinct wrong answers to ``item``, as other items of its cell (then its family) have them.

        Args:
            unlike: An answer that must not be among them.
        """
        seen = {normalise(item.answer)} | ({normalise(unlike)} if unlike is not None else set())
        wrong: list[str] = []
        for pool in (self.pools[item.family, item.difficulty], self.family_pool(item.family)):
            distinct = sorted(set(pool))
            for index in rng.permutation(len(distinct)):
                answer = distinct[index]
                if len(wrong) < count and normalise(answer) not in seen and grade_answer(item, answer) < 0.5:
                    seen.add(normalise(answer))
                    wrong.append(answer)
        return tuple(wrong)


def draw_items(config: CompetenceConfig, seed: int) -> ItemSet:
    """Draw the item set of a configuration.

    An item depends on the seed, its family, its difficulty and its place in the cell only, so a larger set begins with
    the smaller one.

    Raises:
        BadInput: A cell has fewer distinct questions than were asked for.
    """
    items: list[Item] = []
    pools: dict[tuple[str, Difficulty], tuple[str, ...]] = {}
    for name in config.families:
        for difficulty in DIFFICULTIES:
            family = find_family(name)
            dataset = open_sequence(family, difficulty, int(_generator(seed, name, difficulty).integers(2**31)))
            items.extend(_draw_cell(family, difficulty, dataset, config.items_per_cell))
            others = sound_items(family, difficulty, dataset, range(_POOL_START, _POOL_START + _TRIES * POOL))
            pools[name, difficulty] = tuple(item.answer for item in itertools.islice(others, POOL))
    if config.code_items:
        problems = human_eval()
        order = _generator(seed, CODE).permutation(len(problems))[: config.code_items]
        items.extend(problems[index] for index in sorted(order.tolist()))
        pools[CODE, "unrated"] = tuple(problem.answer for problem in problems)
    return ItemSet(items=tuple(items), pools=pools)


def _draw_cell(family: Family, difficulty: Difficulty, dataset: Any, count: int) -> list[Item]:
    """The first ``count`` distinct questions of a generator's sequence whose reference answer is seen to be right."""
    drawn: dict[str, Item] = {}
    for item in sound_items(family, difficulty, dataset, range(_TRIES * count)):
        drawn.setdefault(item.item_id, item)
        if len(drawn) == count:
            return list(drawn.values())
    raise BadInput(
        f"{family.name} ({difficulty}) has only {len(drawn)} distinct questions, {count} were asked for",
        field="items_per_cell",
        fix="ask for fewer items per cell, or leave the family out",
    )


def _generator(seed: int, *place: str) -> np.random.Generator:
    """A generator for one cell, the same wherever the set is drawn, with a run or without."""
    name = "/".join(("competence", *place)).encode()
    return np.random.default_rng([abs(seed), int(seed < 0), *name])


def most_common(answers: tuple[str, ...]) -> str:
    """The most common answer; among equally common ones the first in alphabetical order."""
    counts = Counter(answers)
    return min(counts, key=lambda answer: (-counts[answer], answer))
