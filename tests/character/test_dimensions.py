from __future__ import annotations

from pathlib import Path

import pytest

from edgewise.character.checkers import Facts
from edgewise.character.dimensions import load_dimensions
from edgewise.core.errors import BadInput

OWN = """
- name: brevity
  title: Brevity
  definition: Says it short.
  rubric: [long, short]
  checker: {high: ["in short"], low: ["as I said before"]}
"""


def test_the_four_of_the_paper() -> None:
    found = load_dimensions()
    assert list(found) == ["anti_sycophancy", "trustworthiness", "empathy", "creativity"]
    for dimension in found.values():
        assert len(dimension.rubric) == 5 and dimension.check() is not None
        assert dimension.judged_by().count("\n") == 5


def test_one_of_your_own_with_phrases(tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_text(OWN)
    check = load_dimensions(tmp_path / "d.yaml")["brevity"].check()
    assert check is not None
    scores = [
        check(text, Facts()) for text in ("In short, yes.", "As I said before", "In short, as I said before", "-")
    ]
    assert scores == [1.0, 0.0, 0.5, None]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[", "no YAML"),
        ("a: 1", "list of dimensions"),
        ("[]", "list of dimensions"),
        (OWN.replace("title: Brevity", "titel: x"), "title"),
        (OWN + OWN, "twice"),
        (OWN.replace("brevity", "Not A Key"), "name"),
        (OWN.replace('{high: ["in short"], low: ["as I said before"]}', "no_such"), "no checker 'no_such'"),
    ],
)
def test_what_is_wrong_is_named(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_text(text)
    with pytest.raises(BadInput, match=says) as error:
        load_dimensions(tmp_path / "d.yaml")
    assert "d.yaml" in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.yaml"):
        load_dimensions(tmp_path / "none.yaml")
