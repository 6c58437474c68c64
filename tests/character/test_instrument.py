"""The character panel: what it must see, what it must not, and that a stopped one goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise.character.battery import SAMPLES, UNSAFE, draw_battery
from edgewise.character.dimensions import load_dimensions
from edgewise.character.instrument import Actor, Character
from edgewise.character.judged import _classes, calibrate
from edgewise.character.knobs.compose import Composer
from edgewise.character.knobs.grammar import load_families
from edgewise.character.measures import names
from edgewise.character.types import CharacterConfig, JudgedAnswer, Source
from edgewise.core.estimate import Estimate, NotMeasured
from edgewise.core.instrument import Capability
from edgewise.core.profile import Panel, Verdict
from edgewise.core.run import Run
from edgewise.models import Message, scripted_model
from edgewise.models.calls import Call
from edgewise.models.scripted import ScriptedBackend
from edgewise.models.types import Scored, Settings, TokenLogprob
from support.kit import examine

QUICK = CharacterConfig()
ASTRAY = ("leaves_standing", "gives_way", "contradicts_the_right")


def value(panel: Panel, name: str) -> float:
    found = panel.dimensions[name]
    assert isinstance(found, Estimate), found
    return found.value


def test_the_battery_asks_nothing_that_training_has() -> None:
    battery = draw_battery(6, 4, np.random.default_rng(0))
    assert {item.kind for item in battery.items} == set(SAMPLES)
    composer = Composer(list(load_families().values()), load_dimensions())
    trained = list(composer.draw("train", 1500, np.random.default_rng(1)))
    contents = {(record.family, record.content) for record in trained}
    prompts = {record.messages[-1]["content"] for record in trained}
    for item in battery.items:
        if item.kind != UNSAFE:
            assert (item.kind, item.content) not in contents and item.messages[-1].text not in prompts
    for kind in SAMPLES:
        own = [item for item in battery.items if item.kind == kind]
        assert len(own) == 6 and len({item.content for item in own}) >= 3, kind


def test_the_two_ends_are_seen_in_every_rate(tmp_path: Path) -> None:
    low = examine(Character(), Actor(0), QUICK, tmp_path / "low", 3)
    high = examine(Character(), Actor(1), QUICK, tmp_path / "high", 3)
    for name in (*ASTRAY, "flatters_the_author", "flatters_a_stranger"):
        assert (value(low, f"anti_sycophancy/{name}"), value(high, f"anti_sycophancy/{name}")) == (1, 0)
    for name in ("refuses_harmless", "answers_unsafe"):
        assert (value(low, f"trustworthiness/{name}"), value(high, f"trustworthiness/{name}")) == (1, 0)
    assert value(low, "trustworthiness/disclaimers") > 0.5 and value(high, "trustworthiness/disclaimers") == 0
    assert value(low, "trustworthiness/invented_sources") >= 2 and value(high, "trustworthiness/invented_sources") == 0
    assert (value(low, "empathy/acknowledgement"), value(high, "empathy/acknowledgement")) == (0, 1)
    assert Verdict.FAIL not in high.verdicts.values() and list(low.verdicts.values()) == [Verdict.FAIL] * 4
    assert set(low.dimensions) == set(names())
    assert isinstance(low.dimensions["preference/empathy"], NotMeasured)


class Leaning(ScriptedBackend):
    """Finds the shorter text likelier, and yes likelier the more often it was pushed."""

    async def score(self, call: Call) -> Scored:
        pushed = sum("quite sure" in message.text for message in call.messages)
        if call.continuation in ("Yes", "No"):
            return Scored(tokens=(TokenLogprob(token="x", logprob=-1.0 + pushed * (call.continuation == "Yes")),))
        assert call.continuation is not None
        return Scored(tokens=tuple(TokenLogprob(token=w, logprob=-0.1 * len(call.continuation)) for w in "abc"))


def test_log_probabilities_are_read(tmp_path: Path) -> None:
    model = scripted_model(lambda messages, settings, sample: "Well.", name="leaning")
    both = frozenset({Capability.TEXT, Capability.SCORE})
    model._backend = Leaning(lambda messages, settings, sample: "Well.", both)
    model.capabilities = both
    panel = examine(Character(), model, QUICK, tmp_path / "run", 3)
    assert value(panel, "anti_sycophancy/shift") == value(panel, "anti_sycophancy/shift_when_right") == 1
    rows = Run.open(tmp_path / "run").read_table("character_preferences").to_pylist()
    assert len(rows) == 4 * QUICK.pairs
    for dimension in ("empathy", "creativity"):
        own = [row["chosen"] > row["rejected"] for row in rows if row["dimension"] == dimension]
        assert value(panel, f"preference/{dimension}") == sum(own) / len(own)
    assert value(panel, "anti_sycophancy/leaves_standing") == 1  # "Well." corrects nothing
    assert isinstance(panel.dimensions["anti_sycophancy/gives_way"], NotMeasured)  # and takes no side
    assert any("take no side" in caveat for caveat in panel.caveats)


def test_a_stopped_examination_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    made = 0

    def script(messages: Sequence[Message], settings: Settings, sample: int) -> str:
        nonlocal made
        made += 1
        if made == stop:
            raise KeyboardInterrupt
        return f"Yes, I agree with {len(messages[-1].text)}."

    stop = 0
    whole = examine(Character(), scripted_model(script), QUICK, tmp_path / "whole", 3)
    calls, made, stop = made, 0, 20
    with pytest.raises(KeyboardInterrupt):
        examine(Character(), scripted_model(script), QUICK, tmp_path / "cut", 3)
    assert examine(Character(), scripted_model(script), QUICK, tmp_path / "cut", 3) == whole
    assert made == calls + 1


def test_a_model_that_never_answers_is_not_measured(tmp_path: Path) -> None:
    from edgewise.core.errors import ModelFault

    def script(messages: Sequence[Message], settings: Settings, sample: int) -> str:
        raise ModelFault("no", kind="bad request")

    panel = examine(Character(), scripted_model(script), QUICK, tmp_path / "run", 3)
    assert not panel.measured and set(panel.verdicts.values()) == {Verdict.NOT_MEASURED}
    assert Character().section(panel, Run.open(tmp_path / "run")).blocks


JUDGES = """
import json

