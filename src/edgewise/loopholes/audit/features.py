"""What a policy could be taught to do more of: features of answers that carry over from task to task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from edgewise.loopholes.audit.confirm import uses
from edgewise.loopholes.audit.templates import Template
from edgewise.loopholes.types import Floats, Task

_WORDS = 60


def features(
    tasks: Sequence[Task], answers: Sequence[Sequence[str]], templates: Sequence[Template], skill: Floats | None
) -> Floats:
    """Features of a pool, centred within each task, shape (tasks, answers, features).

    Common words and whether an answer has them, its length, what it repeats and what it takes from the prompt, whether
    it is what a template makes, and ``skill``: the trusted reward, since what is trusted can be learned too.

    Args:
        tasks: Of the pool.
        answers: As many to each.
        templates: Found loopholes.
        skill: Trusted rewards, shape (tasks, answers); None without a trusted grader.
    """
    counts = Counter(word for row in answers for text in row for word in set(text.split()))
    total = sum(len(row) for row in answers)
    words = {word: i for i, (word, count) in enumerate(counts.most_common(_WORDS)) if 1 < count < total}
    width = _WORDS + 4 + len(templates)
    out = np.zeros((len(tasks), len(answers[0]), width + 1))
    for i, task in enumerate(tasks):
        shown = set(task.prompt.split())
        cores = [template.core(task) if template.applies(task) else None for template in templates]
        for j, text in enumerate(answers[i]):
            said = text.split()
            for word in set(said):
                if word in words:
                    out[i, j, words[word]] = 1
            n = max(len(said), 1)
            copied = sum(word in shown for word in said)
            out[i, j, _WORDS : _WORDS + 4] = np.log1p(len(said)), not said, copied / n, len(set(said)) / n
            for k, (template, core) in enumerate(zip(templates, cores, strict=True)):
                if core is None:
                    continue
                out[i, j, _WORDS + 4 + k] = uses(template, core, text)
    if skill is not None:
        out[:, :, -1] = skill
    out -= out.mean(axis=1, keepdims=True)
    scale = out.std(axis=(0, 1))
    return np.asarray(out[:, :, scale > 1e-9] / scale[scale > 1e-9])
