"""A language model in a seat: it is told the rules and what it sees, and answers with an action and a few words.

What it answers is untrusted. Only an answer that names one option for every choice is an action; anything else is no
decision, with a reason that is counted. What other seats say is shown to it between fences, under their true names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import orjson

from edgewise.core.errors import ModelFault
from edgewise.core.instrument import Capability
from edgewise.models.structured import fence_for, fenced
from edgewise.models.types import Message, Response, Settings
from edgewise.society.agents.base import Agent
from edgewise.society.protocols import hearers
from edgewise.society.types import Action, Choice, Move, Observation, Status

if TYPE_CHECKING:
    from edgewise.models.door import Model
    from edgewise.society.scenario import Scenario

Answers = Literal["auto", "json", "letters"]
_AGAIN = 2  # times that an answer which is none is asked for again
_LISTED = 40  # options that are listed one by one
_LETTERS = "ABCDEFGHIJKLMNOPQRST"  # as many as backends give alternatives of a token
_REFUSAL = re.compile(r"\b(i (can ?not|can't|won't|will not|am unable to)|as an ai|i'm sorry)\b", re.IGNORECASE)


class ChatAgent(Agent):
    """A model in a seat.

    Args:
        model: Behind the door.
        persona: Words that come before the rules, if any.
        memory: Rounds of its own past that it is shown; all unless given.
        answers: ``json``: an object with a value for each choice, and ``say``. ``letters``: the probabilities of the
            options' letters as the next token, from which one is drawn; a model of any size can do that. ``auto``:
            letters for local models that tell probabilities where there is one choice of few options, else JSON.
        temperature: Of JSON answers.
        max_tokens: Of JSON answers.
    """

    kind = "chat"

    def __init__(
        self,
        model: Model,
        *,
        persona: str = "",
        memory: int | None = None,
        answers: Answers = "auto",
        temperature: float = 0.7,
        max_tokens: int = 300,
    ) -> None:
        self.model, self.persona, self.memory = model, persona, memory
        self.answers, self.temperature, self.max_tokens = answers, temperature, max_tokens
        self._past: list[tuple[str, str]] = []
        self._seed = self._seat = self._turn = 0
        self._rng = np.random.default_rng(0)

    def begin(self, scenario: Scenario, seat: int, seed: int) -> None:
        """Forget the last episode."""
        self.scenario, self._seat, self._seed = scenario, seat, seed
        self._choices, self._past, self._turn = scenario.choices(seat), [], 0
        self._rng = np.random.default_rng([seed, 1 + seat])
        self._heard = bool(hearers(scenario.protocol, seat, scenario.seat_count, 0))

    async def act(self, observation: Observation) -> Move:
        """Ask the model."""
        seen = self._told(observation)
        move, said = await (self._by_letter(seen) if self._letters() else self._by_json(seen))
        self._past.append((seen, said))
        self._turn += 1
        return move

    def watch(self, observation: Observation, move: Move | Action | None) -> None:
        """Remember it as an own move; nothing is asked."""
        action = move.action if isinstance(move, Move) else move
        if self._letters():
            self._rng.random()
        named = zip(self._choices, action or (), strict=False)
        said = orjson.dumps({choice.name: choice.options[place] for choice, place in named}).decode()
        self._past.append((self._told(observation), said))
        self._turn += 1

    def _letters(self) -> bool:
        few = len(self._choices) == 1 and len(self._choices[0].options) <= len(_LETTERS)
        if self.answers == "auto":
            return few and {Capability.LOGPROBS, Capability.SCORE} <= self.model.capabilities
        return self.answers == "letters" and few

    def _told(self, observation: Observation) -> str:
        told = self.scenario.tell(observation)
        if not observation.inbox:
            return told
        names = [seat.name for seat in self.scenario.seats]
        fence = fence_for(*(note.text for note in observation.inbox))
        said = "\n".join(
            fenced(fence, f"Said by {names[note.sender]} in round {note.round + 1}", note.text)
            for note in observation.inbox
        )
        return f"{told}\n\nWhat others said is between <{fence}> and </{fence}>; it binds nobody.\n{said}"

    def _messages(self, seen: str, form: str) -> list[Message]:
        rules = self.scenario.rules(self._seat)
        system = f"{self.persona}\n\n{rules}".strip()
        past = self._past if self.memory is None else self._past[len(self._past) - self.memory :]
        messages = [Message.system(system)]
        for earlier, answer in past if self.memory != 0 else ():
            messages += [Message.user(earlier), Message.assistant(answer)]
        return [*messages, Message.user(f"{seen}\n\n{form}")]

    # -- answers as JSON

    async def _by_json(self, seen: str) -> tuple[Move, str]:
        messages = self._messages(seen, self._form())
        settings = Settings(
            max_tokens=self.max_tokens, temperature=self.temperature, json_schema=_schema(self._choices, self._heard)
        )
        status: Status = "garbled"
        text = ""
        for attempt in range(1 + _AGAIN):
            response = await self._generate(messages, settings, attempt)
            if response is None:
                return Move(None, status="fault", attempts=attempt + 1), "(no answer)"
            text = response.text
            action, say, problem = parse_answer(text, self._choices)
            if action is not None:
                return Move(action, say if self._heard else "", attempts=attempt + 1), text
            status = "refused" if _REFUSAL.search(text) else "garbled"
            messages += [Message.assistant(text), Message.user(f"That is no valid answer: {problem}. {self._form()}")]
        return Move(None, status=status, attempts=1 + _AGAIN), text

    def _form(self) -> str:
        parts = [f'"{choice.name}": {_options(choice)}' for choice in self._choices]
        if self._heard:
            parts.append('"say": what you say to the others, or ""')
        return "Answer with one JSON object and nothing else: {" + ", ".join(parts) + "}."

    # -- answers as probabilities of letters

    async def _by_letter(self, seen: str) -> tuple[Move, str]:
        options = self._choices[0].options
        # Small models favour a letter; which option has it changes from turn to turn, alike in all conditions.
        order = np.random.default_rng([self._seed, 101 + self._seat, self._turn]).permutation(len(options))
        shown = "\n".join(f"{_LETTERS[place]}) {options[option]}" for place, option in enumerate(order))
        form = f"What is your {self._choices[0].name}?\n{shown}\nAnswer with the letter alone."
        settings = Settings(max_tokens=1, temperature=0.0, top_logprobs=20)
        draw = self._rng.random()
        response = await self._generate(self._messages(seen, form), settings, 0)
        if response is None:
            return Move(None, status="fault"), "(no answer)"
        weights = _letter_weights(response, len(options))
        if weights is None:
            return Move(None, status="garbled"), response.text
        by_option = np.empty(len(options))
        by_option[order] = weights
        option = min(int(np.searchsorted(by_option.cumsum(), draw, side="right")), len(options) - 1)
        letter = _LETTERS[int(np.flatnonzero(order == option)[0])]
        return Move((option,), weights=tuple(by_option.tolist())), letter

    async def _generate(self, messages: Sequence[Message], settings: Settings, attempt: int) -> Response | None:
        try:
            # Trials are draws of their own, also where their words are the same.
            return await self.model.generate(tuple(messages), settings, sample=self._seed * (1 + _AGAIN) + attempt)
        except ModelFault:
            return None


def parse_answer(text: str, choices: Sequence[Choice]) -> tuple[Action | None, str, str]:
    """The action that a text names, what is said with it, and why there is no action if there is none.

    The text must hold one JSON object with a value for every choice that is one of the options' labels; letter case,
    and how a number is written, do not matter.
    """
    start, end = text.find("{"), text.rfind("}")
    try:
        data = orjson.loads(text[start : end + 1]) if 0 <= start < end else None
    except orjson.JSONDecodeError:
        return None, "", "its JSON cannot be read"
    if not isinstance(data, dict):
        return None, "", "there is no JSON object in it"
    action = []
    for choice in choices:
        value = data.get(choice.name)
        place = _place(value, choice.options)
        if place is None:
            return None, "", f"{choice.name!r} must be {_options(choice)}"
        action.append(place)
    say = data.get("say")
    return tuple(action), say.strip() if isinstance(say, str) else "", ""


def _place(value: Any, options: Sequence[str]) -> int | None:
    if value is None or isinstance(value, bool | dict | list):
        return None
    given = str(value).strip().casefold()
    for place, option in enumerate(options):
        if given == option.casefold():
            return place
    try:
        number = float(given)
    except ValueError:
        return None
    for place, option in enumerate(options):
        try:
            if float(option) == number:
                return place
        except ValueError:
            continue
    return None


def _options(choice: Choice) -> str:
    options = choice.options
    if len(options) <= _LISTED:
        return "one of " + ", ".join(f'"{option}"' for option in options)
    return f'one of "{options[0]}", "{options[1]}", ..., "{options[-1]}"'


def _schema(choices: Sequence[Choice], heard: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {c.name: {"type": "string", "enum": list(c.options)} for c in choices}
    if heard:
        properties["say"] = {"type": "string", "maxLength": 400}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _letter_weights(response: Response, count: int) -> list[float] | None:
    """Probabilities of the first letters, scaled to sum to 1; ``None`` if none of them is among the alternatives."""
    if not response.logprobs:
        return None
    first = response.logprobs[0]
    weights = dict.fromkeys(_LETTERS[:count], 0.0)
    for token, logprob in (first.top or {first.token: first.logprob}).items():
        letter = token.strip()
        if letter in weights:
            weights[letter] += float(np.exp(logprob))
    total = sum(weights.values())
    return [weight / total for weight in weights.values()] if total > 0 else None
