"""Composed records: every answer shows its setting, no split leaks into another, length says nothing."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from edgewise.character.dimensions import load_dimensions
from edgewise.character.knobs.compose import Composer, tolerance
from edgewise.character.knobs.grammar import Template, load_families
from edgewise.character.knobs.lattice import settings
from edgewise.character.knobs.quality import length_auc, summary
from edgewise.character.knobs.types import SPLITS, KnobRecord
from edgewise.core.errors import BadInput

COUNTS = {"train": 700, "validation": 150, "test": 150}


@pytest.fixture(scope="module", params=[1, 2])
def drawn(request: pytest.FixtureRequest) -> tuple[int, list[KnobRecord]]:
    composer = Composer(list(load_families().values()), load_dimensions(), levels=request.param)
    rng = np.random.default_rng(3)
    return request.param, [record for split in SPLITS for record in composer.draw(split, COUNTS[split], rng)]


def test_every_answer_shows_its_setting_to_every_checker(drawn: tuple[int, list[KnobRecord]]) -> None:
    levels, records = drawn
    dimensions = load_dimensions()
    for record in records:
        varying = [d for d in dimensions if d not in record.locked]
        assert sorted(map(str, settings(sorted(varying), levels))) == sorted(
            str({d: r.k[d] for d in sorted(varying)}) for r in record.responses
        )
        for response in record.responses:
            for name in varying:
                check = dimensions[name].check()
                assert check is not None
                score = check(response.text, record.facts)
                assert score == response.checks[name] and score is not None
                assert abs(score - response.k[name] / levels) <= tolerance(levels)


def test_a_cover_pair_differs_in_its_dimension_alone(drawn: tuple[int, list[KnobRecord]]) -> None:
    _, records = drawn
    for record in records:
        for pair in record.pairs:
            a, b = record.responses[pair.chosen], record.responses[pair.rejected]
            if pair.kind == "cover":
                (name,) = pair.dims
                assert {d: a.checks[d] for d in a.k if d != name} == {d: b.checks[d] for d in b.k if d != name}
                assert a.checks[name] > b.checks[name]  # type: ignore[operator]  # both were seen
            assert all(a.k[d] >= b.k[d] for d in a.k)


def test_splits_share_no_content_no_prompt_template_and_no_wording(drawn: tuple[int, list[KnobRecord]]) -> None:
    _, records = drawn
    contents: dict[tuple[str, str], set[str]] = defaultdict(set)
    templates: dict[tuple[str, int], set[str]] = defaultdict(set)
    prompts: dict[str, int] = defaultdict(int)
    texts: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for place, content in enumerate(record.provenance["content"]):
            contents[f"{record.family}/{place}", content].add(record.split)
        templates[record.family, record.provenance["template"]].add(record.split)
        prompts["\n".join(m["content"] for m in record.messages)] += 1
        for response in record.responses:
            texts[response.text].add("train" if record.split == "train" else "held out")
    assert all(len(found) == 1 for found in (*contents.values(), *templates.values(), *texts.values()))
    assert max(prompts.values()) == 1
    assert len({record.id for record in records}) == len(records) == sum(COUNTS.values())


def test_length_does_not_tell_the_better_answer(drawn: tuple[int, list[KnobRecord]]) -> None:
    levels, records = drawn
    for split in SPLITS:
        for name, estimate in length_auc([r for r in records if r.split == split]).items():
            if levels == 1:
                assert abs(estimate.value - 0.5) <= 0.03, (split, name, estimate)
            else:  # both steps are balanced together, and which of the two is drawn is chance
                assert estimate.low - 0.03 <= 0.5 <= estimate.high + 0.03, (split, name, estimate)


def test_families_are_many_large_and_several_in_tension() -> None:
    families = load_families().values()
    assert len(families) >= 8 and sum(bool(f.spec.tension) for f in families) >= 3
    assert sum(f.size() for f in families) >= 1e6
    for family in families:
        assert {d for pair in family.spec.tension for d in pair} <= set(family.dimensions)


def test_the_same_seed_gives_the_same_records() -> None:
    def some(seed: int) -> list[KnobRecord]:
        composer = Composer(list(load_families().values()), load_dimensions())
        return list(composer.draw("train", 60, np.random.default_rng(seed)))

    assert some(1) == some(1) != some(2)


def test_a_family_that_runs_out_gives_what_it_has() -> None:
    family = load_families()["everyday_dose"]
    composer = Composer([family], load_dimensions())
    found = list(composer.draw("test", 10_000, np.random.default_rng(0)))
    assert 8 <= len(found) < 100
    assert summary(found)["test"]["records"] == len(found)


def test_templates_fill_and_capitalise() -> None:
    template = Template("{A.b}, and {a.b} or {c.d}")
    assert template.fill({"a": {"b": "red"}, "c": {"d": 3}}) == "Red, and red or 3"
    assert template.slots == {("a", "b"), ("c", "d")}


OWN = """
families:
  - name: own
    about: Mine.
    content: [thing]
    slots: {thing: things}
    messages: [["What of {thing.name}?"]]
    parts: {trustworthiness: mine}
tables:
  things: [{id: a, name: tea}, {id: b, name: rye}, {id: c, name: ink}]
parts:
  mine: {low: ["As an AI, please note that {thing.name} varies."], high: ["{Thing.name} is fine by me."]}
"""


def test_a_family_of_your_own(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(OWN)
    families = load_families(tmp_path / "f.yaml")
    assert list(families) == ["own"] and families["own"].size() == 3
    composer = Composer(list(families.values()), load_dimensions())
    texts = {composer.draw(s, 5, np.random.default_rng(0)).__next__().responses[1].text for s in SPLITS}
    assert texts == {"Tea is fine by me.", "Rye is fine by me.", "Ink is fine by me."}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("{thing.name}?", "{thing.nmae}?"), "entry 1 of table things has no 'nmae'"),
        (("slots: {thing: things}", "slots: {thing: tings}"), "no table 'tings'"),
        (("trustworthiness: mine", "trust: mine"), "'trust', which is no dimension"),
        (("trustworthiness: mine", "trustworthiness: yours"), "no pool 'yours'"),
        (('low: ["As', 'lwo: ["As'), "has no 'low'"),
        (('["What of {thing.name}?"]', '["a", "b"]'), "ends with the assistant"),
        (("families:", "famlies:"), "famlies"),
        (("about: Mine.", "abuot: Mine."), "abuot|about"),
        (("content: [thing]", "content: [thnig]"), "no slot 'thnig'"),
    ],
)
def test_what_is_wrong_with_a_family_is_named(change: tuple[str, str], says: str, tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(OWN.replace(*change))
    with pytest.raises(BadInput, match=says) as error:
        load_families(tmp_path / "f.yaml")
    assert "f.yaml" in str(error.value)


def test_a_table_too_small_to_split_is_named(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(OWN.replace(", {id: c, name: ink}", ""))
    with pytest.raises(BadInput, match="2 entries, too few"):
        Composer(list(load_families(tmp_path / "f.yaml").values()), load_dimensions())


def test_a_pool_without_a_middle_level_is_named(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(OWN)
    with pytest.raises(BadInput, match="middle level"):
        Composer(list(load_families(tmp_path / "f.yaml").values()), load_dimensions(), levels=2)
