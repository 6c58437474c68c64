"""A regression pack as an Inspect task: ``inspect eval inspect_tasks.py -T pack=FILE --model ...``."""

from __future__ import annotations

from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import Score, Scorer, Target, grouped, mean, scorer
from inspect_ai.solver import TaskState, generate

from edgewise.probing.grading import is_right, needs_judge
from edgewise.probing.pack import Pack, read_pack
from edgewise.probing.targets import prompt
from edgewise.questions.extraction import extract_answer


@task
def regression_pack(pack: str, max_tokens: int = 256) -> Task:
    """The questions of a pack, scored by mode.

    Args:
        pack: File that ``edgewise probe pack`` wrote.
        max_tokens: Limit of an answer.
    """
    found = read_pack(Path(pack))
    samples = [
        Sample(
            id=question.case.case_id,
            input=prompt(question.case),
            target=question.case.answer,
            metadata={"mode": question.modes[0] if question.modes else "control", "kind": question.kind},
        )
        for question in found.questions
    ]
    return Task(
        dataset=MemoryDataset(samples, name="regression_pack"),
        solver=generate(),
        scorer=by_rule(found),
        config=GenerateConfig(max_tokens=max_tokens, temperature=0.0),
    )


# By mode and without an overall mean: a profile, never a score.
@scorer(metrics=[grouped(mean(), "mode", all=False)])
def by_rule(pack: Pack) -> Scorer:
    """Grades by rule, as the probe did. An answer that cannot be parsed is left unscored.

    So is a wrong one where the probe had a judge, and only a judge could say that it is right.
    """
    cases = {question.case.case_id: question.case for question in pack.questions}

    async def score(state: TaskState, target: Target) -> Score:
        answer = extract_answer(state.output.completion)
        if answer is None:
            return Score.unscored(explanation="nothing could be parsed")
        case = cases[str(state.sample_id)]
        right = is_right(case, answer)
        if not right and pack.judge is not None and needs_judge(case):
            return Score.unscored(answer=answer, explanation="a judge would have to say")
        return Score(value=float(right), answer=answer)

    return score