def fair(messages, settings, sample):
    text = messages[-1].text.partition("The text to judge")[2]
    good = any(w in text for w in ("not true", "Actually", "exact figure", "leave the source", "I am here", "hurry"))
    bad = any(w in text for w in ("Indeed", "I agree", "et al", "others", "yoga", "set goals"))
    return json.dumps({"reason": "r", "score": 4 if good else 0 if bad else 2})

def blind(messages, settings, sample):
    return json.dumps({"reason": "r", "score": len(messages[-1].text) % 5})
"""


@pytest.mark.parametrize("judge", ["fair", "blind"])
def test_judges_place_a_model_only_if_they_tell_good_from_bad(judge: str, tmp_path: Path) -> None:
    (tmp_path / "judges.py").write_text(JUDGES)
    config = CharacterConfig(judges=(f"scripted:{tmp_path / 'judges.py'}:{judge}",), judged=6, items=6)
    panel = examine(Character(), Actor(1), config, tmp_path / "run", 3)
    assert set(panel.dimensions) == set(Character().dimension_names(config))
    rows = Run.open(tmp_path / "run").read_table("character_ratings").to_pylist()
    assert len(rows) == 4 * 3 * 6
    if judge == "fair":
        assert any(name.startswith("judged/") for name in panel.measured)
    else:
        reasons = {m.reason for m in panel.dimensions.values() if isinstance(m, NotMeasured)}
        assert "the judges cannot tell the highest setting from the lowest" in reasons


def _rated(rng: np.random.Generator, level: float, severity: dict[str, float]) -> list[JudgedAnswer]:
    rows = []
    abilities: dict[Source, float] = {"model": level, "low": -2.0, "high": 2.0}
    for item in range(30):
        for judge, hard in severity.items():
            for source, ability in abilities.items():
                score = int(rng.binomial(4, 1 / (1 + np.exp(-(ability - hard)))))
                rows.append(JudgedAnswer(dimension="empathy", item=f"i{item}", judge=judge, source=source, score=score))
    return rows


def test_calibration_takes_severity_out() -> None:
    rng = np.random.default_rng(0)
    found: dict[str, Any] = {}
    for name, severity in (("kind", {"a": -1.0, "b": -0.5}), ("hard", {"a": 1.0, "b": 0.5})):
        found[name] = calibrate(_rated(rng, 0.0, severity))["judged/empathy"]
        assert found[name].low <= -2.0 <= found[name].high  # 2 logits below the good answers, whoever judges
    assert isinstance(calibrate([])["judged/empathy"], NotMeasured)


def test_rare_scores_join_their_neighbours() -> None:
    assert _classes([0] * 9 + [1] + [2] * 9 + [4] * 2) == [[0, 1], [2, 4]]
    assert _classes([0] * 12 + [1] + [2] * 6 + [4] * 6) == [[0], [1, 2], [4]]
    assert _classes([0] * 9 + [3] * 9 + [4] * 9) == [[0], [3], [4]]
    assert _classes([2, 2, 3]) == [[2], [3]] and _classes([1, 1]) == [[1]]
