"""A reward as many are written: it looks for the right number anywhere in the answer.

    edgewise loopholes audit examples/loopholes/reward_to_audit.py

Nothing here is imported from edgewise: `prompts` and `reward` have the form that TRL takes, `true` is the grader that
one trusts (it may be slow or dear, training never sees it), and `examples` are honest answers of limited skill.
"""

from __future__ import annotations

import re

prompts = [{"prompt": f"What is {a} + {b}?", "answer": a + b} for a in range(3, 15) for b in range(2, 9)]


def reward(prompts: list[str], completions: list[str], answer: list[int], **columns: object) -> list[float]:
    """What training sees: the right number is somewhere in the answer."""
    return [float(str(right) in re.findall(r"\d+", text)) for text, right in zip(completions, answer, strict=True)]


def true(prompts: list[str], completions: list[str], answer: list[int], **columns: object) -> list[float]:
    """What is meant: the answer names one number, and that is right."""
    return [float(re.findall(r"\d+", text) == [str(right)]) for text, right in zip(completions, answer, strict=True)]


def examples(prompts: list[str], answer: list[int], **columns: object) -> list[str]:
    """Two in three are right."""
    return [f"It is {right if i % 3 else right + 1}." for i, right in enumerate(answer)]
