"""The model's place on the ladder of reference respondents."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.core.estimate import Estimate
from edgewise.questions.families import DIFFICULTIES
from edgewise.ranking.competence.placement import ladder, placement_score, placement_table
from edgewise.ranking.competence.types import ResponseRow


def rows(solves: dict[str, float], n: int = 20) -> list[ResponseRow]:
    """A model that solves a share of the items of each level."""
    return [
        ResponseRow(model="m", item_id=f"{d}{i}", family="f", difficulty=d, kind="base", score=float(i < solves[d] * n))
        for d in DIFFICULTIES
        for i in range(n)
    ]


def score(solves: dict[str, float], n: int = 20) -> Estimate:
    found = placement_score(rows(solves, n))
    assert isinstance(found, Estimate) and found.n == 3 * n and found.low <= found.value <= found.high
    return found


@pytest.mark.parametrize(
    ("rung", "name"), list(enumerate(("nothing", "easy items", "easy and medium items", "everything")))
)
def test_who_does_what_a_reference_does_has_its_score(rung: int, name: str) -> None:
    solves = {d: float(i < rung) for i, d in enumerate(DIFFICULTIES)}
    assert score(solves).value == pytest.approx(ladder(rows(solves))[1][name])


def test_hard_items_are_worth_more_and_one_more_is_never_less() -> None:
    worth, _ = ladder(rows(dict.fromkeys(DIFFICULTIES, 1.0)))
    easy, medium, hard = worth[0], worth[20], worth[40]
    assert 0 < easy < medium < hard
    hard_half, easy_half = ({**dict.fromkeys(DIFFICULTIES, 0.0), d: 0.5} for d in ("hard", "easy"))
    assert score(hard_half).value > score(easy_half).value
    values = [score(dict.fromkeys(DIFFICULTIES, share)).value for share in np.linspace(0, 1, 11)]
    assert np.all(np.diff(values) > 0) and values[0] == 0 and values[-1] == pytest.approx(1)


def test_nothing_right_is_not_sure_to_be_nothing() -> None:
    assert score(dict.fromkeys(DIFFICULTIES, 0.0)).high > 0.05


def test_the_interval_covers() -> None:
    """A model right with probability .4 on any item has score .4; at 60 items, unequal worth, Wilson at Kish's n."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        right = rng.random(60) < 0.4
        drawn = [
            ResponseRow(model="m", item_id=str(k), family="f", difficulty=d, kind="base", score=float(right[k]))
            for k, d in enumerate(DIFFICULTIES * 20)
        ]
        found = placement_score(drawn)
        inside += found.low <= 0.4 <= found.high  # type: ignore[operator]
    assert 0.92 <= inside / 400 <= 0.99


def test_programs_and_missing_answers_are_left_out() -> None:
    few = rows(dict.fromkeys(DIFFICULTIES, 1.0), n=1)
    code = ResponseRow(model="m", item_id="c", family="code", difficulty="unrated", kind="base", score=0.0)
    missing = ResponseRow(model="m", item_id="d", family="f", difficulty="easy", kind="base", score=None)
    assert not placement_score([*few, code, missing]).measured and placement_table([*few, code, missing]) is None
    table = placement_table([*rows(dict.fromkeys(DIFFICULTIES, 1.0)), code, missing])
    assert table is not None and {line[0] for line in table[:2]} == {"m", "one who solves everything"}
