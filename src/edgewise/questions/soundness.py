"""Checks of a generator's reference answers: an item whose reference is wrong, or rests on a convention, is not drawn.

Each check is for a family of reasoning-gym (0.1.25) in which we found such items by solving them another way.
"""

from __future__ import annotations

import re
from itertools import product

_STATEMENT = re.compile(r"^(?:\d\. )?(All|No|Some) (.+?) are (not )?(.+?)\??$", re.MULTILINE)
_QUOTED = re.compile(r'letter "(.)" appear in the text: "(.*)"', re.DOTALL)
# The generator names these from the wrong side (the other person's relation), or by the wrong person's sex.
_CONFUSED = {"niece", "nephew", "mother-in-law", "father-in-law"}
_REGIONS = tuple(product((False, True), repeat=3))  # every way to belong to three classes or not


def syllogism_sound(question: str, answer: str) -> bool:
    """Whether the answer holds in every model, with and without the assumption that no class is empty.

    The generator lacks the rule of the undistributed middle ("All A are B, some B are C, so some A are C"), and takes
    classes to be inhabited, on which readers differ.
    """
    statements = [(quantifier + negation, s, p) for quantifier, s, negation, p in _STATEMENT.findall(question)]
    terms = sorted({term for _, *pair in statements for term in pair})
    if len(statements) != 3 or len(terms) != 3:
        return False
    forms = [(form, terms.index(s), terms.index(p)) for form, s, p in statements]
    models = [[region for k, region in enumerate(_REGIONS) if mask >> k & 1] for mask in range(2 ** len(_REGIONS))]
    counterexamples = [
        model for model in models if _holds(forms[0], model) and _holds(forms[1], model) and not _holds(forms[2], model)
    ]
    inhabited = [model for model in counterexamples if all(any(r[i] for r in model) for i in range(3))]
    if answer == "Yes":
        return not counterexamples
    return bool(inhabited)


def _holds(form: tuple[str, int, int], model: list[tuple[bool, ...]]) -> bool:
    quantifier, subject, predicate = form
    within = [region[predicate] for region in model if region[subject]]
    if quantifier == "All":
        return all(within)
    if quantifier == "No":
        return not any(within)
    return any(within) if quantifier == "Some" else not all(within)


def angle_sound(question: str, answer: str) -> bool:
    """Whether a convex polygon can have the angle."""
    return 0 < float(answer) < 180


def relation_sound(question: str, answer: str) -> bool:
    """Whether the relation is one that the generator gets right."""
    return answer not in _CONFUSED


def count_sound(question: str, answer: str) -> bool:
    """Whether the letter's count is the same with and without regard to case, which the question leaves open."""
    found = _QUOTED.search(question)
    return found is not None and str(found.group(2).count(found.group(1))) == answer


def equation_sound(question: str, answer: str) -> bool:
    """Whether the equation has its unknown in it (the generator can cancel it)."""
    return re.search(r"\d\*[a-z]\b|(?<![\w*])[a-z]\b(?= [-+=])", question.rpartition(":")[2]) is not None


def circle_sound(question: str, answer: str) -> bool:
    """Whether the person asked about is said to belong to the circle.

    Half of the questions on siblings ask about a stranger's brother. Those on colleagues leave it open whom the two
    circles share, and the reference answer fits no reading of most of them.
    """
    return " friends " in question or f"{question.partition(' ')[0]}'s brother" in question


def turn_sound(question: str, answer: str) -> bool:
    """Whether every turn of the cube is determined: bringing the bottom to the top can be done in two ways."""
    turns = [line for line in question.splitlines() if " top" in line and not line.startswith("- ")]
    return not any(" bottom " in turn for turn in turns)
