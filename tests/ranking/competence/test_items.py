"""The item set: the same seed gives the same items in every process, ids say what an item is, nothing leaks."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys

import numpy as np
import pytest

from edgewise.core.errors import BadInput
from edgewise.questions.extraction import normalise
from edgewise.questions.families import DIFFICULTIES, FAMILIES, find_family
from edgewise.questions.graders import grade_answer
from edgewise.ranking.competence.items import ItemSet, draw_items, most_common
from edgewise.ranking.competence.types import CompetenceConfig

ALL = CompetenceConfig(families=tuple(FAMILIES), items_per_cell=2, code_items=4)
DRAW = (
    "import hashlib; from edgewise.questions import FAMILIES;"
    "from edgewise.ranking.competence import CompetenceConfig, draw_items;"
    "drawn = draw_items(CompetenceConfig(families=tuple(FAMILIES), items_per_cell=2, code_items=4), 3);"
    "print(hashlib.sha256(repr((drawn.items, drawn.pools)).encode()).hexdigest())"
)


@pytest.fixture(scope="module")
def items() -> ItemSet:
    return draw_items(ALL, 3)


def test_every_process_draws_the_same_items(items: ItemSet) -> None:
    here = hashlib.sha256(repr((items.items, items.pools)).encode()).hexdigest()
    started = [
        subprocess.Popen(
            [sys.executable, "-c", DRAW], env={**os.environ, "PYTHONHASHSEED": seed}, stdout=subprocess.PIPE, text=True
        )
        for seed in ("1", "2")
    ]
    assert [process.communicate()[0].strip() for process in started] == [here, here]


def test_another_seed_draws_other_items(items: ItemSet) -> None:
    asked = {item.item_id for item in items.items if not item.is_code}
    others = {item.item_id for item in draw_items(ALL, 4).items if not item.is_code}
    assert len(asked & others) <= 3  # small cells (the easiest sums) can draw the same question
    assert draw_items(ALL, -3).items != items.items


def test_a_larger_set_begins_with_the_smaller_one(items: ItemSet) -> None:
    larger = draw_items(ALL.model_copy(update={"items_per_cell": 4, "code_items": 9}), 3)
    for family in FAMILIES:
        for difficulty in DIFFICULTIES:
            few, many = (
                [i for i in drawn.items if (i.family, i.difficulty) == (family, difficulty)]
                for drawn in (items, larger)
            )
            assert (len(few), len(many)) == (2, 4) and many[:2] == few
    assert {i.item_id for i in items.items if i.is_code} < {i.item_id for i in larger.items if i.is_code}
    one = draw_items(CompetenceConfig(families=("gcd",), items_per_cell=2, code_items=0), 3)
    assert list(one.items) == [item for item in items.items if item.family == "gcd"]


def test_the_default_settings_cover_enough() -> None:
    for config in (CompetenceConfig.quick(), CompetenceConfig.full()):
        assert len(config.families) >= 15 and config.code_items > 0
        drawn = draw_items(config, 0).items
        assert len(drawn) == config.reasoning_items + config.code_items
        assert {i.difficulty for i in drawn if not i.is_code} == set(DIFFICULTIES)


def test_ids_name_question_and_answer(items: ItemSet) -> None:
    assert len({item.item_id for item in items.items}) == len(items.items)
    for item in items.items:
        if item.is_code:
            assert item.item_id.startswith("humaneval:") and item.test and item.entry_point in item.question
        else:
            digest = hashlib.sha256(f"{item.question}\0{item.answer}".encode()).hexdigest()[:8]
            assert item.item_id == f"rg:{item.family}:{item.difficulty}:{digest}"
            assert len(item.question) <= find_family(item.family).longest


def test_references_score_one(items: ItemSet) -> None:
    assert all(grade_answer(item, item.answer) == 1 for item in items.items if not item.is_code)


def test_the_global_random_state_is_left_alone(items: ItemSet) -> None:
    before, numpy_before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]
    draw_items(ALL, 8)
    assert random.getstate() == before
    assert np.random.get_state()[1].tolist() == numpy_before  # type: ignore[index, union-attr]
    code = (
        "import random; random.seed(1); before = random.getstate();"
        "from edgewise.ranking.competence import CompetenceConfig, draw_items;"
        "draw_items(CompetenceConfig(families=('gcd',)), 0); assert random.getstate() == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)  # importing reasoning-gym draws from it


def test_wrong_answers_are_wrong_and_distinct(items: ItemSet) -> None:
    found = 0
    for item in items.items:
        if item.is_code or not find_family(item.family).transferable:
            continue
        wrong = items.wrong_answers(item, np.random.default_rng(1), 3)
        assert len({normalise(answer) for answer in (*wrong, item.answer)}) == len(wrong) + 1
        assert all(grade_answer(item, answer) < 0.5 for answer in wrong)
        assert wrong == items.wrong_answers(item, np.random.default_rng(1), 3)
        if wrong:
            assert wrong[0] not in items.wrong_answers(item, np.random.default_rng(1), 3, unlike=wrong[0])
            found += 1
    assert found > 50


def test_too_much_cannot_be_asked_for() -> None:
    with pytest.raises(BadInput, match=r"gcd \(easy\) has only \d+ distinct questions, 500 were asked for"):
        draw_items(CompetenceConfig(families=("gcd",), items_per_cell=500, code_items=0), 0)
    with pytest.raises(ValueError, match="no family is called 'chess'"):
        CompetenceConfig(families=("chess",))
    with pytest.raises(ValueError, match="none twice"):
        CompetenceConfig(families=("gcd", "gcd"))
    with pytest.raises(BadInput, match="no family is called"):
        find_family("chess")


def test_the_most_common_answer_is_the_first_among_equals() -> None:
    assert most_common(("b", "a", "b", "a", "c")) == "a"
