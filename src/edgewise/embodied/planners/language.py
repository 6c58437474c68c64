"""A planner that is a language model, with or without eyes: facts in, one directive by object ids out.

The model never names metres for an object that exists: code resolves ids to poses. What it claims to have checked is
checked again, and a contradiction goes back to it with its number, once; what it then says is carried out or refused.
"""

from __future__ import annotations

import asyncio
import base64
import io
import re
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgewise.core.errors import BadInput, ModelFault
from edgewise.core.instrument import Capability
from edgewise.core.records import Record
from edgewise.embodied.acting.primitives import ARGUMENTS, objections
from edgewise.embodied.beliefs import Beliefs
from edgewise.embodied.types import Directive, Goal
from edgewise.models.door import Model
from edgewise.models.structured import fence_for, fenced, parse_record, plain_schema
from edgewise.models.types import Image, Message, Settings
from edgewise.scene.render import as_text
from edgewise.scene.types import Action, Fact, ObjectFact, Observation, RobotState, Segmentation, Visibility
from edgewise.scene.worlds.world import HOME

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Verb = Literal["pick", "place_on", "place_at", "place_in", "cover", "bridge", "open", "close", "look", "none"]
_CLAIM = re.compile(r"^\s*(\w+)\s*(?:\(\s*(\d+)?\s*(?:,\s*(\d+))?\s*\))?\s*$")
_SYSTEM = """You plan for a robot arm with one gripper at a table. X points away from you, Y to the left, Z up; metres.
You are told what a memory knows: objects with ids, relations, how it was at the beginning, what happened and why, and
what the robot did. An object that is not seen is where the memory says.

Think in three steps: sum up the state of the world from what happened; check that the target can be reached and what
it depends on; compare with the goal. Then name ONE next primitive:
pick(target) - hand empty, nothing on or over the target
place_on(target, reference), place_in(target, reference), place_at(target, x, y) - target in the hand
cover(target, reference) - target is the cover, in the hand; reference is what it goes over
bridge(target, reference, second) - target in the hand, laid across both
place_at(target, x, y) of a cover that is NOT in the hand slides it with what is under it
open(target), close(target) a drawer; look()

Answer with one JSON object:
thought: your reasoning in a few sentences
claims: what you checked, each one of clear(id), held(id), hand_empty(), on(id, id), inside(id, id), covered(id, id)
verb: the primitive, or "none"
target, reference, second: ids, or null
x, y: for place_at, or null
reached: number of the last step of the task that has been reached, 0 if none
done: true only if every step was reached and the end holds
give_up: why nothing can be done, or empty"""


class Reply(Record):
    """What the model answers, see the prompt."""

    thought: str = ""
    claims: tuple[str, ...] = ()
    verb: Verb = "none"
    target: int | None = None
    reference: int | None = None
    second: int | None = None
    x: float | None = None
    y: float | None = None
    reached: int = 0
    done: bool = False
    give_up: str = ""


