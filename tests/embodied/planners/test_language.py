"""A language model as planner: what it is asked, what is held against it, what becomes of its answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from edgewise.core.errors import BadInput, ModelFault
from edgewise.core.instrument import Capability
from edgewise.embodied.beliefs import Beliefs
from edgewise.embodied.planners.find import find_planner
from edgewise.embodied.planners.language import LanguagePlanner, Reply, as_directive, contradictions, marked
from edgewise.embodied.play import Arm, Setting, play
from edgewise.models.scripted import scripted_model
from edgewise.models.types import Message, Settings
from edgewise.scene.types import Camera, Observation, Segmentation, Visibility
from support.beliefs import Tabletop, goal, seen
from support.worlds import needs_pictures

CUBES = {"red": "red cube", "green": "green cube"}
WANTED = goal(CUBES, "on(red, green)")
CAMERA = Camera(64, 48, (60.0, 60.0), (32.0, 24.0), np.eye(4))
FRAME = Observation(0.0, np.zeros((48, 64, 3), np.uint8), None, CAMERA)
EMPTY = Segmentation(np.zeros((48, 64), np.int16), ())


def table() -> Tabletop:
    return Tabletop({1: (0.4, 0, 0), 2: (0.5, 0, 0)}, {1: "red cube", 2: "green cube"})


class Talk:
    """A model that says these things in turn; what it was asked is kept."""

    def __init__(
        self, *answers: dict[str, Any] | str, can: frozenset[Capability] = frozenset({Capability.TEXT})
    ) -> None:
        said: Iterator[str] = iter(a if isinstance(a, str) else json.dumps(a) for a in answers)
        self.asked: list[Sequence[Message]] = []

        def script(messages: Sequence[Message], settings: Settings, sample: int) -> str:
            self.asked.append(messages)
            assert settings.json_schema is not None and "claims" in settings.json_schema["properties"]
            return next(said)

        self.planner = LanguagePlanner(scripted_model(script, capabilities=can))
        self.planner.reset(WANTED)

    def decide(self, scene: Tabletop | None = None, feedback: str = "") -> Any:
        directive = self.planner.decide((scene or table()).facts(), FRAME, EMPTY, feedback)
        self.planner.close()
        return directive


def test_a_directive_is_read_from_one_json_object() -> None:
    talk = Talk(
        {"thought": "red first", "claims": ["clear(1)", "hand_empty()"], "verb": "pick", "target": 1, "reached": 0}
    )
    directive = talk.decide(feedback="pick 1: failed: missed")
    assert directive.action.name == "pick" and directive.action.target == 1 and directive.reached == -1
    asked = talk.asked[0][-1].text
    assert "1. on(red, green)" in asked and "red cube" in asked and "failed: missed" in asked
    assert len(talk.asked) == 1


def test_contradictions_are_numbered_and_repaired_once() -> None:
    wrong = {"claims": ["held(1)", "on(1, 2)"], "verb": "place_on", "target": 1, "reference": 2}
    talk = Talk(wrong, {"verb": "pick", "target": 1})
    assert talk.decide().action.name == "pick"
    told = talk.asked[1][-1].text
    assert "1. held(1) is false\n2. on(1, 2) is false\n3. red cube 1 is not in the hand" in told
    # It insists: what it wants is carried out or refused by the executor, which says why.
    assert Talk(wrong, wrong).decide().action.name == "place_on"


@pytest.mark.parametrize(
    ("reply", "denied"),
    [
        (Reply(claims=("clear(2)",), verb="pick", target=1), "clear(2) is false: blue cube 3 is on or over it"),
        (Reply(claims=("hand_empty()",), verb="pick", target=1), None),
        (Reply(verb="pick", target=77), "there is no object 77"),
        (Reply(claims=("on(3, 2)", "nonsense", "clear(9)"), verb="look"), "clear(9) is false: there is no object 9"),
        (Reply(verb="none"), "you named no primitive"),
        (Reply(done=True, claims=("covered(1, 2)",)), "covered(1, 2) is false"),
        (Reply(give_up="it cannot be done"), None),
    ],
)
def test_code_recomputes_what_a_model_claims(reply: Reply, denied: str | None) -> None:
    scene = Tabletop(
        {1: (0.4, 0, 0), 2: (0.5, 0, 0), 3: (0.5, 0, 0.04)},
        {1: "red cube", 2: "green cube", 3: "blue cube"},
        relations={("on", 3, 2)},
    )
    found = contradictions(reply, scene.beliefs())
    assert (found == []) if denied is None else any(denied in one for one in found)


def test_what_cannot_be_read_twice_is_given_up() -> None:
    directive = Talk("I would pick it up.", "{broken").decide()
    assert directive.action is None and "named no directive" in directive.give_up
    assert Talk("Hm.", {"verb": "pick", "target": 1}).decide().action.target == 1
    unknown = Talk({"verb": "throw", "target": 1}, {"verb": "throw", "target": 1}).decide()
    assert "verb" in unknown.give_up


def test_a_model_that_does_not_answer_gives_up() -> None:
    def script(messages: Sequence[Message], settings: Settings, sample: int) -> str:
        raise ModelFault("it is down", kind="server")

    planner = LanguagePlanner(scripted_model(script))
    planner._model._retry = type(planner._model._retry)(attempts=1)
    planner.reset(WANTED)
    assert "gave no answer" in planner.decide(table().facts(), FRAME, EMPTY, "").give_up
    planner.close()
    with pytest.raises(BadInput, match="no goal"):
        LanguagePlanner(scripted_model(script)).decide((), FRAME, EMPTY, "")


def test_only_a_model_that_sees_is_shown_the_frame() -> None:
    pytest.importorskip("PIL")
    blind = Talk({"verb": "look"})
    blind.decide()
    assert blind.asked[0][-1].images == ()
    seeing = Talk({"verb": "look"}, can=frozenset({Capability.TEXT, Capability.VISION}))
    seeing.decide()
    assert len(seeing.asked[0][-1].images) == 1 and "numbers are ids" in seeing.asked[0][-1].text


def test_a_goal_that_is_a_picture_is_shown_beside_the_frame() -> None:
    """In a real episode: tasks with a goal image have it, others do not, and the next episode forgets it."""
    pytest.importorskip("PIL")
    needs_pictures()
    seeing = Talk(*[{"give_up": "enough"}] * 3, can=frozenset({Capability.TEXT, Capability.VISION}))
    setting = Setting(perception="masks", scored=False)
    for task, pictures in (("stack_three_colors", 2), ("slid_cover", 1)):
        play(task, 0, Arm("language", "full"), setting, planner=seeing.planner)
        message = seeing.asked[-1][-1]
        assert len(message.images) == pictures and ("how it should look" in message.text) == (pictures == 2)
    shown = seeing.asked[0][-1].images
    assert shown[0].data_uri != shown[1].data_uri
    seeing.planner.close()


def test_marks_stand_where_objects_are_believed_to_be() -> None:
    picture = pytest.importorskip("PIL.Image")
    import base64
    import io

    # One metre before a camera that looks along Z; hidden things are marked as well.
    beliefs = Beliefs.of([seen(7, "red cube", (0.0, 0.0, 0.98), visibility=Visibility.CONTAINED)])
    raw = base64.b64decode(marked(FRAME, beliefs).data_uri.partition(",")[2])
    image = np.asarray(picture.open(io.BytesIO(raw)))
    assert image.shape == (96, 128, 3)
    rows, columns = np.nonzero(image.max(axis=2) > 128)
    assert abs(rows.mean() - 48) < 6 and abs(columns.mean() - 64) < 6


def test_directives_keep_only_what_their_primitive_takes() -> None:
    reply = Reply(verb="pick", target=1, reference=2, second=3, x=0.4, y=0.0)
    action = as_directive(reply).action
    assert action is not None and (action.reference, action.second, action.position) == (None, None, None)
    placed = as_directive(Reply(verb="place_at", target=1, x=0.4, y=0.1)).action
    assert placed is not None and placed.position == (0.4, 0.1, 0.0)
    assert as_directive(Reply(done=True, give_up="x")).done
    assert as_directive(Reply(verb="none")).give_up


def test_a_model_is_a_planner_by_its_name() -> None:
    model = scripted_model(lambda messages, settings, sample: "{}", name="mute")
    assert find_planner("scripted:mute", model).name == "mute"
