"""The same items and graders as an Inspect task: ``inspect eval edgewise/competence --model ...``."""

from __future__ import annotations

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import Score, Scorer, Target, grouped, mean, scorer
from inspect_ai.solver import TaskState, generate

from edgewise.core.errors import Unsupported
from edgewise.questions.extraction import extract_answer
from edgewise.questions.graders import extract_program, grade_answer, grade_program
from edgewise.questions.types import Item
from edgewise.ranking.competence import prompts
from edgewise.ranking.competence.items import ItemSet, draw_items
from edgewise.ranking.competence.types import CompetenceConfig


@task
def competence(
    seed: int = 0,
    items_per_cell: int = 1,
    code_items: int = 0,
    reasoning: bool = True,
    max_tokens: int = 1024,
) -> Task:
    """The base items of the competence instrument; the repeated measurements need the instrument itself.

    Args:
        seed: Seed of the item set; the same as a run's seed gives the same items.
        items_per_cell: Items for each family and difficulty.
        code_items: HumanEval problems, run in edgewise's own sandbox.
        reasoning: Let the model reason before its last line.
        max_tokens: Limit of an answer.
    """
    config = CompetenceConfig(items_per_cell=items_per_cell, code_items=code_items, reasoning=reasoning)
    items = draw_items(config, seed)
    samples = [
        Sample(
            id=item.item_id,
            input=prompts.ask(item, reasoning=reasoning)[0].text,
            target=item.answer,
            metadata={"family": item.family, "difficulty": item.difficulty},
        )
        for item in items.items
    ]
    return Task(
        dataset=MemoryDataset(samples, name="competence"),
        solver=generate(),
        scorer=verified(items),
        config=GenerateConfig(max_tokens=max_tokens, temperature=0.0),
    )


# By family and without an overall mean: a profile, never a score.
@scorer(metrics=[grouped(mean(), "family", all=False)])
def verified(items: ItemSet) -> Scorer:
    """Grades with the families' own scorers, and programs by running them."""
    by_id = {item.item_id: item for item in items.items}

    async def score(state: TaskState, target: Target) -> Score:
        item, text = by_id[str(state.sample_id)], state.output.completion
        if item.is_code:
            return await _score_program(item, text)
        answer = extract_answer(text)
        return Score(value=0.0 if answer is None else grade_answer(item, answer), answer=answer)

    return score


async def _score_program(item: Item, text: str) -> Score:
    program = extract_program(item, text)
    if program is None:
        return Score(value=0.0, explanation="no program was found in the response")
    try:
        graded = await grade_program(item, program)
    except Unsupported as error:
        return Score.unscored(explanation=f"no code was run: {error.message}")
    return Score(value=float(graded.passed), answer=program, explanation=graded.status)
