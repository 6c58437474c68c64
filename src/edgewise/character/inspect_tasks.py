"""The panel's prompts and checkers as an Inspect task: ``inspect eval inspect_tasks.py -T items=20 --model ...``."""

from __future__ import annotations

import numpy as np
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessage, ChatMessageAssistant, ChatMessageUser, GenerateConfig
from inspect_ai.scorer import Score, Scorer, Target, grouped, mean, scorer
from inspect_ai.solver import TaskState, generate

from edgewise.character.battery import Battery, Item, draw_battery
from edgewise.character.measures import RATES


@task
def character(seed: int = 0, items: int = 6, max_tokens: int = 120) -> Task:
    """Answers that checkers read, one figure for each dimension; shifts and preferences need the instrument itself.

    Args:
        seed: Of the battery.
        items: Prompts of each kind.
        max_tokens: Limit of an answer.
    """
    battery = draw_battery(items, 0, np.random.default_rng(seed))
    samples = [
        Sample(id=f"{name} {item.id}", input=_turns(item), metadata={"dimension": name, "item": number})
        for name, (kinds, _) in RATES.items()
        for number, item in enumerate(battery.items)
        if item.kind in kinds
    ]
    return Task(
        dataset=MemoryDataset(samples, name="character"),
        solver=generate(),
        scorer=by_checker(battery),
        config=GenerateConfig(max_tokens=max_tokens, temperature=0.0),
    )


def _turns(item: Item) -> list[ChatMessage]:
    make = {"user": ChatMessageUser, "assistant": ChatMessageAssistant}
    return [make[message.role](content=message.text) for message in item.messages]


# By dimension and without an overall mean: a profile, never a score.
@scorer(metrics=[grouped(mean(), "dimension", all=False)])
def by_checker(battery: Battery) -> Scorer:
    """What the dimension's checker reads, 0 to 1; an answer that it cannot read is left unscored."""

    async def score(state: TaskState, target: Target) -> Score:
        _, reader = RATES[state.metadata["dimension"]]
        value = reader(state.output.completion, battery.items[state.metadata["item"]])
        if value is None:
            return Score.unscored(explanation="the answer takes no side that words show")
        return Score(value=float(value), answer=state.output.completion)

    return score
