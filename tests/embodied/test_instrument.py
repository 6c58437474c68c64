"""The embodied instrument beyond what every instrument must do, and the scripted reader that is its control."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgewise.core.errors import BudgetExhausted, ModelFault
from edgewise.core.estimate import Estimate, NotMeasured
from edgewise.core.instrument import Capability
from edgewise.core.profile import Panel, Verdict
from edgewise.core.run import Run
from edgewise.embodied.instrument import Embodied, EmbodiedInstrumentConfig
from edgewise.embodied.panel import Played, measure
from edgewise.embodied.reader import read, reading_model
from edgewise.models import Model, scripted_model
from edgewise.models.types import Message, Settings
from edgewise.scene.worlds import render
from support.box_frames import cube
from support.kit import examine
from support.movie import Movie
from support.worlds import needs_pictures

SEES = frozenset({Capability.TEXT, Capability.VISION})
ONE = EmbodiedInstrumentConfig(tasks=("slid_cover",), actions=6)


@pytest.fixture
def pictures() -> None:
    try:
        needs_pictures()
    except pytest.skip.Exception as problem:
        pytest.skip(str(problem))


def saying(text: str) -> Model:
    return scripted_model(lambda messages, settings, sample: text, name="says", capabilities=SEES)


def test_a_reader_reads_what_the_memory_writes() -> None:
    movie = Movie({"red": cube("red cube", 0.45, 0.1), "blue": cube("blue cube", 0.45, -0.1)})
    movie.memory.complete(0, "red is there")
    scene = read(f"What the memory knows:\n<text-1>\n{movie.memory.text()}\n</text-1>")
    assert scene.labels == {1: "red cube", 2: "blue cube"} and scene.reached == 1 and scene.held is None
    assert scene.places[1] == pytest.approx((0.45, 0.1, 0.02), abs=0.004)
    prompt = Message.user(f"Its steps:\n1. Put the red cube on the blue cube.\n\n<t>\n{movie.memory.text()}\n</t>")
    answer = asyncio.run(reading_model("r", remembers=False).generate([Message.system("…"), prompt]))
    told = json.loads(answer.text)
    assert (told["verb"], told["target"], told["reached"]) == ("pick", 1, 0)
    assert told["claims"] == ["clear(1)", "hand_empty()"]


@pytest.mark.usefixtures("pictures")
def test_answers_that_are_no_directives(tmp_path: Path) -> None:
    panel = examine(Embodied(), saying("I would rather not."), ONE, tmp_path / "run", 1)
    assert panel.dimensions["valid_directives"].value == 0 and panel.dimensions["success/with_memory"].value == 0
    assert isinstance(panel.dimensions["grounded_predicates"], NotMeasured)
    assert panel.verdicts["claims_hold"] == Verdict.NOT_MEASURED and panel.evidence


@pytest.mark.usefixtures("pictures")
def test_claims_that_do_not_hold_are_counted(tmp_path: Path) -> None:
    claims = ["held(1)", "clear(99)", "hand_empty()", "on(1, 2)"]
    panel = examine(Embodied(), saying(json.dumps({"claims": claims, "give_up": "no"})), ONE, tmp_path / "run", 1)
    grounded = panel.dimensions["grounded_predicates"]
    assert isinstance(grounded, Estimate) and grounded.value == 0.25 and panel.dimensions["valid_directives"].value == 1


@pytest.mark.usefixtures("pictures")
def test_a_model_that_is_silent_in_one_arm_is_not_wrong_there(tmp_path: Path) -> None:
    def script(messages: Sequence[Message], settings: Settings, sample: int) -> str:
        if "At the beginning" in messages[1].text:
            raise ModelFault("no answer", kind="timeout", attempts=0)
        return json.dumps({"give_up": "no"})

    model = scripted_model(script, capabilities=SEES)
    panel = examine(Embodied(), model, ONE, tmp_path / "run", 1)
    assert panel.dimensions["success/without_memory"].value == 0
    told = [c for c in panel.caveats if "without an answer" in c]
    assert told == [] or "timeout" in told[0]


@pytest.mark.usefixtures("pictures")
def test_a_budget_that_ends_stops_it(tmp_path: Path) -> None:
    def script(messages: Sequence[Message], settings: Settings, sample: int) -> str:
        raise BudgetExhausted("the budget of 0 calls is spent")

    with pytest.raises(BudgetExhausted):
        examine(Embodied(), scripted_model(script, capabilities=SEES), ONE, tmp_path / "run", 1)


def test_without_a_simulator_it_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "gl_problem", lambda: "MuJoCo is not installed\n  → pip install 'edgewise[sim]'")
    panel: Panel = examine(Embodied(), reading_model("r"), ONE, tmp_path / "run", 1)
    assert not panel.measured and panel.verdicts == {"examined": Verdict.NOT_MEASURED}
    assert "edgewise[sim]" in panel.caveats[0]
    assert Embodied().section(panel, Run.open(tmp_path / "run")).blocks


def test_its_settings_are_checked() -> None:
    assert EmbodiedInstrumentConfig(tasks=("slid-cover", "slid_cover")).tasks == ("slid_cover",)
    with pytest.raises(ValueError, match="no task 'chess'"):
        EmbodiedInstrumentConfig(tasks=("chess",))
    quick, full = EmbodiedInstrumentConfig.quick(), EmbodiedInstrumentConfig.full()
    assert len(full.tasks) > len(quick.tasks) and Embodied().cost(full).calls > 5 * Embodied().cost(quick).calls


def played(memory: str, success: bool, seed: int, **fields: object) -> Played:
    given = {"task": "t", "reached": 0, "steps": 1, "reason": "", "asked": 2, "valid": 1, "claims": 0, "grounded": 0,
             "fault": "", "directives": ()}  # fmt: skip
    return Played.model_validate(given | {"memory": memory, "success": success, "seed": seed} | fields)


def test_episodes_that_ended_without_an_answer_are_missing(tmp_path: Path) -> None:
    rows = [played("with_memory", True, k) for k in range(4)]
    rows += [played("without_memory", k == 0, k, fault="timeout" if k == 3 else "") for k in range(4)]
    with Run.create(tmp_path / "run", "test", {}, seed=0) as run:
        found = measure(rows, run)
    uplift, alone = found["memory_uplift"], found["success/without_memory"]
    assert isinstance(uplift, Estimate) and uplift.n == 3 and uplift.value == pytest.approx(2 / 3)
    assert isinstance(alone, Estimate) and (alone.n, alone.value) == (3, pytest.approx(1 / 3))
    assert found["valid_directives"].value == 0.5
