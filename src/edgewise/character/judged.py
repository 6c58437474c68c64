"""Answers rated by judges, with the judges' severity taken out by many-facet Rasch measurement.

Beside a model's answers a judge rates, blind, answers that are known to show the lowest and the highest setting. A
judge who cannot tell these two apart cannot tell anything about the model; where they can, the model is placed by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from edgewise.character.battery import PREFERRED_IN, Battery
from edgewise.character.dimensions import load_dimensions
from edgewise.character.facets.measure import measure as measure_facets
from edgewise.character.facets.types import Ratings
from edgewise.character.types import Answer, JudgedAnswer, Source
from edgewise.core.errors import BadInput, EdgewiseError
from edgewise.core.estimate import Estimate, Measure, NotMeasured
from edgewise.core.run import Run
from edgewise.models.gather import gather_calls, within_budget
from edgewise.models.judge import Judge
from edgewise.models.open import open_model

_SOURCES: tuple[Source, ...] = ("model", "low", "high")
_NORMAL = 1.959964
_VAGUE = 5.0  # standard error in logits from which a place on the scale says nothing
_FEWEST = 5  # ratings of a category that is kept apart from its neighbours


async def ask_judges(
    specs: Sequence[str], battery: Battery, answers: Sequence[Answer], most: int, run: Run, jobs: int
) -> list[JudgedAnswer]:
    """Every judge's rating of the model's answers and of the two known ones, up to ``most`` prompts a dimension."""
    dimensions = load_dimensions()
    found: list[JudgedAnswer] = []
    for spec in specs:
        model = open_model(spec, role="judge", run=run)
        judge = Judge(model)

        async def rate(dimension: str, answer: Answer, source: Source, judge: Judge = judge) -> JudgedAnswer:
            item, about = battery.items[answer.item], dimensions[dimension]
            text = {"model": answer.text, "low": item.low, "high": item.high}[source]
            given = await judge.rate(about.judged_by(), text, scale=(0, len(about.rubric) - 1), context=item.prompt)
            return JudgedAnswer(
                dimension=dimension, item=item.id, judge=judge.model.name, source=source,
                score=given.score, reason=given.reason,
            )  # fmt: skip

        try:
            wanted = [
                partial(rate, dimension, answer, source)
                for dimension, kind in PREFERRED_IN.items()
                for answer in [a for a in answers if a.kind == kind and a.sample == 0 and a.text][:most]
                for source in _SOURCES
            ]
            results = within_budget(await gather_calls(wanted, limit=jobs))
        finally:
            model.close()
        found += [result for result in results if isinstance(result, JudgedAnswer)]
    return found


def calibrate(rows: Sequence[JudgedAnswer]) -> dict[str, Measure]:
    """By dimension, the model's ability less that of the highest setting, in logits: 0 is as good, below is worse.

    Not measured where the judges do not surely rate the highest setting above the lowest.
    """
    found: dict[str, Measure] = {}
    for dimension in PREFERRED_IN:
        own = [row for row in rows if row.dimension == dimension and row.score is not None]
        found[f"judged/{dimension}"] = _place(own)
    return found


def _place(rows: Sequence[JudgedAnswer]) -> Measure:
    if not rows:
        return NotMeasured(reason="no judge gave a rating")
    if not _tell_apart(rows):
        return NotMeasured(reason="the judges cannot tell the highest setting from the lowest")
    try:
        (fit,) = measure_facets(_ratings(rows))
    except EdgewiseError as error:
        return NotMeasured(reason=f"the ratings cannot be measured: {error}")
    model, high = _SOURCES.index("model"), _SOURCES.index("high")
    ability, covariance = fit.estimates.parameters, fit.estimates.covariance

    value = float(ability[model] - ability[high])
    variance = covariance[model, model] + covariance[high, high] - 2 * covariance[model, high]
    if not 0 <= variance < _VAGUE**2:
        return NotMeasured(reason="there are too few ratings between the extremes for a scale of logits")
    spread = float(np.sqrt(variance))
    n = sum(row.source == "model" for row in rows)
    return Estimate(
        value=value, low=value - _NORMAL * spread, high=value + _NORMAL * spread, n=n, method="many-facet Rasch"
    )


def _tell_apart(rows: Sequence[JudgedAnswer]) -> bool:
    """Whether judges surely rate the highest setting above the lowest of the same prompt: a sign test at 2.5 %."""
    from scipy.stats import binomtest

    scores = {(row.judge, row.item, row.source): row.score for row in rows}
    gaps = [
        high - low
        for (judge, item, source), high in scores.items()
        if source == "high" and high is not None and (low := scores.get((judge, item, "low"))) is not None
    ]
    up, down = sum(gap > 0 for gap in gaps), sum(gap < 0 for gap in gaps)
    return up + down > 0 and bool(binomtest(up, up + down, alternative="greater").pvalue <= 0.025)


def _classes(scores: Sequence[int]) -> list[list[int]]:
    """Scores in classes of neighbours that hold enough ratings each, since thresholds of rare ones cannot be placed."""
    counts = {score: scores.count(score) for score in sorted(set(scores))}
    classes = [[score] for score in counts]

    def size(place: int) -> int:
        return sum(counts[score] for score in classes[place])

    while len(classes) > 2 and min(map(size, range(len(classes)))) < _FEWEST:
        rarest = min(range(len(classes)), key=size)
        neighbours = [place for place in (rarest - 1, rarest + 1) if 0 <= place < len(classes)]
        into = min(rarest, neighbour := min(neighbours, key=size))
        classes[into : into + 2] = [sorted(classes[rarest] + classes[neighbour])]
    return classes


def _ratings(rows: Sequence[JudgedAnswer]) -> Ratings:
    judges, items = sorted({row.judge for row in rows}), sorted({row.item for row in rows})
    if missing := set(_SOURCES) - {row.source for row in rows}:
        raise BadInput(f"nothing was rated of {', '.join(sorted(missing))}", field="score")
    scores = [row.score for row in rows if row.score is not None]
    classes = _classes(scores)
    place = {score: k for k, members in enumerate(classes) for score in members}
    return Ratings(
        model=np.array([_SOURCES.index(row.source) for row in rows]),
        item=np.array([items.index(row.item) for row in rows]),
        judge=np.array([judges.index(row.judge) for row in rows]),
        dimension=np.zeros(len(rows), dtype=np.int64),
        score=np.array([place[score] for score in scores]),
        labels={"model": _SOURCES, "item": tuple(items), "judge": tuple(judges), "dimension": ("score",)},
        categories=(tuple(float(members[0]) for members in classes),),
    )
