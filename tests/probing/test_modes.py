"""Failure modes: what is planted comes out, what is not does not, recorded answers are read strictly."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.core.errors import BadInput
from edgewise.models.embedder import TfIdf
from edgewise.probing import POLICIES, Case, Mode, Planted, Pool, Replay, confirm_modes, explore, find_modes
from edgewise.probing.coverage import expected_new, unseen
from edgewise.probing.features import Conditions, meets
from edgewise.probing.modes.confirm import plan_holdout
from edgewise.probing.modes.vectors import cluster
from edgewise.probing.search.runner import Trail
from edgewise.probing.targets import PlantedTarget
from edgewise.probing.worlds.reading import read_questions


def probe(seed: int, defects: int, good: float = 0.1) -> tuple[Planted, Trail, list[Mode]]:
    world = Planted(np.random.default_rng(seed), regions=12, defects=defects, good=good)
    target = PlantedTarget(world)
    trail = asyncio.run(explore(world, target, POLICIES["bridge"], budget=150))
    modes = asyncio.run(confirm_modes(find_modes(trail, TfIdf()), trail, world, target))
    assert any(step.phase == "holdout" for step in trail.steps) == bool(modes)
    return world, trail, modes


def test_planted_defects_are_found_and_confirmed() -> None:
    world, trail, modes = probe(2, 3)
    wanted = {world.topic(region) for region in world.defective}
    confirmed = [mode for mode in modes if mode.status == "confirmed"]
    found = {name for mode in confirmed for name in wanted if {f"group={name}", f'"{name}"'} & set(mode.trigger)}
    assert len(found) >= 2
    failed = {step.case.case_id for step in trail.failures}
    asked = {step.case.case_id: step for step in trail.steps}
    for mode in confirmed:
        assert mode.rate is not None and mode.other_rate is not None and mode.rate.value > mode.other_rate.value
        assert set(mode.members) <= failed and set(mode.central) <= set(mode.members)
        assert all(meets(asked[member].case, mode.trigger) for member in mode.members)
        assert sum(mode.truths.values()) == len(mode.members) and mode.q_value is not None and mode.q_value < 0.05
        for fail, near in mode.boundary:
            assert asked[fail].outcome.verdict == "fail" and asked[near].outcome.verdict == "pass"


@pytest.mark.parametrize("seed", range(4))
def test_noise_alone_confirms_nothing(seed: int) -> None:
    _, _, modes = probe(seed, 0, good=0.2)
    assert not [mode for mode in modes if mode.status == "confirmed"]


def test_a_flawless_model_has_no_modes() -> None:
    _, trail, modes = probe(0, 0, good=0.0)
    assert not trail.failures and modes == []


def test_clusters_of_vectors() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 30))
    for per in (3, 25):
        points = np.repeat(centres, per, axis=0) + 0.02 * rng.normal(size=(4 * per, 30))
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        labels = cluster(points)
        assert len(set(labels.tolist())) == 4 and all(len(set(part)) == 1 for part in labels.reshape(4, per))
    assert set(cluster(np.ones((40, 5))).tolist()) <= {-1, 0}
    assert cluster(np.ones((2, 5))).tolist() == [-1, -1]


def test_conditions_are_those_that_a_question_meets() -> None:
    case = Case(
        case_id="a",
        question="Which of these is NOT equal to 1,234 times x^2?",
        answer="A",
        options=("1", "2", "3"),
        group="algebra",
        knobs={"difficulty": "hard"},
        edit="format",
    )
    for condition in ("group=algebra", "difficulty=hard", "edit=format", "digits>=4", "numbers>=2", "words<15"):
        assert meets(case, (condition,)), condition
    for condition in ("options>=3", "negation", "formula", '"equal"', '"times"'):
        assert meets(case, (condition,)), condition
    for condition in ("digits>=5", "options>=5", '"the"', "group=law", '"which"'):
        assert not meets(case, (condition,)), condition
    others = [case.model_copy(update={"case_id": str(i), "group": "law" if i % 2 else "art"}) for i in range(10)]
    conditions = Conditions(others)
    assert set(conditions.names) == {"group=law", "group=art"}  # what all share tells nothing apart
    assert conditions.matrix(others).sum(0).tolist() == [5, 5]


def test_unseen_kinds() -> None:
    assert unseen([5, 3, 2]) == 0
    assert unseen([1, 1, 1, 2]) == 3 * 2 / 4
    assert expected_new([5, 3, 2], 100) == 0 == expected_new([], 100)
    counts = [1, 1, 1, 2]
    assert expected_new(counts, 0) == 0
    # One more sighting is new as often as the singletons say (Good 1953), corrected for what is left.
    assert expected_new(counts, 1) == pytest.approx(1.5 * 3 / (5 * 1.5 + 3))
    assert expected_new(counts, 1e6) == pytest.approx(unseen(counts))


@given(st.integers(0, 12), st.one_of(st.none(), st.integers(0, 400)))
def test_the_plan_of_a_holdout_keeps_to_its_questions(modes: int, questions: int | None) -> None:
    plan = plan_holdout(modes, questions)
    assert 0 <= plan.modes <= modes and min(plan.fresh, plan.controls) >= 0
    if questions is not None:
        assert plan.modes * plan.fresh + plan.controls <= questions
    if questions is None or questions >= 400:
        assert plan.modes == modes
    if plan.modes:
        assert plan.controls >= plan.fresh


def recorded(folder: Path, **columns: list) -> Path:
    table = {
        "item_id": ["a", "b", "c"],
        "question": ["one?", "two?", "three?"],
        "options": [["x", "y"], ["x", "y"], ["x", "y"]],
        "gold": ["A", "B", "A"],
        "pred": ["A", "A", None],
    }
    path = folder / "recorded.parquet"
    pq.write_table(pa.table(table | columns), path)
    return path


def test_recorded_answers(tmp_path: Path) -> None:
    found = read_questions(recorded(tmp_path), recorded=True)
    target = Replay("m", found.answers)
    verdicts = [asyncio.run(target.ask(case)).verdict for case in found.cases]
    assert verdicts == ["pass", "fail", "invalid"]  # what could not be parsed is nobody's failure


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"item_id": ["a", "a", "c"]}, "row 2, field 'item_id': 'a' is there twice"),
        ({"gold": ["A", None, "A"]}, "row 2, field 'gold': it is empty"),
        ({"question": ["", "x", "y"]}, "row 1, field 'question': it is empty"),
    ],
)
def test_faulty_records_are_named(tmp_path: Path, columns: dict, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read_questions(recorded(tmp_path, **columns), recorded=True)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadInput, match="no whole Parquet file"):
        read_questions(tmp_path / "a.parquet", recorded=True)
    pq.write_table(pa.table({"item_id": ["a"]}), tmp_path / "b.parquet")
    with pytest.raises(BadInput, match="field 'question': there is no such column"):
        read_questions(tmp_path / "b.parquet", recorded=True)


def test_a_pool_gives_each_question_once_and_keeps_some_back() -> None:
    rng = np.random.default_rng(0)
    cases = [Case(case_id=str(i), question=f"q{i}", answer="a", group="even" if i % 2 else "odd") for i in range(300)]
    vectors = rng.normal(size=(300, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pool = Pool(cases, vectors, np.random.default_rng(1))
    given = pool.seeds(10)
    near = pool.propose("micro", given[0])
    assert near is not None
    likeness = vectors @ vectors[int(given[0].case_id)]
    assert likeness[int(near.case_id)] > np.quantile(likeness, 0.9)
    given.append(near)
    held = pool.holdout(lambda case: case.group == "odd", 20)
    assert len(held) == 20 and {case.group for case in held} == {"odd"}
    while (case := pool.propose("macro", None)) is not None:
        given.append(case)
    ids = [case.case_id for case in (*given, *held)]
    assert len(set(ids)) == len(ids) and 180 < len(given) < 240