class LanguagePlanner:
    """Asks a model for every directive.

    Args:
        model: Any; it is shown the frame with numbered marks if it can see.
        max_tokens: Of an answer.
    """

    def __init__(self, model: Model, max_tokens: int = 700) -> None:
        self.name, self._model = model.name, model
        self._settings = Settings(max_tokens=max_tokens, json_schema=plain_schema(Reply))
        self._goal: Goal | None = None
        self._goal_picture: tuple[Image, ...] = ()
        self._runner: asyncio.Runner | None = None

    @property
    def sees(self) -> bool:
        """Whether the model takes pictures."""
        return Capability.VISION in self._model.capabilities

    def reset(self, goal: Goal) -> None:
        """A new episode."""
        self._goal = goal

    def show_goal(self, picture: Observation | None) -> None:
        """How the scene should look in the end, for a model that sees; None where the task says it in words alone."""
        self._goal_picture = () if picture is None else (as_image(enlarged(picture)),)

    def decide(
        self, facts: tuple[Fact, ...], observation: Observation, segmentation: Segmentation, feedback: str
    ) -> Directive:
        """The model's directive; a model that gives no answer gives up."""
        if self._goal is None:
            raise BadInput("the planner has no goal", fix="call reset(goal) first")
        if self._runner is None:
            self._runner = asyncio.Runner()  # one loop for all calls: a client of a server belongs to its loop
        try:
            return self._runner.run(self._ask(self._goal, facts, observation, feedback))
        except ModelFault as fault:
            return Directive(give_up=f"the model gave no answer: {fault.message}")

    def close(self) -> None:
        """End the loop that calls ran in."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    async def _ask(self, goal: Goal, facts: tuple[Fact, ...], observation: Observation, feedback: str) -> Directive:
        beliefs = Beliefs.of(facts)
        text = as_text(facts)
        fence = fence_for(text, feedback)
        steps = "\n".join(f"{number}. {step.text}" for number, step in enumerate(goal.steps, 1))
        parts = [
            f"The task: {goal.text}\n\nIts steps:\n{steps}",
            fenced(fence, "What the memory knows", text),
            fenced(fence, "What became of your last directive", feedback or "it was carried out, or it is your first"),
        ]
        images: tuple[Image, ...] = ()
        if self.sees:
            parts.append("The picture shows the present frame; numbers are ids.")
            parts += ["The second picture shows how it should look in the end."] if self._goal_picture else []
            images = (marked(observation, beliefs), *self._goal_picture)
        messages = [Message.system(_SYSTEM), Message.user("\n\n".join(parts), *images)]
        reply, problems = await self._answer(messages, beliefs)
        if problems:
            listed = "\n".join(f"{number}. {problem}" for number, problem in enumerate(problems, 1))
            said = "" if reply is None else reply.model_dump_json()
            messages += [
                Message.assistant(said or "(nothing that can be read)"),
                Message.user(f"The memory contradicts you:\n{listed}\n\nAnswer again with one JSON object."),
            ]
            again, problems = await self._answer(messages, beliefs)
            reply = again or reply
        if reply is None:
            return Directive(give_up=f"the model named no directive: {'; '.join(problems)}")
        return as_directive(reply)

    async def _answer(self, messages: list[Message], beliefs: Beliefs) -> tuple[Reply | None, list[str]]:
        response = await self._model.generate(tuple(messages), self._settings)
        reply, problem = parse_record(response.text, Reply)
        return reply, contradictions(reply, beliefs) if reply is not None else [problem or "there was no answer"]


def contradictions(reply: Reply, beliefs: Beliefs) -> list[str]:
    """What the reply claims and the beliefs deny, and preconditions of its primitive that do not hold."""
    found = [denied for claim in reply.claims if (denied := _denied(claim, beliefs))]
    if reply.done or reply.give_up:
        return found
    if reply.verb == "none":
        return [*found, "you named no primitive, and neither are you done nor do you give up"]
    action = as_directive(reply).action
    assert action is not None
    holding = beliefs.held is not None
    return [*found, *objections(action, beliefs, RobotState(HOME, 0.0, 0.04 if holding else 0.08, holding))]


def as_directive(reply: Reply) -> Directive:
    """The reply as a directive."""
    reached = reply.reached - 1
    if reply.done or reply.give_up or reply.verb == "none":
        why = reply.give_up or ("" if reply.done else "the model named no primitive")
        return Directive(done=reply.done, give_up="" if reply.done else why, reached=reached, thought=reply.thought)
    count = ARGUMENTS[reply.verb]
    target = reply.target if count > 0 else None
    reference, second = reply.reference if count > 1 else None, reply.second if count > 2 else None
    place = None if reply.x is None or reply.y is None else (reply.x, reply.y, 0.0)
    position = place if reply.verb == "place_at" else None
    action = Action(0, reply.verb, target, reference, second, position, reply.thought[:200])
    return Directive(action=action, reached=reached, thought=reply.thought)


def _denied(claim: str, beliefs: Beliefs) -> str:
    """Why a claimed predicate does not hold by the beliefs; empty if it does, or is not one that can be checked."""
    read = _CLAIM.match(claim)
    if read is None:
        return ""
    name, a, b = read[1], read[2] and int(read[2]), read[3] and int(read[3])
    if name == "hand_empty":
        return "" if beliefs.held is None else f"hand_empty() is false: the hand holds {beliefs.called(beliefs.held)}"
    if not isinstance(a, int):
        return ""
    if a not in beliefs.objects:
        return f"{claim.strip()} is false: there is no object {a}"
    if name == "clear":
        over = [*beliefs.on_top(a), *([cover] if (cover := beliefs.cover(a)) is not None else [])]
        return f"clear({a}) is false: {beliefs.called(over[0])} is on or over it" if over else ""
    if name == "held":
        return "" if beliefs.held == a else f"held({a}) is false"
    if name in ("on", "inside", "covered") and isinstance(b, int):
        return "" if (name, a, b) in beliefs.relations else f"{name}({a}, {b}) is false"
    return ""


def marked(observation: Observation, beliefs: Beliefs) -> Image:
    """The frame with the id of every object at its middle (Set-of-Mark), hidden ones in brackets."""
    from PIL import ImageDraw

    picture = enlarged(observation)
    draw = ImageDraw.Draw(picture)
    shown = [fact for fact in beliefs.objects.values() if fact.position is not None]
    if shown:
        pixels, depth = observation.camera.project(np.array([fact.position for fact in shown]))
        for fact, (u, v), away in zip(shown, pixels.tolist(), depth.tolist(), strict=True):
            if away > 0:
                draw.text((2 * u, 2 * v), _mark(fact), fill="white", stroke_width=2, stroke_fill="black", anchor="mm")
    return as_image(picture)


def enlarged(observation: Observation) -> Picture:
    """A frame at twice its size, so that small marks can be read."""
    from PIL import Image as Pillow

    return Pillow.fromarray(observation.rgb).resize((2 * observation.camera.width, 2 * observation.camera.height))


def as_image(picture: Picture) -> Image:
    """A picture as models take it."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return Image(data_uri=f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}")


def _mark(fact: ObjectFact) -> str:
    seen = fact.visibility in (Visibility.VISIBLE, Visibility.PARTIAL, Visibility.HELD)
    return str(fact.id) if seen else f"({fact.id})"
