"""Ratings drawn from the many-facet Rasch model, with the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewise.character.facets.types import Floats, Ratings


@dataclass(frozen=True, eq=False)
class Truth:
    """What ratings were drawn from; abilities where these items' mean difficulty is 0."""

    ability: Floats
    severity: Floats
    difficulty: Floats
    thresholds: Floats


def draw_ratings(
    rng: np.random.Generator,
    *,
    models: int = 8,
    items: int = 100,
    judges: int = 5,
    each: int = 2,
    top: int = 1,
    spread: float = 1.0,
    bias: float = 0.0,
) -> tuple[Ratings, Truth]:
    """Draw a table and its truth, to see what a design can tell before it is paid for.

    Args:
        rng: Of all draws.
        models, items, judges: How many.
        each: Judges of an item, drawn by item; they rate every model's answer.
        top: Highest category.
        spread: Standard deviation of difficulties, in logits; abilities have .8, severities .5.
        bias: By how many logits judge 0 rates model 0 too high.
    """
    ability, difficulty = 0.8 * rng.normal(size=models), spread * rng.normal(size=items)
    severity = 0.5 * rng.normal(size=judges)
    severity -= severity.mean()
    thresholds = np.linspace(-1, 1, top) if top > 1 else np.zeros(1)
    seats = np.array([rng.choice(judges, each, replace=False) for _ in range(items)])
    model = np.repeat(np.arange(models), items * each)
    item = np.tile(np.repeat(np.arange(items), each), models)
    judge = np.tile(seats.ravel(), models)
    eta = ability[model] - difficulty[item] - severity[judge] + bias * ((judge == 0) & (model == 0))
    logits = eta[:, None] * np.arange(top + 1) - np.concatenate([[0], thresholds.cumsum()])
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    score = (p.cumsum(1) < rng.random(len(model))[:, None]).sum(1)
    labels = {
        "model": tuple(f"m{i}" for i in range(models)),
        "item": tuple(f"i{i}" for i in range(items)),
        "judge": tuple(f"j{i}" for i in range(judges)),
        "dimension": ("quality",),
    }
    ratings = Ratings(
        model, item, judge, np.zeros_like(model), score, labels, (tuple(float(k) for k in range(top + 1)),)
    )
    middle = difficulty.mean()
    return ratings, Truth(ability - middle, severity, difficulty - middle, thresholds)
